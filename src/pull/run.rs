//! One run of a connector: lock, resume what crashed, read and stage, compare, doubt, freeze the
//! plan, apply it, finish.
//!
//! **Invariants:** the plan is frozen before anything is applied, and applying it again changes
//! nothing; two runs of a connector never overlap; what failed leaves no trace but its error; no
//! absence counts before all that was seen is applied.

mod live;
mod memory;
mod probing;
mod walk;

pub use live::{Live, Map, Page, Source};
pub use walk::Absent;

use super::apply::{Absences, of_record};
use super::diff::{Change, Diff, came_back, change, is_missing};
use super::guards::{
    Closing, Evidence, Miss, Print, Ruling, may_close, miss, rekey_pairs, rekey_suspected, rule,
};
use super::source::ReadEnd;
use super::stage::{Seen, Stager, prints};
use crate::model::{Clock, ConnectorName, Decision, DecisionKind, PostingId, RunId};
use crate::store::{
    ConnectorState, Counts, Doubt, Hold, HoldStatus, NewRun, Plan, Repeats, Run, RunEnd, RunStatus,
    SnapshotKind, Store, StoreError,
};
use bytes::Bytes;
use jiff::Timestamp;
use memory::{Ended, next_state};
use std::collections::BTreeSet;
use std::sync::Arc;
use walk::Records;

/// Runs looked back for a row of empty snapshots.
const LOOK_BACK: usize = 50;

/// What became of a request to run a connector.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one a run")]
pub enum Outcome {
    Ran(Report),
    /// Another worker runs it at this moment.
    Busy,
}

/// One finished run, as `sync` shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub run: RunId,
    pub connector: ConnectorName,
    pub snapshot: SnapshotKind,
    pub counts: Counts,
    /// Why the snapshot is partial or failed.
    pub error: Option<String>,
    /// What the guards kept back.
    pub doubt: Option<Doubt>,
    pub repeats: Repeats,
}

/// A run that was not carried through; it is resumed or repeated later.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the run of connector {connector} stopped while it should {doing}")]
    Store {
        connector: ConnectorName,
        doing: &'static str,
        #[source]
        source: StoreError,
    },
    /// The process ends, or waits no longer, while nothing more may be written.
    #[error(
        "the run of connector {connector} is applied in part, since the broker takes no more: the rest \
         follows as soon as a daemon or `sync` finds it back"
    )]
    NoRoom { connector: ConnectorName },
}

/// Runs `source` once, after resuming a run of it that crashed while it was being applied.
///
/// # Errors
/// The store's, and no room for more. What goes wrong at the source is in the report.
pub async fn run(
    store: &dyn Store,
    source: Arc<dyn Source>,
    clock: &Clock,
    trigger: &str,
) -> Result<Outcome, RunError> {
    let name = source.name().clone();
    let step = Steps(name.clone());
    let lock = store.lock_connector(&name).await;
    let Some(_lock) = lock.map_err(step.failed("take its lock"))? else {
        return Ok(Outcome::Busy);
    };
    carry_through(store, &source, clock).await?;
    let before = store.connector_state(&name).await;
    let before = before.map_err(step.failed("read its state"))?;
    let started = clock.now();
    let new = NewRun {
        connector: name.clone(),
        started,
        trigger: trigger.to_owned(),
    };
    let id = store.start_run(new).await;
    let id = id.map_err(step.failed("open the run"))?;
    let stager = Stager::new(store, source.clone(), id).await;
    let mut stager = stager.map_err(step.failed("read what it knows"))?;
    let end = source.read(&before, &mut stager).await;
    if let Some(error) = stager.failed.take() {
        return Err(step.failed("stage records")(error));
    }
    let seen = stager.finish().await;
    let seen = seen.map_err(step.failed("stage records"))?;
    let report = Running {
        store,
        source,
        id,
        started,
        before,
        step,
    }
    .conclude(end, seen, clock)
    .await?;
    log(&report);
    Ok(Outcome::Ran(report))
}

