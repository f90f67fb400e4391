//! The oracle: a simulated world of sources that remembers what it showed, faults from a seeded
//! schedule, then a quiet end. After each step, what is published must be, byte for byte, what a
//! plain reference in memory makes of the same inputs: nothing lost, invented or torn.
//!
//! `ORACLE_SEEDS=N` runs N embedded schedules, `ORACLE_CLUSTER_SEEDS=N` over RabbitMQ and
//! PostgreSQL; `ORACLE_FIRST=S` begins at seed S, so that one that failed is played again.

mod reference;
mod world;

use crate::services::{BROKER, Broker, broker};
use crate::store_contract::backend::{Backend, Schema};
use crate::support::feeds::{Answer, Feeds, Sent};
use crate::support::hub::Hub;
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use passerelle::store::{DynStore, SqliteOptions, SqliteStore};
use reference::Reference;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use world::{Random, SOURCES, Source, World};

/// Schedules of the test command.
const SEEDS: u64 = 90;
const CLUSTER_SEEDS: u64 = 10;

/// Steps of a schedule; the quiet end is one more.
const STEPS: u64 = 4;

/// Points at which the program can be told to die, and how many of them it passes at most.
const JOINTS: [&str; 6] = [
    "pull.planned",
    "pull.batch",
    "pull.finished",
    "normalise.committed",
    "dedupe.committed",
    "publish.committed",
];

/// A hub under test: a folder with settings, and the store behind it.
struct Subject {
    hub: Hub,
    cluster: Option<(Backend, Broker)>,
}

impl Subject {
    fn embedded(feeds: &Feeds) -> Self {
        let subject = Self {
            hub: Hub::new(),
            cluster: None,
        };
        world::write_files(&subject.hub, feeds);
        subject
    }

    async fn clustered(feeds: &Feeds, seed: u64) -> Option<Self> {
        let broker = broker(&format!("oracle{seed}"))?;
        let backend = Backend::postgres("oracle").await?;
        let mut subject = Self::embedded(feeds);
        let Backend::Postgres(schema) = &backend else {
            return None;
        };
        subject.hub.envs = vec![
            ("PASSERELLE__STORE__URL".into(), schema.url()),
            ("PASSERELLE__BUS__URL".into(), broker.url.clone()),
        ];
        subject.cluster = Some((backend, broker));
        Some(subject)
    }

    fn schema(&self) -> Option<&Schema> {
        match &self.cluster {
            Some((Backend::Postgres(schema), _)) => Some(schema),
            _ => None,
        }
    }

    async fn store(&self) -> DynStore {
        match &self.cluster {
            Some((backend, _)) => backend.open().await,
            None => {
                let options = SqliteOptions {
                    migrate: false,
                    ..SqliteOptions::default()
                };
                let path = self.hub.path("data/passerelle.db");
                Arc::new(SqliteStore::open(path, &options).unwrap())
            }
        }
    }

    /// Live public vacancies by id, and what still waits or was given up.
    async fn published(&self) -> (BTreeMap<String, String>, usize, u64) {
        let store = self.store().await;
        let (_, vacancies) = store.snapshot().await.unwrap();
        let bodies = vacancies.into_iter().map(|v| {
            let body = String::from_utf8_lossy(&v.body).into_owned();
            (v.id.to_string(), body)
        });
        let parked = store.parked().await.unwrap().len();
        let waiting = store.outbox_depth().await.unwrap().events;
        (bodies.collect(), parked, waiting)
    }
}

/// Faults injected so far, by kind, over all seeds.
static INJECTED: Mutex<BTreeMap<&str, u64>> = Mutex::new(BTreeMap::new());

