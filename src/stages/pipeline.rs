//! The loop that drives the workers: until cancelled, or until nothing is left.

use super::circuit::{Circuit, isolate};
use super::verdicts::Known;
use super::{Hub, Swept, Worker, dedupe, normalise, publish, sweep};
use crate::bus::{Delivery, Verdict};
use crate::model::{Event, Stage};
use crate::store::Inbox;
use futures::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Deliveries taken at a time.
const BATCH: usize = 500;
/// How long a worker waits for the first delivery before it looks at its cancellation again.
const WAIT: Duration = Duration::from_secs(1);
/// The same while draining, which ends as soon as nothing is left.
const DRAIN_WAIT: Duration = Duration::from_millis(20);
/// Waits after a failing store or bus, doubled up to the second.
pub(super) const BACK_OFF: (Duration, Duration) =
    (Duration::from_millis(200), Duration::from_secs(10));

/// All stages of one process.
#[derive(Clone)]
pub struct Pipeline {
    hub: Hub,
    workers: Vec<Arc<dyn Worker>>,
    head: watch::Sender<u64>,
    done: Arc<[AtomicU64; 3]>,
    pub(super) circuits: Arc<[Circuit; 3]>,
}

/// What draining did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Deliveries ended, of each stage in order.
    pub events: [u64; 3],
    /// Whether nothing is left; false when the time ran out before.
    pub idle: bool,
}

impl Pipeline {
    /// The workers of `stages`: one of each, and one of normalise a core, since it alone computes
    /// without a lock.
    pub fn new(hub: Hub, stages: &[Stage]) -> Self {
        let (head, _) = watch::channel(0);
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let known = Known::new();
        let mut workers: Vec<Arc<dyn Worker>> = Vec::new();
        for stage in stages {
            match stage {
                Stage::Normalise => {
                    let one = normalise::Normalise::new(hub.clone(), known.clone());
                    workers.extend((0..cores).map(|_| Arc::new(one.clone()) as Arc<dyn Worker>));
                }
                Stage::Dedupe => {
                    workers.push(Arc::new(dedupe::Dedupe::new(hub.clone(), known.clone())));
                }
                Stage::Publish => {
                    workers.push(Arc::new(publish::Publish::new(hub.clone(), head.clone())));
                }
            }
        }
        Self {
            head,
            ..Self::of(hub, workers)
        }
    }

    /// With workers that are there already.
    pub(super) fn of(hub: Hub, workers: Vec<Arc<dyn Worker>>) -> Self {
        Self {
            hub,
            workers,
            head: watch::channel(0).0,
            done: Arc::default(),
            circuits: Arc::default(),
        }
    }

