//! From the outbox to the broker, oldest first. Many relays may run: leases keep them apart.

use super::publisher::{Outgoing, Published, Publisher, WhileBlocked};
use super::session::PATIENCE;
use super::{RESEND_AFTER, Shared, topology};
use crate::bus::cloudevent;
use crate::model::Stage;
use crate::store::{Hint, Leased, Settlement, SettlementOutcome, StoreError};
use lapin::Channel;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// A relay that dies between lease and confirm delays its rows by this.
const LEASE: Duration = Duration::from_secs(30);
/// Wait before a refused or returned message is tried again.
const PAUSE: Duration = Duration::from_secs(2);
/// Returns in a row after which an operator should look.
const ALARM_AFTER: u32 = 3;

pub(super) async fn run(
    shared: Arc<Shared>,
    publisher: Arc<Publisher>,
    asking: Channel,
    cancel: CancellationToken,
) -> String {
    let mut hints = shared.store.hints(Hint::Outbox);
    let mut looked = Instant::now();
    loop {
        if cancel.is_cancelled() {
            return "stopping".to_owned();
        }
        if looked.elapsed() >= shared.config.lost_after / 10 {
            looked = Instant::now();
            if let Err(why) = resend_lost(&shared, &asking).await {
                return why;
            }
        }
        let mut moved = 0;
        for stage in Stage::ALL {
            match step(&shared, &publisher, stage).await {
                Ok(step) => {
                    moved += step.confirmed;
                    if let Some(why) = step.broken {
                        // An alarm holds it up as the process stops: the session is still good for what
                        // workers have to acknowledge.
                        if shared.resting.is_cancelled() && publisher.blocked() {
                            cancel.cancelled().await;
                        }
                        return why;
                    }
                    if step.returned == 0 {
                        continue;
                    }
                    metrics::counter!("passerelle_returned_messages_total", "stage" => stage.name())
                        .increment(step.returned as u64);
                    let returns = shared.returns.fetch_add(1, Ordering::Relaxed) + 1;
                    if returns >= ALARM_AFTER {
                        tracing::error!(
                            stage = stage.name(),
                            returns,
                            "no queue takes the events of this stage: a binding is missing"
                        );
                    }
                    // A new session finds out which: it declares them, brings consumers, and has sent
                    // again what a queue has taken with it.
                    return "a queue or binding is missing".to_owned();
                }
                // The store is away; the rows are safe there.
                Err(error) => {
                    tracing::warn!(%error, "the relay could not read the outbox");
                    break;
                }
            }
        }
        if moved > 0 {
            shared.returns.store(0, Ordering::Relaxed);
            continue;
        }
        tokio::select! {
            () = cancel.cancelled() => return "stopping".to_owned(),
            () = shared.outbox.notified() => {}
            () = hints.next() => {}
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}

/// Has sent again what the broker took long ago and has no more, though its queues are there: they were
/// emptied by hand, or a node came back with an older disk. A worker that has had a message for so long
/// gets it twice, which commits bear.
///
/// A quorum queue without a leader, or with one that is too busy to answer at once, is said to have neither
/// messages nor consumers. So a work queue is believed to be empty while it has a consumer; where nobody
/// consumes, nobody waits either. A step of the ladder has none: where only that one is asked in vain, its
/// messages come once too early, and again in their time, under the same ids: commits bear that too.
///
/// # Errors
/// The channel is of no use any more, or a queue is not there: a new session sees to both.
async fn resend_lost(shared: &Shared, asking: &Channel) -> Result<(), String> {
    let config = &shared.config;
    // What waits in the outbox for a step of the ladder is due sooner than this.
    let ladder = config.ladder.iter().max().copied().unwrap_or_default();
    for stage in Stage::ALL {
        let depth = topology::depth(asking, stage, &config.ladder);
        match tokio::time::timeout(PATIENCE, depth).await {
            Ok(Ok(depth)) if depth.messages == 0 && depth.consumers > 0 => {}
            Ok(Ok(_)) => continue,
            Ok(Err(error)) => return Err(format!("the queues of {}: {error}", stage.name())),
            Err(_) => return Err("the broker does not say what is in its queues".to_owned()),
        }
        let now = shared.clock.now();
        let due = now + ladder..now + RESEND_AFTER - config.lost_after;
        match shared.store.resend_outbox(stage, due).await {
            Ok(0) => {}
            Ok(events) => tracing::warn!(
                stage = stage.name(),
                events,
                "the broker has lost messages of this stage: they are sent again"
            ),
            // Its time comes again.
            Err(error) => tracing::warn!(%error, "the relay could not read the outbox"),
        }
    }
    Ok(())
}

#[derive(Default)]
struct Step {
    confirmed: usize,
    returned: usize,
    /// The channel is of no use any more.
    broken: Option<String>,
}

async fn step(shared: &Shared, publisher: &Publisher, stage: Stage) -> Result<Step, StoreError> {
    let now = shared.clock.now();
    let leased = shared
        .store
        .lease_outbox(stage, shared.config.window * 2, now, now + LEASE)
        .await?;
    if leased.is_empty() {
        return Ok(Step::default());
    }
    let messages: Vec<Outgoing> = leased.iter().map(outgoing).collect();
    // Under an alarm they wait for its end: sent anew by another session they would come twice.
    let outcomes = publisher.publish(&messages, WhileBlocked::Waits).await;
    let now = shared.clock.now();
    let mut step = Step::default();
    let settlements = leased
        .into_iter()
        .zip(outcomes)
        .map(|(leased, published)| {
            let resend_at = match published {
                Published::Confirmed => {
                    step.confirmed += 1;
                    now + RESEND_AFTER
                }
                Published::Returned => {
                    step.returned += 1;
                    now + PAUSE
                }
                Published::Refused => now + PAUSE,
                Published::Unknown(why) => {
                    step.broken = Some(why);
                    now
                }
            };
            Settlement {
                id: leased.event.id,
                outcome: SettlementOutcome::Sent { resend_at },
            }
        })
        .collect();
    shared.store.settle_outbox(settlements, now).await?;
    Ok(step)
}

fn outgoing(leased: &Leased) -> Outgoing {
    let event = &leased.event;
    Outgoing {
        exchange: topology::EVENTS,
        routing_key: event.kind.routing_key().to_owned(),
        body: cloudevent::encode(event),
        message_id: event.id.to_string(),
        type_name: event.kind.type_name(),
        // It may have been in the ladder before, or have waited for its step in the outbox.
        attempt: leased.attempt,
        mandatory: true,
    }
}
