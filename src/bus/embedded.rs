//! The bus of a single process: the outbox table is the queue, durable without a relay.

use super::{Bus, BusError, Delivery, LADDER, Verdict};
use crate::model::{Clock, Stage};
use crate::store::{DynStore, Settlement, SettlementOutcome, StoreError};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A worker that has not settled by then is taken for lost; the event is delivered again.
const LEASE: SignedDuration = SignedDuration::from_mins(30);
/// Events that another process wrote, and retries that fell due, are found within this time.
const POLL: Duration = Duration::from_secs(1);

/// [`Bus`] over the outbox of a store, for the one process that holds the pipeline lock.
pub struct EmbeddedBus {
    store: DynStore,
    time: BusTime,
    written: [Notify; Stage::ALL.len()],
}

impl EmbeddedBus {
    pub fn new(store: DynStore, clock: Clock) -> Self {
        Self {
            store,
            time: BusTime::new(clock),
            written: Default::default(),
        }
    }

    fn written(&self, stage: Stage) -> &Notify {
        let [normalise, dedupe, publish] = &self.written;
        match stage {
            Stage::Normalise => normalise,
            Stage::Dedupe => dedupe,
            Stage::Publish => publish,
        }
    }
}

/// The time by which retries fall due. It follows the clock and never stands still or goes back:
/// under a clock that is fixed a retry still comes, in real seconds.
struct BusTime {
    clock: Clock,
    began: Instant,
    at: Timestamp,
}

impl BusTime {
    fn new(clock: Clock) -> Self {
        Self {
            began: Instant::now(),
            at: clock.now(),
            clock,
        }
    }

    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.began.elapsed()).unwrap_or_default();
        self.clock.now().max(later(self.at, elapsed))
    }
}

/// `at + by`, at the end of time at most.
fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn failed(doing: &str) -> impl FnOnce(StoreError) -> BusError + use<> {
    let doing = doing.to_owned();
    move |error| BusError {
        doing,
        source: Box::new(error),
    }
}

#[async_trait]
impl Bus for EmbeddedBus {
    fn exclusive(&self) -> bool {
        true
    }

    async fn receive(
        &self,
        stage: Stage,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, BusError> {
        let deadline = Instant::now() + wait;
        loop {
            // Interest is registered before looking, so that no event is written in between unseen.
            let written = self.written(stage).notified();
            tokio::pin!(written);
            written.as_mut().enable();
            let now = self.time.now();
            let leased = self
                .store
                .lease_outbox(stage, max, now, later(now, LEASE))
                .await
                .map_err(failed("lease events"))?;
            if !leased.is_empty() {
                return Ok(leased
                    .into_iter()
                    .map(|leased| Delivery {
                        event: leased.event,
                        attempt: leased.attempt,
                        token: 0,
                    })
                    .collect());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Vec::new());
            }
            let _ = tokio::time::timeout(left.min(POLL), written).await;
        }
    }

    async fn settle(&self, _stage: Stage, ended: Vec<(Delivery, Verdict)>) -> Result<(), BusError> {
        let now = self.time.now();
        let settlements: Vec<Settlement> = ended
            .into_iter()
            .map(|(delivery, verdict)| Settlement {
                id: delivery.event.id,
                outcome: outcome(verdict, delivery.attempt, now),
            })
            .collect();
        if settlements.is_empty() {
            return Ok(());
        }
        self.store
            .settle_outbox(settlements, now)
            .await
            .map_err(failed("settle events"))
    }

    fn wake(&self, stage: Stage) {
        self.written(stage).notify_waiters();
    }

    async fn idle(&self) -> Result<bool, BusError> {
        let depth = self
            .store
            .outbox_depth()
            .await
            .map_err(failed("measure the outbox"))?;
        Ok(depth.events == 0)
    }
}

/// `attempt` deliveries have failed before the one that ends now.
fn outcome(verdict: Verdict, attempt: u32, now: Timestamp) -> SettlementOutcome {
    match verdict {
        Verdict::Done => SettlementOutcome::Done,
        Verdict::Park(error) => SettlementOutcome::Park { error },
        Verdict::Back => SettlementOutcome::Sent { resend_at: now },
        Verdict::Retry(error) => match LADDER.get(attempt as usize) {
            Some(step) => SettlementOutcome::Retry {
                at: later(now, SignedDuration::try_from(*step).unwrap_or_default()),
                error,
            },
            None => SettlementOutcome::Park { error },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ladder_ends_in_parking() {
        let now = Timestamp::UNIX_EPOCH;
        for (attempt, seconds) in [(0, 10), (1, 60), (2, 600), (3, 3600)] {
            assert_eq!(
                outcome(Verdict::Retry("x".into()), attempt, now),
                SettlementOutcome::Retry {
                    at: Timestamp::from_second(seconds).unwrap(),
                    error: "x".into()
                }
            );
        }
        for verdict in [Verdict::Retry("x".into()), Verdict::Park("x".into())] {
            assert_eq!(
                outcome(verdict, 4, now),
                SettlementOutcome::Park { error: "x".into() }
            );
        }
    }

    #[test]
    fn bus_time_moves_under_a_fixed_clock_and_never_goes_back() {
        let at: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let mut time = BusTime::new(Clock::fixed(at));
        time.began = time.began.checked_sub(Duration::from_secs(90)).unwrap();
        assert!(time.now() >= later(at, SignedDuration::from_secs(90)));
        time.clock = Clock::fixed(later(at, SignedDuration::from_hours(-5)));
        assert!(time.now() >= later(at, SignedDuration::from_secs(90)));
        time.clock = Clock::fixed(later(at, SignedDuration::from_hours(5)));
        assert_eq!(time.now(), later(at, SignedDuration::from_hours(5)));
    }
}