/// What one `sync` suffers.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Kill(u64),
    Joint(&'static str, u64),
    BadFeed(&'static Source, u64),
    Replay,
    TwoAtATime,
    CutDatabase(u64),
    CutBroker(u64),
    KillBroker(u64),
}

impl Fault {
    fn draw(random: &mut Random, clustered: bool, restarts: &mut u32) -> Self {
        match random.below(if clustered { 10 } else { 6 }) {
            0 | 1 => Self::Kill(20 + random.below(600)),
            2 => Self::Joint(JOINTS[random.below(6) as usize], 1 + random.below(3)),
            3 => Self::BadFeed(random.pick(&SOURCES), random.below(6)),
            4 => Self::Replay,
            5 => Self::TwoAtATime,
            6 | 7 => Self::CutDatabase(50 + random.below(500)),
            8 if *restarts < 1 => {
                *restarts += 1;
                Self::KillBroker(50 + random.below(500))
            }
            _ => Self::CutBroker(50 + random.below(500)),
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Kill(_) => "kill -9",
            Self::Joint(..) => "death at a joint",
            Self::BadFeed(..) => "bad feed",
            Self::Replay => "replay",
            Self::TwoAtATime => "two at a time",
            Self::CutDatabase(_) => "cut database sessions",
            Self::CutBroker(_) => "cut broker connections",
            Self::KillBroker(_) => "kill -9 of the broker",
        }
    }
}

/// One `sync` that something happens to; how it ends is of no interest.
async fn suffer(fault: Fault, subject: &Subject, feeds: &Feeds, world: &World) {
    *INJECTED.lock().unwrap().entry(fault.kind()).or_default() += 1;
    let order: &[&str] = match fault {
        Fault::Replay => &["replay"],
        _ => &["sync", "--json", "--timeout", "20s"],
    };
    let command = || {
        let mut command = subject.hub.command(order);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let mut first = command();
    if let Fault::Joint(joint, passes) = fault {
        first.env("PASSERELLE_FAULT", format!("{joint}:{passes}"));
    }
    if let Fault::BadFeed(source, kind) = fault {
        feeds.set(source.path, bad_answer(kind, &world.records(source.name)));
    }
    let mut children = vec![first.spawn().unwrap()];
    let after = |ms| tokio::time::sleep(Duration::from_millis(ms));
    match fault {
        Fault::Kill(ms) => {
            after(ms).await;
            let _ = children[0].kill();
        }
        Fault::TwoAtATime => children.push(command().spawn().unwrap()),
        Fault::CutDatabase(ms) => {
            after(ms).await;
            let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                       WHERE application_name = current_schema() AND pid <> pg_backend_pid()";
            if let Some(schema) = subject.schema() {
                schema.order(cut).await;
            }
        }
        Fault::CutBroker(ms) => {
            after(ms).await;
            if let Some((_, broker)) = &subject.cluster {
                broker.cut();
            }
        }
        Fault::KillBroker(ms) => {
            after(ms).await;
            if let Some((_, broker)) = &subject.cluster {
                broker.kill();
                broker.start();
            }
        }
        _ => {}
    }
    for child in &mut children {
        wait(child).await;
    }
    if let Fault::BadFeed(source, _) = fault {
        feeds.set(source.path, world.answer(source.name));
    }
}

async fn wait(child: &mut Child) {
    let deadline = Instant::now() + Duration::from_secs(90);
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "a command did not end");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// An answer that proves nothing.
fn bad_answer(kind: u64, records: &[Value]) -> Answer {
    let whole = json!({ "jobs": records }).to_string();
    match kind {
        // No 5xx: those are tried again for a while, which other tests see to.
        0 => Answer::new(403, "text/html", "<h1>Accès refusé</h1>"),
        1 => Answer::new(200, "text/html", "<html><body>Connexion</body></html>"),
        2 => Answer::json(&json!({ "jobs": [] })),
        3 => Answer::new(
            200,
            "application/json",
            &whole.as_bytes()[..whole.len() / 2],
        ),
        4 => Answer::new(200, "application/json", whole.clone()).sent(Sent::Cut(whole.len() / 3)),
        _ => Answer::json(&json!({ "jobs": &records[..1] })),
    }
}

/// The first instant of every schedule.
const BEGINNING: &str = "2026-11-02T08:00:00Z";

/// Plays one schedule; what was breached, if anything was.
async fn play(seed: u64, clustered: bool) -> Result<(), String> {
    let feeds = Feeds::start();
    let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ u64::from(clustered));
    let mut world = World::new(&mut random);
    let mut subject = if clustered {
        let Some(subject) = Subject::clustered(&feeds, seed).await else {
            return Ok(());
        };
        subject
    } else {
        Subject::embedded(&feeds)
    };
    let mut reference = Reference::new(&subject.hub);
    let mut now: Timestamp = BEGINNING.parse().unwrap();
    let mut restarts = 0;
    let mut history = String::new();
    for step in 0..=STEPS {
        subject.hub.clock = now.to_string();
        world.serve(&feeds);
        let quiet = step == STEPS;
        // A source may be out of reach for the whole step: it says nothing then.
        let mut failed = BTreeSet::new();
        if !quiet && random.below(5) == 0 {
            let source = random.pick(&SOURCES);
            let _ = writeln!(history, "  step {step}: {} is out of reach", source.name);
            feeds.set(source.path, bad_answer(random.below(2), &[]));
            failed.insert(source.name);
        }
        if !quiet {
            for _ in 0..1 + random.below(2) {
                let fault = Fault::draw(&mut random, clustered, &mut restarts);
                if matches!(fault, Fault::BadFeed(source, _) if failed.contains(source.name)) {
                    continue;
                }
                let _ = writeln!(history, "  step {step} at {now}: {fault:?}");
                suffer(fault, &subject, &feeds, &world).await;
            }
        }
        let synced = subject.hub.sync();
        if synced.json["connectors"]
            .as_array()
            .is_some_and(|all| all.iter().any(|line| line["held"].as_u64() != Some(0)))
        {
            return Err(format!(
                "a quiet sync held something: {}\n{history}",
                synced.json
            ));
        }
        reference.observe(&world, &failed, now);
        let wanted = reference.published(now);
        let (found, parked, waiting) = subject.published().await;
        if (parked, waiting) != (0, 0) {
            return Err(format!("{parked} parked, {waiting} waiting\n{history}"));
        }
        if found != wanted {
            return Err(format!(
                "step {step}: {}\n{history}",
                differences(&found, &wanted)
            ));
        }
        for _ in 0..random.below(5) {
            world.happen(&mut random);
        }
        if step + 1 == STEPS {
            // A fresh offer still flows at the end.
            world.add("residence", &mut random);
        }
        // Mostly as schedules run; now and then the clock leaps, or a run is inside the gap.
        now += *random.pick(&[
            SignedDuration::from_hours(2),
            SignedDuration::from_hours(2),
            SignedDuration::from_mins(10),
            SignedDuration::from_hours(90),
        ]);
    }
    Ok(())
}

fn differences(found: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (id, body) in wanted {
        match found.get(id) {
            None => {
                let _ = writeln!(text, "lost {id}: {body}");
            }
            Some(other) if other != body => {
                let same = body.bytes().zip(other.bytes());
                let at = same.take_while(|(a, b)| a == b).count();
                let from = |text: &str| {
                    let bytes = &text.as_bytes()[at.saturating_sub(30)..];
                    String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned()
                };
                let _ = writeln!(
                    text,
                    "torn {id}:\n  is  …{}\n  not …{}",
                    from(other),
                    from(body)
                );
            }
            Some(_) => {}
        }
    }
    for (id, body) in found.iter().filter(|(id, _)| !wanted.contains_key(*id)) {
        let _ = writeln!(text, "invented {id}: {body}");
    }
    text
}

fn number(name: &str, default: u64) -> u64 {
    let set = std::env::var(name).ok().and_then(|n| n.parse().ok());
    set.unwrap_or(default)
}

/// Plays the seeds, `at_once` at a time; fails with all that failed.
async fn play_all(count: u64, at_once: usize, clustered: bool) {
    let first = number("ORACLE_FIRST", 1);
    let seeds = futures::stream::iter(first..first + count).map(|seed| async move {
        let played = tokio::spawn(play(seed, clustered)).await;
        let played = played.unwrap_or_else(|panic| Err(panic.to_string()));
        played.err().map(|breach| format!("seed {seed}: {breach}"))
    });
    let breaches: Vec<String> = seeds
        .buffer_unordered(at_once)
        .filter_map(async |breach| breach)
        .collect()
        .await;
    eprintln!("faults injected: {:?}", INJECTED.lock().unwrap());
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_schedules_end_as_the_reference_says() {
    play_all(number("ORACLE_SEEDS", SEEDS), 2, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clustered_schedules_end_as_the_reference_says() {
    let count = number("ORACLE_CLUSTER_SEEDS", CLUSTER_SEEDS);
    // Some of these kill the broker: no other test uses it meanwhile.
    let _alone = BROKER.write().await;
    play_all(count, 1, true).await;
}
