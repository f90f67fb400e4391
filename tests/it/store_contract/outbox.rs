//! The outbox: leased once, settled once, retried in time, parked with its bytes.

use super::backend::Backend;
use super::fixtures::*;
use jiff::Timestamp;
use passerelle::model::{Event, MessageId, Stage};
use passerelle::store::{DynStore, Parked, Settlement, SettlementOutcome};

super::over_all_backends!(
    oldest_first_and_never_twice,
    a_lease_that_ends_gives_the_event_back,
    a_crash_voids_leases,
    retries_fall_due,
    a_sent_event_is_due_again_unless_settled,
    an_event_that_is_written_twice_is_one,
    parking_retrying_and_discarding,
    an_edited_message_must_be_an_event,
    an_undecodable_message_keeps_its_bytes,
    a_row_that_is_no_event_is_parked_and_holds_up_no_other,
    what_a_broker_has_lost_is_due_at_once,
    workers_share_the_outbox,
);

fn event(reference: &str) -> Event {
    pulled(&state(&record(reference, ""), 1))
}

async fn settle(store: &DynStore, id: MessageId, outcome: SettlementOutcome) {
    let settlements = vec![Settlement { id, outcome }];
    store.settle_outbox(settlements, at(0)).await.unwrap();
}

async fn oldest_first_and_never_twice(backend: &Backend) {
    let store = backend.open().await;
    let events: Vec<_> = ["A", "B", "C"].map(event).to_vec();
    store.enqueue(events.clone()).await.unwrap();
    let first = store.lease_outbox(Stage::Normalise, 2, at(0), at(30));
    let first = first.await.unwrap();
    assert_eq!([&first[0].event, &first[1].event], [&events[0], &events[1]]);
    assert_eq!(first[0].attempt, 0);
    assert_eq!(lease(&store, Stage::Normalise, 1).await, events[2..]);
    assert!(lease(&store, Stage::Normalise, 1).await.is_empty());
    assert!(lease(&store, Stage::Dedupe, 1).await.is_empty());
    let depth = store.outbox_depth().await.unwrap();
    assert_eq!((depth.events, depth.oldest), (3, Some(at(0))));
    for event in &events {
        settle(&store, event.id, SettlementOutcome::Done).await;
        settle(&store, event.id, SettlementOutcome::Done).await;
    }
    let depth = store.outbox_depth().await.unwrap();
    assert_eq!((depth.events, depth.oldest), (0, None));
}

async fn a_lease_that_ends_gives_the_event_back(backend: &Backend) {
    let store = backend.open().await;
    store.enqueue(vec![event("A")]).await.unwrap();
    store
        .lease_outbox(Stage::Normalise, 9, at(0), at(30))
        .await
        .unwrap();
    assert!(lease(&store, Stage::Normalise, 29).await.is_empty());
    assert_eq!(lease(&store, Stage::Normalise, 31).await.len(), 1);
}

async fn a_crash_voids_leases(backend: &Backend) {
    let store = backend.open().await;
    store.enqueue(vec![event("A")]).await.unwrap();
    store
        .lease_outbox(Stage::Normalise, 9, at(0), at(5))
        .await
        .unwrap();
    drop(store);
    let store = backend.open().await;
    assert_eq!(lease(&store, Stage::Normalise, 6).await.len(), 1);
}

async fn retries_fall_due(backend: &Backend) {
    let store = backend.open().await;
    let event = event("A");
    store.enqueue(vec![event.clone()]).await.unwrap();
    lease(&store, Stage::Normalise, 0).await;
    let retry = SettlementOutcome::Retry {
        at: at(10),
        error: "a lock".into(),
    };
    settle(&store, event.id, retry).await;
    assert!(lease(&store, Stage::Normalise, 9).await.is_empty());
    let again = store.lease_outbox(Stage::Normalise, 9, at(10), at(20));
    let again = again.await.unwrap();
    assert_eq!(again[0].attempt, 1);
    assert_eq!(again[0].event, event);
    assert_eq!(store.outbox_depth().await.unwrap().events, 1);
}

