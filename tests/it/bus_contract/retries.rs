//! Up the ladder, then parked, by a count of our own.

use super::backend::Backend;
use passerelle::bus::{LADDER, Verdict};
use passerelle::model::{Event, Stage};
use std::time::Duration;

super::over_all_buses!(
    a_retry_comes_back_after_its_step,
    the_ladder_ends_in_parking,
    parking_is_at_once,
    a_parked_message_is_retried_from_the_start,
    the_ladder_survives_a_crash,
);

async fn a_retry_comes_back_after_its_step(backend: &Backend) {
    let process = backend.start().await;
    process.write(&["A", "B"]).await;
    let mut received = process.receive().await;
    let (b, a) = (received.pop().unwrap(), received.pop().unwrap());
    process
        .settle(a.clone(), Verdict::Retry("a lock".into()))
        .await;
    process.work(vec![b]).await;
    assert!(process.receive().await.is_empty());
    assert!(!process.bus.idle().await.unwrap());
    backend.pass(LADDER[0]).await;
    let again = process.receive_one().await;
    assert_eq!((again.attempt, &again.event), (1, &a.event));
    process.work(vec![again]).await;
    assert!(process.bus.idle().await.unwrap());
}

async fn the_ladder_ends_in_parking(backend: &Backend) {
    let process = backend.start().await;
    let event = process.write(&["A"]).await.remove(0);
    for (attempt, step) in LADDER.iter().enumerate() {
        let delivery = process.receive_one().await;
        assert_eq!(delivery.attempt as usize, attempt);
        process
            .settle(delivery, Verdict::Retry("away".into()))
            .await;
        backend.pass(*step).await;
    }
    let last = process.receive_one().await;
    process
        .settle(last, Verdict::Retry("still away".into()))
        .await;
    backend.pass(Duration::from_secs(7200)).await;
    assert!(process.receive().await.is_empty());
    assert!(process.bus.idle().await.unwrap());
    let parked = process.store.parked().await.unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!((parked[0].id, parked[0].attempts), (event.id, 5));
    assert_eq!(parked[0].error, "still away");
    assert_eq!(parked[0].stage, Stage::Normalise);
    let body: Event = serde_json::from_slice(&parked[0].body).unwrap();
    assert_eq!(body, event);
}

async fn parking_is_at_once(backend: &Backend) {
    let process = backend.start().await;
    process.write(&["A"]).await;
    let delivery = process.receive_one().await;
    process
        .settle(delivery, Verdict::Park("unknown kind".into()))
        .await;
    assert!(process.bus.idle().await.unwrap());
    assert_eq!(process.store.parked().await.unwrap().len(), 1);
}

async fn a_parked_message_is_retried_from_the_start(backend: &Backend) {
    let process = backend.start().await;
    let event = process.write(&["A"]).await.remove(0);
    let delivery = process.receive_one().await;
    process.settle(delivery, Verdict::Park("no".into())).await;
    let now = crate::store_contract::fixtures::at(1);
    let retried = process.store.retry_parked(event.id, None, now).await;
    assert!(retried.unwrap());
    process.bus.wake(Stage::Normalise);
    let again = process.receive_one().await;
    assert_eq!((again.attempt, again.event.id), (0, event.id));
    process.work(vec![again]).await;
    assert!(process.store.parked().await.unwrap().is_empty());
    assert!(process.bus.idle().await.unwrap());
}

async fn the_ladder_survives_a_crash(backend: &Backend) {
    let process = backend.start().await;
    process.write(&["A"]).await;
    let delivery = process.receive_one().await;
    process
        .settle(delivery, Verdict::Retry("away".into()))
        .await;
    drop(process);
    let process = backend.start().await;
    backend.pass(LADDER[0]).await;
    let again = process.receive_one().await;
    assert_eq!(again.attempt, 1);
}
