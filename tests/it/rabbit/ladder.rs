//! Up the ladder, whatever happens on the way.

use super::rig::*;
use crate::store_contract::backend::Backend;
use passerelle::bus::rabbit::{BusHealth, RabbitConfig, retry_queue, work_queue};
use passerelle::bus::{Bus, LADDER, Verdict};
use passerelle::model::Stage;
use passerelle::store::{PostgresOptions, PostgresStore};
use std::process::Command;
use std::sync::Arc;

fn first_step() -> String {
    retry_queue(Stage::Normalise, LADDER[0])
}

fn retry() -> Verdict {
    Verdict::Retry("a lock".into())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_message_climbs_the_ladder_with_its_attempt_counted() {
    let Some(turn) = shared("ladder").await else {
        return;
    };
    let rig = turn.rig().await;
    rig.send(events(1)).await;
    let batch = rig.take(1).await;
    rig.end(batch, retry()).await;
    assert_eq!(turn.depth(&first_step()).await, 1);
    let idle = rig.bus.idle().await.unwrap();
    assert!(!idle, "a message on the ladder is not done");
    let batch = rig.take(1).await;
    assert_eq!(batch[0].attempt, 1);
    rig.end(batch, Verdict::Park("no use".into())).await;
    rig.until_idle().await;
    let parked = rig.store.parked().await.unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].error, "no use");
}

/// The store is away when a message is to be tried again: however often that is said, one copy climbs.
#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_the_store_cannot_write_puts_no_copy_into_the_ladder() {
    let Some(turn) = shared("once").await else {
        return;
    };
    let Some((rig, backend)) = turn.rig_over_postgres("once").await else {
        return;
    };
    rig.send(events(1)).await;
    let batch = rig.take(1).await;
    let ended: Vec<_> = batch.into_iter().map(|d| (d, retry())).collect();
    backend.order("ALTER TABLE outbox RENAME TO away").await;
    for _ in 0..3 {
        let settled = rig.bus.settle(Stage::Normalise, ended.clone()).await;
        assert!(settled.is_err());
    }
    assert_eq!(turn.depth(&first_step()).await, 0);
    backend.order("ALTER TABLE away RENAME TO outbox").await;
    rig.bus.settle(Stage::Normalise, ended).await.unwrap();
    assert_eq!(turn.depth(&first_step()).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_in_the_ladder_outlive_the_broker() {
    let Some(turn) = alone("waiting").await else {
        return;
    };
    let rig = turn.rig().await;
    let sent = events(20);
    rig.send(sent.clone()).await;
    let batch = rig.take(sent.len()).await;
    rig.end(batch, retry()).await;
    assert_eq!(turn.depth(&first_step()).await, 20);
    turn.broker.kill();
    turn.broker.start();
    let mut done = rig.work_off().await;
    // An acknowledgement may have died with the broker: then the first copy comes too.
    done.retain(|delivery| delivery.attempt == 1);
    assert_eq!(came(&done), ids(&sent));
}

/// While the broker takes nothing the ladder is out of reach, and a message given back would come again
/// at once: it waits for its step in the outbox, and no session is torn down for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_retry_during_an_alarm_waits_for_its_step_in_the_outbox() {
    let Some(turn) = alone("alarmed").await else {
        return;
    };
    let rig = turn.rig().await;
    let sent = events(3);
    rig.send(sent[..2].to_vec()).await;
    let batch = rig.take(2).await;
    let alarm = turn.alarm();
    // A broker tells those who publish.
    rig.send(sent[2..].to_vec()).await;
    let blocked = async || rig.bus.health() == BusHealth::Blocked;
    until("the alarm shows in the health", blocked).await;
    rig.end(batch, retry()).await;
    assert!(blocked().await, "the session lives on");
    drop(alarm);
    assert_eq!(turn.depth(&first_step()).await, 0);
    let done = rig.work_off().await;
    assert_eq!(done.len(), sent.len(), "one came twice");
    for delivery in done {
        let failed = sent[..2].iter().any(|event| event.id == delivery.event.id);
        assert_eq!(delivery.attempt, u32::from(failed));
    }
}

/// Address of the broker, and of the store, for a worker in a process of its own.
const WORKER: &str = "PASSERELLE_TEST_WORKER";

/// Not a test by itself: the process of [`died_at`], which gives up one message for a retry and dies
/// over it where `PASSERELLE_FAULT` says.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies() {
    let Ok(addresses) = std::env::var(WORKER) else {
        return;
    };
    let (broker, store) = addresses.split_once(' ').unwrap();
    let store = PostgresStore::open(store, &PostgresOptions::default()).await;
    let config = RabbitConfig {
        addresses: vec![broker.to_owned()],
        ..Default::default()
    };
    let rig = Rig::start(config, Arc::new(store.unwrap()), &Stage::ALL).await;
    let batch = rig.take(1).await;
    rig.end(batch, retry()).await;
}

/// A worker dies at `point` of a retry; gives the attempts of what comes of its message, and how many
/// copies were in the ladder.
async fn died_at(point: &'static str, test: &str) -> Option<(Vec<u32>, u32)> {
    let turn = shared(test).await?;
    let backend = Backend::postgres(test).await?;
    let Backend::Postgres(schema) = &backend else {
        return None;
    };
    let store = backend.open().await;
    let sent = events(1);
    store.enqueue(sent.clone()).await.unwrap();
    let mut worker = Command::new(std::env::current_exe().unwrap());
    worker
        .args([
            "rabbit::ladder::a_worker_that_dies",
            "--exact",
            "--nocapture",
        ])
        .env(WORKER, format!("{} {}", turn.broker.url, schema.url()))
        .env("PASSERELLE_FAULT", point);
    let ended = tokio::task::spawn_blocking(move || worker.output());
    let ended = ended.await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains(&format!("dying at {point}")), "{said}");
    let climbed = turn.depth(&first_step()).await;
    let rig = turn.rig_over(store).await;
    let mut done = rig.work_off().await;
    // The copy in the ladder, if there is one, comes after its step.
    let copies = rig.take(climbed as usize + 1 - done.len()).await;
    done.extend(copies.iter().cloned());
    rig.end(copies, Verdict::Done).await;
    assert_eq!(came(&done), ids(&sent));
    assert_eq!(turn.depth(&first_step()).await, 0);
    assert!(rig.bus.idle().await.unwrap());
    assert!(rig.store.parked().await.unwrap().is_empty());
    assert_eq!(turn.depth(&work_queue(Stage::Normalise)).await, 0);
    Some((done.iter().map(|d| d.attempt).collect(), climbed))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_before_the_ladder_brings_the_message_again_as_it_was() {
    if let Some(found) = died_at("settle.stored", "stored").await {
        assert_eq!(found, (vec![0], 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_before_the_acknowledgement_brings_it_twice_and_no_more() {
    if let Some(found) = died_at("settle.published", "published").await {
        assert_eq!(found, (vec![0, 1], 1));
    }
}
