//! What other programs hear on `passerelle.public`.

use super::rig::*;
use futures::StreamExt;
use lapin::options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use passerelle::bus::rabbit::PUBLIC;
use passerelle::model::{
    ConnectorName, PostingId, Stage, TombstoneReason, VacancyId, VacancyStatus,
};
use passerelle::store::{ChangeWrite, DynStore, Inbox, PublicCommit, StoreError, VacancyWrite};
use serde_json::Value;
use std::time::{Duration, Instant};

const CURSOR: &str = "amqp:passerelle.public";

/// One of some vacancies.
pub fn vacancy(n: u32) -> VacancyId {
    PostingId::new(&"test".into(), &format!("v{n}")).vacancy()
}

/// Publishes a vacancy, or its closing.
pub async fn publish(store: &DynStore, id: VacancyId, body: Option<&'static str>) {
    let at = jiff::Timestamp::UNIX_EPOCH;
    let delete = body.is_none().then_some(TombstoneReason::Filled);
    let commit = PublicCommit {
        vacancies: vec![VacancyWrite {
            id,
            status: match body {
                Some(_) => VacancyStatus::Live,
                None => VacancyStatus::Closed {
                    at,
                    reason: TombstoneReason::Filled,
                },
            },
            vacancy: None,
            body: body.map(|text| text.as_bytes().into()),
            provenance: None,
            change: Some(ChangeWrite {
                at,
                delete,
                into: None,
            }),
        }],
        ..Default::default()
    };
    let inbox = Inbox {
        stage: Stage::Dedupe,
        messages: Vec::new(),
        at,
    };
    let tx = store.lock_public().await.unwrap();
    tx.commit(commit, &inbox).await.unwrap();
}

/// A bound queue of a downstream site.
pub async fn subscriber(channel: &Channel) -> Consumer {
    let (queue, keys) = ("site", "vacancy.*");
    let declared = channel.queue_declare(
        queue.into(),
        QueueDeclareOptions::default(),
        FieldTable::default(),
    );
    declared.await.unwrap();
    let bound = channel.queue_bind(
        queue.into(),
        PUBLIC.into(),
        keys.into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bound.await.unwrap();
    let consumer = channel.basic_consume(
        queue.into(),
        "".into(),
        BasicConsumeOptions {
            no_ack: true,
            ..Default::default()
        },
        FieldTable::default(),
    );
    consumer.await.unwrap()
}

/// Message id and body of what comes next.
async fn next(consumer: &mut Consumer) -> (String, Value) {
    let delivery = tokio::time::timeout(SOON * 2, consumer.next()).await;
    let delivery = delivery.unwrap().unwrap().unwrap();
    let id = delivery.properties.message_id().as_ref();
    let event = serde_json::from_slice(&delivery.data).unwrap();
    (id.unwrap().to_string(), event)
}

pub async fn next_id(consumer: &mut Consumer) -> String {
    next(consumer).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn public_events_reach_a_subscriber_in_order_and_need_none() {
    let Some(turn) = shared("public").await else {
        return;
    };
    let rig = turn.rig().await;
    // The exchange is there, and nobody listens yet: the event is published all the same.
    publish(&rig.store, vacancy(0), Some(r#"{"title":"Aide-soignant"}"#)).await;
    let sink = tokio::spawn(rig.bus.public_sink().run(rig.cancel.clone()));
    let sent = async || rig.store.cursor(CURSOR).await.unwrap() == 1;
    until("the sink waits for a subscriber", sent).await;
    let (_connection, channel) = turn.channel().await;
    let mut site = subscriber(&channel).await;
    publish(&rig.store, vacancy(1), Some(r#"{"title":"Infirmier"}"#)).await;
    publish(&rig.store, vacancy(2), None).await;
    let (_, first) = next(&mut site).await;
    let (_, second) = next(&mut site).await;
    assert_eq!(first["type"], "fr.passerelle.vacancy.upserted.v1");
    assert_eq!(first["data"]["title"], "Infirmier");
    assert_eq!(second["type"], "fr.passerelle.vacancy.deleted.v1");
    assert_eq!(second["data"]["reason"], "filled");
    assert!(first["sequence"].as_str() < second["sequence"].as_str());
    rig.cancel.cancel();
    sink.await.unwrap();
}

/// The session that holds the right to publish is lost, and nothing else is: the sink stops, another
/// process may publish, and takes up where the first one was.
#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_loses_its_right_stops_and_takes_it_again() {
    let Some(turn) = shared("right").await else {
        return;
    };
    let Some((rig, backend)) = turn.rig_over_postgres("right").await else {
        return;
    };
    let other = backend.open().await;
    let (_connection, channel) = turn.channel().await;
    let mut site = subscriber(&channel).await;
    let sink = tokio::spawn(rig.bus.public_sink().run(rig.cancel.clone()));
    publish(&other, vacancy(0), Some(r#"{"title":"un"}"#)).await;
    assert_eq!(next_id(&mut site).await, format!("{}-1", vacancy(0)));
    let moved = async || other.cursor(CURSOR).await.unwrap() == 1;
    until("the cursor stays", moved).await;

    // Another process has the right once the sink's session is cut: the sink pauses before it asks.
    let taken = backend
        .take_over(&other, &ConnectorName::from(CURSOR))
        .await;
    let began = Instant::now();
    while publish_tried(&other, vacancy(1)).await.is_err() {
        assert!(began.elapsed() < SOON * 2, "the store stays away");
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    let cursor = other.cursor(CURSOR).await.unwrap();
    assert_eq!(cursor, 1, "it publishes without the right");
    drop(taken);
    assert_eq!(next_id(&mut site).await, format!("{}-2", vacancy(1)));
    publish(&other, vacancy(2), Some(r#"{"title":"trois"}"#)).await;
    assert_eq!(next_id(&mut site).await, format!("{}-3", vacancy(2)));
    rig.cancel.cancel();
    sink.await.unwrap();
}

/// Sessions of the pool may have been cut too.
async fn publish_tried(store: &DynStore, id: VacancyId) -> Result<(), StoreError> {
    store.head().await?;
    publish(store, id, Some(r#"{"title":"deux"}"#)).await;
    Ok(())
}
