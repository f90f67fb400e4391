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
use std::time::Duration;
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
    declaring: Channel,
    cancel: CancellationToken,
) -> String {
    let mut hints = shared.store.hints(Hint::Outbox);
    loop {
        if cancel.is_cancelled() {
            return "stopping".to_owned();
        }
        let mut moved = 0;
        for stage in Stage::ALL {
            match step(&shared, &publisher, stage).await {
                Ok(step) => {
                    moved += step.confirmed;
                    if let Some(why) = step.broken {
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
                    let declared = topology::declare(&declaring, &shared.config.ladder);
                    match tokio::time::timeout(PATIENCE, declared).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => return format!("{error}: {}", error.source),
                        Err(_) => return "no answer to a declaration".to_owned(),
                    }
                    // A queue that was deleted has lost its consumers: a new session brings them.
                    return "a queue or binding was missing; it is declared again".to_owned();
                }
                // The store is away: its own supervisor says so; the rows are safe there.
                Err(error) => tracing::warn!(%error, "the relay could not read the outbox"),
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
        attempt: 0,
        mandatory: true,
    }
}
