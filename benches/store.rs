//! The store alone: what one pull, one normalise commit and one sweep cost at most.
//!
//! `cargo bench --bench store`. Files lie in the system's temporary folder, synchronised at every
//! commit as in production.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on stops")]

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use passerelle::model::{
    ConnectorName, Event, EventKind, Offer, Posting, PostingId, PostingState, RULES, Revision,
    Stage,
};
use passerelle::store::{
    ConnectorState, Counts, DynStore, Inbox, NewRun, NormalisedOutput, Plan, PostingChange,
    RecordVerdict, RunEnd, SnapshotKind, SqliteOptions, SqliteStore, StagedRecord,
};
use std::sync::Arc;
use tokio::runtime::Runtime;

const RECORDS: usize = 5_000;
const BATCH: usize = 500;

fn connector() -> ConnectorName {
    ConnectorName::from("bench")
}

fn at() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

/// 3 KB a record, half of it the same in all, as advertisements are.
fn records(version: u64) -> Vec<StagedRecord> {
    (0..RECORDS)
        .map(|n| {
            let own = blake3::hash(format!("{n} {version}").as_bytes()).to_hex();
            let text = "Nous recherchons un aide-soignant motivé. ".repeat(35);
            let own = own.repeat(22);
            let payload = Bytes::from(format!(r#"{{"ref":"{n}","own":"{own}","text":"{text}"}}"#));
            StagedRecord {
                reference: n.to_string(),
                hash: blake3::hash(&payload).to_hex().to_string(),
                payload,
                verdict: RecordVerdict::Open,
            }
        })
        .collect()
}

fn change(record: &StagedRecord, observation: u64) -> PostingChange {
    let state = PostingState {
        id: PostingId::new(&connector(), &record.reference),
        connector: connector(),
        reference: record.reference.clone(),
        hash: record.hash.clone(),
        observation,
        first_seen: at(),
        closed: None,
        misses: 0,
        last_miss: None,
    };
    let revision = Revision {
        observation,
        rules: RULES,
    };
    PostingChange {
        reopened: None,
        events: vec![Event::new(
            EventKind::PostingPulled,
            state.id,
            revision,
            at(),
        )],
        state,
    }
}

/// One run over `records`; those that changed are applied at `observation`.
async fn pull(store: &DynStore, records: Vec<StagedRecord>, observation: Option<u64>) {
    let new = NewRun {
        connector: connector(),
        started: at(),
        trigger: "bench".into(),
    };
    let run = store.start_run(new).await.unwrap();
    let changes: Vec<_> = match observation {
        Some(observation) => records.iter().map(|r| change(r, observation)).collect(),
        None => Vec::new(),
    };
    for batch in records.chunks(BATCH) {
        store.stage(run, batch.to_vec()).await.unwrap();
    }
    let mut compared = 0;
    let mut after: Option<String> = None;
    loop {
        let page = store.compare(run, after.as_deref(), BATCH).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.row.reference.clone());
        compared += page.len();
    }
    let absent = store.absent(run, None, BATCH).await.unwrap();
    assert!(compared == RECORDS && absent.is_empty());
    let plan = Plan {
        snapshot: SnapshotKind::Complete,
        counts: Counts::default(),
        apply_new: true,
        apply_changed: true,
        apply_closed: true,
        apply_absences: true,
        doubt: None,
        state: ConnectorState::default(),
        releases: None,
        gone: Default::default(),
        close_now: false,
        rekey: Vec::new(),
        repeats: passerelle::store::Repeats::default(),
    };
    store.plan_run(run, plan).await.unwrap();
    for batch in changes.chunks(BATCH) {
        store.apply(run, batch.to_vec()).await.unwrap();
    }
    store.finish_run(run, RunEnd::default()).await.unwrap();
}

fn outputs(observation: u64) -> Vec<NormalisedOutput> {
    let revision = Revision {
        observation,
        rules: RULES,
    };
    (0..RECORDS)
        .map(|n| {
            let id = PostingId::new(&connector(), &n.to_string());
            NormalisedOutput {
                revision,
                posting: Posting {
                    id,
                    connector: connector(),
                    reference: n.to_string(),
                    member: None,
                    offer: Offer {
                        title: format!("Aide-soignant {observation} ").repeat(100),
                        ..Offer::default()
                    },
                    findings: Vec::new(),
                    contacts: Vec::new(),
                    provenance: Default::default(),
                },
                features: Some(vec![7; 2300].into()),
                keys: (0..6).map(|key| (n * 7 + key) as u64).collect(),
                events: vec![Event::new(EventKind::PostingNormalised, id, revision, at())],
            }
        })
        .collect()
}

/// Leases and commits until the stage's events are used up.
async fn normalise(store: &DynStore, outputs: Vec<NormalisedOutput>) {
    for batch in outputs.chunks(BATCH) {
        let leased = store
            .lease_outbox(Stage::Normalise, BATCH, at(), Timestamp::MAX)
            .await
            .unwrap();
        let inbox = Inbox {
            stage: Stage::Normalise,
            messages: leased.iter().map(|leased| leased.event.id).collect(),
            at: at(),
        };
        let ids: Vec<_> = batch.iter().map(|output| output.posting.id).collect();
        assert_eq!(store.load_pulled(&ids).await.unwrap().len(), BATCH);
        store
            .commit_normalised(batch.to_vec(), &inbox)
            .await
            .unwrap();
    }
}

fn store(runtime: &Runtime, folder: &tempfile::TempDir, filled: bool) -> DynStore {
    let name = blake3::hash(format!("{:?}", std::time::Instant::now()).as_bytes()).to_hex();
    let path = folder.path().join(&name.as_str()[..12]);
    let store: DynStore = Arc::new(SqliteStore::open(path, &SqliteOptions::default()).unwrap());
    if filled {
        runtime.block_on(pull(&store, records(0), Some(1)));
    }
    store
}

fn bench(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut group = criterion.benchmark_group("sqlite");
    group.sample_size(10);
    group.throughput(Throughput::Elements(RECORDS as u64));
    for (name, filled, observation) in [
        ("pull, all new", false, Some(1)),
        ("pull, all changed", true, Some(2)),
        ("pull, all unchanged", true, None),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || {
                    let version = observation.map_or(0, |observation| observation - 1);
                    (store(&runtime, &folder, filled), records(version))
                },
                |(store, records)| {
                    runtime.block_on(pull(&store, records, observation));
                    store
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.bench_function("normalise: lease, load, commit", |bencher| {
        bencher.iter_batched(
            || (store(&runtime, &folder, true), outputs(1)),
            |(store, outputs)| {
                runtime.block_on(normalise(&store, outputs));
                store
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
