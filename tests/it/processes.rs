//! The same work by one process and by six, over RabbitMQ and PostgreSQL: the same bytes.

use crate::services::{BROKER, Broker, broker};
use crate::store_contract::backend::Backend;
use crate::support::hub::{Hub, Served};
use crate::twice::{demo_hub, happen};
use passerelle::demo::{Demo, Folder};
use passerelle::store::ChangeOp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A hub over servers of its own, with the settings of `from`.
struct Clustered {
    hub: Hub,
    backend: Backend,
    broker: Broker,
}

async fn clustered(name: &str, demo: &Demo, from: &Hub) -> Option<Clustered> {
    let broker = broker(name)?;
    let backend = Backend::postgres(name).await?;
    let Backend::Postgres(schema) = &backend else {
        return None;
    };
    let mut hub = Hub::new();
    let folder = Folder { root: hub.path("") };
    folder.write(demo.server.base()).unwrap();
    let settings = std::fs::read_to_string(from.path("passerelle.toml")).unwrap();
    hub.write("passerelle.toml", &settings);
    hub.envs = vec![
        ("PASSERELLE__STORE__URL".into(), schema.url()),
        ("PASSERELLE__BUS__URL".into(), broker.url.clone()),
        // Small handfuls: each worker of a stage has many turns.
        ("PASSERELLE__BUS__PREFETCH".into(), "20".into()),
    ];
    Some(Clustered {
        hub,
        backend,
        broker,
    })
}

/// Everything that leaves a hub through one of its nodes.
async fn outputs(node: &Served) -> BTreeMap<&'static str, String> {
    let mut outputs = BTreeMap::new();
    for path in [
        "/api/v1/snapshot",
        "/exports/linkedin.xml",
        "/feeds/jobs.json",
        "/sitemap.xml",
    ] {
        outputs.insert(path, node.text(path).await);
    }
    outputs
}

