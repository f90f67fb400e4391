//! Components that grow into crowds and fall apart again: what an event costs is counted, and the
//! clusters are at every moment those that would be made from nothing.

use super::*;
use crate::dedupe::crowd::{CROWD, Step, Tie};
use crate::dedupe::{Derived, Features, KEY_CAP, Read};
use crate::model::{Decision, Edge, StoredPosting};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The `n`th issue of one ad, a new one each day.
fn issue(n: usize) -> Value {
    let published = Timestamp::from_second(1_600_000_000 + n as i64 * 86_400).unwrap();
    let mut ad = own(0);
    ad["ref"] = json!(format!("B{n:04}"));
    ad["requisition"] = json!("REQ-2026-0815");
    ad["published"] = json!(published.to_string());
    ad.as_object_mut().unwrap().remove("url");
    ad
}

async fn board(world: &World, records: Vec<Value>) {
    world.board.hourly(Shot::cut(records)).await;
    let drained = world.pipeline.drain(Duration::from_secs(600)).await;
    assert!(drained.idle, "{drained:?}");
}

/// The stored clusters are those that all postings make from nothing.
async fn assert_as_from_nothing(world: &World, when: &str) -> u64 {
    let shown = difference(&world.hub, None).await.unwrap().vacancies;
    assert_eq!((shown.merges, shown.splits), (0, 0), "{when}: {shown:#?}");
    assert_eq!(shown.before, shown.after, "{when}");
    shown.after
}

static COMPARED: AtomicUsize = AtomicUsize::new(0);
static TIED: AtomicUsize = AtomicUsize::new(0);
static DERIVED: AtomicUsize = AtomicUsize::new(0);

fn counted_compare(a: &Features, b: &Features) -> Option<Edge> {
    COMPARED.fetch_add(1, Relaxed);
    crate::dedupe::compare_features(a, b)
}

fn counted_tie(weight: i64, p: &StoredPosting, q: &StoredPosting) -> Tie {
    TIED.fetch_add(1, Relaxed);
    crate::dedupe::crowd::tie(weight, p, q)
}

fn counted_derive<'a>(
    postings: &[&'a StoredPosting],
    read: Read<'a>,
    edges: &[Edge],
    decisions: &[Decision],
    network: &Network,
    now: Timestamp,
    step: Step,
) -> Vec<Derived> {
    DERIVED.fetch_add(postings.len(), Relaxed);
    crate::dedupe::derive(postings, read, edges, decisions, network, now, step)
}

#[tokio::test]
async fn an_event_among_two_thousand_ads_of_one_employer_costs_no_more_than_a_part() {
    let mut world = World::new();
    world.hub.rules.compare = counted_compare;
    world.hub.rules.tie = counted_tie;
    world.hub.rules.derive = counted_derive;
    world.pipeline = Pipeline::new(world.hub.clone(), &Stage::ALL);
    board(&world, (0..2_000).map(issue).collect()).await;
    let before = world.live().await;
    assert!((50..1_000).contains(&before.len()), "{}", before.len());

    let cost = async |records: Vec<Value>| {
        let counts = [&COMPARED, &TIED, &DERIVED];
        counts.iter().for_each(|count| count.store(0, Relaxed));
        board(&world, records).await;
        counts.map(|count| count.load(Relaxed))
    };
    let mut changed = issue(700);
    changed["employer"] = json!("Résidence Les Tilleuls, Vesoul");
    for (what, records) in [
        ("one comes", vec![issue(2_000)]),
        ("one changes", vec![changed]),
        ("one goes back", vec![issue(700)]),
    ] {
        let [compared, tied, derived] = cost(records).await;
        assert!(derived > 0 && derived <= CROWD, "{what}: {derived} derived");
        assert!(compared <= 2 * KEY_CAP, "{what}: {compared} compared");
        assert!(tied <= 2 * CROWD * KEY_CAP, "{what}: {tied} judged");
    }
    // A person joins two of the crowd, and takes it back.
    let ids = [0, 1_999].map(|n| id("board", &format!("B{n:04}")));
    for kind in [DecisionKind::Same, DecisionKind::Unsure] {
        world.own.pass(SignedDuration::from_secs(1));
        let (store, now) = (&*world.hub.store, world.hub.clock.now());
        let decided = decisions::decide(store, kind, ids[0], Some(ids[1]), "agnes", "", now);
        decided.await.unwrap();
        let [_, _, derived] = cost(vec![issue(3)]).await;
        assert!(derived <= 4 * CROWD, "{kind:?}: {derived} derived");
    }
    assert_as_from_nothing(&world, "at the end").await;
}

#[tokio::test]
async fn a_crowd_is_parted_the_same_way_whatever_came_first_and_is_none_again() {
    let arrive = async |order: fn(&mut Vec<usize>), at_a_time: usize| {
        let world = World::new();
        let mut ads: Vec<usize> = (0..240).collect();
        order(&mut ads);
        for part in ads.chunks(at_a_time) {
            board(&world, part.iter().map(|n| issue(*n)).collect()).await;
        }
        let count = assert_as_from_nothing(&world, "all there").await;
        (world, count)
    };
    let (world, count) = arrive(|_| {}, 100).await;
    let expected = world.live().await;
    let (other, _) = arrive(|ads| ads.reverse(), 33).await;
    assert_eq!(other.live().await, expected);
    let scattered = |ads: &mut Vec<usize>| ads.sort_by_key(|n| n * 97 % 240);
    let (other, _) = arrive(scattered, 60).await;
    assert_eq!(other.live().await, expected);
    // One of each month: the limit of a cluster alone would leave fewer.
    assert!(count > 240 / 40, "{count}");

    // Those of the middle become another ad: what is left on either side is no crowd.
    let another = |n: usize| {
        let mut ad = issue(n);
        (ad["title"], ad["text"]) = (json!(TITLES[3]), json!(TEXTS[3]));
        ad["requisition"] = json!("REQ-2026-4711");
        ad
    };
    let middle: Vec<usize> = (90..150).collect();
    for part in middle.chunks(25) {
        board(&world, part.iter().map(|n| another(*n)).collect()).await;
        assert_as_from_nothing(&world, "on the way down").await;
    }
    for part in middle.chunks(35) {
        board(&world, part.iter().map(|n| issue(*n)).collect()).await;
        assert_as_from_nothing(&world, "on the way up").await;
    }
    assert_eq!(world.live().await, expected, "as it was");
}

/// A few ads whose texts and titles come and go, so that clusters are joined, parted and contested.
#[tokio::test]
async fn after_any_change_the_clusters_are_those_made_from_nothing() {
    let world = World::new();
    let mut state = 7_u64;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % below
    };
    for step in 0..60 {
        let records = (0..1 + next(3)).map(|_| {
            let n = next(14);
            let mut ad = issue(n * (1 + next(40)));
            let text = TEXTS[next(2)];
            let words: Vec<&str> = text.split(' ').collect();
            let cut = words.len() - next(3) * 7;
            ad["ref"] = json!(format!("B{n:04}"));
            ad["text"] = json!(words[..cut].join(" "));
            ad["title"] = json!(["Aide-soignant", "Aide-soignant de nuit", "Infirmier"][next(3)]);
            if next(2) == 0 {
                ad.as_object_mut().unwrap().remove("requisition");
            }
            ad
        });
        let records: Vec<Value> = records.collect();
        board(&world, records).await;
        assert_as_from_nothing(&world, &format!("step {step}")).await;
    }
}