    /// The highest change number that the publish stage has heard of: what sinks wait on. A hint;
    /// the truth is the store's `changes`.
    pub fn head(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// Works until `cancel`; what was received is finished first.
    pub async fn run(&self, cancel: CancellationToken) {
        self.work(cancel, WAIT).await;
    }

    /// Each worker is a task of its own; dropping this future ends them all.
    async fn work(&self, cancel: CancellationToken, wait: Duration) {
        let mut tasks = JoinSet::new();
        for worker in &self.workers {
            let (pipeline, worker, cancel) = (self.clone(), worker.clone(), cancel.clone());
            tasks.spawn(async move { pipeline.keep_serving(&*worker, &cancel, wait).await });
        }
        while tasks.join_next().await.is_some() {}
    }

    /// A panic outside of a stage's own work is a fault of bus or pipeline: the worker begins anew, and
    /// what it had in hand comes again.
    async fn keep_serving(&self, worker: &dyn Worker, cancel: &CancellationToken, wait: Duration) {
        let mut back_off = BACK_OFF.0;
        let hand = InHand::default();
        let serve = || AssertUnwindSafe(self.serve(worker, &hand, cancel, wait)).catch_unwind();
        while let Err(panic) = serve().await {
            let why = super::panic_text(&*panic);
            let stage = worker.stage();
            tracing::error!(
                stage = stage.name(),
                why,
                "a worker broke down; it begins anew"
            );
            self.put_back(stage, &hand.empty(), &why, cancel).await;
            pause(&mut back_off, cancel).await;
        }
    }

    /// What a worker had in hand as it broke down is tried again, as after a panic of its stage. Left
    /// alone it would wait for the end of a lease, or for the broker to lose patience with the process.
    async fn put_back(
        &self,
        stage: Stage,
        deliveries: &[Delivery],
        why: &str,
        cancel: &CancellationToken,
    ) {
        let failed = Verdict::Retry(format!("the worker broke down: {why}"));
        let verdicts = vec![failed; deliveries.len()];
        let ending = async {
            self.circuits[stage as usize].learn(stage, &verdicts);
            count_ends(stage, &verdicts);
            self.end(stage, deliveries, &verdicts, cancel).await;
        };
        let ended = AssertUnwindSafe(ending).catch_unwind().await;
        // With nothing in hand it broke down as it received.
        if deliveries.is_empty() || ended.is_err() {
            self.hub.bus.renew();
        }
    }

    async fn serve(
        &self,
        worker: &dyn Worker,
        hand: &InHand,
        cancel: &CancellationToken,
        wait: Duration,
    ) {
        let mut back_off = BACK_OFF.0;
        let circuit = &self.circuits[worker.stage() as usize];
        // A reception is never dropped half-way: what it had taken would be lost for a while.
        while !cancel.is_cancelled() {
            let probe = circuit.turn().await;
            // The turn may have been long in coming: another worker's reception took its time.
            if cancel.is_cancelled() {
                return;
            }
            let max = if probe.is_some() { 1 } else { BATCH };
            match self.receive(worker, max, wait).await {
                Some(deliveries) => {
                    let tried = !deliveries.is_empty();
                    let deliveries = hand.hold(deliveries);
                    self.handle(worker, &deliveries, cancel).await;
                    hand.empty();
                    if probe.is_none() || !circuit.is_open() {
                        back_off = BACK_OFF.0;
                    } else if tried {
                        pause(&mut back_off, cancel).await;
                    }
                }
                None => pause(&mut back_off, cancel).await,
            }
        }
    }

    /// Works until no event is left anywhere and nothing has expired, or `limit` has passed. Events
    /// that wait for their retry count as left.
    pub async fn drain(&self, limit: Duration) -> Drained {
        let before = self.counts();
        let deadline = Instant::now() + limit;
        let mut idle = self.settle(deadline).await;
        while idle {
            // What was normalised just now may carry a date that has passed.
            match sweep(&self.hub, self.hub.clock.now()).await {
                Ok(swept) if swept == Swept::default() => break,
                Ok(_) => idle = self.settle(deadline).await,
                Err(error) => {
                    tracing::warn!(error = super::chain(&error), "expiry dates were not swept");
                    break;
                }
            }
        }
        let after = self.counts();
        let events = std::array::from_fn(|stage| after[stage] - before[stage]);
        Drained { events, idle }
    }

    /// Works until the bus is idle; `false` when it was not by the deadline.
    async fn settle(&self, deadline: Instant) -> bool {
        let cancel = CancellationToken::new();
        let watcher = async {
            let mut idle = false;
            while !idle && Instant::now() < deadline {
                let asked = Instant::now();
                idle = matches!(self.hub.bus.idle().await, Ok(true));
                if !idle {
                    // The answer takes its time where much is left.
                    let rest = (asked.elapsed() * 20).max(Duration::from_millis(5));
                    tokio::time::sleep(rest.min(Duration::from_millis(100))).await;
                }
            }
            cancel.cancel();
            idle
        };
        tokio::join!(watcher, self.work(cancel.clone(), DRAIN_WAIT)).0
    }

    fn counts(&self) -> [u64; 3] {
        std::array::from_fn(|stage| self.done[stage].load(Ordering::Relaxed))
    }

    /// `None` when the bus failed.
    async fn receive(
        &self,
        worker: &dyn Worker,
        max: usize,
        wait: Duration,
    ) -> Option<Vec<Delivery>> {
        let received = self.hub.bus.receive(worker.stage(), max, wait).await;
        received
            .inspect_err(|error| {
                tracing::warn!(
                    stage = worker.stage().name(),
                    error = super::chain(error),
                    "no events could be received"
                );
            })
            .ok()
    }

    /// Ends deliveries. Those that cannot be ended come back after their lease: harmless, since
    /// commits are idempotent, but late.
    async fn end(
        &self,
        stage: Stage,
        deliveries: &[Delivery],
        verdicts: &[Verdict],
        cancel: &CancellationToken,
    ) {
        let mut back_off = BACK_OFF.0;
        loop {
            let ended = deliveries.iter().cloned().zip(verdicts.iter().cloned());
            let Err(error) = self.hub.bus.settle(stage, ended.collect()).await else {
                return;
            };
            let error = super::chain(&error);
            tracing::warn!(stage = stage.name(), error, "deliveries could not be ended");
            if cancel.is_cancelled() {
                return;
            }
            pause(&mut back_off, cancel).await;
        }
    }

    /// Works on a batch and ends its deliveries.
    async fn handle(
        &self,
        worker: &dyn Worker,
        deliveries: &[Delivery],
        cancel: &CancellationToken,
    ) {
        if deliveries.is_empty() {
            return;
        }
        let stage = worker.stage();
        let count = deliveries.len() as u64;
        let events: Vec<Event> = deliveries.iter().map(|d| d.event.clone()).collect();
        let verdicts = isolate(worker, &events, cancel).await;
        self.circuits[stage as usize].learn(stage, &verdicts);
        crate::fault::point(match stage {
            Stage::Normalise => "normalise.committed",
            Stage::Dedupe => "dedupe.committed",
            Stage::Publish => "publish.committed",
        });
        count_ends(stage, &verdicts);
        for (delivery, verdict) in deliveries.iter().zip(&verdicts) {
            if let Verdict::Retry(error) | Verdict::Park(error) = verdict {
                tracing::warn!(
                    stage = stage.name(), message = %delivery.event.id, key = delivery.event.key,
                    attempt = delivery.attempt, error, "an event could not be processed"
                );
            }
        }
        // What the commit has written is on its way while its causes are ended.
        match stage {
            Stage::Normalise => self.hub.bus.wake(Stage::Dedupe),
            Stage::Dedupe => self.hub.bus.wake(Stage::Publish),
            Stage::Publish => {}
        }
        self.end(stage, deliveries, &verdicts, cancel).await;
        self.done[stage as usize].fetch_add(count, Ordering::Relaxed);
    }
}

/// What a worker has received and not ended yet: known also when the worker has broken down over it.
#[derive(Default)]
struct InHand(Mutex<Arc<Vec<Delivery>>>);

impl InHand {
    fn hold(&self, deliveries: Vec<Delivery>) -> Arc<Vec<Delivery>> {
        let deliveries = Arc::new(deliveries);
        *self.slot() = Arc::clone(&deliveries);
        deliveries
    }

