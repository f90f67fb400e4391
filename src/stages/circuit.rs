//! What keeps a stage from spoiling its whole queue: a batch is halved around a message that spoils
//! it, and after a run of failures one message at a time is tried until one goes through.

use super::pipeline::{BACK_OFF, pause};
use super::{Exceptions, Failure, Worker};
use crate::bus::Verdict;
use crate::model::{Event, Stage};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

/// Failures in a row, with no success between them, that are no single message's fault.
const RUN: usize = 20;
/// Outages in a row after which a batch is tried by its first message alone.
const OUTAGES: u32 = 3;

/// One stage of one process; its workers share it.
#[derive(Default)]
pub(super) struct Circuit {
    failures: AtomicUsize,
    probing: Mutex<()>,
}

impl Circuit {
    /// While the circuit is open: the right to try one message, which one worker has at a time.
    pub async fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        if !self.is_open() {
            return None;
        }
        let turn = self.probing.lock().await;
        // Another worker's message may have gone through meanwhile.
        self.is_open().then_some(turn)
    }

    pub fn is_open(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= RUN
    }

    /// Learns how messages ended. What is parked at once is its own fault and says nothing.
    pub fn learn(&self, stage: Stage, verdicts: &[Verdict]) {
        let was_open = self.is_open();
        if verdicts.contains(&Verdict::Done) {
            self.failures.store(0, Ordering::Relaxed);
        } else {
            let failed = |verdict: &&Verdict| matches!(verdict, Verdict::Retry(_));
            let failed = verdicts.iter().filter(failed).count();
            self.failures.fetch_add(failed, Ordering::Relaxed);
        }
        match (was_open, self.is_open()) {
            (false, true) => tracing::error!(
                stage = stage.name(),
                "nothing goes through any more: one message at a time is tried"
            ),
            (true, false) => tracing::info!(stage = stage.name(), "messages go through again"),
            _ => {}
        }
    }
}

/// A panic is a failure like others: its message is tried again, and the worker lives on.
async fn work(worker: &dyn Worker, events: &[Event]) -> Result<Exceptions, Failure> {
    let working = AssertUnwindSafe(worker.work(events)).catch_unwind();
    working.await.unwrap_or_else(|panic| {
        let text = super::panic_text(&*panic);
        let why = format!("the stage broke down: {text}");
        Err(Failure::Poison(Verdict::Retry(why)))
    })
}

