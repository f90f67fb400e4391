//! What is delivered, once and whole, and what no event is.

use super::rig::*;
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Channel, Confirmation, PublisherConfirm};
use passerelle::bus::Verdict;
use passerelle::bus::rabbit::work_queue;
use passerelle::model::Stage;
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread")]
async fn what_the_outbox_holds_is_delivered_once_and_leaves_with_the_commit() {
    let Some(turn) = shared("delivered").await else {
        return;
    };
    let rig = turn.rig().await;
    let sent = events(1000);
    rig.send(sent.clone()).await;
    let mut seen = BTreeSet::new();
    while seen.len() < sent.len() {
        let batch = rig.receive(300).await;
        assert!(!batch.is_empty(), "{} of {} came", seen.len(), sent.len());
        for delivery in &batch {
            let first = seen.insert(delivery.event.id);
            assert!(first, "delivered twice without a fault");
            assert_eq!(delivery.attempt, 0);
        }
        // Until the stage has settled them the rows are still there: the broker's disk may die.
        assert!(rig.store.outbox_depth().await.unwrap().events >= batch.len() as u64);
        rig.end(batch, Verdict::Done).await;
    }
    assert_eq!(seen, ids(&sent));
    rig.until_idle().await;
    assert_eq!(turn.depth(&work_queue(Stage::Normalise)).await, 0);
}

/// As another program would.
async fn publish(channel: &Channel, body: &[u8]) -> lapin::Result<PublisherConfirm> {
    let properties = BasicProperties::default().with_delivery_mode(2);
    let (exchange, key) = ("passerelle.events", "posting.pulled");
    let options = BasicPublishOptions::default();
    let published = channel.basic_publish(exchange.into(), key.into(), options, body, properties);
    published.await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_parked_with_its_bytes() {
    let Some(turn) = shared("undecodable").await else {
        return;
    };
    let rig = turn.rig().await;
    let (_connection, channel) = turn.channel().await;
    let bodies: [&[u8]; 2] = [
        b"\xff\x00 not json",
        br#"{"type":"fr.passerelle.posting.pulled.v9"}"#,
    ];
    for body in bodies {
        publish(&channel, body).await.unwrap();
    }
    let parked = async || rig.store.parked().await.unwrap();
    until("not parked", async || parked().await.len() == 2).await;
    let kept: BTreeSet<Vec<u8>> = parked().await.into_iter().map(|p| p.body).collect();
    assert_eq!(kept, bodies.iter().map(|body| body.to_vec()).collect());
}

/// A hundred megabytes that are no event: the broker refuses them (4.x), or they are parked whole; what
/// comes after them goes its way.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_a_hundred_megabytes_harms_no_other() {
    let Some(turn) = shared("huge").await else {
        return;
    };
    let rig = turn.rig().await;
    let (_connection, channel) = turn.channel().await;
    channel.confirm_select(Default::default()).await.unwrap();
    let huge = vec![b'x'; 100 << 20];
    let taken = match publish(&channel, &huge).await {
        Ok(confirm) => matches!(confirm.await, Ok(Confirmation::Ack(None))),
        Err(_) => false,
    };
    let sent = events(50);
    rig.send(sent.clone()).await;
    assert_eq!(came(&rig.work(50).await), ids(&sent));
    rig.until_idle().await;
    let parked = async || rig.store.parked().await.unwrap();
    let wanted = usize::from(taken);
    until("not parked", async || parked().await.len() == wanted).await;
    for parked in parked().await {
        assert!(parked.body == huge, "{} bytes", parked.body.len());
    }
}