/// Carries through a run of `source` that was cut while it was being applied, and asks the source for
/// nothing new. `false` where another worker has it in hand.
///
/// # Errors
/// As [`run`].
pub async fn resume(
    store: &dyn Store,
    source: Arc<dyn Source>,
    clock: &Clock,
) -> Result<bool, RunError> {
    let step = Steps(source.name().clone());
    let lock = store.lock_connector(source.name()).await;
    let Some(_lock) = lock.map_err(step.failed("take its lock"))? else {
        return Ok(false);
    };
    carry_through(store, &source, clock).await?;
    Ok(true)
}

/// Does what is left of the run that was cut while its plan was being applied, if there is one.
async fn carry_through(
    store: &dyn Store,
    source: &Arc<dyn Source>,
    clock: &Clock,
) -> Result<(), RunError> {
    let step = Steps(source.name().clone());
    let crashed = store.applying_run(source.name()).await;
    let crashed = crashed.map_err(step.failed("look for an unfinished run"))?;
    let Some(Run {
        id,
        started,
        plan: Some(plan),
        ..
    }) = crashed
    else {
        return Ok(());
    };
    tracing::info!(connector = %source.name(), run = %id, "resuming the run that was interrupted");
    Running {
        store,
        source: source.clone(),
        id,
        started,
        before: ConnectorState::default(),
        step,
    }
    .apply(&plan, clock)
    .await
}

/// A run under way.
struct Running<'a> {
    store: &'a dyn Store,
    source: Arc<dyn Source>,
    id: RunId,
    started: Timestamp,
    before: ConnectorState,
    step: Steps,
}

