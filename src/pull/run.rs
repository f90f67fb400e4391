//! One run of a connector: lock, resume what crashed, read and stage, compare, doubt, freeze the
//! plan, apply it, finish.
//!
//! **Invariants:** the plan is frozen before anything is applied, and applying it again changes
//! nothing; two runs of a connector never overlap; what failed leaves no trace but its error.

mod live;
mod memory;

pub use live::{Live, Map, Source};

use super::apply::{absences, batches};
use super::diff::Diff;
use super::guards::{Evidence, Print, may_close, rekey_pairs, rekey_suspected, rule};
use super::source::ReadEnd;
use super::stage::{Seen, Stager, print};
use crate::model::{Clock, ConnectorName, Decision, DecisionKind, PostingId, PostingState, RunId};
use crate::store::{
    ConnectorState, Counts, Doubt, Hold, HoldStatus, NewRun, Plan, Repeats, Run, RunEnd, RunStatus,
    SnapshotKind, StagedRow, Store, StoreError,
};
use jiff::Timestamp;
use memory::{Ended, next_state};
use std::sync::Arc;

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

/// A run that the store could not carry through; it is resumed or repeated later.
#[derive(Debug, thiserror::Error)]
#[error("the run of connector {connector} stopped while it should {doing}")]
pub struct RunError {
    pub connector: ConnectorName,
    pub doing: &'static str,
    #[source]
    pub source: StoreError,
}

/// Runs `source` once, after resuming a run of it that crashed while it was being applied.
///
/// # Errors
/// Only the store's. What goes wrong at the source is in the report.
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
    resume(store, &*source, clock).await?;
    let before = store.connector_state(&name).await;
    let before = before.map_err(step.failed("read its state"))?;
    let states = store.posting_states(&name).await;
    let states = states.map_err(step.failed("read its postings"))?;
    let started = clock.now();
    let new = NewRun {
        connector: name.clone(),
        started,
        trigger: trigger.to_owned(),
    };
    let id = store.start_run(new).await;
    let id = id.map_err(step.failed("open the run"))?;
    let mut stager = Stager::new(store, source.clone(), id, &states);
    let end = source.read(&before, &mut stager).await;
    if let Some(error) = stager.failed.take() {
        return Err(step.failed("stage records")(error));
    }
    let seen = stager.finish().await;
    let seen = seen.map_err(step.failed("stage records"))?;
    let report = Running {
        store,
        source: &*source,
        id,
        started,
        before,
        step,
    }
    .conclude(end, seen, states, clock)
    .await?;
    log(&report);
    Ok(Outcome::Ran(report))
}

/// Carries through the run that crashed while its plan was being applied, if there is one.
async fn resume(store: &dyn Store, source: &dyn Source, clock: &Clock) -> Result<(), RunError> {
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
        source,
        id,
        started,
        before: ConnectorState::default(),
        step,
    }
    .resume(&plan, clock)
    .await
}

/// A run under way.
struct Running<'a> {
    store: &'a dyn Store,
    source: &'a dyn Source,
    id: RunId,
    started: Timestamp,
    before: ConnectorState,
    step: Steps,
}

