//! The whole pipeline in one process, from the bytes of a file to published vacancies.
//!
//! `cargo bench --bench pipeline [-- POSTINGS]` prints, in one run on one disk: raw upserts a second
//! (a row of 3 KB and an outbox row, batches of 100, as a yardstick), postings a second through all
//! stages, the same once every posting has changed, and unchanged postings a second of a sweep; with
//! each the processor time a posting and the most memory in use. Last, the milliseconds that one
//! posting takes through all stages of a hub at rest.
//!
//! With `PASSERELLE_TEST_AMQP` and `PASSERELLE_TEST_POSTGRES` (a private broker and server, as
//! `.ci/services start DIR` prints them) the same over RabbitMQ and PostgreSQL, in a database of its
//! own, beside confirmed publishes and upserts a second of the two.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on stops")]

use passerelle::bus::rabbit::{RabbitBus, RabbitConfig};
use passerelle::bus::{Bus, EmbeddedBus};
use passerelle::fetch::{FetchSettings, Fetcher};
use passerelle::model::{Clock, Event, EventKind, Network, Revision, Stage};
use passerelle::pull::connector::{Catalogue, Connector, load};
use passerelle::pull::run::{Live, Map, Outcome, Report, run};
use passerelle::pull::source::{Secrets, SourceEnv};
use passerelle::stages::{CurrentFiles, Files, Hub, Pipeline, Rules};
use passerelle::store::{DynStore, PostgresOptions, PostgresStore, SqliteOptions, SqliteStore};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use support::{ads, process, raw};
use tokio_util::sync::CancellationToken;

mod support;

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn connector(feed: &Path) -> Connector {
    let text = format!(
        r#"
name = "bench"
[source]
kind = "json"
url = "file:{}"
[records]
path = "jobs"
[fields]
reference = "id"
title = "title"
employer_name = "company"
place_city = "city"
place_postal_code = "zip"
contract = "contract"
pay = "salary"
published = {{ path = "date", format = "iso" }}
apply_url = "url"
description = "text"
"#,
        feed.display()
    );
    let loaded = load(&text, "bench.toml", &Catalogue::embedded());
    let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    loaded.connector.unwrap_or_else(|| panic!("{problems:#?}"))
}

async fn pull(hub: &Hub, live: &Arc<Live>) -> Report {
    match run(&*hub.store, live.clone(), &hub.clock, "sync").await {
        Ok(Outcome::Ran(report)) => report,
        other => panic!("{other:?}"),
    }
}

/// Pulls and drains; prints postings a second of each step and of all, and what they cost.
async fn pass(name: &str, hub: &Hub, pipeline: &Pipeline, live: &Arc<Live>, count: usize) {
    process::forget_peak();
    let cpu = process::cpu();
    let begun = Instant::now();
    let report = pull(hub, live).await;
    // As a daemon's pull does once the run has ended.
    hub.bus.wake(Stage::Normalise);
    let pulled = begun.elapsed();
    assert!(report.error.is_none(), "{report:?}");
    let drained = pipeline.drain(Duration::from_secs(1200)).await;
    let all = begun.elapsed();
    assert!(drained.idle, "{drained:?}");
    let rate = |time: Duration| count as f64 / time.as_secs_f64();
    println!(
        "{name:<10} {:>9.0} postings/s   pull alone {:>9.0}/s, stages {:>9.0}/s, processor {:>6.1} µs each, peak {:>4} MB   {:?}",
        rate(all),
        rate(pulled),
        rate(all - pulled),
        (process::cpu() - cpu) * 1e6 / count as f64,
        process::peak_mb(),
        report.counts
    );
}

