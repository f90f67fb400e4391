//! `sync`: pulls every source once and follows what comes of it to the end.

use super::{Exit, Usage, out, progress::Progress, table};
use crate::daemon::{Hub, Observer, files};
use crate::model::{ConnectorName, RunId, VacancyId};
use crate::store::{ChangeOp, Repeats, Run, SnapshotKind};
use anyhow::bail;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Connectors to pull; all of them without any
    connectors: Vec<String>,
    /// Print one JSON object at the end
    #[arg(long)]
    json: bool,
    /// How long to wait for a running daemon, such as 10m or 90s
    #[arg(long, default_value = "10m", value_parser = super::duration)]
    timeout: Duration,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub struct Report {
    connectors: Vec<Line>,
    vacancies: Vacancies,
    seconds: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Line {
    name: String,
    snapshot: &'static str,
    pulled: u64,
    rejected: u64,
    new: u64,
    changed: u64,
    unchanged: u64,
    missing: u64,
    closed: u64,
    held: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Why records were rejected, for the first few.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rejects: Vec<String>,
    /// Records that share a reference with another one of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    repeats: Option<Repeats>,
}

/// Rejected records of a run that are shown one by one.
const REJECTS_SHOWN: usize = 5;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Vacancies {
    live: u64,
    new: u64,
    changed: u64,
    closed: u64,
}

impl Line {
    fn new(run: &Run) -> Self {
        let counts = run.counts;
        Self {
            name: run.connector.to_string(),
            snapshot: crate::daemon::metrics::snapshot(run.snapshot),
            pulled: counts.pulled,
            rejected: counts.rejected,
            new: counts.new,
            changed: counts.changed,
            unchanged: counts.unchanged,
            missing: counts.missing,
            closed: counts.closed,
            held: counts.held,
            error: run.error.clone(),
            rejects: Vec::new(),
            repeats: run.repeats().cloned(),
        }
    }

    /// The line of `run` with the reasons of its rejects.
    async fn with_rejects(hub: &Hub, run: &Run) -> anyhow::Result<Self> {
        let mut line = Self::new(run);
        if run.counts.rejected > 0 {
            let rejects = hub.store.rejects(&run.connector, REJECTS_SHOWN).await?;
            line.rejects = rejects
                .into_iter()
                .map(|reject| {
                    let reasons: Vec<String> = reject
                        .problems
                        .iter()
                        .map(|p| format!("{}: {}", p.rule, p.message))
                        .collect();
                    format!("{}: {}", reject.reference, reasons.join("; "))
                })
                .collect();
        }
        Ok(line)
    }
}

/// What was public at one moment.
struct Before {
    head: u64,
    live: BTreeSet<VacancyId>,
}

impl Before {
    async fn read(hub: &Hub) -> anyhow::Result<Self> {
        let head = hub.store.head().await?;
        let mut live = BTreeSet::new();
        let mut after = None;
        loop {
            let (_, page) = hub.store.live_vacancies(after, 1000).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            live.extend(page.iter().map(|vacancy| vacancy.id));
        }
        Ok(Self { head, live })
    }

    /// What became of it: each vacancy counts once, by its last state.
    async fn compare(mut self, hub: &Hub) -> anyhow::Result<Vacancies> {
        let mut counts = Vacancies::default();
        let mut cursor = self.head;
        loop {
            let page = hub.store.changes(cursor, 1000).await?;
            let Some(last) = page.last() else { break };
            cursor = last.seq;
            for change in page {
                match change.op {
                    ChangeOp::Upsert { .. } if self.live.insert(change.id) => counts.new += 1,
                    ChangeOp::Upsert { .. } => counts.changed += 1,
                    ChangeOp::Delete { .. } if self.live.remove(&change.id) => counts.closed += 1,
                    ChangeOp::Delete { .. } => {}
                }
            }
        }
        counts.live = self.live.len() as u64;
        Ok(counts)
    }
}

pub async fn run(hub: &Arc<Hub>, args: &Args) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let files = hub.files();
    let wanted = wanted(hub, &args.connectors)?;
    let before = Before::read(hub).await?;
    let newest = newest_runs(hub, &wanted).await?;
    let progress = Arc::new(Progress::new(&wanted, args.json));
    let mut left = false;
    let here = if hub.has_pipeline() {
        Some(wanted.clone())
    } else {
        beside_a_daemon(hub, &wanted, &newest, args.timeout, &progress).await?
    };
    if let Some(here) = here {
        let observer: Arc<dyn Observer> = Arc::clone(&progress) as _;
        // What is asked for from now on may be newer than what this reads: it stays asked for.
        let asked = hub.store.take_requests().await?;
        let limit = args.timeout.saturating_sub(started.elapsed());
        let drained = hub.sync_here(&here, &observer, limit).await?;
        left = !drained.idle;
        for name in asked.iter().filter(|name| here.contains(name)) {
            hub.store.request_done(name).await?;
        }
    }
    progress.finish();
    let runs = runs_since(hub, &wanted, &newest).await?;
    let problems: Vec<String> = if args.connectors.is_empty() {
        files::errors(&files).map(ToString::to_string).collect()
    } else {
        Vec::new()
    };
    let mut lines = Vec::with_capacity(runs.len());
    for run in &runs {
        lines.push(Line::with_rejects(hub, run).await?);
    }
    let report = Report {
        connectors: lines,
        vacancies: before.compare(hub).await?,
        seconds: (started.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
        problems,
    };
    let missing = wanted.len() - runs.len();
    let attention = left
        || missing > 0
        || !report.problems.is_empty()
        || runs.iter().any(|run| {
            // A part with an error is a feed that was cut or a page that failed.
            run.counts.held > 0
                || run.error.is_some()
                || matches!(run.snapshot, None | Some(SnapshotKind::Failed))
        });
    if args.json {
        out::json(&report)?;
    } else {
        say(&report)?;
    }
    Ok(if attention {
        Exit::Attention
    } else {
        Exit::Done
    })
}

/// The connectors asked for, in order of name.
fn wanted(hub: &Hub, names: &[String]) -> anyhow::Result<Vec<ConnectorName>> {
    let files = hub.files();
    let known: BTreeSet<&str> = files.connectors.keys().map(ConnectorName::as_str).collect();
    if names.is_empty() {
        return Ok(known.into_iter().map(ConnectorName::from).collect());
    }
    let mut wanted = BTreeSet::new();
    for name in names {
        if !known.contains(name.as_str()) {
            let near: Vec<&str> = known.iter().copied().take(20).collect();
            let problem = files.problems_of(name).next();
            bail!(Usage(format!(
                "there is no connector {name:?} in {}{}",
                hub.settings().paths.connectors.display(),
                match problem {
                    Some(problem) => format!(" that could be read: {problem}"),
                    None if near.is_empty() => "; the folder holds none".to_owned(),
                    None => format!("; there are {}", near.join(", ")),
                }
            )));
        }
        wanted.insert(ConnectorName::from(name.as_str()));
    }
    Ok(wanted.into_iter().collect())
}

async fn newest_runs(
    hub: &Hub,
    wanted: &[ConnectorName],
) -> anyhow::Result<BTreeMap<ConnectorName, RunId>> {
    let mut newest = BTreeMap::new();
    for name in wanted {
        if let Some(run) = hub.store.runs(Some(name), 1).await?.first() {
            newest.insert(name.clone(), run.id);
        }
    }
    Ok(newest)
}

/// The newest run of each connector, where it is newer than `before` says.
async fn runs_since(
    hub: &Hub,
    wanted: &[ConnectorName],
    before: &BTreeMap<ConnectorName, RunId>,
) -> anyhow::Result<Vec<Run>> {
    let mut runs = Vec::new();
    for name in wanted {
        runs.extend(
            hub.store
                .runs(Some(name), 1)
                .await?
                .into_iter()
                .filter(|run| before.get(name).is_none_or(|old| run.id > *old)),
        );
    }
    Ok(runs)
}

/// Asks the daemon for the runs, then waits until they have ended and nothing of theirs is on the
/// bus: done, parked or held. `None` then; where whoever had the pipeline went away first (another
/// `sync`, or a daemon that died), this process has it now and is given the runs that are left.
async fn beside_a_daemon(
    hub: &Hub,
    wanted: &[ConnectorName],
    before: &BTreeMap<ConnectorName, RunId>,
    timeout: Duration,
    progress: &Progress,
) -> anyhow::Result<Option<Vec<ConnectorName>>> {
    let deadline = Instant::now() + timeout;
    hub.store.request_runs(wanted, hub.clock.now()).await?;
    let mut waiting: BTreeSet<ConnectorName> = wanted.iter().cloned().collect();
    // Three stages: what the runs caused has passed them all once nothing is older than the
    // moment noted after the stage before.
    let mut barriers = 0;
    let mut barrier = None;
    loop {
        if !waiting.is_empty() {
            let pending: BTreeSet<_> = hub.store.pending_requests().await?.into_iter().collect();
            let ended: Vec<_> = waiting.difference(&pending).cloned().collect();
            for run in runs_since(hub, &ended, before).await? {
                progress.ended(&run);
            }
            waiting.retain(|name| pending.contains(name));
        }
        if waiting.is_empty() {
            let depth = hub.store.outbox_depth().await?;
            if depth.events == 0 {
                return Ok(None);
            }
            let passed = match (barrier, depth.oldest) {
                (Some(barrier), Some(oldest)) => oldest > barrier,
                _ => false,
            };
            if passed {
                barriers += 1;
                if barriers == 3 {
                    return Ok(None);
                }
            }
            if passed || barrier.is_none() {
                barrier = Some(hub.clock.now());
            }
        }
        if Instant::now() >= deadline {
            let names: Vec<&str> = waiting.iter().map(ConnectorName::as_str).collect();
            bail!(
                "{} s have passed and {}: look at the daemon's log, or wait longer with --timeout",
                timeout.as_secs(),
                if names.is_empty() {
                    "events still wait for their stage (`passerelle doctor`)".to_owned()
                } else {
                    format!("these runs have not ended: {}", names.join(", "))
                }
            );
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        if hub.take_over()? {
            // What it answered before it went is done.
            let pending = hub.store.pending_requests().await?;
            waiting.retain(|name| pending.contains(name));
            return Ok(Some(waiting.into_iter().collect()));
        }
    }
}

fn say(report: &Report) -> std::io::Result<()> {
    let rows = report
        .connectors
        .iter()
        .map(|line| {
            let mut row = vec![line.name.clone(), line.snapshot.to_owned()];
            row.extend(
                [
                    line.pulled,
                    line.new,
                    line.changed,
                    line.missing,
                    line.closed,
                    line.held,
                    line.rejected,
                ]
                .map(|count| count.to_string()),
            );
            row
        })
        .collect();
    out::line(table::table(
        &[
            "connector",
            "snapshot",
            "pulled",
            "new",
            "changed",
            "missing",
            "closed",
            "held",
            "rejected",
        ],
        rows,
        &[2, 3, 4, 5, 6, 7, 8],
    ))?;
    for line in &report.connectors {
        if let Some(error) = &line.error {
            out::line(format!("{}: {error}", line.name))?;
        }
        for reject in &line.rejects {
            out::line(format!("{}: rejected {reject}", line.name))?;
        }
        if let Some(repeats) = &line.repeats {
            out::line(format!("{}: {repeats}", line.name))?;
        }
    }
    for problem in &report.problems {
        out::line(format!("refused: {problem}"))?;
    }
    if report.connectors.is_empty() {
        out::line("no connector was run")?;
    }
    let vacancies = report.vacancies;
    out::line(format!(
        "\nvacancies: {} live, {} new, {} changed, {} closed · {:.1} s",
        vacancies.live, vacancies.new, vacancies.changed, vacancies.closed, report.seconds
    ))
}
