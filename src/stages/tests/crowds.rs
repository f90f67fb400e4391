//! Competition and crowds: eight workers that share every event, blocks that fill up, and what a
//! replay says before it is applied.

use super::*;
use crate::bus::{Bus, BusError, Delivery, Verdict};
use crate::model::Clock;
use crate::pull::run::support::Dies;
use crate::stages::verdicts::Known;
use crate::stages::{Worker, dedupe, normalise, publish};
use async_trait::async_trait;
use tokio::sync::watch;

/// A bus at its worst: nothing that is received is withheld from others, so that every worker gets
/// the same events until one has committed them, and the rest come late.
struct Greedy {
    outbox: EmbeddedBus,
    store: DynStore,
    clock: Clock,
}

#[async_trait]
impl Bus for Greedy {
    async fn receive(
        &self,
        stage: Stage,
        max: usize,
        _wait: Duration,
    ) -> Result<Vec<Delivery>, BusError> {
        let now = self.clock.now();
        let leased = self.store.lease_outbox(stage, max.min(5), now, now).await;
        let leased = leased.map_err(|error| BusError {
            doing: "lease events".to_owned(),
            source: Box::new(error),
        })?;
        if leased.is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let delivered = leased.into_iter().map(|leased| Delivery {
            event: leased.event,
            attempt: leased.attempt,
            token: 0,
        });
        Ok(delivered.collect())
    }

    async fn settle(&self, stage: Stage, ended: Vec<(Delivery, Verdict)>) -> Result<(), BusError> {
        self.outbox.settle(stage, ended).await
    }

    fn wake(&self, stage: Stage) {
        self.outbox.wake(stage);
    }

    async fn idle(&self) -> Result<bool, BusError> {
        self.outbox.idle().await
    }
}

/// Eight workers of each stage, each with a memory of its own as in eight processes.
fn eight(mut world: World) -> World {
    let (store, clock) = (world.hub.store.clone(), world.hub.clock.clone());
    let outbox = EmbeddedBus::new(store.clone(), clock.clone());
    world.hub.bus = Arc::new(Greedy {
        outbox,
        store,
        clock,
    });
    let head = watch::channel(0).0;
    let mut workers: Vec<Arc<dyn Worker>> = Vec::new();
    for _ in 0..8 {
        let (hub, known) = (&world.hub, Known::new());
        workers.push(Arc::new(normalise::Normalise::new(
            hub.clone(),
            known.clone(),
        )));
        workers.push(Arc::new(dedupe::Dedupe::new(hub.clone(), known)));
        workers.push(Arc::new(publish::Publish::new(hub.clone(), head.clone())));
    }
    world.pipeline = Pipeline::of(world.hub.clone(), workers);
    world
}

