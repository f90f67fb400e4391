//! Delivered to the right stage, once while all goes well, again after a crash.

use super::backend::Backend;
use passerelle::bus::Verdict;
use passerelle::model::{MessageId, Stage};
use std::time::{Duration, Instant};

super::over_all_buses!(
    an_event_reaches_its_stage_as_it_was_written,
    what_is_done_is_not_delivered_again,
    work_in_hand_is_not_idle,
    what_is_given_back_comes_again_uncounted,
    what_was_not_settled_comes_back_after_a_crash,
    committed_but_not_acknowledged_comes_to_nothing,
    receiving_waits_and_is_woken,
    events_of_another_process_are_found,
    an_abandoned_receive_loses_nothing,
    competing_workers_share_the_work,
);

async fn an_event_reaches_its_stage_as_it_was_written(backend: &Backend) {
    let process = backend.start().await;
    let events = process.write(&["A", "B"]).await;
    for stage in [Stage::Dedupe, Stage::Publish] {
        let received = process.bus.receive(stage, 10, Duration::ZERO).await;
        assert!(received.unwrap().is_empty());
    }
    let received = process.receive().await;
    let attempts: Vec<_> = received.iter().map(|delivery| delivery.attempt).collect();
    assert_eq!(attempts, [0, 0]);
    let received: Vec<_> = received.into_iter().map(|d| d.event).collect();
    assert_eq!(received, events);
}

async fn what_is_done_is_not_delivered_again(backend: &Backend) {
    let process = backend.start().await;
    assert!(process.bus.idle().await.unwrap());
    process.write(&["A", "B"]).await;
    let received = process.receive().await;
    process.work(received).await;
    assert!(process.bus.idle().await.unwrap());
    drop(process);
    let process = backend.start().await;
    assert!(process.receive().await.is_empty());
}

async fn work_in_hand_is_not_idle(backend: &Backend) {
    let process = backend.start().await;
    process.write(&["A"]).await;
    assert!(!process.bus.idle().await.unwrap());
    let delivery = process.receive_one().await;
    assert!(!process.bus.idle().await.unwrap());
    assert!(process.receive().await.is_empty());
    process.work(vec![delivery]).await;
    assert!(process.bus.idle().await.unwrap());
}

async fn what_is_given_back_comes_again_uncounted(backend: &Backend) {
    let process = backend.start().await;
    let events = process.write(&["A", "B"]).await;
    for _ in 0..3 {
        let mut received = process.receive().await;
        received.sort_by_key(|delivery| delivery.event.id);
        let came: Vec<_> = received.iter().map(|d| (d.attempt, &d.event)).collect();
        assert_eq!(came, [(0, &events[0]), (0, &events[1])]);
        for delivery in received {
            process.settle(delivery, Verdict::Back).await;
        }
        assert!(!process.bus.idle().await.unwrap());
    }
    let received = process.receive().await;
    process.work(received).await;
    assert!(process.bus.idle().await.unwrap());
}

async fn what_was_not_settled_comes_back_after_a_crash(backend: &Backend) {
    let process = backend.start().await;
    let events = process.write(&["A", "B"]).await;
    let received = process.receive().await;
    assert_eq!(received.len(), 2);
    drop(process);
    let process = backend.start().await;
    let mut again: Vec<_> = process.receive().await;
    again.sort_by_key(|delivery| delivery.event.id);
    let again: Vec<_> = again.into_iter().map(|d| d.event).collect();
    assert_eq!(again, events);
}

async fn committed_but_not_acknowledged_comes_to_nothing(backend: &Backend) {
    let process = backend.start().await;
    process.write(&["A"]).await;
    let delivery = process.receive_one().await;
    let handled = crate::store_contract::fixtures::inbox(Stage::Normalise, vec![delivery.event.id]);
    process
        .store
        .commit_normalised(Vec::new(), &handled)
        .await
        .unwrap();
    drop(process);
    let process = backend.start().await;
    // A broker may deliver it once more; handling it again ends it.
    let again = process.receive().await;
    process.work(again).await;
    assert!(process.bus.idle().await.unwrap());
    assert!(process.receive().await.is_empty());
}

async fn receiving_waits_and_is_woken(backend: &Backend) {
    let process = backend.start().await;
    let began = Instant::now();
    assert!(process.receive().await.is_empty());
    assert!(began.elapsed() >= Duration::from_millis(250));

    let bus = process.bus.clone();
    let began = Instant::now();
    let waiting = tokio::spawn(async move {
        let wait = Duration::from_secs(600);
        bus.receive(Stage::Normalise, 1, wait).await.unwrap()
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    process.write(&["A"]).await;
    assert_eq!(waiting.await.unwrap().len(), 1);
    assert!(began.elapsed() < Duration::from_secs(300));
}

async fn events_of_another_process_are_found(backend: &Backend) {
    let process = backend.start().await;
    let beside = backend.start().await;
    let bus = process.bus.clone();
    let waiting = tokio::spawn(async move {
        let wait = Duration::from_secs(600);
        bus.receive(Stage::Normalise, 1, wait).await.unwrap()
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    beside.write(&["A"]).await;
    assert_eq!(waiting.await.unwrap().len(), 1);
    assert!(began.elapsed() < Duration::from_secs(300));
}

async fn an_abandoned_receive_loses_nothing(backend: &Backend) {
    let process = backend.start().await;
    for round in 0..30 {
        process.write(&[&round.to_string()]).await;
        let receive = process.bus.receive(Stage::Normalise, 10, Duration::ZERO);
        // Given up before, while or after the events are taken.
        let span = Duration::from_micros(40 * round);
        if let Ok(received) = tokio::time::timeout(span, receive).await {
            process.work(received.unwrap()).await;
        }
    }
    for _ in 0..50 {
        let received = process.receive().await;
        process.work(received).await;
        if process.bus.idle().await.unwrap() {
            return;
        }
    }
    panic!("events are stuck");
}

async fn competing_workers_share_the_work(backend: &Backend) {
    let process = backend.start().await;
    let references: Vec<String> = (0..300).map(|n| n.to_string()).collect();
    let references: Vec<&str> = references.iter().map(String::as_str).collect();
    let events = process.write(&references).await;
    let process = std::sync::Arc::new(process);
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let process = process.clone();
            tokio::spawn(async move {
                let mut mine: Vec<MessageId> = Vec::new();
                while !process.bus.idle().await.unwrap() {
                    let wait = Duration::from_millis(100);
                    let received = process.bus.receive(Stage::Normalise, 9, wait).await;
                    let received = received.unwrap();
                    mine.extend(received.iter().map(|delivery| delivery.event.id));
                    process.work(received).await;
                }
                mine
            })
        })
        .collect();
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.unwrap());
    }
    all.sort();
    let mut expected: Vec<_> = events.iter().map(|event| event.id).collect();
    expected.sort();
    assert_eq!(all, expected);
}
