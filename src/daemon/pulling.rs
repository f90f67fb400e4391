//! The pull role: which connectors run when, one run of each at a time.

use super::Hub;
use super::engine::{AT_ONCE, Observer, Unwatched};
use crate::model::{Clock, ConnectorName};
use crate::pull::run::RunError;
use crate::pull::schedule::Schedule;
use crate::store::Hint;
use futures::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often the store is asked for requests and releases, and the clock for what is due.
const TICK: Duration = Duration::from_millis(500);
/// How often connectors without a file are looked for.
const LOOK_FOR_REMOVED: Duration = Duration::from_secs(20);
/// How often runs are looked for that were cut while they were being applied, by whatever process.
const LOOK_FOR_CUT: Duration = Duration::from_secs(60);
/// Pause before a released hold is tried again at a source that did not answer.
const RETRY_RELEASE: Duration = Duration::from_secs(60);

/// Why a connector runs; kept with the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trigger {
    Removed,
    /// A run was cut: that one is carried through, and nothing is asked for.
    Resume,
    Schedule,
    Release,
    Request,
}

impl Trigger {
    fn name(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Resume => "resume",
            Self::Schedule => "schedule",
            Self::Release => "release",
            Self::Request => "request",
        }
    }
}

/// When each connector is due, from its schedule and its newest run alone.
struct Timetable {
    clock: Clock,
    /// Start of the newest run, as this process knows it.
    last: BTreeMap<ConnectorName, Option<Timestamp>>,
    /// When a released hold was last tried: a source that fails is not asked without a pause.
    released: BTreeMap<ConnectorName, Instant>,
    /// Connectors without a file that were asked about, and when that was looked at.
    removed: (BTreeSet<ConnectorName>, Option<Instant>),
    /// When runs that were cut were looked for.
    cut: Option<Instant>,
}

/// A run that has ended; `true` where it ran, `false` while another process runs it.
type Ended = (ConnectorName, Trigger, anyhow::Result<bool>);

impl Timetable {
    /// Connectors whose next instant after their newest run has come; one that never ran is due.
    async fn due(&mut self, hub: &Hub) -> anyhow::Result<BTreeSet<ConnectorName>> {
        let now = self.clock.now();
        let mut due = BTreeSet::new();
        for (name, schedule) in &hub.files().schedules {
            let last = match self.last.get(name) {
                Some(last) => *last,
                None => self.ask(hub, name).await?,
            };
            if !is_due(schedule, last, now) {
                continue;
            }
            // Another process may have run it meanwhile.
            let last = self.ask(hub, name).await?;
            if is_due(schedule, last, now) {
                due.insert(name.clone());
            }
        }
        Ok(due)
    }

    async fn ask(&mut self, hub: &Hub, name: &ConnectorName) -> anyhow::Result<Option<Timestamp>> {
        let runs = hub.store.runs(Some(name), 1).await?;
        let last = runs.first().map(|run| run.started);
        self.last.insert(name.clone(), last);
        Ok(last)
    }
}

/// A newest run further ahead than this was timed by a clock that has been set back since: no source is
/// left alone until that time comes. Less is how far the clocks of two machines may differ.
const AHEAD: SignedDuration = SignedDuration::from_hours(1);

fn is_due(schedule: &Schedule, last: Option<Timestamp>, now: Timestamp) -> bool {
    match last {
        None => true,
        Some(last) if last.duration_since(now) > AHEAD => true,
        Some(last) => schedule.next(last).is_some_and(|next| next <= now),
    }
}

/// Runs connectors until `stop`; what runs then is given up by the caller's grace, and resumed or
/// repeated at the next start.
pub async fn pull(hub: Arc<Hub>, stop: CancellationToken) {
    let mut timetable = Timetable {
        clock: hub.clock.clone(),
        last: BTreeMap::new(),
        released: BTreeMap::new(),
        removed: (BTreeSet::new(), None),
        cut: None,
    };
    let observer: Arc<dyn Observer> = Arc::new(Unwatched);
    let mut waiting: BTreeMap<ConnectorName, Trigger> = BTreeMap::new();
    let mut running: BTreeSet<ConnectorName> = BTreeSet::new();
    let mut runs: JoinSet<Ended> = JoinSet::new();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut hints = hub.store.hints(Hint::Requests);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = runs.join_next() => {
                if let Some(name) = settle(&hub, ended, &mut waiting).await {
                    running.remove(&name);
                    timetable.last.remove(&name);
                }
            }
            () = hints.next() => tick.reset_immediately(),
            _ = tick.tick() => {
                if let Err(error) = ask(&hub, &mut timetable, &running, &mut waiting).await {
                    tracing::warn!(error = format!("{error:#}"), "the store could not be asked what to run");
                }
            }
        }
        let room = match hub.room().is_left().await {
            true => AT_ONCE.saturating_sub(running.len()),
            false => 0,
        };
        let ready: Vec<_> = waiting
            .iter()
            .filter(|(name, _)| !running.contains(*name))
            .take(room)
            .map(|(name, trigger)| (name.clone(), *trigger))
            .collect();
        for (name, trigger) in ready {
            waiting.remove(&name);
            running.insert(name.clone());
            let (hub, observer) = (Arc::clone(&hub), Arc::clone(&observer));
            runs.spawn(async move {
                let run = AssertUnwindSafe(one(&hub, &name, trigger, &observer)).catch_unwind();
                let ran = run
                    .await
                    .unwrap_or_else(|_| Err(anyhow::anyhow!("it broke down")));
                (name, trigger, ran)
            });
        }
    }
    while let Some(ended) = runs.join_next().await {
        settle(&hub, ended, &mut waiting).await;
    }
}