impl Running<'_> {
    /// From what was read to the end of the run. It is compared with the postings as they are now,
    /// and once more when the plan is applied: whatever closed a posting meanwhile has taken its
    /// next observation, so what comes too late for it is skipped.
    async fn conclude(self, end: ReadEnd, seen: Seen, clock: &Clock) -> Result<Report, RunError> {
        let mut report = Report {
            run: self.id,
            connector: self.source.name().clone(),
            snapshot: end.snapshot,
            counts: Counts::default(),
            error: end.error.clone(),
            doubt: None,
            repeats: seen.repeats.clone(),
        };
        if end.snapshot == SnapshotKind::Failed {
            let error = end.error.as_deref().unwrap_or("the source gave no reason");
            let (counts, now) = (Counts::default(), clock.now());
            let failed = self
                .store
                .fail_run(self.id, SnapshotKind::Failed, counts, error, now);
            failed.await.map_err(self.step.failed("note its failure"))?;
            return Ok(report);
        }
        let plan = self.plan(&end, &seen).await?;
        report.snapshot = plan.snapshot;
        report.counts = plan.counts;
        report.doubt.clone_from(&plan.doubt);
        let planned = self.store.plan_run(self.id, plan.clone()).await;
        planned.map_err(self.step.failed("freeze its plan"))?;
        self.apply(&plan, clock).await?;
        Ok(report)
    }

    /// Compares, weighs and decides.
    async fn plan(&self, end: &ReadEnd, seen: &Seen) -> Result<Plan, RunError> {
        let (mut diff, kind) = self.compare(end).await?;
        let guards = self.source.guards();
        let probed = self.probe(end, kind).await?;
        for state in &probed.gone {
            diff.gone(state, kind);
        }
        let gone: BTreeSet<String> = probed.gone.into_iter().map(|s| s.reference).collect();
        let rekeyed = self.rekeyed(&diff, kind).await?;
        let empties = self.empties(kind).await?;
        let released = self.released().await?;
        let ruling = rule(
            &diff,
            &Evidence {
                kind,
                now: self.started,
                fill: &seen.fill,
                fill_before: &self.before.fill,
                history: &self.before.history,
                rekeyed: &rekeyed,
                nameless: seen.nameless,
                nameless_before: self.before.nameless,
                empties: &empties,
                removed: self.source.is_removed(),
                released: released.as_ref(),
            },
            guards,
        );
        let mut counts = diff.counts;
        counts.held = ruling.doubt.as_ref().map_or(0, |d| d.postings);
        counts.closed = self.closings(&diff, &ruling, kind, &gone).await?;
        Ok(Plan {
            snapshot: kind,
            counts,
            apply_new: ruling.apply_new,
            apply_changed: ruling.apply_changed,
            apply_closed: ruling.apply_closed,
            apply_absences: ruling.apply_absences,
            state: next_state(
                &self.before,
                &Ended {
                    end,
                    seen,
                    kind,
                    ruling: &ruling,
                    pulled: diff.counts.pulled,
                    probed: probed.cursor,
                    started: self.started,
                },
                guards,
            ),
            releases: released.filter(|_| ruling.answers).map(|hold| hold.id),
            close_now: ruling.close_now,
            gone,
            rekey: ruling.rekey,
            repeats: seen.repeats.clone(),
            doubt: ruling.doubt,
        })
    }

    /// The difference with what is known, and what the snapshot turned out to be.
    async fn compare(&self, end: &ReadEnd) -> Result<(Diff, SnapshotKind), RunError> {
        let mut diff = Diff::default();
        let mut records = Records::new(self.store, self.id);
        while let Some(page) = self.staged(records.next().await)? {
            page.iter().for_each(|compared| diff.shown(compared));
        }
        let kind = match end.snapshot {
            SnapshotKind::Complete if diff.counts.pulled == 0 => SnapshotKind::Empty,
            kind => kind,
        };
        let mut absent = Absent::new(self.store, self.id);
        while let Some(page) = self.missing(absent.next().await)? {
            for state in &page {
                diff.absent(state, kind, end.error.is_some());
            }
        }
        Ok((diff, kind))
    }

    /// How many postings the ruling closes.
    async fn closings(
        &self,
        diff: &Diff,
        ruling: &Ruling,
        kind: SnapshotKind,
        gone: &BTreeSet<String>,
    ) -> Result<u64, RunError> {
        let mut closings = match ruling.apply_closed {
            true => diff.closed.count,
            false => 0,
        };
        if !ruling.apply_absences || diff.missing.count == 0 {
            return Ok(closings);
        }
        let rule = Closing {
            now: ruling.close_now,
            allowed: ruling.may_close,
        };
        let mut absent = Absent::new(self.store, self.id);
        while let Some(page) = self.missing(absent.next().await)? {
            let missing = page
                .iter()
                .filter(|state| is_missing(state, kind) && !gone.contains(&state.reference));
            for state in missing {
                let miss = miss(state, self.started, self.source.guards(), &rule);
                closings += u64::from(matches!(miss, Miss::Closes(_)));
            }
        }
        Ok(closings)
    }

    fn staged<T>(&self, page: Result<T, StoreError>) -> Result<T, RunError> {
        page.map_err(self.step.failed("read what was staged"))
    }

    fn missing<T>(&self, page: Result<T, StoreError>) -> Result<T, RunError> {
        page.map_err(self.step.failed("look for missing postings"))
    }

    /// Pairs of missing and new references with the same text, where the numbers raise the
    /// suspicion.
    async fn rekeyed(
        &self,
        diff: &Diff,
        kind: SnapshotKind,
    ) -> Result<Vec<(String, String)>, RunError> {
        if kind != SnapshotKind::Complete || !rekey_suspected(diff) {
            return Ok(Vec::new());
        }
        let mut missing = Vec::new();
        let mut absent = Absent::new(self.store, self.id);
        while let Some(page) = self.missing(absent.next().await)? {
            let ids: Vec<PostingId> = page.iter().map(|state| state.id).collect();
            let pulled = self.missing(self.store.load_pulled(&ids).await)?;
            let payloads = pulled
                .into_iter()
                .filter_map(|pulled| Some((pulled.state.reference, pulled.payload?)));
            missing.extend(self.prints(payloads.collect()).await?);
        }
        let mut new = Vec::new();
        let mut records = Records::new(self.store, self.id);
        while let Some(page) = self.staged(records.next().await)? {
            let fresh = page.into_iter().filter(|c| change(c) == Change::New);
            let references: Vec<String> = fresh.map(|c| c.row.reference).collect();
            let payloads = self.store.staged_payloads(self.id, &references).await;
            new.extend(self.prints(self.staged(payloads)?).await?);
        }
        Ok(rekey_pairs(&missing, &new))
    }

    async fn prints(
        &self,
        payloads: Vec<(String, Bytes)>,
    ) -> Result<Vec<(String, Print)>, RunError> {
        let source = self.source.clone();
        let mapped = tokio::task::spawn_blocking(move || prints(&*source, &payloads));
        let died = |error: tokio::task::JoinError| StoreError::Permanent {
            doing: "compare texts".to_owned(),
            why: error.to_string(),
        };
        self.staged(mapped.await.map_err(died))
    }

    async fn empties(&self, kind: SnapshotKind) -> Result<Vec<Timestamp>, RunError> {
        let found = empties(self.store, self.source.name(), kind, Some(self.id)).await;
        found.map_err(self.step.failed("read its run log"))
    }

    async fn released(&self) -> Result<Option<Hold>, RunError> {
        let holds = self.store.released_holds().await;
        let holds = holds.map_err(self.step.failed("read released holds"))?;
        let own = holds
            .into_iter()
            .filter(|h| h.connector == *self.source.name());
        Ok(own.max_by_key(|h| h.id))
    }

    /// Does what the plan says, or what is left of it. The events of the last transaction, closings by
    /// absence, wait for no room; a run that is cut before it has counted none.
    async fn apply(&self, plan: &Plan, clock: &Clock) -> Result<(), RunError> {
        crate::fault::point("pull.planned");
        let mut seen = Vec::new();
        let mut records = Records::new(self.store, self.id);
        while let Some(page) = self.staged(records.next().await)? {
            seen.extend(page.iter().filter_map(came_back).map(|state| state.id));
            let of = |c| of_record(c, plan, self.source.name(), self.started);
            let batch: Vec<_> = page.into_iter().filter_map(of).collect();
            if !batch.is_empty() {
                if !self.source.room().await {
                    let connector = self.source.name().clone();
                    return Err(RunError::NoRoom { connector });
                }
                let applied = self.store.apply(self.id, batch).await;
                applied.map_err(self.step.failed("apply a batch"))?;
                crate::fault::point("pull.batch");
            }
        }
        let gone = self.gone(plan).await?;
        let rejected_before = self.rejected_alike(plan).await?;
        let end = RunEnd {
            ended: Some(clock.now()),
            misses: gone.misses,
            seen,
            closings: gone.closings,
            hold: plan.doubt.clone().filter(|_| !rejected_before),
            clear_hold: plan.doubt.is_none() && plan.snapshot != SnapshotKind::Partial,
            decisions: self.rekey_decisions(plan).await?,
            events: Vec::new(),
        };
        let finished = self.store.finish_run(self.id, end).await;
        crate::fault::point("pull.finished");
        finished.map_err(self.step.failed("finish"))
    }

    /// The effect of a plan on the postings that were missing.
    async fn gone(&self, plan: &Plan) -> Result<Absences, RunError> {
        let mut gone = Absences::default();
        if !plan.apply_absences && plan.gone.is_empty() {
            return Ok(gone);
        }
        let empties = self.empties(plan.snapshot).await?;
        let live = match plan.snapshot {
            SnapshotKind::Empty => self.live().await?,
            _ => 0,
        };
        let rule = Closing {
            now: plan.close_now,
            allowed: may_close(live, plan, &empties, self.started),
        };
        let mut absent = Absent::new(self.store, self.id);
        while let Some(page) = self.missing(absent.next().await)? {
            for state in page {
                if plan.gone.contains(&state.reference) {
                    // A closing that a guard holds is no miss either.
                    if plan.apply_closed {
                        gone.page_gone(state, self.started);
                    }
                } else if plan.apply_absences && is_missing(&state, plan.snapshot) {
                    gone.take(state, self.source.guards(), &rule, self.started);
                }
            }
        }
        Ok(gone)
    }

    /// Live postings of a run that saw none.
    async fn live(&self) -> Result<u64, RunError> {
        let mut live = 0;
        let mut absent = Absent::new(self.store, self.id);
        while let Some(page) = self.missing(absent.next().await)? {
            live += page.len() as u64;
        }
        Ok(live)
    }

    /// Whether a person has rejected the very same doubt last: it stays kept back unasked.
    async fn rejected_alike(&self, plan: &Plan) -> Result<bool, RunError> {
        let Some(doubt) = &plan.doubt else {
            return Ok(false);
        };
        let holds = self.store.holds(false).await;
        let holds = holds.map_err(self.step.failed("read its holds"))?;
        let last = holds
            .into_iter()
            .filter(|hold| hold.connector == *self.source.name())
            .max_by_key(|hold| hold.id);
        Ok(last.is_some_and(|h| h.status == HoldStatus::Rejected && same_subject(&h.doubt, doubt)))
    }

    /// An accepted re-key, as decisions of the person who released it.
    async fn rekey_decisions(&self, plan: &Plan) -> Result<Vec<Decision>, RunError> {
        let (Some(hold), false) = (plan.releases, plan.rekey.is_empty()) else {
            return Ok(Vec::new());
        };
        let hold = self.store.hold(hold).await;
        let hold = hold.map_err(self.step.failed("read the released hold"))?;
        let decided = hold.and_then(|h| h.decided);
        let (at, who, why) =
            decided.unwrap_or_else(|| (self.started, String::new(), String::new()));
        let id = |reference: &str| PostingId::new(self.source.name(), reference);
        let decisions = plan.rekey.iter().map(|(old, new)| Decision {
            kind: DecisionKind::Rekey,
            subject: id(old),
            object: Some(id(new)),
            who: who.clone(),
            why: why.clone(),
            at,
            shown: None,
        });
        Ok(decisions.collect())
    }
}