/// Works on `events`, halving the batch around a message that spoils it. One verdict for each.
pub(super) fn isolate<'a>(
    worker: &'a dyn Worker,
    events: &'a [Event],
    cancel: &'a CancellationToken,
) -> BoxFuture<'a, Vec<Verdict>> {
    Box::pin(async move {
        let mut back_off = BACK_OFF.0;
        let mut outages = 0;
        loop {
            let at = match work(worker, events).await {
                Ok(mut exceptions) => {
                    let verdict = |e: &Event| exceptions.remove(&e.id).unwrap_or(Verdict::Done);
                    return events.iter().map(verdict).collect();
                }
                // An outage is no message's fault: it costs them no attempt, the batch waits.
                Err(Failure::Busy(error)) if !cancel.is_cancelled() => {
                    tracing::warn!(stage = worker.stage().name(), error, "the stage waits");
                    pause(&mut back_off, cancel).await;
                    outages += 1;
                    if outages < OUTAGES || events.len() == 1 {
                        continue;
                    }
                    1
                }
                // The process stops: others will find the store there again.
                Err(Failure::Busy(_)) => return vec![Verdict::Back; events.len()],
                Err(Failure::Poison(verdict)) if events.len() == 1 => return vec![verdict],
                Err(Failure::Poison(_)) => events.len() / 2,
            };
            let (left, right) = events.split_at(at);
            let mut verdicts = isolate(worker, left, cancel).await;
            verdicts.extend(isolate(worker, right, cancel).await);
            return verdicts;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::{Bus, BusError, Delivery, EmbeddedBus};
    use crate::model::Clock;
    use crate::model::{EventKind, PostingId, Revision};
    use crate::stages::{CurrentFiles, Hub, Pipeline, Rules};
    use crate::store::{DynStore, SqliteStore};
    use async_trait::async_trait;
    use jiff::{SignedDuration, Timestamp};
    use std::sync::atomic::AtomicBool;
    use std::sync::{Arc, Mutex as StdMutex};
    use std::time::{Duration, Instant};

    fn events(count: usize) -> Vec<Event> {
        let event = |n: usize| {
            let id = PostingId::new(&"test".into(), &n.to_string());
            let (revision, at) = (Revision::default(), Timestamp::UNIX_EPOCH);
            Event::new(EventKind::PostingPulled, id, revision, at)
        };
        (0..count).map(event).collect()
    }

    /// Remembers the sizes of its batches; is away for some of them, or breaks down over a message.
    #[derive(Default)]
    struct Fake {
        sizes: StdMutex<Vec<usize>>,
        away: usize,
        breaks_at: Option<Event>,
        fails: AtomicBool,
    }

    #[async_trait]
    impl Worker for Fake {
        fn stage(&self) -> Stage {
            Stage::Normalise
        }

        async fn work(&self, events: &[Event]) -> Result<Exceptions, Failure> {
            let tries = {
                let mut sizes = self.sizes.lock().unwrap();
                sizes.push(events.len());
                sizes.len()
            };
            if tries <= self.away {
                return Err(Failure::Busy("the database is away".into()));
            }
            let breaks = self.breaks_at.as_ref();
            assert!(breaks.is_none_or(|bad| events.iter().all(|e| e.id != bad.id)));
            if self.fails.load(Ordering::SeqCst) {
                let failed = events.iter().map(|e| (e.id, Verdict::Retry("x".into())));
                return Ok(failed.collect());
            }
            Ok(Exceptions::new())
        }
    }

    #[tokio::test]
    async fn a_panic_is_a_retry_of_its_own_message() {
        let events = events(9);
        let worker = Fake {
            breaks_at: Some(events[4].clone()),
            ..Fake::default()
        };
        let verdicts = isolate(&worker, &events, &CancellationToken::new()).await;
        for (n, verdict) in verdicts.iter().enumerate() {
            match verdict {
                Verdict::Retry(why) => assert!(n == 4 && why.contains("broke down"), "{why}"),
                other => assert!(n != 4 && *other == Verdict::Done, "{n}: {other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn after_an_outage_one_message_goes_first() {
        let worker = Fake {
            away: 4,
            ..Fake::default()
        };
        let events = events(50);
        let verdicts = isolate(&worker, &events, &CancellationToken::new()).await;
        assert_eq!(verdicts, vec![Verdict::Done; 50], "it cost no attempt");
        assert_eq!(*worker.sizes.lock().unwrap(), [50, 50, 50, 1, 1, 49]);
    }

    #[tokio::test]
    async fn what_an_outage_holds_up_at_the_end_is_given_back_uncounted() {
        let worker = Fake {
            away: usize::MAX,
            ..Fake::default()
        };
        let cancel = CancellationToken::new();
        cancel.cancel();
        let verdicts = isolate(&worker, &events(3), &cancel).await;
        assert_eq!(verdicts, vec![Verdict::Back; 3]);
    }

    #[test]
    fn a_run_of_failures_opens_the_circuit_and_one_success_closes_it() {
        let circuit = Circuit::default();
        let failed = |count| vec![Verdict::Retry("x".into()); count];
        circuit.learn(Stage::Dedupe, &failed(RUN - 1));
        circuit.learn(Stage::Dedupe, &[Verdict::Park("its own fault".into())]);
        assert!(!circuit.is_open());
        circuit.learn(Stage::Dedupe, &failed(1));
        assert!(circuit.is_open());
        circuit.learn(Stage::Dedupe, &[Verdict::Done]);
        assert!(!circuit.is_open());
    }
    /// Waits until it holds; what is waited for has no other end.
    async fn until(what: impl AsyncFn() -> bool) {
        let began = Instant::now();
        while !what().await {
            assert!(began.elapsed() < Duration::from_secs(60));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Never has anything; counts how often it is asked.
    #[derive(Default)]
    struct Empty(AtomicUsize);

    #[async_trait]
    impl Bus for Empty {
        async fn receive(
            &self,
            _: Stage,
            _: usize,
            wait: Duration,
        ) -> Result<Vec<Delivery>, BusError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(wait).await;
            Ok(Vec::new())
        }

        async fn settle(&self, _: Stage, _: Vec<(Delivery, Verdict)>) -> Result<(), BusError> {
            Ok(())
        }

        fn wake(&self, _: Stage) {}

        async fn idle(&self) -> Result<bool, BusError> {
            Ok(true)
        }
    }

    fn hub_on(bus: Arc<dyn Bus>) -> Hub {
        Hub {
            store: Arc::new(SqliteStore::temporary().unwrap()),
            bus,
            clock: Clock::fixed(Timestamp::UNIX_EPOCH),
            files: CurrentFiles::default(),
            rules: Rules::default(),
        }
    }

    /// Breaks down over its first receptions, or as it is first to end deliveries.
    struct Faulty {
        bus: Arc<dyn Bus>,
        receptions: AtomicUsize,
        endings: AtomicUsize,
        ended: AtomicUsize,
        renewed: AtomicUsize,
    }

    impl Faulty {
        fn new(bus: Arc<dyn Bus>, receptions: usize, endings: usize) -> Arc<Self> {
            Arc::new(Self {
                bus,
                receptions: AtomicUsize::new(receptions),
                endings: AtomicUsize::new(endings),
                ended: AtomicUsize::default(),
                renewed: AtomicUsize::default(),
            })
        }
    }

    fn holds(left: &AtomicUsize) {
        let less = |n: usize| n.checked_sub(1);
        let broken = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        assert!(broken.is_err(), "a fault of the bus");
    }

    #[async_trait]
    impl Bus for Faulty {
        async fn receive(
            &self,
            stage: Stage,
            max: usize,
            wait: Duration,
        ) -> Result<Vec<Delivery>, BusError> {
            let received = self.bus.receive(stage, max, wait.min(BACK_OFF.0)).await;
            holds(&self.receptions);
            received
        }

        async fn settle(
            &self,
            stage: Stage,
            ended: Vec<(Delivery, Verdict)>,
        ) -> Result<(), BusError> {
            holds(&self.endings);
            let settled = self.bus.settle(stage, ended).await;
            self.ended.fetch_add(1, Ordering::SeqCst);
            settled
        }

        fn wake(&self, stage: Stage) {
            self.bus.wake(stage);
        }

        async fn idle(&self) -> Result<bool, BusError> {
            self.bus.idle().await
        }

        fn renew(&self) {
            self.renewed.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_worker_whose_bus_breaks_down_begins_anew() {
        let empty = Arc::new(Empty::default());
        let bus = Faulty::new(empty.clone(), 1, 0);
        let pipeline = Pipeline::of(hub_on(bus.clone()), vec![Arc::new(Fake::default())]);
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let running = tokio::spawn(async move { pipeline.run(stop).await });
        until(async || empty.0.load(Ordering::SeqCst) > 2).await;
        // What it had taken and not handed out, only the bus knows.
        assert_eq!(bus.renewed.load(Ordering::SeqCst), 1);
        cancel.cancel();
        running.await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_worker_had_in_hand_as_it_broke_down_is_tried_again() {
        let store: DynStore = Arc::new(SqliteStore::temporary().unwrap());
        let now = Arc::new(StdMutex::new(Timestamp::UNIX_EPOCH));
        let at = now.clone();
        let clock = Clock::new(move || *at.lock().unwrap());
        let embedded = Arc::new(EmbeddedBus::new(store.clone(), clock));
        let bus = Faulty::new(embedded.clone(), 0, 1);
        let worker = Arc::new(Fake::default());
        store.enqueue(events(3)).await.unwrap();
        let pipeline = Pipeline::of(hub_on(bus.clone()), vec![worker.clone()]);
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let running = tokio::spawn(async move { pipeline.run(stop).await });
        until(async || bus.ended.load(Ordering::SeqCst) == 1).await;
        // Over are the first step of the ladder, and no lease.
        *now.lock().unwrap() += SignedDuration::from_mins(1);
        until(async || embedded.idle().await.unwrap()).await;
        assert_eq!(*worker.sizes.lock().unwrap(), [3, 3]);
        assert!(store.parked().await.unwrap().is_empty());
        assert_eq!(bus.renewed.load(Ordering::SeqCst), 0);
        cancel.cancel();
        running.await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_cannot_even_be_put_back_is_the_affair_of_the_bus() {
        let store: DynStore = Arc::new(SqliteStore::temporary().unwrap());
        let clock = Clock::fixed(Timestamp::UNIX_EPOCH);
        let bus = Faulty::new(Arc::new(EmbeddedBus::new(store.clone(), clock)), 0, 2);
        store.enqueue(events(1)).await.unwrap();
        let pipeline = Pipeline::of(hub_on(bus.clone()), vec![Arc::new(Fake::default())]);
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let running = tokio::spawn(async move { pipeline.run(stop).await });
        until(async || bus.renewed.load(Ordering::SeqCst) == 1).await;
        cancel.cancel();
        running.await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn workers_that_wait_for_their_turn_stop_without_it() {
        let bus = Arc::new(Empty::default());
        let hub = hub_on(bus.clone());
        let worker: Arc<dyn Worker> = Arc::new(Fake::default());
        let pipeline = Pipeline::of(hub, vec![worker; 4]);
        let failed = vec![Verdict::Retry("x".into()); RUN];
        pipeline.circuits[Stage::Normalise as usize].learn(Stage::Normalise, &failed);
        let cancel = CancellationToken::new();
        let (running, stop) = (pipeline.clone(), cancel.clone());
        let running = tokio::spawn(async move { running.run(stop).await });
        until(async || bus.0.load(Ordering::SeqCst) == 1).await;
        cancel.cancel();
        running.await.unwrap();
        assert_eq!(bus.0.load(Ordering::SeqCst), 1, "the others did not begin");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stage_that_fails_at_everything_tries_one_message_at_a_time() {
        let store: DynStore = Arc::new(SqliteStore::temporary().unwrap());
        let now = Arc::new(StdMutex::new(Timestamp::UNIX_EPOCH));
        let at = now.clone();
        let clock = Clock::new(move || *at.lock().unwrap());
        let pass = |minutes| *now.lock().unwrap() += SignedDuration::from_mins(minutes);
        let bus = Arc::new(EmbeddedBus::new(store.clone(), clock.clone()));
        let hub = Hub {
            store: store.clone(),
            bus: bus.clone(),
            clock,
            files: CurrentFiles::default(),
            rules: Rules::default(),
        };
        let worker = Arc::new(Fake {
            fails: AtomicBool::new(true),
            ..Fake::default()
        });
        let tries = || worker.sizes.lock().unwrap().clone();
        store.enqueue(events(60)).await.unwrap();
        let pipeline = Pipeline::of(hub, vec![worker.clone()]);
        let cancel = CancellationToken::new();
        let (running, stop) = (pipeline.clone(), cancel.clone());
        let running = tokio::spawn(async move { running.run(stop).await });
        until(async || tries() == [60]).await;
        // All are due again, and only one after the other is spent on finding out.
        pass(1);
        until(async || tries().len() >= 4).await;
        assert!(tries()[1..].iter().all(|size| *size == 1), "{:?}", tries());
        worker.fails.store(false, Ordering::SeqCst);
        until(async || {
            pass(10);
            bus.idle().await.unwrap()
        })
        .await;
        let tries = tries();
        assert!(tries[4..].iter().any(|size| *size > 10), "{tries:?}");
        assert!(store.parked().await.unwrap().is_empty());
        cancel.cancel();
        running.await.unwrap();
    }
}
