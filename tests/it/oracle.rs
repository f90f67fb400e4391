//! The oracle: a simulated world of sources that remembers what it showed, faults from a seeded
//! schedule, then a quiet end. After each step, what is published must be, byte for byte, what a
//! plain reference in memory makes of the same inputs: nothing lost, invented or torn.
//!
//! `.ci/test --seeds N` plays N embedded schedules and a ninth as many over RabbitMQ and PostgreSQL,
//! or `--cluster-seeds M`; `--first S` begins at seed S. A seed that failed is printed with the command
//! that plays it again. (They set `ORACLE_SEEDS`, `ORACLE_CLUSTER_SEEDS`, `ORACLE_FIRST`.) With
//! `ORACLE_TALLY=FILE` each schedule that has ended adds its line, and the faults so far, to a file.

mod faults;

mod reference;
mod world;

use crate::services::{BROKER, Broker, Database, broker};
use crate::store_contract::backend::Backend;
use crate::support::feeds::Feeds;
use crate::support::hub::Hub;
use crate::support::proxy::Proxy;
use faults::{Fault, INJECTED, Restarts, Tap, bad_answer, suffer};
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use passerelle::store::{DynStore, SqliteOptions, SqliteStore};
use reference::Reference;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use world::{Random, SOURCES, World};

/// Schedules of the test command.
const SEEDS: u64 = 90;
const CLUSTER_SEEDS: u64 = 10;

/// Steps of a schedule; the quiet end is one more.
const STEPS: u64 = 4;

/// A hub under test: a folder with settings, and the store behind it.
struct Subject {
    hub: Hub,
    cluster: Option<Servers>,
}

/// What a hub of several processes stands on, each with a handle to break it by.
struct Servers {
    backend: Backend,
    database: Arc<Database>,
    broker: Broker,
    proxy: Proxy,
    tap: tokio::sync::Mutex<Tap>,
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

    async fn clustered(feeds: &Feeds, seed: u64, database: Arc<Database>) -> Option<Self> {
        let broker = broker(&format!("oracle{seed}"))?;
        let backend = Backend::postgres_at(database.url.clone()).await;
        let (proxy, bus) = broker.through_a_proxy();
        Tap::open(&broker).await;
        let servers = Servers {
            backend,
            database,
            broker,
            proxy,
            tap: tokio::sync::Mutex::default(),
        };
        let mut subject = Self::embedded(feeds);
        subject.hub.envs = vec![
            ("PASSERELLE__STORE__URL".into(), servers.schema().url()),
            ("PASSERELLE__BUS__URL".into(), bus),
        ];
        subject.cluster = Some(servers);
        Some(subject)
    }

    async fn try_store(&self) -> Option<DynStore> {
        match &self.cluster {
            Some(servers) => Some(servers.backend.open().await),
            None => {
                let options = SqliteOptions {
                    migrate: false,
                    ..SqliteOptions::default()
                };
                let path = self.hub.path("data/passerelle.db");
                let store = SqliteStore::open(path, &options).ok()?;
                Some(Arc::new(store))
            }
        }
    }

