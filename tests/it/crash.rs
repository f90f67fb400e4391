//! `kill -9` at any moment, then `sync`: what is published is what a run without the kill gives.

use crate::services::{BROKER, broker};
use crate::store_contract::backend::Backend;
use crate::support::feeds::{Answer, Feeds};
use crate::support::hub::{Hub, NOW};
use crate::support::offers;
use crate::twice::{demo_hub, happen};
use passerelle::demo::{Demo, Folder};
use passerelle::model::{ConnectorName, Stage};
use passerelle::store::{PipelineLock, SqliteOptions, SqliteStore, Store};
use serde_json::json;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Moments of the first `sync` at which it is killed, spread over its whole length.
const KILLS: u64 = 20;

/// Everything that leaves a hub.
#[derive(PartialEq)]
struct Outputs {
    bodies: Vec<Vec<u8>>,
    linkedin: Vec<u8>,
}

impl Outputs {
    async fn of(hub: &Hub) -> Self {
        Self {
            bodies: hub.published().await,
            linkedin: hub.export("linkedin"),
        }
    }
}

/// The sources that these tests read: one that dies often should not read all of them.
const SOURCES: [&str; 4] = [
    "claire-fontaine",
    "colline",
    "france-travail",
    "mille-etangs",
];

/// Leaves only [`SOURCES`].
fn few(hub: &Hub) {
    for entry in std::fs::read_dir(hub.path("connectors")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if !SOURCES.contains(&name) {
            std::fs::remove_file(&path).unwrap();
        }
    }
}

/// A fresh hub that reads the same demo.
fn fresh(demo: &Demo, settings: &Path) -> Hub {
    let hub = Hub::new();
    let folder = Folder { root: hub.path("") };
    folder.write(demo.server.base()).unwrap();
    hub.write(
        "passerelle.toml",
        &std::fs::read_to_string(settings).unwrap(),
    );
    few(&hub);
    hub
}

