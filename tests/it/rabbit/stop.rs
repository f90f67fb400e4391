//! A process that stops, whatever its broker does.

use super::public::{next_id, publish, subscriber, vacancy};
use super::rig::*;
use crate::store_contract::backend::Backend;
use crate::support::hub::{Hub, Served};
use passerelle::bus::rabbit::work_queue;
use passerelle::bus::{Bus, Verdict};
use passerelle::model::Stage;

/// What no worker has begun goes to others at once, what one has in hand is finished.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stops_gives_back_what_it_has_not_begun() {
    let Some(turn) = shared("drain").await else {
        return;
    };
    let rig = turn.rig().await;
    let sent = events(10);
    rig.send(sent.clone()).await;
    let in_hand = rig.take(1).await;
    rig.bus.rest();
    // Started once the first takes no more, so that all that it had can only have come back.
    let other = turn.rig_over(rig.store.clone()).await;
    let done = other.work(sent.len() - 1).await;
    assert!(done.iter().all(|delivery| delivery.attempt == 0));
    assert!(rig.receive(10).await.is_empty(), "it takes nothing more");
    let mut all = came(&done);
    all.extend(came(&in_hand));
    assert_eq!(all, ids(&sent));
    rig.end(in_hand, Verdict::Done).await;
    rig.bus.close().await;
    other.until_idle().await;
    assert_eq!(turn.depth(&work_queue(Stage::Normalise)).await, 0);
}

/// A daemon over these servers.
fn daemon(schema: &Backend, bus: &str) -> (Hub, Served) {
    let Backend::Postgres(schema) = schema else {
        panic!("a cluster is wanted");
    };
    let mut hub = Hub::new();
    hub.envs = vec![
        ("PASSERELLE__STORE__URL".into(), schema.url()),
        ("PASSERELLE__BUS__URL".into(), bus.to_owned()),
    ];
    let served = hub.serve();
    (hub, served)
}

/// Waits until it tells so of its health.
async fn until_it_says(daemon: &Served, what: &str) {
    let says = async || {
        daemon
            .get("/readyz")
            .await
            .text()
            .await
            .unwrap()
            .contains(what)
    };
    until(what, says).await;
}

/// The alarm may outlast any patience: what is not confirmed is left to the next process.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stops_waits_for_the_end_of_no_alarm() {
    let Some(turn) = alone("held_up").await else {
        return;
    };
    let Some(backend) = Backend::postgres("held_up").await else {
        return;
    };
    let store = backend.open().await;
    let (_hub, mut first) = daemon(&backend, &turn.broker.url);
    until_it_says(&first, "\"ready\"").await;
    let (_connection, channel) = turn.channel().await;
    let mut site = subscriber(&channel).await;
    let alarm = turn.alarm();
    // Both are handed over before the broker says that it takes nothing.
    publish(&store, vacancy(0), Some(r#"{"title":"un"}"#)).await;
    store.enqueue(events(1)).await.unwrap();
    until_it_says(&first, "alarm").await;
    first.signal("TERM");
    assert_eq!(first.ended().code(), Some(0));
    drop(alarm);
    let (_hub, second) = daemon(&backend, &turn.broker.url);
    assert_eq!(next_id(&mut site).await, format!("{}-1", vacancy(0)));
    let done = async || store.outbox_depth().await.unwrap().events == 0;
    until("an event is lost", done).await;
    drop(second);
}

/// Nothing answers any more, and a new session is being asked for in vain.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stops_waits_for_no_silent_broker() {
    let Some(turn) = shared("deaf").await else {
        return;
    };
    let Some(backend) = Backend::postgres("deaf").await else {
        return;
    };
    let (proxy, bus) = turn.broker.through_a_proxy();
    // It asks one node after the other, each for a while.
    let (_hub, mut served) = daemon(&backend, &[&*bus; 3].join(","));
    until_it_says(&served, "\"ready\"").await;
    proxy.go_deaf();
    until_it_says(&served, "no connection to RabbitMQ").await;
    served.signal("TERM");
    assert_eq!(served.ended().code(), Some(0));
}