/// Adds to `waiting` what is due, requested or released.
async fn ask(
    hub: &Hub,
    timetable: &mut Timetable,
    running: &BTreeSet<ConnectorName>,
    waiting: &mut BTreeMap<ConnectorName, Trigger>,
) -> anyhow::Result<()> {
    let mut add = |name: ConnectorName, trigger: Trigger| {
        let slot = waiting.entry(name).or_insert(trigger);
        *slot = (*slot).max(trigger);
    };
    // A request is answered by a run that starts after it: it waits while one is under way.
    for name in hub.store.take_requests().await? {
        add(name, Trigger::Request);
    }
    for hold in hub.store.released_holds().await? {
        let name = hold.connector;
        let tried = timetable.released.get(&name);
        if !running.contains(&name) && tried.is_none_or(|at| at.elapsed() >= RETRY_RELEASE) {
            timetable.released.insert(name.clone(), Instant::now());
            add(name, Trigger::Release);
        }
    }
    for name in removed(hub, timetable).await? {
        add(name, Trigger::Removed);
    }
    // One that is under way elsewhere has its lock.
    for name in cut(hub, timetable).await? {
        if !running.contains(&name) {
            add(name, Trigger::Resume);
        }
    }
    for name in timetable.due(hub).await? {
        if !running.contains(&name) {
            add(name, Trigger::Schedule);
        }
    }
    Ok(())
}

/// Connectors whose newest run was being applied as it ended, or still is.
async fn cut(hub: &Hub, timetable: &mut Timetable) -> anyhow::Result<Vec<ConnectorName>> {
    if timetable.cut.is_some_and(|at| at.elapsed() < LOOK_FOR_CUT) {
        return Ok(Vec::new());
    }
    timetable.cut = Some(Instant::now());
    let mut cut = Vec::new();
    for name in hub.files().connectors.keys() {
        if hub.store.applying_run(name).await?.is_some() {
            cut.push(name.clone());
        }
    }
    Ok(cut)
}

/// Connectors that have live offers and no file, each once. A file that was refused is no removal.
async fn removed(hub: &Hub, timetable: &mut Timetable) -> anyhow::Result<Vec<ConnectorName>> {
    let (asked, looked) = &mut timetable.removed;
    if looked.is_some_and(|at| at.elapsed() < LOOK_FOR_REMOVED) {
        return Ok(Vec::new());
    }
    *looked = Some(Instant::now());
    let files = hub.files();
    asked.retain(|name| !files.connectors.contains_key(name));
    if super::files::errors(&files).next().is_some() {
        return Ok(Vec::new());
    }
    let live = hub.store.statistics().await?.live_postings;
    let gone: Vec<ConnectorName> = live
        .into_iter()
        .filter(|(name, count)| *count > 0 && !files.connectors.contains_key(name))
        .map(|(name, _)| name)
        .filter(|name| asked.insert(name.clone()))
        .collect();
    Ok(gone)
}

/// Gives whether it ran; `false` while another process runs it.
async fn one(
    hub: &Hub,
    name: &ConnectorName,
    trigger: Trigger,
    observer: &Arc<dyn Observer>,
) -> anyhow::Result<bool> {
    let files = hub.files();
    let Some(connector) = files.connectors.get(name) else {
        if matches!(trigger, Trigger::Removed | Trigger::Release) {
            return hub.retire(name).await;
        }
        anyhow::bail!("there is no connector {name} (any more)");
    };
    if trigger == Trigger::Resume {
        return hub.resume(connector).await;
    }
    Ok(hub
        .pull(connector, trigger.name(), observer, hub.room())
        .await?
        .is_some())
}

/// Answers a request that has been run; gives the connector's name.
async fn settle(
    hub: &Hub,
    ended: Result<Ended, tokio::task::JoinError>,
    waiting: &mut BTreeMap<ConnectorName, Trigger>,
) -> Option<ConnectorName> {
    let (name, trigger, ran) = match ended {
        Ok(ended) => ended,
        Err(error) => {
            tracing::error!(%error, "a run broke down");
            return None;
        }
    };
    // A run that the stop of the process cut answers none, nor does one after which another was asked
    // for: that one's run answers both.
    let cut = |error: &anyhow::Error| {
        let mut chain = error.chain();
        chain.any(|e| matches!(e.downcast_ref(), Some(RunError::NoRoom { .. })))
    };
    let open = ran.as_ref().is_err_and(cut) || waiting.get(&name) == Some(&Trigger::Request);
    match ran {
        // A request is answered by a run that began after it, not by one under way elsewhere.
        Ok(false) if trigger == Trigger::Request => {
            waiting.insert(name.clone(), trigger);
            return Some(name);
        }
        Ok(_) => {}
        Err(error) => {
            tracing::warn!(connector = %name, error = format!("{error:#}"), "the run was not carried through");
        }
    }
    if trigger == Trigger::Request
        && !open
        && let Err(error) = hub.store.request_done(&name).await
    {
        tracing::warn!(connector = %name, error = crate::telemetry::chain(&error), "the request could not be answered");
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_a_clock_that_was_ahead_leaves_no_source_alone() {
        let hourly: Schedule = "0 * * * *".parse().unwrap();
        let now: Timestamp = "2026-11-20T12:30:00Z".parse().unwrap();
        let due = |minutes| is_due(&hourly, Some(now + SignedDuration::from_mins(minutes)), now);
        assert!(is_due(&hourly, None, now));
        assert!(due(-31) && !due(-29));
        assert!(!due(5), "another machine's clock is not quite the same");
        assert!(due(60 * 24 * 365));
    }
}
