//! Brokers that die, block, or lose what they had.

use super::rig::*;
use lapin::types::FieldTable;
use passerelle::bus::Verdict;
use passerelle::bus::rabbit::{BusHealth, RabbitConfig, work_queue};
use passerelle::model::Stage;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_broker_is_killed() {
    let Some(turn) = alone("killed").await else {
        return;
    };
    let rig = turn.rig().await;
    let sent = events(4000);
    rig.send(sent.clone()).await;
    let mut done = rig.work(500).await;
    assert!(came(&done).len() < sent.len());
    turn.broker.kill();
    turn.broker.start();
    done.extend(rig.work_off().await);
    assert_eq!(came(&done), ids(&sent));
    let ready = async || rig.bus.health() == BusHealth::Ready;
    until("it is not ready again", ready).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_alarm_blocks_and_loses_nothing() {
    let Some(turn) = alone("alarm").await else {
        return;
    };
    let rig = turn.rig().await;
    let alarm = turn.alarm();
    let sent = events(300);
    rig.send(sent.clone()).await;
    let blocked = async || rig.bus.health() == BusHealth::Blocked;
    until("the alarm shows in the health", blocked).await;
    // Longer than a confirm may take: what waits is neither given up nor sent again beside itself.
    tokio::time::sleep(turn.config().confirm_timeout + Duration::from_secs(4)).await;
    assert!(blocked().await, "the session lives on");
    drop(alarm);
    let done = rig.work_off().await;
    assert_eq!(came(&done), ids(&sent));
    assert_eq!(done.len(), sent.len(), "some came twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binding_deleted_while_running_is_declared_again() {
    let Some(turn) = shared("unbound").await else {
        return;
    };
    let rig = turn.rig().await;
    let (_connection, channel) = turn.channel().await;
    let (queue, exchange) = (work_queue(Stage::Normalise), "passerelle.events");
    let unbound = channel.queue_unbind(
        queue.as_str().into(),
        exchange.into(),
        "posting.pulled".into(),
        FieldTable::default(),
    );
    unbound.await.unwrap();
    let sent = events(5);
    rig.send(sent.clone()).await;
    assert_eq!(came(&rig.work_off().await), ids(&sent));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_deleted_while_running_is_declared_and_consumed_again() {
    let Some(turn) = shared("deleted").await else {
        return;
    };
    let rig = turn.rig().await;
    let (_connection, channel) = turn.channel().await;
    let queue = work_queue(Stage::Normalise);
    let deleted = channel.queue_delete(queue.as_str().into(), Default::default());
    deleted.await.unwrap();
    let sent = events(3);
    rig.send(sent.clone()).await;
    assert_eq!(came(&rig.work_off().await), ids(&sent));
}

/// Who finds out is a process that only sends: what was in the queue is sent again all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_deleted_queue_took_with_it_is_sent_again() {
    let Some(turn) = shared("taken").await else {
        return;
    };
    let sender = Rig::start(turn.config(), temporary(), &[]).await;
    let sent = events(4);
    sender.send(sent[..3].to_vec()).await;
    let queue = work_queue(Stage::Normalise);
    let arrived = async || turn.depth(&queue).await == 3;
    until("nothing is sent", arrived).await;
    let (_connection, channel) = turn.channel().await;
    let deleted = channel.queue_delete(queue.as_str().into(), Default::default());
    assert_eq!(deleted.await.unwrap(), 3);
    sender.send(sent[3..].to_vec()).await;
    let rig = Rig::start(turn.config(), sender.store.clone(), &Stage::ALL).await;
    assert_eq!(came(&rig.work(4).await), ids(&sent));
}

/// A broker set up anew, or one that has lost its disk: its queues are not there any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_has_lost_everything_gets_it_again_at_once() {
    let Some(turn) = shared("reset").await else {
        return;
    };
    let rig = turn.rig().await;
    let sent = events(6);
    rig.send(sent.clone()).await;
    let mut received = rig.take(sent.len()).await;
    // Some wait in the ladder, some are in hand, one is done.
    let retried = received.split_off(4);
    rig.end(retried, Verdict::Retry("a lock".into())).await;
    let done = vec![received.remove(0)];
    let mut wanted = ids(&sent);
    wanted.remove(&done[0].event.id);
    rig.end(done, Verdict::Done).await;
    turn.broker.reset();
    assert_eq!(came(&rig.work_off().await), wanted);
}

/// Emptied by hand, or a node that came back with an older disk: the queues are there, and nothing is in
/// them.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_has_lost_its_messages_gets_them_again() {
    let Some(turn) = shared("purged").await else {
        return;
    };
    let config = RabbitConfig {
        lost_after: Duration::from_secs(2),
        ..turn.config()
    };
    let sender = Rig::start(config, temporary(), &[]).await;
    let sent = events(5);
    sender.send(sent.clone()).await;
    let queue = work_queue(Stage::Normalise);
    until("nothing is sent", async || turn.depth(&queue).await == 5).await;
    // As long as one is there, none is lost.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(turn.depth(&queue).await, 5);
    let (_connection, channel) = turn.channel().await;
    let purged = channel.queue_purge(queue.as_str().into(), Default::default());
    assert_eq!(purged.await.unwrap(), 5);
    // A queue that cannot be asked looks the same: that it is empty is believed of one with a consumer.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(turn.depth(&queue).await, 0);
    let rig = Rig::start(turn.config(), sender.store.clone(), &Stage::ALL).await;
    assert_eq!(came(&rig.work_off().await), ids(&sent));
}
