//! The same work by one process and by six, over RabbitMQ and PostgreSQL: the same bytes.

use crate::services::{BROKER, Broker, broker};
use crate::store_contract::backend::Backend;
use crate::support::hub::{Hub, Served, client};
use crate::twice::demo_hub;
use passerelle::demo::{Demo, Folder};
use std::collections::BTreeMap;

/// A hub over servers of its own, with the settings of `from`.
struct Clustered {
    hub: Hub,
    _backend: Backend,
    _broker: Broker,
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
        _backend: backend,
        _broker: broker,
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

/// Changes of each kind at the sources.
async fn happen(demo: &Demo) {
    let references = |member: &str| {
        let world = demo.server.world();
        let of_member = world.openings.iter().filter(|one| one.member == member);
        of_member.map(|one| one.reference()).collect::<Vec<_>>()
    };
    let centre = references("fondation-claire-fontaine");
    let clinic = references("clinique-de-la-colline");
    for path in [
        format!("close/{}", centre[0]),
        format!("close/{}", clinic[3]),
        format!("change/{}", centre[7]),
        format!("change/{}?title=Ergoth%C3%A9rapeute%20F/H", clinic[8]),
        format!("add/{}", centre[2]),
    ] {
        let url = format!("{}/demo/{path}", demo.server.base());
        let answer = client().post(url).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}");
    }
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
        assert!(
            all > 100 && shares.iter().all(|share| share * 5 >= all),
            "{stage}: {shares:?}"
        );
    }
    let met = std::fs::read_dir(meetings.path()).unwrap().flatten();
    let met = met.filter(|entry| entry.file_name().to_string_lossy().ends_with(".met"));
    let met = met.count();
    eprintln!("dedupe workers stopped between reading and committing: {met} times");
    assert!(met >= 2, "the two never met");
}