    /// Live public vacancies by id, and what still waits or was given up.
    async fn published(&self) -> (BTreeMap<String, String>, usize, u64) {
        let store = self.try_store().await.unwrap();
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

/// The first instant of every schedule.
const BEGINNING: &str = "2026-11-02T08:00:00Z";

/// Plays one schedule; what was breached, if anything was.
async fn play(seed: u64, database: Option<Arc<Database>>) -> Result<(), String> {
    let clustered = database.is_some();
    let feeds = Feeds::start();
    let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ u64::from(clustered));
    let mut world = World::new(&mut random);
    let mut subject = match database {
        None => Subject::embedded(&feeds),
        Some(database) => match Subject::clustered(&feeds, seed, database).await {
            Some(subject) => subject,
            None => return Ok(()),
        },
    };
    let mut reference = Reference::new(&subject.hub);
    let mut now: Timestamp = BEGINNING.parse().unwrap();
    let mut restarts = Restarts {
        broker: 1,
        database: 1,
    };
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
                suffer(fault, &subject, &feeds, &world, &reference.postings()).await;
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
        world.absent = reference.absent(&world);
        for _ in 0..random.below(5) {
            world.happen(&mut random);
        }
        if step + 1 == STEPS {
            // A fresh offer still flows at the end.
            world.add("residence", &mut random);
        }
        // Mostly as schedules run; now and then the clock leaps, or a run is inside the gap.
        let leap = *random.pick(&[
            SignedDuration::from_hours(2),
            SignedDuration::from_hours(2),
            SignedDuration::from_mins(10),
            SignedDuration::from_hours(90),
            SignedDuration::from_mins(-7),
        ]);
        now += leap;
        if leap.is_negative() {
            faults::count(clustered, "clock set back");
        } else if leap > SignedDuration::from_hours(2) {
            faults::count(clustered, "clock leaps ahead");
        }
    }
    if let Some(servers) = &subject.cluster {
        servers.broker.forget();
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

/// Faults injected so far, by kind.
fn injected(clustered: bool) -> Vec<(&'static str, u64)> {
    let injected = INJECTED.lock().unwrap();
    let of_this = injected.iter().filter(|((of, _), _)| *of == clustered);
    of_this
        .map(|((_, kind), number)| (*kind, *number))
        .collect()
}

/// What became of a schedule, for a run of hours that may be cut off.
fn tally(seed: u64, clustered: bool, breach: Option<&str>) {
    let Some(path) = std::env::var_os("ORACLE_TALLY") else {
        return;
    };
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path);
    let kinds = injected(clustered);
    let kinds: Vec<String> = kinds
        .iter()
        .map(|(kind, n)| format!("{kind} {n}"))
        .collect();
    let end = breach.unwrap_or("sound");
    writeln!(file.unwrap(), "seed {seed}: {end} | {}", kinds.join(", ")).unwrap();
}

fn number(name: &str, default: u64) -> u64 {
    let set = std::env::var(name).ok().and_then(|n| n.parse().ok());
    set.unwrap_or(default)
}

/// Plays the seeds, `at_once` at a time; fails with all that failed.
async fn play_all(count: u64, at_once: usize, database: Option<Arc<Database>>) {
    let first = number("ORACLE_FIRST", 1);
    let clustered = database.is_some();
    let seeds = futures::stream::iter(first..first + count).map(|seed| {
        let played = tokio::spawn(play(seed, database.clone()));
        async move {
            let played = played.await;
            let played = played.unwrap_or_else(|panic| Err(panic.to_string()));
            let again = match clustered {
                true => format!(".ci/test --first {seed} --seeds 0 --cluster-seeds 1"),
                false => format!(".ci/test --first {seed} --seeds 1"),
            };
            let breach = played
                .err()
                .map(|breach| format!("seed {seed} (again: `{again}`): {breach}"));
            // Hours of schedules: whoever waits sees each breach when it comes.
            if let Some(breach) = &breach {
                eprintln!("{breach}");
            }
            tally(seed, clustered, breach.as_deref());
            breach
        }
    });
    let breaches: Vec<String> = seeds
        .buffer_unordered(at_once)
        .filter_map(async |breach| breach)
        .collect()
        .await;
    let injected = injected(clustered);
    let total: u64 = injected.iter().map(|(_, number)| number).sum();
    for (kind, number) in injected {
        eprintln!("{number:6} {kind}");
    }
    let hub = if clustered {
        "RabbitMQ and PostgreSQL"
    } else {
        "embedded"
    };
    eprintln!("{total:6} faults injected over {count} schedules, {hub}");
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_schedules_end_as_the_reference_says() {
    play_all(number("ORACLE_SEEDS", SEEDS), 3, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clustered_schedules_end_as_the_reference_says() {
    let count = number("ORACLE_CLUSTER_SEEDS", CLUSTER_SEEDS);
    // Some of these kill the broker: no other test uses it meanwhile.
    let _alone = BROKER.write().await;
    if let Some(database) = Database::start("oracle") {
        play_all(count, 1, Some(Arc::new(database))).await;
    }
}
