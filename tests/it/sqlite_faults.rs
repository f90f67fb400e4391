//! What only a file can suffer: a full disk, a torn log, a newer program, a second process.

use crate::store_contract::fixtures::*;
use crate::support::hub::Hub;
use passerelle::model::Stage;
use passerelle::store::{
    DynStore, PipelineLock, RunEnd, SnapshotKind, SqliteOptions, SqliteStore, Store, StoreError,
};
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

fn options() -> SqliteOptions {
    SqliteOptions {
        full_sync: false,
        ..SqliteOptions::default()
    }
}

fn open(path: &Path) -> DynStore {
    Arc::new(SqliteStore::open(path, &options()).unwrap())
}

/// Text that does not compress, so that pages fill as told.
fn noise(seed: u64) -> String {
    let mut bytes = vec![0; 3000];
    let mut reader = blake3::Hasher::new();
    reader.update(&seed.to_le_bytes());
    reader.finalize_xof().fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_full_disk_tears_nothing_and_is_worth_another_try() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let first = record("A", "");
    let full = SqliteOptions {
        max_pages: Some(90),
        ..options()
    };
    let store: DynStore = Arc::new(SqliteStore::open(&path, &full).unwrap());
    seen(&store, std::slice::from_ref(&first)).await;
    let run = store.start_run(new_run(1)).await.unwrap();
    let wide: Vec<_> = (0..100).map(|n| record("B", &noise(n))).collect();
    let mut wide: Vec<_> = wide
        .into_iter()
        .enumerate()
        .map(|(n, mut record)| {
            record.reference = format!("B{n}");
            record
        })
        .collect();
    let refused = store.stage(run, wide.clone()).await;
    assert!(refused.is_err_and(|error| error.is_transient()));
    assert!(staged(&store, run).await.is_empty());
    // What fits still goes through, on the same connection.
    store.stage(run, vec![wide.remove(0)]).await.unwrap();
    assert_eq!(staged(&store, run).await.len(), 1);
    drop(store);

    let store = open(&path);
    store.stage(run, wide).await.unwrap();
    assert_eq!(staged(&store, run).await.len(), 100);
    let states = store.posting_states(&connector()).await.unwrap();
    assert_eq!(states, [state(&first, 1)]);
}

#[tokio::test]
async fn a_log_that_is_cut_anywhere_holds_whole_commits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = open(&path);
    let records: Vec<_> = (0..40).map(|n| record(&n.to_string(), "")).collect();
    let run = planned(&store, records.clone(), plan(SnapshotKind::Complete)).await;
    for batch in records.chunks(4) {
        let batch = batch.iter().map(|r| change(state(r, 1))).collect();
        store.apply(run, batch).await.unwrap();
    }
    store.finish_run(run, RunEnd::default()).await.unwrap();
    // As the files lie when the process is killed; then as a torn last write leaves them.
    let main = std::fs::read(&path).unwrap();
    let log = std::fs::read(path.with_extension("db-wal")).unwrap();
    let mut met = Vec::new();
    for step in 0..=60 {
        let image = folder.path().join(format!("image-{step}.db"));
        std::fs::write(&image, &main).unwrap();
        let cut = log.len() * step / 60;
        std::fs::write(image.with_extension("db-wal"), &log[..cut]).unwrap();
        let store = open(&image);
        let states = store.posting_states(&connector()).await.unwrap().len();
        let events = lease(&store, Stage::Normalise, 0).await.len();
        assert_eq!(states, events, "cut at {cut} of {}", log.len());
        assert_eq!(states % 4, 0);
        met.push(states);
        // And it goes on from there.
        if let Some(run) = store.applying_run(&connector()).await.unwrap() {
            let batch = records.iter().map(|r| change(state(r, 1))).collect();
            store.apply(run.id, batch).await.unwrap();
            store.finish_run(run.id, RunEnd::default()).await.unwrap();
            assert_eq!(store.outbox_depth().await.unwrap().events, 40);
        }
    }
    assert_eq!(met.last(), Some(&40));
    assert!(met.iter().any(|states| (1..40).contains(states)));
}

#[tokio::test]
async fn a_newer_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    drop(open(&path));
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    match SqliteStore::open(&path, &options()) {
        Err(StoreError::Newer { found: 99, .. }) => {}
        other => panic!("{:?}", other.map(|_| ())),
    }
}

#[tokio::test]
async fn what_is_no_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    std::fs::write(
        &path,
        "not a database, but text that is long enough".repeat(100),
    )
    .unwrap();
    assert!(SqliteStore::open(&path, &options()).is_err());
    assert!(SqliteStore::open(folder.path(), &options()).is_err());
}

#[tokio::test]
async fn a_store_that_is_behind_waits_for_its_migration() {
    let folder = tempfile::tempdir().unwrap();
    let unmigrated = SqliteOptions {
        migrate: false,
        ..options()
    };
    let store = SqliteStore::open(folder.path().join("store.db"), &unmigrated).unwrap();
    let (current, known) = store.migrate(false).await.unwrap();
    assert!(current < known);
    assert_eq!(store.migrate(true).await.unwrap(), (known, known));
    assert_eq!(store.head().await.unwrap(), 0);
}

/// The command: once, then never again, and not against whoever runs the pipeline.
#[tokio::test]
async fn migrate_does_what_is_missing_and_nothing_else() {
    let hub = Hub::new();
    let path = hub.path("data/passerelle.db");
    let said = |output: &Output| {
        let text = [&output.stdout[..], &output.stderr[..]].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let unmigrated = SqliteOptions {
        migrate: false,
        ..options()
    };
    let pipeline = PipelineLock::acquire(&path).unwrap();
    drop(SqliteStore::open(&path, &unmigrated).unwrap());
    let (code, text) = said(&hub.run(&["migrate", "--dry-run"]));
    assert!(
        code == Some(0) && text.contains("this program wants"),
        "{text}"
    );
    let (code, text) = said(&hub.run(&["migrate"]));
    let pid = std::process::id().to_string();
    assert!(code == Some(1) && text.contains(&pid), "{text}");
    drop(pipeline);
    let (code, text) = said(&hub.run(&["migrate"]));
    assert!(code == Some(0) && text.contains("from schema 0"), "{text}");
    // Beside a daemon too there is nothing to do, and nothing to stop for.
    let _pipeline = PipelineLock::acquire(&path).unwrap();
    let before = std::fs::read(&path).unwrap();
    for arguments in [&["migrate"][..], &["migrate", "--dry-run"]] {
        let (code, text) = said(&hub.run(arguments));
        assert!(code == Some(0) && text.contains("nothing to do"), "{text}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deciding_processes_write_beside_the_pipeline() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let pipeline = open(&path);
    let _lock = PipelineLock::acquire(&path).unwrap();
    assert!(matches!(
        PipelineLock::acquire(&path),
        Err(StoreError::Locked { .. })
    ));
    let beside = open(&path);
    let writers = [pipeline.clone(), beside].map(|store| {
        tokio::spawn(async move {
            for n in 0..50 {
                let event = pulled(&state(&record(&n.to_string(), ""), 1));
                store.enqueue(vec![event]).await.unwrap();
            }
        })
    });
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(lease(&pipeline, Stage::Normalise, 0).await.len(), 100);
}