/// The same hub as `from`, in a folder of its own.
fn copied(demo: &Demo, from: &Hub) -> Hub {
    let hub = fresh(demo, &from.path("passerelle.toml"));
    copy(&from.path("data"), &hub.path("data"));
    hub
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Nothing waits, nothing was given up, and no vacancy is there twice.
async fn settled(hub: &Hub, what: &str) {
    let store = hub.store();
    assert_eq!(store.outbox_depth().await.unwrap().events, 0, "{what}");
    assert!(store.parked().await.unwrap().is_empty(), "{what}");
    for stage in Stage::ALL {
        let now = NOW.parse().unwrap();
        let leased = store.lease_outbox(stage, 1, now, now).await.unwrap();
        assert!(leased.is_empty(), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_sync_is_made_good_by_the_next() {
    let (whole, demo) = demo_hub().await;
    few(&whole);
    let started = Instant::now();
    whole.sync();
    let length = started.elapsed();
    let wanted = Outputs::of(&whole).await;
    assert!(!wanted.bodies.is_empty());
    for kill in 0..KILLS {
        // Seeded, not clockwork: a different offset in each twentieth of the run.
        let jitter = kill.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let share = (kill as f64 + (jitter % 1000) as f64 / 1000.0) / KILLS as f64;
        let hub = fresh(&demo, &whole.path("passerelle.toml"));
        let mut child = hub.command(&["sync", "--json"]).spawn_quiet();
        std::thread::sleep(length.mul_f64(share));
        let _ = child.kill();
        let _ = child.wait();
        hub.sync();
        let what = format!("killed after {share:.2} of {length:?}");
        settled(&hub, &what).await;
        assert!(Outputs::of(&hub).await == wanted, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_at_each_joint_is_made_good_by_the_next() {
    let (whole, demo) = demo_hub().await;
    few(&whole);
    whole.sync();
    let before = copied(&demo, &whole);
    happen(&demo).await;
    whole.sync();
    whole.sync();
    let wanted = Outputs::of(&whole).await;
    for fault in [
        "pull.planned",
        "pull.planned:2",
        "pull.batch",
        "pull.batch:2",
        "pull.finished:2",
        "normalise.committed",
        "dedupe.derived",
        // Between any two writes of a commit.
        "dedupe.write",
        "dedupe.write:2",
        "dedupe.write:3",
        "dedupe.write:4",
        "dedupe.write:5",
        "dedupe.committed",
        "publish.committed",
    ] {
        let hub = copied(&demo, &before);
        let mut child = hub
            .command(&["sync", "--json"])
            .env("PASSERELLE_FAULT", fault)
            .spawn_quiet();
        let ended = wait(&mut child, Duration::from_secs(120));
        assert!(!ended.success(), "{fault} was passed and the process lived");
        hub.sync();
        hub.sync();
        settled(&hub, fault).await;
        assert!(Outputs::of(&hub).await == wanted, "{fault}");
    }
}

/// An employer's ads and a board's copies of them, each round with a new one and another text.
fn round(feeds: &Feeds, n: usize) {
    let mut ads = offers::some(3 + n);
    ads[n % 3].text = format!("{}<p>Mise à jour {n}.</p>", ads[n % 3].text);
    let all = Answer::json(&offers::json(&ads));
    feeds.set("/essai", all.clone());
    feeds.set("/annonces", all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_between_two_writes_on_postgresql_is_made_good_by_the_next() {
    let _shared = BROKER.read().await;
    let Some(broker) = broker("writes") else {
        return;
    };
    let Some(backend) = Backend::postgres("writes").await else {
        return;
    };
    let Backend::Postgres(schema) = &backend else {
        return;
    };
    let feeds = Feeds::start();
    let hubs = [Hub::new(), Hub::new()];
    for hub in &hubs {
        hub.member("essai", offers::MEMBER);
        for name in ["essai", "annonces"] {
            let file = offers::json_connector(name, &feeds.url(&format!("/{name}")));
            let file = match name {
                "essai" => file,
                _ => file.replace("member = \"essai\"\n", ""),
            };
            hub.connector(name, &file);
        }
    }
    let [whole, mut torn] = hubs;
    torn.envs = vec![
        ("PASSERELLE__STORE__URL".into(), schema.url()),
        ("PASSERELLE__BUS__URL".into(), broker.url.clone()),
    ];
    let published = async || {
        let (_, vacancies) = backend.open().await.snapshot().await.unwrap();
        let bodies = vacancies.into_iter().map(|v| v.body.to_vec());
        bodies.collect::<Vec<_>>()
    };
    for passing in 1..=6 {
        round(&feeds, passing);
        whole.sync();
        let mut child = torn
            .command(&["sync", "--json"])
            .env("PASSERELLE_FAULT", format!("dedupe.write:{passing}"))
            .spawn_quiet();
        let ended = wait(&mut child, Duration::from_secs(120));
        assert!(!ended.success(), "write {passing} was passed");
        torn.sync();
        let wanted = whole.published().await;
        assert_eq!(wanted.len(), 3 + passing);
        assert!(published().await == wanted, "write {passing}");
        let store = backend.open().await;
        assert_eq!(store.outbox_depth().await.unwrap().events, 0);
        assert!(store.parked().await.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_syncs_at_a_time_do_the_work_of_one() {
    let (whole, demo) = demo_hub().await;
    few(&whole);
    whole.sync();
    let wanted = Outputs::of(&whole).await;
    let hub = fresh(&demo, &whole.path("passerelle.toml"));
    // The one that came second does its part once the first has ended.
    std::thread::scope(|scope| {
        let syncs = [(); 2].map(|()| scope.spawn(|| hub.run(&["sync", "--json"])));
        for sync in syncs {
            let ended = sync.join().unwrap();
            assert!(matches!(ended.status.code(), Some(0 | 3)), "{ended:?}");
        }
    });
    settled(&hub, "two at a time").await;
    assert!(Outputs::of(&hub).await == wanted);
}

/// A `sync` beside one that has made the store's file this instant and not filled it yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_sync_waits_for_the_schema_that_another_is_making() {
    let hub = Hub::new();
    let path = hub.path("data/passerelle.db");
    let right = PipelineLock::acquire(&path).unwrap();
    let bare = SqliteOptions {
        migrate: false,
        ..SqliteOptions::default()
    };
    drop(SqliteStore::open(&path, &bare).unwrap());
    let mut second = hub
        .command(&["sync", "--json", "--timeout", "60s"])
        .spawn_quiet();
    std::thread::sleep(Duration::from_millis(500));
    assert!(second.try_wait().unwrap().is_none(), "it did not wait");
    drop(SqliteStore::open(&path, &SqliteOptions::default()).unwrap());
    drop(right);
    assert!(wait(&mut second, Duration::from_secs(60)).success());
}

/// A daemon dies between two of the runs that a `sync` asked it for: what it had answered is not
/// pulled again, the rest is.
#[tokio::test(flavor = "multi_thread")]
async fn a_sync_takes_over_what_a_dead_daemon_left() {
    let (hub, feeds) = (Hub::new(), Feeds::start());
    let shut = Arc::new(AtomicBool::new(true));
    for name in ["quick", "slow"] {
        let path = format!("/{name}.json");
        hub.connector(
            name,
            &format!(
                "name = \"{name}\"\n[source]\nkind = \"json\"\nurl = \"{}\"\n\
                 [records]\npath = \"jobs\"\n[fields]\nreference = \"ref\"\ntitle = \"ref\"\n",
                feeds.url(&path)
            ),
        );
        let (gate, slow) = (shut.clone(), name == "slow");
        feeds.route(&path, move |_| {
            while slow && gate.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(10));
            }
            Answer::json(&json!({ "jobs": [{ "ref": "Infirmier de nuit" }] }))
        });
    }
    let daemon = hub.serve();
    let mut sync = hub.command(&["sync", "--json"]);
    let sync = sync.stdout(Stdio::piped()).stderr(Stdio::piped());
    let sync = sync.spawn().unwrap();
    let store = hub.store();
    let slow = ConnectorName::from("slow");
    let began = Instant::now();
    loop {
        let asked = feeds.asked("/slow.json").len();
        let pending = store.pending_requests().await.unwrap();
        if asked > 0 && pending == [slow.clone()] {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(120), "{pending:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(daemon);
    shut.store(false, Ordering::SeqCst);
    let ended = sync.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let said: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(said["connectors"].as_array().unwrap().len(), 2, "{said}");
    assert_eq!(feeds.asked("/quick.json").len(), 1);
    assert_eq!(feeds.asked("/slow.json").len(), 2);
    assert_eq!(hub.published().await.len(), 2);
}

fn wait(child: &mut std::process::Child, limit: Duration) -> std::process::ExitStatus {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("the process did not end within {limit:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

trait SpawnQuiet {
    fn spawn_quiet(&mut self) -> std::process::Child;
}

impl SpawnQuiet for std::process::Command {
    fn spawn_quiet(&mut self) -> std::process::Child {
        self.stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }
}