fn same_subject(one: &Doubt, other: &Doubt) -> bool {
    one.guard == other.guard
        && one.postings == other.postings
        && one.new == other.new
        && one.changed == other.changed
        && one.missing == other.missing
        && one.closed == other.closed
}

fn log(report: &Report) {
    let Report {
        connector,
        run,
        counts,
        ..
    } = report;
    match (&report.error, &report.doubt) {
        (Some(error), _) => {
            tracing::warn!(%connector, %run, snapshot = ?report.snapshot, error, "the source was not read to its end");
        }
        (None, Some(doubt)) => {
            tracing::warn!(%connector, %run, guard = doubt.guard, held = counts.held, why = doubt.why, "part of the run is held");
        }
        (None, None) => {
            tracing::debug!(%connector, %run, snapshot = ?report.snapshot, ?counts, "run finished");
        }
    }
}

/// Starts of the empty snapshots of `connector` in a row right before `run`, newest first; failed
/// and partial runs in between say nothing. They matter to another empty one.
///
/// # Errors
/// The store's own.
pub async fn empties(
    store: &dyn Store,
    connector: &ConnectorName,
    kind: SnapshotKind,
    run: Option<RunId>,
) -> Result<Vec<Timestamp>, StoreError> {
    if kind != SnapshotKind::Empty {
        return Ok(Vec::new());
    }
    let runs = store.runs(Some(connector), LOOK_BACK).await?.into_iter();
    Ok(runs
        .filter(|before| run.is_none_or(|run| before.id < run))
        .filter(|run| {
            run.status == RunStatus::Applied && run.snapshot != Some(SnapshotKind::Partial)
        })
        .take_while(|run| run.snapshot == Some(SnapshotKind::Empty))
        .map(|run| run.started)
        .collect())
}

/// Names the step that failed.
struct Steps(ConnectorName);

impl Steps {
    fn failed(&self, doing: &'static str) -> impl FnOnce(StoreError) -> RunError + use<> {
        let connector = self.0.clone();
        move |source| RunError::Store {
            connector,
            doing,
            source,
        }
    }
}

#[cfg(test)]
mod cuts;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod recalled;
#[cfg(test)]
mod records;
#[cfg(test)]
pub(crate) mod support;
#[cfg(test)]
mod tests;