/// One posting at a time through the stages of a hub at rest.
async fn alone(hub: &Hub, pipeline: &Pipeline) {
    let ids = hub.store.posting_ids(None).await.unwrap();
    let stop = CancellationToken::new();
    let (running, stopped) = (pipeline.clone(), stop.clone());
    let running = tokio::spawn(async move { running.run(stopped).await });
    let mut times = Vec::new();
    for id in ids.into_iter().take(40) {
        // Asked again, as when its member's file has changed.
        let event = Event::new(
            EventKind::PostingRecheck,
            id,
            Revision::default(),
            hub.clock.now(),
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
        let begun = Instant::now();
        hub.store.enqueue(vec![event]).await.unwrap();
        hub.bus.wake(Stage::Normalise);
        while hub.store.outbox_depth().await.unwrap().events > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        times.push(begun.elapsed());
    }
    stop.cancel();
    running.await.unwrap();
    times.sort_unstable();
    println!(
        "alone      {:>9.1} ms through two stages (median), {:.1} ms at most",
        times[times.len() / 2].as_secs_f64() * 1e3,
        times[times.len() - 1].as_secs_f64() * 1e3
    );
}

/// New, changed and unchanged postings through a hub.
async fn passes(hub: Hub, now: &AtomicI64, feed: &Path, connector: Arc<Connector>, count: usize) {
    let env = SourceEnv {
        fetcher: Fetcher::new(FetchSettings::default()).unwrap(),
        clock: hub.clock.clone(),
        secrets: Secrets::default(),
    };
    let live = Arc::new(Live { connector, env });
    let pipeline = Pipeline::new(hub.clone(), &Stage::ALL);
    pass("new", &hub, &pipeline, &live, count).await;
    now.fetch_add(7200, Ordering::SeqCst);
    ads::write(feed, count, 2, 0).unwrap();
    pass("changed", &hub, &pipeline, &live, count).await;
    now.fetch_add(7200, Ordering::SeqCst);
    ads::write(feed, count, 2, 1).unwrap();
    pass("unchanged", &hub, &pipeline, &live, count).await;
    alone(&hub, &pipeline).await;
    let statistics = hub.store.statistics().await.unwrap();
    println!("{} vacancies from {count} postings", statistics.vacancies);
}

/// SQLite and the embedded bus.
fn embedded(folder: &Path, clock: &Clock, count: usize) -> (DynStore, Arc<dyn Bus>) {
    let upserts = raw::sqlite(folder, count).unwrap();
    println!("raw        {upserts:>9.0} upserts/s");
    let options = SqliteOptions::default();
    let store: DynStore = Arc::new(SqliteStore::open(folder.join("hub.db"), &options).unwrap());
    let bus = EmbeddedBus::new(store.clone(), clock.clone());
    (store, Arc::new(bus))
}

/// RabbitMQ, and a new database of PostgreSQL.
async fn clustered(amqp: String, postgres: &str, count: usize) -> (DynStore, Arc<dyn Bus>) {
    let (client, connection) = tokio_postgres::connect(postgres, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let name = format!("bench_{}", std::process::id());
    let create = format!("CREATE DATABASE {name}");
    client.batch_execute(&create).await.unwrap();
    let (server, _) = postgres.rsplit_once('/').unwrap();
    let own = format!("{server}/{name}");
    let upserts = raw::postgres(&own, count).await.unwrap();
    let publishes = raw::rabbit(&amqp, count).await.unwrap();
    println!("raw        {upserts:>9.0} upserts/s, {publishes:.0} confirmed publishes/s");
    let options = PostgresOptions::default();
    let store: DynStore = Arc::new(PostgresStore::open(&own, &options).await.unwrap());
    let config = RabbitConfig {
        addresses: vec![amqp],
        ..RabbitConfig::default()
    };
    #[allow(clippy::disallowed_methods, reason = "leases are about machines")]
    let clock = Clock::new(jiff::Timestamp::now);
    let bus = RabbitBus::start(
        config,
        store.clone(),
        clock,
        &Stage::ALL,
        CancellationToken::new(),
    );
    (store, bus.await.unwrap())
}

fn main() {
    let count = std::env::args().skip(1).find_map(|a| a.parse().ok());
    let count: usize = count.unwrap_or(10_000);
    let folder = tempfile::tempdir().unwrap();
    let feed = folder.path().join("feed.json");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bytes = ads::write(&feed, count, 1, 0).unwrap();
    println!("{count} postings, {bytes} bytes");
    let now = Arc::new(AtomicI64::new(1_790_000_000));
    let clock = {
        let now = now.clone();
        Clock::new(move || jiff::Timestamp::from_second(now.load(Ordering::SeqCst)).unwrap())
    };
    let connector = Arc::new(connector(&feed));
    let map: Arc<dyn Map> = connector.clone();
    let network = Network {
        connectors: BTreeMap::from([(connector.name.clone(), None)]),
        ..Network::default()
    };
    let servers = ["PASSERELLE_TEST_AMQP", "PASSERELLE_TEST_POSTGRES"].map(std::env::var);
    runtime.block_on(async {
        let (store, bus) = match servers {
            [Ok(amqp), Ok(postgres)] => clustered(amqp, &postgres, count).await,
            _ => embedded(folder.path(), &clock, count),
        };
        let hub = Hub {
            store,
            bus,
            clock: clock.clone(),
            files: CurrentFiles::new(Files {
                network: Arc::new(network),
                maps: BTreeMap::from([(connector.name.clone(), map)]),
            }),
            rules: Rules::default(),
        };
        passes(hub, &now, &feed, connector, count).await;
    });
}