/// Events of `stage` that a node has ended well.
async fn done(node: &Served, stage: &str) -> u64 {
    let wanted = format!("passerelle_events_total{{stage=\"{stage}\",end=\"done\"}} ");
    let metrics = node.text("/metrics").await;
    let line = metrics.lines().find_map(|line| line.strip_prefix(&wanted));
    line.map_or(0, |number| number.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn six_processes_end_with_the_bytes_of_one() {
    let _shared = BROKER.read().await;
    let (settings, demo) = demo_hub().await;
    let Some(alone) = clustered("alone", &demo, &settings).await else {
        return;
    };
    let Some(spread) = clustered("spread", &demo, &settings).await else {
        return;
    };
    let one = alone.hub.serve();
    let meetings = tempfile::tempdir().unwrap();
    let barrier = format!("dedupe.candidates:2:{}", meetings.path().display());
    let mut nodes: Vec<(&str, Served)> = Vec::new();
    // Those that pull come last: nothing is to be done before all are there.
    for (stage, roles) in [
        ("dedupe", "dedupe,serve"),
        ("publish", "publish,serve"),
        ("normalise", "pull,normalise,serve"),
    ] {
        for _ in 0..2 {
            let envs = [("PASSERELLE_BARRIER", barrier.clone())];
            let node = spread.hub.serve_with(&["run", "--roles", roles], &envs);
            nodes.push((stage, node));
        }
    }
    let sync = || {
        alone.hub.sync();
        spread.hub.sync();
    };
    sync();
    let first = outputs(&one).await;
    assert!(first["/api/v1/snapshot"].lines().count() > 100);
    for (stage, node) in &nodes {
        assert!(outputs(node).await == first, "a {stage} node, at first");
    }
    happen(&demo).await;
    // Twice: what has gone is missed twice.
    sync();
    sync();
    let last = outputs(&one).await;
    assert!(last != first);
    for (stage, node) in &nodes {
        assert!(outputs(node).await == last, "a {stage} node, at last");
    }

    for stage in ["normalise", "dedupe", "publish"] {
        let mut shares = Vec::new();
        for (_, node) in nodes.iter().filter(|(of, _)| *of == stage) {
            shares.push(done(node, stage).await);
        }
        let all: u64 = shares.iter().sum();
        eprintln!("{stage}: {shares:?} events");
        // Publishing reads the changes from the store: its events only say that there are some.
        let fair = match stage {
            "publish" => shares.iter().all(|share| *share > 0),
            _ => all > 100 && shares.iter().all(|share| share * 5 >= all),
        };
        assert!(fair, "{stage}: {shares:?}");
    }
    let met = std::fs::read_dir(meetings.path()).unwrap().flatten();
    let met = met.filter(|entry| entry.file_name().to_string_lossy().ends_with(".met"));
    let met = met.count();
    eprintln!("dedupe workers stopped between reading and committing: {met} times");
    assert!(met >= 2, "the two never met");
}

/// The Python of the judges, where `.ci/judges install` has put it.
fn python() -> Option<std::path::PathBuf> {
    let cache = || {
        let home = std::env::var_os("HOME").map(|home| std::path::Path::new(&home).join(".cache"));
        let cache = std::env::var_os("XDG_CACHE_HOME").map(Into::into).or(home);
        cache.map(|cache| cache.join("passerelle-judges"))
    };
    let folder = std::env::var_os("PASSERELLE_JUDGES").map(Into::into);
    let folder: std::path::PathBuf = folder.or_else(cache)?;
    // As `.ci/judges` says that it is complete: an earlier list may lack what is imported here.
    let wanted = include_bytes!("../judges/requirements.txt");
    let installed = std::fs::read(folder.join("installed")).ok()?;
    (installed == wanted).then(|| folder.join("bin/python"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_in_python_hears_every_change() {
    let _shared = BROKER.read().await;
    let missing = || {
        let why = "no Python with pika; `.ci/judges install` puts it there";
        crate::services::skip("a_program_in_python_hears_every_change", why)
    };
    let Some(python) = python().or_else(missing) else {
        return;
    };
    let (settings, demo) = demo_hub().await;
    let Some(alone) = clustered("python", &demo, &settings).await else {
        return;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/judges/subscriber.py");
    let mut subscriber = Command::new(python)
        .args([script, &alone.broker.url])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(subscriber.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "bound");
    let node = alone.hub.serve();
    alone.hub.sync();
    happen(&demo).await;
    alone.hub.sync();
    alone.hub.sync();

    let store = alone.backend.open().await;
    let head = store.head().await.unwrap();
    assert!(head > 100);
    let (send, heard) = std::sync::mpsc::channel::<Value>();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let _ = send.send(serde_json::from_str(&line).unwrap());
        }
    });
    let mut by_sequence = BTreeMap::new();
    let mut before = 0;
    while before < head {
        let event = heard.recv_timeout(Duration::from_secs(60)).unwrap();
        let sequence: u64 = event["sequence"].as_str().unwrap().parse().unwrap();
        // At least once, in order.
        assert!(sequence > before, "{sequence} after {before}");
        before = sequence;
        by_sequence.insert(sequence, event);
    }
    let _ = subscriber.kill();
    let _ = subscriber.wait();
    // A vacancy's row is that of its newest change: earlier ones were heard as they were made.
    let changes = store.changes(0, 100_000).await.unwrap();
    assert!(by_sequence.len() >= changes.len());
    for change in &changes {
        let event = &by_sequence[&change.seq];
        assert_eq!(event["subject"], json!(change.id));
        match &change.op {
            ChangeOp::Upsert { body } => {
                assert_eq!(event["type"], "fr.passerelle.vacancy.upserted.v1");
                assert_eq!(event["key"], "vacancy.upserted");
                assert_eq!(
                    event["data"],
                    serde_json::from_slice::<Value>(body).unwrap()
                );
            }
            ChangeOp::Delete { .. } => {
                assert_eq!(event["type"], "fr.passerelle.vacancy.deleted.v1");
            }
        }
    }
    let deleted = changes
        .iter()
        .filter(|c| matches!(c.op, ChangeOp::Delete { .. }));
    assert!(deleted.count() > 0);
    eprintln!("{} events heard, up to change {head}", by_sequence.len());
    drop(node);
}