async fn a_sent_event_is_due_again_unless_settled(backend: &Backend) {
    let store = backend.open().await;
    let events: Vec<_> = ["A", "B"].map(event).to_vec();
    store.enqueue(events.clone()).await.unwrap();
    lease(&store, Stage::Normalise, 0).await;
    for event in &events {
        let sent = SettlementOutcome::Sent { resend_at: at(15) };
        settle(&store, event.id, sent).await;
    }
    let handled = inbox(Stage::Normalise, vec![events[0].id]);
    store.commit_normalised(Vec::new(), &handled).await.unwrap();
    assert!(lease(&store, Stage::Normalise, 14).await.is_empty());
    let again = store.lease_outbox(Stage::Normalise, 9, at(15), at(20));
    let again = again.await.unwrap();
    assert_eq!((again.len(), again[0].attempt), (1, 0));
    assert_eq!(again[0].event.id, events[1].id);
}

/// Rows of a newer program, or of a damaged table.
async fn a_row_that_is_no_event_is_parked_and_holds_up_no_other(backend: &Backend) {
    let store = backend.open().await;
    let mut events: Vec<_> = ["A", "B", "C", "D"].map(event).to_vec();
    events[2].payload = "ab".repeat(32);
    store.enqueue(events.clone()).await.unwrap();
    let spoil = async |event: &Event, what: &str| {
        let key = &event.key;
        backend
            .order(&format!("UPDATE outbox SET {what} WHERE key = '{key}'"))
            .await;
    };
    let newer = "fr.passerelle.posting.pulled.v9";
    spoil(&events[0], &format!("kind = '{newer}'")).await;
    spoil(&events[2], "observation = -1").await;

    // One at a time, so that it would be the first that is found.
    let mut leased = Vec::new();
    for _ in 0..2 {
        let some = store.lease_outbox(Stage::Normalise, 1, at(0), at(30));
        leased.extend(some.await.unwrap().into_iter().map(|leased| leased.event));
    }
    assert_eq!(leased, [events[1].clone(), events[3].clone()]);
    assert!(lease(&store, Stage::Normalise, 0).await.is_empty());
    assert_eq!(store.outbox_depth().await.unwrap().events, 2);

    let parked = store.parked().await.unwrap();
    let of = |event: &Event| parked.iter().find(|p| p.id == event.id).unwrap();
    let mut as_it_was = serde_json::to_value(&events[0]).unwrap();
    as_it_was["kind"] = newer.into();
    let kept: serde_json::Value = serde_json::from_slice(&of(&events[0]).body).unwrap();
    assert_eq!((kept, of(&events[0]).stage), (as_it_was, Stage::Normalise));
    assert!(of(&events[0]).error.contains("kind"), "{parked:?}");
    let mut as_it_was = serde_json::to_value(&events[2]).unwrap();
    as_it_was["revision"]["observation"] = (-1).into();
    let kept: serde_json::Value = serde_json::from_slice(&of(&events[2]).body).unwrap();
    assert_eq!((kept, parked.len()), (as_it_was, 2));

    // A person who mends it has the event back.
    let mended = serde_json::to_vec(&events[0]).unwrap();
    let retried = store.retry_parked(events[0].id, Some(mended), at(0)).await;
    assert!(retried.unwrap());
    assert_eq!(lease(&store, Stage::Normalise, 0).await, events[..1]);
}

async fn what_a_broker_has_lost_is_due_at_once(backend: &Backend) {
    let store = backend.open().await;
    let events: Vec<_> = ["A", "B", "C"].map(event).to_vec();
    store.enqueue(events.clone()).await.unwrap();
    let leased = store.lease_outbox(Stage::Normalise, 9, at(0), at(30));
    assert_eq!(leased.await.unwrap().len(), 3);
    let sent = SettlementOutcome::Sent { resend_at: at(120) };
    let retried = SettlementOutcome::Retry {
        at: at(120),
        error: "a lock".into(),
    };
    settle(&store, events[0].id, sent).await;
    settle(&store, events[1].id, retried).await;
    let resend = async |stage, due| store.resend_outbox(stage, due).await.unwrap();
    let ever = Timestamp::MIN..Timestamp::MAX;
    assert_eq!(resend(Stage::Dedupe, ever.clone()).await, 0);
    assert_eq!(resend(Stage::Normalise, at(0)..at(120)).await, 0);
    assert_eq!(resend(Stage::Normalise, at(121)..at(500)).await, 0);
    assert!(lease(&store, Stage::Normalise, 1).await.is_empty());
    assert_eq!(resend(Stage::Normalise, at(120)..at(121)).await, 2);
    assert_eq!(resend(Stage::Normalise, ever).await, 0);
    // The third is in somebody's hands, and stays there.
    assert_eq!(lease(&store, Stage::Normalise, 1).await, events[..2]);
}