/// Copies come, a person parts two and takes it back of one, an offer is filled.
async fn happen(world: &World) {
    let all = |of: fn(usize) -> Value| Shot::complete((0..4).map(of).collect());
    world.own.hourly(all(own)).await;
    world.board.run(all(copy)).await;
    world.drain().await;
    for (kind, n) in [
        (DecisionKind::Different, 0),
        (DecisionKind::Different, 1),
        (DecisionKind::Unsure, 1),
    ] {
        world.own.pass(SignedDuration::from_secs(1));
        let pair = (
            id("ats", &format!("R{n}")),
            Some(id("board", &format!("B{n}"))),
        );
        let (store, now) = (&*world.hub.store, world.hub.clock.now());
        let decided = decisions::decide(store, kind, pair.0, pair.1, "agnes", "", now);
        decided.await.unwrap();
    }
    for _ in 0..2 {
        world.own((0..3).map(own).collect()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn eight_workers_that_share_every_event_end_with_the_bytes_of_one() {
    let alone = World::new();
    happen(&alone).await;
    let bodies = alone.bodies().await;
    // Three live openings and the copy that was parted from its own.
    assert_eq!(bodies.len(), 4);
    for _ in 0..3 {
        let world = eight(World::new());
        happen(&world).await;
        assert_eq!(world.bodies().await, bodies);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn eight_workers_that_die_are_made_good_by_the_next() {
    let alone = World::new();
    let pull = async |world: &World| {
        let all = |of: fn(usize) -> Value| Shot::complete((0..4).map(of).collect());
        world.own.hourly(all(own)).await;
        world.board.run(all(copy)).await;
    };
    pull(&alone).await;
    alone.drain().await;
    let bodies = alone.bodies().await;
    for polls in [1, 2, 3, 5, 8, 13, 21] {
        let folder = tempfile::tempdir().unwrap();
        let open = || -> DynStore {
            let path = folder.path().join("passerelle.db");
            Arc::new(SqliteStore::open(path, &SqliteOptions::default()).unwrap())
        };
        let world = eight(World::over(open()));
        pull(&world).await;
        let drained = Dies {
            future: Box::pin(world.pipeline.drain(Duration::from_secs(20))),
            left: polls,
        };
        drained.await;
        drop(world);
        let world = eight(World::over(open()));
        world.drain().await;
        assert_eq!(world.bodies().await, bodies, "died at poll {polls}");
    }
}

/// One text under many references: 130 ads are more than any key may have.
fn alike(n: usize) -> Value {
    let mut ad = own(0);
    ad["ref"] = json!(format!("B{n:03}"));
    ad
}

/// Every posting with its vacancy, as stored.
async fn homes(world: &World) -> Vec<(PostingId, VacancyId)> {
    let ids = world.hub.store.posting_ids(None).await.unwrap();
    let mut tx = world.hub.store.lock_public().await.unwrap();
    let mut homes = tx.clusters(&ids).await.unwrap();
    homes.sort();
    homes
}

/// Seventy ads come, a few close, sixty more come: within each part in an order of its own, some
/// twice.
async fn crowd(order: impl Fn(&mut Vec<usize>), at_a_time: usize) -> World {
    let world = World::new();
    let arrive = async |ads: std::ops::Range<usize>| {
        let mut ads: Vec<usize> = ads.collect();
        order(&mut ads);
        for part in ads.chunks(at_a_time) {
            let records = part.iter().chain(part.first()).map(|n| alike(*n));
            world.board.run(Shot::cut(records.collect())).await;
            world.drain().await;
        }
    };
    arrive(0..70).await;
    for _ in 0..2 {
        let mut left: Vec<usize> = (4..70).collect();
        order(&mut left);
        world.board(left.into_iter().map(alike).collect()).await;
    }
    assert_eq!(homes(&world).await.len(), 70);
    assert!(
        world.live().await.len() < 66,
        "below the limit copies are one"
    );
    arrive(70..130).await;
    world
}

#[tokio::test]
async fn a_crowd_of_one_text_ends_the_same_in_any_order_twice_and_between_closings() {
    let first = crowd(|_| {}, 70).await;
    let (expected, bodies) = (homes(&first).await, first.bodies().await);
    assert_eq!(expected.len(), 130);
    // A key that all share says nothing: what rested on it alone has been taken back.
    assert_eq!(bodies.len(), 126);
    let backwards = crowd(|ads| ads.reverse(), 17).await;
    assert_eq!(homes(&backwards).await, expected);
    assert_eq!(backwards.bodies().await, bodies);
    // Made again from nothing, it is what it was.
    let head = first.hub.store.head().await.unwrap();
    replay(&first.hub, None).await.unwrap();
    first.drain().await;
    assert_eq!(first.hub.store.head().await.unwrap(), head);
    assert_eq!(homes(&first).await, expected);
    let shown = difference(&first.hub, None).await.unwrap().vacancies;
    assert_eq!((shown.before, shown.after), (130, 130));
    assert_eq!((shown.merges, shown.splits), (0, 0));
}

#[tokio::test]
async fn a_replay_shows_what_it_would_merge_and_part() {
    let mut world = World::new();
    world.own((0..4).map(own).collect()).await;
    world.board((0..2).map(copy).collect()).await;
    let today = difference(&world.hub, None).await.unwrap().vacancies;
    assert_eq!((today.before, today.after), (4, 4));
    assert_eq!((today.merges, today.splits), (0, 0));

    // Rules that see no copy anywhere.
    let rules = world.hub.rules;
    world.hub.rules.compare = |_, _| None;
    let board = ConnectorName::from("board");
    for connector in [None, Some(&board)] {
        let apart = difference(&world.hub, connector).await.unwrap().vacancies;
        assert_eq!((apart.before, apart.after), (4, 6));
        assert_eq!((apart.merges, apart.splits), (0, 2));
        let split = apart.examples.iter().find(|e| e.from == [id("ats", "R0")]);
        let mut parts = [id("ats", "R0"), id("board", "B0")];
        parts.sort();
        let split = split.unwrap();
        assert_eq!(
            (&split.to[..], split.title.as_str()),
            (&parts[..], TITLES[0])
        );
    }
    assert_eq!(world.live().await.len(), 4, "nothing was written");

    // Applied, the rules of before would merge.
    world.pipeline = Pipeline::new(world.hub.clone(), &Stage::ALL);
    replay(&world.hub, None).await.unwrap();
    world.drain().await;
    assert_eq!(world.live().await.len(), 6);
    world.hub.rules = rules;
    let together = difference(&world.hub, None).await.unwrap().vacancies;
    assert_eq!((together.before, together.after), (6, 4));
    assert_eq!((together.merges, together.splits), (2, 0));
    assert_eq!(together.examples[0].to.len(), 1);
}
