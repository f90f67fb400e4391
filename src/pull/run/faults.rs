//! Whatever the feed does, and wherever the process dies.

use super::support::{Bench, Dies, Shot, offer, offers};
use crate::model::{PostingState, Stage};
use crate::pull::connector::Guards;
use crate::pull::run::RunError;
use crate::store::{Doubt, SnapshotKind, SqliteStore};
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;

fn bench() -> Bench {
    Bench::new(
        Arc::new(SqliteStore::temporary().unwrap()),
        Guards::default(),
    )
}

#[derive(Debug, PartialEq)]
struct World {
    states: Vec<PostingState>,
    events: Vec<(String, u64)>,
    doubts: Vec<Doubt>,
    etag: Option<String>,
}

async fn world(hub: &Bench) -> World {
    let now = hub.clock().now();
    let until = now + SignedDuration::from_hours(1);
    let stage = Stage::Normalise;
    let leased = hub.store.lease_outbox(stage, 10_000, now, until).await;
    let leased = leased.unwrap().into_iter();
    let mut events: Vec<_> = leased
        .map(|l| (l.event.key, l.event.revision.observation))
        .collect();
    events.sort();
    let holds = hub.store.holds(true).await.unwrap();
    let state = hub.store.connector_state(&"ats".into()).await.unwrap();
    World {
        states: hub.states().await,
        events,
        doubts: holds.into_iter().map(|h| h.doubt).collect(),
        etag: state.etag,
    }
}

/// Three runs that touch everything: births, changes, a closing, misses, and a hold.
fn story() -> Vec<Shot> {
    let mut second = offers(0..640);
    second[5]["text"] = json!("autre");
    second[6]["status"] = json!("closed");
    second.remove(7);
    let mut third = offers(0..630);
    third[5]["text"] = json!("encore autre");
    third.remove(7);
    vec![
        Shot::complete(offers(0..600)).etag("one"),
        Shot::complete(second).etag("two"),
        Shot::complete(third).etag("three"),
        Shot::complete(offers(300..640)).etag("four"),
    ]
}

#[tokio::test]
async fn a_crash_anywhere_leaves_no_trace() {
    let whole = bench();
    for shot in story() {
        whole.hourly(shot).await;
    }
    let whole = world(&whole).await;
    assert_eq!(whole.doubts.len(), 1);
    let mut died = 0;
    for step in (1..90).step_by(4) {
        let hub = bench();
        for (at, shot) in story().into_iter().enumerate() {
            hub.pass(SignedDuration::from_hours(1));
            let dies = Dies {
                future: Box::pin(hub.run(shot.clone())),
                left: step + at,
            };
            if !dies.await {
                died += 1;
                hub.run(shot).await;
            }
        }
        assert_eq!(world(&hub).await, whole, "died at poll {step}");
    }
    assert!(died > 20, "only {died} crashes");
}

/// As where the broker is away and the outbox is full: what is not applied is neither lost nor missing.
#[tokio::test]
async fn a_run_that_finds_no_room_is_applied_in_part_and_then_to_its_end() {
    let hub = bench();
    hub.run(Shot::complete(offers(0..40))).await;
    hub.pass(SignedDuration::from_hours(1));
    *hub.source.next.lock().unwrap() = Shot::complete(offers(5..1240));
    let mut known = 40;
    for batches in [1, 0] {
        hub.source.room.store(batches, Ordering::SeqCst);
        let cut = hub.try_again().await;
        assert!(matches!(cut, Err(RunError::NoRoom { .. })), "{cut:?}");
        let states = hub.states().await;
        let more = states.len() - known;
        assert!(
            more <= 500 * batches && (more > 0) == (batches > 0),
            "{more}"
        );
        assert!(
            states
                .iter()
                .all(|state| state.is_live() && state.misses == 0)
        );
        known = states.len();
        let depth = hub.store.outbox_depth().await.unwrap();
        assert_eq!(depth.events, known as u64);
    }
    hub.source.room.store(usize::MAX, Ordering::SeqCst);
    let report = hub.again().await;
    assert_eq!((report.counts.new, report.counts.unchanged), (0, 1235));
    let states = hub.states().await;
    assert_eq!(states.len(), 1240);
    assert!(states.iter().all(PostingState::is_live));
    let missed: Vec<&str> = states
        .iter()
        .filter(|state| state.misses > 0)
        .map(|state| state.reference.as_str())
        .collect();
    assert_eq!(missed, ["R000", "R001", "R002", "R003", "R004"]);
    assert_eq!(hub.store.outbox_depth().await.unwrap().events, 1240);
}

/// A snapshot that must close nothing, whatever came before it.
fn harmless() -> impl Strategy<Value = Shot> {
    let subset = prop::collection::vec(0usize..40, 0..40);
    prop_oneof![
        Just(Shot::of(SnapshotKind::Failed)),
        Just(Shot::of(SnapshotKind::Empty)),
        Just(Shot::of(SnapshotKind::Unchanged)),
        Just(Shot::complete(Vec::new())),
        subset.prop_map(|some| Shot::cut(some.into_iter().map(offer).collect())),
        (0usize..27).prop_map(|n| Shot::complete(offers(0..n))),
        (0usize..40).prop_map(|n| {
            let nameless = (0..n).map(|n| json!({ "id": n }));
            Shot::complete(nameless.collect::<Vec<Value>>())
        }),
        Just(Shot::complete(
            offers(0..40)
                .into_iter()
                .map(|o| json!({ "ref": o["ref"] }))
                .collect()
        )),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn no_sequence_of_bad_feeds_closes_anything(
        shots in prop::collection::vec((harmless(), 0i64..200), 1..15),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let hub = bench();
            hub.run(Shot::complete(offers(0..40)).etag("one")).await;
            for (shot, minutes) in shots {
                hub.pass(SignedDuration::from_mins(minutes));
                hub.run(shot).await;
            }
            assert_eq!(hub.live().await.len(), 40);
            hub.hourly(Shot::complete(offers(0..40))).await;
            assert!(hub.store.holds(true).await.unwrap().is_empty());
        });
    }
}