async fn an_event_that_is_written_twice_is_one(backend: &Backend) {
    let store = backend.open().await;
    let event = event("A");
    store
        .enqueue(vec![event.clone(), event.clone()])
        .await
        .unwrap();
    store.enqueue(vec![event.clone()]).await.unwrap();
    assert_eq!(lease(&store, Stage::Normalise, 0).await, [event]);
}

async fn parking_retrying_and_discarding(backend: &Backend) {
    let store = backend.open().await;
    let (a, b) = (event("A"), event("B"));
    store.enqueue(vec![a.clone(), b.clone()]).await.unwrap();
    lease(&store, Stage::Normalise, 0).await;
    for event in [&a, &b] {
        let park = SettlementOutcome::Park {
            error: "no such rule".into(),
        };
        settle(&store, event.id, park.clone()).await;
        settle(&store, event.id, park).await;
    }
    assert_eq!(store.outbox_depth().await.unwrap().events, 0);
    let parked = store.parked().await.unwrap();
    assert_eq!(parked.len(), 2);
    let of_a = parked.iter().find(|p| p.id == a.id).unwrap();
    assert_eq!(serde_json::from_slice::<Event>(&of_a.body).unwrap(), a);
    assert_eq!((of_a.attempts, of_a.stage), (1, Stage::Normalise));
    assert_eq!(of_a.error, "no such rule");
    assert_eq!(store.statistics().await.unwrap().parked, 2);

    assert!(store.retry_parked(a.id, None, at(20)).await.unwrap());
    assert!(!store.retry_parked(a.id, None, at(20)).await.unwrap());
    let again = store.lease_outbox(Stage::Normalise, 9, at(20), at(21));
    let again = again.await.unwrap();
    assert_eq!((again.len(), again[0].attempt), (1, 0));
    assert_eq!((again[0].event.id, &again[0].event.key), (a.id, &a.key));

    let discard = |id| store.discard_parked(id, "doublon", "anne", at(21));
    assert!(discard(b.id).await.unwrap());
    assert!(!discard(b.id).await.unwrap());
    assert!(store.parked().await.unwrap().is_empty());
}

async fn an_edited_message_must_be_an_event(backend: &Backend) {
    let store = backend.open().await;
    let original = event("A");
    store.enqueue(vec![original.clone()]).await.unwrap();
    lease(&store, Stage::Normalise, 0).await;
    let park = SettlementOutcome::Park { error: "?".into() };
    settle(&store, original.id, park).await;
    let broken = store.retry_parked(original.id, Some(b"{".to_vec()), at(1));
    assert!(broken.await.is_err_and(|error| !error.is_transient()));
    assert_eq!(store.parked().await.unwrap().len(), 1);

    let edited = serde_json::to_vec(&event("B")).unwrap();
    let retried = store.retry_parked(original.id, Some(edited), at(1)).await;
    assert!(retried.unwrap());
    let leased = lease(&store, Stage::Normalise, 1).await;
    assert_eq!(leased[0].id, original.id);
    assert_eq!(leased[0].key, id("B").to_string());
}

async fn an_undecodable_message_keeps_its_bytes(backend: &Backend) {
    let store = backend.open().await;
    let parked = Parked {
        id: event("A").id,
        stage: Stage::Publish,
        body: vec![0, 159, 146, 150, b'{'],
        error: "not JSON".into(),
        attempts: 1,
        at: at(3),
    };
    store.park(parked.clone()).await.unwrap();
    store.park(parked.clone()).await.unwrap();
    assert_eq!(store.parked().await.unwrap(), std::slice::from_ref(&parked));
    assert!(store.retry_parked(parked.id, None, at(4)).await.is_err());
    assert_eq!(store.parked().await.unwrap().len(), 1);
}

async fn workers_share_the_outbox(backend: &Backend) {
    let store = backend.open().await;
    let events: Vec<_> = (0..200).map(|n| event(&n.to_string())).collect();
    store.enqueue(events).await.unwrap();
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let leased = store
                        .lease_outbox(Stage::Normalise, 7, at(0), at(60))
                        .await
                        .unwrap();
                    if leased.is_empty() {
                        return mine;
                    }
                    let ids: Vec<_> = leased.iter().map(|leased| leased.event.id).collect();
                    let handled = inbox(Stage::Normalise, ids.clone());
                    store.commit_normalised(Vec::new(), &handled).await.unwrap();
                    mine.extend(ids);
                }
            })
        })
        .collect();
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.unwrap());
    }
    all.sort();
    let length = all.len();
    all.dedup();
    assert_eq!((length, all.len()), (200, 200));
}
