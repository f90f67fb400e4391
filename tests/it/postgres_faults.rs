//! What only a server can do: end sessions, refuse, be shared by several processes.

use crate::store_contract::backend::{Backend, Schema};
use crate::store_contract::fixtures::*;
use crate::support::proxy::Proxy;
use passerelle::model::{Stage, TombstoneReason};
use passerelle::store::{DynStore, Hint, Hints, PostgresOptions, PostgresStore, Store, StoreError};
use std::sync::Arc;
use std::time::Duration;

async fn backend(test: &str) -> Option<(Backend, String)> {
    let backend = Backend::postgres(test).await?;
    let Backend::Postgres(schema) = &backend else {
        return None;
    };
    let url = schema.url();
    Some((backend, url))
}

fn schema(backend: &Backend) -> &Schema {
    match backend {
        Backend::Postgres(schema) => schema,
        Backend::Sqlite(_) => panic!("a server is wanted"),
    }
}

/// Ends every session of this schema's stores.
async fn cut(backend: &Backend) {
    schema(backend)
        .order(
            "SET application_name = 'test'; \
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE application_name = current_schema()",
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_connections_are_worth_another_try_and_tear_nothing() {
    let Some((backend, _)) = backend("cut").await else {
        return;
    };
    let store = backend.open().await;
    let writer = {
        let store = store.clone();
        tokio::spawn(async move {
            let mut lost = 0;
            for n in 0..200 {
                let events: Vec<_> = (0..5)
                    .map(|k| pulled(&state(&record(&format!("{n}-{k}"), ""), 1)))
                    .collect();
                // The same events until an answer comes: told twice, they are written once.
                while let Err(error) = store.enqueue(events.clone()).await {
                    assert!(error.is_transient(), "{error:?}");
                    lost += 1;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            lost
        })
    };
    while !writer.is_finished() {
        cut(&backend).await;
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let lost = writer.await.unwrap();
    assert_eq!(store.outbox_depth().await.unwrap().events, 1000);
    assert!(lost > 0, "no connection was cut in time");
}

/// A machine between the two has vanished: connections stay open, and nothing answers any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_is_given_up_and_asked_again() {
    let Some((_backend, url)) = backend("silent").await else {
        return;
    };
    let (_, after) = url.split_once('@').unwrap();
    let (server, _) = after.split_once('/').unwrap();
    let proxy = Proxy::start(server.to_owned());
    let options = PostgresOptions {
        patience: Duration::from_secs(1),
        ..PostgresOptions::default()
    };
    let url = url.replace(server, &format!("127.0.0.1:{}", proxy.port));
    let store: DynStore = Arc::new(PostgresStore::open(&url, &options).await.unwrap());
    let held = store.lock_connector(&connector()).await.unwrap();
    let mut tx = store.lock_public().await.unwrap();
    store.head().await.unwrap();
    proxy.fall_silent();

    // The holder hears of it by itself.
    let lost = held.as_ref().unwrap().lost();
    let heard = tokio::time::timeout(Duration::from_secs(60), lost.cancelled());
    heard.await.unwrap();
    let ids = [state(&record("A", ""), 1).id];
    let silent = tx.clusters(&ids).await.unwrap_err();
    assert!(silent.is_transient(), "{silent:?}");
    assert!(silent.to_string().contains("load clusters"), "{silent}");
    drop(tx);
    drop(held);
    let mut tries = 0;
    let event = pulled(&state(&record("A", ""), 1));
    while let Err(error) = store.enqueue(vec![event.clone()]).await {
        assert!(error.is_transient(), "{error:?}");
        tries += 1;
        assert!(tries < 8, "the pool never lets go of silent connections");
    }
    assert_eq!(store.outbox_depth().await.unwrap().events, 1);
    // Both locks can be had anew: the server has seen their sessions end.
    let mut again = store.lock_connector(&connector()).await;
    while !matches!(again, Ok(Some(_))) {
        tries += 1;
        assert!(tries < 100, "{:?}", again.err());
        tokio::time::sleep(Duration::from_millis(100)).await;
        again = store.lock_connector(&connector()).await;
    }
    drop(store.lock_public().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_goes_with_its_session_and_the_dead_run_is_fenced() {
    let Some((backend, _)) = backend("fenced").await else {
        return;
    };
    let (one, other) = (backend.open().await, backend.open().await);
    let held = one.lock_connector(&connector()).await.unwrap();
    let lost = held.as_ref().unwrap().lost();
    assert!(other.lock_connector(&connector()).await.unwrap().is_none());
    assert!(!lost.is_cancelled());
    let dead = one.start_run(new_run(0)).await.unwrap();
    one.stage(dead, vec![record("A", "")]).await.unwrap();
    cut(&backend).await;
    let mut taken = None;
    for _ in 0..100 {
        taken = other.lock_connector(&connector()).await.ok().flatten();
        if taken.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let heard = tokio::time::timeout(Duration::from_secs(60), lost.cancelled());
    heard.await.unwrap();
    // What is given back now is the other's.
    drop(held);
    assert!(one.lock_connector(&connector()).await.unwrap().is_none());
    assert!(!taken.as_ref().unwrap().lost().is_cancelled());
    let next = other.start_run(new_run(5)).await.unwrap();
    assert!(next > dead);
    // The first worker does not know yet: the store does.
    assert!(one.stage(dead, vec![record("B", "")]).await.is_err());
    assert!(staged(&one, dead).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_hears_what_was_written_and_hears_again_after_a_cut() {
    let Some((backend, _)) = backend("hints").await else {
        return;
    };
    let (one, other) = (backend.open().await, backend.open().await);
    let mut requests = other.hints(Hint::Requests);
    let mut outbox = other.hints(Hint::Outbox);
    // It says something now and then until the other has heard: how soon is nobody's promise.
    let until_heard = async |hints: &mut Hints, requested: bool| {
        for n in 0..600 {
            match requested {
                true => drop(one.request_runs(&[connector()], at(n)).await),
                false => drop(one.enqueue(vec![pulled(&state(&record("A", ""), 1))]).await),
            }
            let moment = Duration::from_millis(100);
            if tokio::time::timeout(moment, hints.next()).await.is_ok() {
                return;
            }
        }
        panic!("nothing was heard");
    };
    until_heard(&mut requests, true).await;
    until_heard(&mut outbox, false).await;
    cut(&backend).await;
    until_heard(&mut requests, true).await;
    until_heard(&mut outbox, false).await;
    // A store that hears nothing lets its owner look by himself.
    let deaf = Backend::sqlite().open().await;
    let wait = Duration::from_millis(50);
    let heard = tokio::time::timeout(wait, async { deaf.hints(Hint::Changes).next().await }).await;
    assert!(heard.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_taken_by_one_process_and_outlives_it() {
    let Some((backend, _)) = backend("requests").await else {
        return;
    };
    let (one, other) = (backend.open().await, backend.open().await);
    one.request_runs(&[connector()], at(0)).await.unwrap();
    assert_eq!(one.take_requests().await.unwrap(), [connector()]);
    assert!(other.take_requests().await.unwrap().is_empty());
    drop(one);
    for _ in 0..100 {
        if other.take_requests().await.unwrap() == [connector()] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the request died with its process");
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_of_two_processes_commit_the_same_rows_without_a_deadlock() {
    let Some((backend, _)) = backend("deadlock").await else {
        return;
    };
    let stores = [backend.open().await, backend.open().await];
    let references: Vec<String> = (0..60).map(|n| n.to_string()).collect();
    let records: Vec<_> = references.iter().map(|r| record(r, "")).collect();
    seen(&stores[0], &records).await;
    let workers: Vec<_> = (0..6)
        .map(|worker: usize| {
            let store = stores[worker % 2].clone();
            let mut references = references.clone();
            tokio::spawn(async move {
                for round in 0..15u64 {
                    // Each in an order of its own.
                    references.rotate_left(7 * worker + 1);
                    if worker.is_multiple_of(3) {
                        references.reverse();
                    }
                    let outputs = references
                        .iter()
                        .map(|r| output(posting(r, &format!("{round}")), 1 + round, &[round, 7]));
                    let handled = inbox(Stage::Normalise, Vec::new());
                    store
                        .commit_normalised(outputs.collect(), &handled)
                        .await
                        .unwrap();
                    if worker == 0 {
                        let titles = references.iter().map(|r| upsert(r, "titre", 1)).collect();
                        publish(&store, vacancies(titles)).await;
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let loaded = stores[0].load_normalised(&[id("3")]).await.unwrap();
    assert_eq!(loaded[0].posting.offer.title, "14");
    assert_eq!(stores[1].head().await.unwrap(), 15 * 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_have_no_gap_over_two_processes() {
    let Some((backend, _)) = backend("numbers").await else {
        return;
    };
    let stores = [backend.open().await, backend.open().await];
    let workers: Vec<_> = (0..4)
        .map(|worker: usize| {
            let store: DynStore = stores[worker % 2].clone();
            tokio::spawn(async move {
                for n in 0..15 {
                    let mut writes = vec![upsert(&format!("{worker}-{n}"), "titre", n)];
                    if n > 0 {
                        let before = format!("{worker}-{}", n - 1);
                        writes.push(tombstone(&before, TombstoneReason::Filled, None, n));
                    }
                    publish(&store, vacancies(writes)).await;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    assert_eq!(stores[0].head().await.unwrap(), 4 * (15 + 14));
    let changes = stores[1].changes(0, 1000).await.unwrap();
    assert_eq!(changes.len(), 60);
    assert!(changes.is_sorted_by_key(|change| change.seq));
    assert_eq!(stores[0].snapshot().await.unwrap().1.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_together_migrate_once() {
    let Some((_backend, url)) = backend("together").await else {
        return;
    };
    let openings = (0..4).map(|_| {
        let url = url.clone();
        tokio::spawn(async move { PostgresStore::open(&url, &PostgresOptions::default()).await })
    });
    for opening in openings.collect::<Vec<_>>() {
        assert!(opening.await.unwrap().is_ok());
    }
}

/// Processes are exchanged one by one: the old ones go on until a migration takes away what they use.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_program_lives_with_what_a_newer_one_only_added() {
    let Some((backend, url)) = backend("rolling").await else {
        return;
    };
    let running = backend.open().await;
    let (current, known) = running.migrate(false).await.unwrap();
    assert_eq!(current, known);
    let next = known + 1;
    let expanded = format!(
        "ALTER TABLE posting ADD COLUMN later INTEGER; CREATE TABLE later (n INTEGER); \
         INSERT INTO schema_version (version, needs) VALUES ({next}, {known})"
    );
    schema(&backend).order(&expanded).await;
    assert_eq!(running.migrate(false).await.unwrap(), (next, known));
    seen(&running, &[record("A", "")]).await;
    let restarted = PostgresStore::open(&url, &PostgresOptions::default())
        .await
        .unwrap();
    assert_eq!(
        restarted.posting_states(&connector()).await.unwrap().len(),
        1
    );
    let contracted =
        format!("INSERT INTO schema_version (version, needs) VALUES ({next} + 1, {next})");
    schema(&backend).order(&contracted).await;
    assert!(matches!(
        running.migrate(false).await,
        Err(StoreError::Newer { found, .. }) if found == next + 1
    ));
    assert!(matches!(
        PostgresStore::open(&url, &PostgresOptions::default()).await,
        Err(StoreError::Newer { .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_and_wrong_addresses_are_refused_by_name() {
    let Some((backend, url)) = backend("refused").await else {
        return;
    };
    drop(backend.open().await);
    let newer = "INSERT INTO schema_version (version) VALUES (99)";
    schema(&backend).order(newer).await;
    let open = async |url: &str| {
        let options = PostgresOptions {
            wait: Duration::from_secs(3),
            ..PostgresOptions::default()
        };
        match PostgresStore::open(url, &options).await {
            Ok(_) => panic!("{url} was opened"),
            Err(error) => error,
        }
    };
    assert!(matches!(
        open(&url).await,
        StoreError::Newer { found: 99, .. }
    ));
    let missing = url.replace("/postgres?", "/no_such_database?");
    let error = open(&missing).await;
    assert!(!error.is_transient());
    assert!(error.to_string().contains("no_such_database"), "{error}");
    let away = open("postgres://hub:s3cret@127.0.0.1:9/hub").await;
    assert!(away.is_transient());
    assert!(!format!("{away:?} {away}").contains("s3cret"));
    let unreadable = open("postgres://hub:s3cret@host:port/hub").await;
    assert!(!unreadable.is_transient());
    assert!(!format!("{unreadable:?} {unreadable}").contains("s3cret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_a_server_cannot_hold_comes_back() {
    let Some((backend, _)) = backend("nul").await else {
        return;
    };
    let store = backend.open().await;
    let odd = record("A\0B\u{1}", "");
    seen(&store, std::slice::from_ref(&odd)).await;
    let states = store.posting_states(&connector()).await.unwrap();
    assert_eq!(states, [state(&odd, 1)]);
}

/// The machine's clock was hours ahead, its relay died, and the clock was set right.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_by_a_clock_that_was_ahead_holds_nothing_up() {
    let Some((backend, _)) = backend("ahead").await else {
        return;
    };
    let store = backend.open().await;
    let event = pulled(&state(&record("A", ""), 1));
    store.enqueue(vec![event.clone()]).await.unwrap();
    let lease = async |now, until| {
        let leased = store.lease_outbox(Stage::Normalise, 1, now, until);
        leased.await.unwrap().pop().map(|leased| leased.event)
    };
    assert_eq!(lease(at(300), at(301)).await, Some(event.clone()));
    assert_eq!(
        lease(at(250), at(251)).await,
        None,
        "it is in a relay's hands"
    );
    assert_eq!(lease(at(0), at(1)).await, Some(event));
}