    /// Lets go of them.
    fn empty(&self) -> Arc<Vec<Delivery>> {
        std::mem::take(&mut *self.slot())
    }

    fn slot(&self) -> MutexGuard<'_, Arc<Vec<Delivery>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Deliveries of this process by their end: who of several workers did what.
fn count_ends(stage: Stage, verdicts: &[Verdict]) {
    for (name, is) in [
        (
            "done",
            (|v| matches!(v, Verdict::Done)) as fn(&Verdict) -> bool,
        ),
        ("retry", |v| matches!(v, Verdict::Retry(_))),
        ("park", |v| matches!(v, Verdict::Park(_))),
        ("back", |v| matches!(v, Verdict::Back)),
    ] {
        let count = verdicts.iter().filter(|verdict| is(verdict)).count();
        if count > 0 {
            metrics::counter!("passerelle_events_total", "stage" => stage.name(), "end" => name)
                .increment(count as u64);
        }
    }
}

/// Waits out a failure of the store or the bus, longer each time.
pub(super) async fn pause(back_off: &mut Duration, cancel: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(*back_off) => {}
        () = cancel.cancelled() => {}
    }
    *back_off = (*back_off * 2).min(BACK_OFF.1);
}

/// The inbox of a commit: the messages of `events` that end with it.
pub(super) fn inbox(
    stage: Stage,
    events: &[Event],
    exceptions: &super::Exceptions,
    at: jiff::Timestamp,
) -> Inbox {
    let done = events.iter().filter(|e| !exceptions.contains_key(&e.id));
    Inbox {
        stage,
        messages: done.map(|event| event.id).collect(),
        at,
    }
}