impl Running<'_> {
    /// From what was read to the end of the run. `states` are those of its start: whatever closed
    /// a posting since then has taken its next observation, so what is planned for it is skipped.
    async fn conclude(
        self,
        end: ReadEnd,
        seen: Seen,
        states: Vec<PostingState>,
        clock: &Clock,
    ) -> Result<Report, RunError> {
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
        let staged = self.store.staged(self.id).await;
        let staged = staged.map_err(self.step.failed("read what was staged"))?;
        let plan = self.plan(&end, &seen, &states, &staged).await?;
        report.snapshot = plan.snapshot;
        report.counts = plan.counts;
        report.doubt.clone_from(&plan.doubt);
        let planned = self.store.plan_run(self.id, plan.clone()).await;
        planned.map_err(self.step.failed("freeze its plan"))?;
        self.apply(&plan, &states, &staged, clock).await?;
        Ok(report)
    }

    /// Compares, weighs and decides.
    async fn plan(
        &self,
        end: &ReadEnd,
        seen: &Seen,
        states: &[PostingState],
        staged: &[StagedRow],
    ) -> Result<Plan, RunError> {
        let kind = match end.snapshot {
            SnapshotKind::Complete if staged.is_empty() => SnapshotKind::Empty,
            kind => kind,
        };
        let guards = self.source.guards();
        let diff = Diff::new(states, staged, kind, end.error.is_some());
        let rekeyed = self.rekeyed(&diff, seen, kind).await?;
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
                empties: &empties,
                removed: self.source.is_removed(),
                released: released.as_ref(),
            },
            guards,
        );
        let mut plan = Plan {
            snapshot: kind,
            counts: diff.counts,
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
                    started: self.started,
                },
                guards,
            ),
            releases: released.filter(|_| ruling.answers).map(|hold| hold.id),
            close_now: ruling.close_now,
            rekey: ruling.rekey,
            repeats: seen.repeats.clone(),
            doubt: ruling.doubt,
        };
        plan.counts.held = plan.doubt.as_ref().map_or(0, |d| d.postings);
        let gone = absences(&diff, &plan, guards, ruling.may_close, self.started);
        let explicit = if plan.apply_closed {
            diff.closed.len()
        } else {
            0
        };
        plan.counts.closed = (gone.closings.len() + explicit) as u64;
        Ok(plan)
    }

    /// Pairs of missing and new references with the same text, where the numbers raise the
    /// suspicion.
    async fn rekeyed(
        &self,
        diff: &Diff<'_>,
        seen: &Seen,
        kind: SnapshotKind,
    ) -> Result<Vec<(String, String)>, RunError> {
        if kind != SnapshotKind::Complete || !rekey_suspected(diff) {
            return Ok(Vec::new());
        }
        let ids: Vec<PostingId> = diff.missing.iter().map(|s| s.id).collect();
        let mut missing: Vec<(String, Print)> = Vec::with_capacity(ids.len());
        for part in ids.chunks(super::apply::BATCH) {
            let pulled = self.store.load_pulled(part).await;
            for pulled in pulled.map_err(self.step.failed("read missing postings"))? {
                let tree = pulled.payload.as_deref().map(serde_json::from_slice);
                if let Some(Ok(tree)) = tree
                    && let Ok(draft) = self.source.map(&tree)
                {
                    missing.push((pulled.state.reference, print(&draft)));
                }
            }
        }
        let new = diff.new.iter().map(|row| &row.reference);
        let new: Vec<(String, Print)> = new
            .filter_map(|r| seen.prints.get(r).map(|print| (r.clone(), *print)))
            .collect();
        Ok(rekey_pairs(&missing, &new))
    }

    /// Starts of the empty snapshots in a row right before this run, newest first; failed and
    /// partial runs in between say nothing.
    async fn empties(&self, kind: SnapshotKind) -> Result<Vec<Timestamp>, RunError> {
        if kind != SnapshotKind::Empty {
            return Ok(Vec::new());
        }
        let runs = self.store.runs(Some(self.source.name()), LOOK_BACK).await;
        let runs = runs.map_err(self.step.failed("read its run log"))?;
        let before = runs.into_iter().filter(|run| run.id < self.id);
        Ok(before
            .filter(|run| {
                run.status == RunStatus::Applied && run.snapshot != Some(SnapshotKind::Partial)
            })
            .take_while(|run| run.snapshot == Some(SnapshotKind::Empty))
            .map(|run| run.started)
            .collect())
    }

    async fn released(&self) -> Result<Option<Hold>, RunError> {
        let holds = self.store.released_holds().await;
        let holds = holds.map_err(self.step.failed("read released holds"))?;
        let own = holds
            .into_iter()
            .filter(|h| h.connector == *self.source.name());
        Ok(own.max_by_key(|h| h.id))
    }

    /// Does what is left of a frozen plan.
    async fn resume(&self, plan: &Plan, clock: &Clock) -> Result<(), RunError> {
        let staged = self.store.staged(self.id).await;
        let staged = staged.map_err(self.step.failed("read what was staged"))?;
        let states = self.store.posting_states(self.source.name()).await;
        let states = states.map_err(self.step.failed("read its postings"))?;
        self.apply(plan, &states, &staged, clock).await
    }

    /// Does what the plan says.
    async fn apply(
        &self,
        plan: &Plan,
        states: &[PostingState],
        staged: &[StagedRow],
        clock: &Clock,
    ) -> Result<(), RunError> {
        let diff = Diff::new(states, staged, plan.snapshot, false);
        crate::fault::point("pull.planned");
        for batch in batches(self.source.name(), &diff, plan, self.started) {
            let applied = self.store.apply(self.id, batch).await;
            applied.map_err(self.step.failed("apply a batch"))?;
            crate::fault::point("pull.batch");
        }
        let empties = self.empties(plan.snapshot).await?;
        let may_close = may_close(&diff, plan, &empties, self.started);
        let gone = absences(&diff, plan, self.source.guards(), may_close, self.started);
        let rejected_before = self.rejected_alike(plan).await?;
        let end = RunEnd {
            ended: Some(clock.now()),
            misses: gone.misses,
            seen: gone.seen,
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

/// Names the step that failed.
struct Steps(ConnectorName);

impl Steps {
    fn failed(&self, doing: &'static str) -> impl FnOnce(StoreError) -> RunError + use<> {
        let connector = self.0.clone();
        move |source| RunError {
            connector,
            doing,
            source,
        }
    }
}

#[cfg(test)]
mod faults;
#[cfg(test)]
mod recalled;
#[cfg(test)]
pub(crate) mod support;
#[cfg(test)]
mod tests;
