//! One session = two connections (publishing, consuming), the topology, a consumer a stage and
//! the relay. It lives until anything breaks; the supervisor then builds the next.

mod connect;

use super::publisher::{ATTEMPT_HEADER, Publisher};
use super::{BusHealth, Shared, relay, topology};
use crate::bus::{BusError, Delivery, cloudevent};
use crate::model::Stage;
use crate::store::{Parked, Settlement, SettlementOutcome, StoreError};
use connect::connect;
use futures::{FutureExt, StreamExt};
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection, Consumer};
use rand::Rng;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// For what is on its way when the process leaves.
const FLUSH: Duration = Duration::from_secs(3);
/// For what a broker answers at once, if at all: its declarations, channels and consumers.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// The two connections of a session, with the topology declared.
pub(super) struct Session {
    publishing: Connection,
    consuming: Connection,
}

/// Why there is no session.
pub(super) enum NoSession {
    /// Worth waiting for.
    Away(String),
    /// No waiting mends it.
    Refused(BusError),
}

/// The first session: waits for an unreachable broker, ends at once where waiting is no use.
pub(super) async fn connect_until(
    shared: &Shared,
    cancel: &CancellationToken,
) -> Result<Option<Session>, BusError> {
    let mut pause = FIRST_PAUSE;
    loop {
        let connected = tokio::select! {
            connected = connect(shared) => connected,
            () = cancel.cancelled() => return Ok(None),
        };
        match connected {
            Ok(session) => return Ok(Some(session)),
            Err(NoSession::Refused(error)) => return Err(error),
            Err(NoSession::Away(why)) => {
                tracing::warn!(why, pause_ms = pause.as_millis(), "waiting for the broker");
                shared.health.send_replace(BusHealth::Away(why));
            }
        }
        if rest(&mut pause, cancel).await {
            return Ok(None);
        }
    }
}

/// The pause after a session that lived for `lived`. Sessions that end as soon as they begin must not
/// follow each other at full speed: each gives back what it had, and the broker counts that.
fn pause_after(pause: Duration, lived: Duration) -> Duration {
    if lived > pause * 5 {
        FIRST_PAUSE
    } else {
        pause
    }
}

fn lengthened(pause: Duration) -> Duration {
    (pause * 2).min(LONGEST_PAUSE)
}

/// Sleeps with jitter and lengthens the pause; `true` when cancelled.
async fn rest(pause: &mut Duration, cancel: &CancellationToken) -> bool {
    let jittered = pause.mul_f64(rand::rng().random_range(0.7..1.3));
    *pause = lengthened(*pause);
    tokio::select! {
        () = cancel.cancelled() => true,
        () = tokio::time::sleep(jittered) => false,
    }
}

/// Builds one session after the other until `cancel`.
pub(super) async fn supervise(
    shared: Arc<Shared>,
    stages: HashMap<Stage, mpsc::Sender<Delivery>>,
    mut ready: Option<Session>,
    cancel: CancellationToken,
) {
    let mut pause = FIRST_PAUSE;
    while !cancel.is_cancelled() {
        let session = match ready.take() {
            Some(session) => Ok(session),
            None => tokio::select! {
                session = connect(&shared) => session,
                () = cancel.cancelled() => break,
            },
        };
        let why = match session {
            Ok(session) => {
                let begun = Instant::now();
                let running = AssertUnwindSafe(run(&shared, &stages, session, &cancel));
                let why = running.catch_unwind().await;
                let why = why.unwrap_or_else(|_| "it broke down".to_owned());
                pause = pause_after(pause, begun.elapsed());
                shared.set_publisher(None);
                shared.outstanding.clear();
                why
            }
            Err(NoSession::Away(why)) => why,
            // At run time a refusal may be mended by hand: say it and go on trying.
            Err(NoSession::Refused(error)) => match std::error::Error::source(&error) {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            },
        };
        if cancel.is_cancelled() {
            break;
        }
        tracing::warn!(why, "the session with the broker ended; connecting anew");
        shared.health.send_replace(BusHealth::Away(why));
        if rest(&mut pause, &cancel).await {
            break;
        }
    }
}

/// Runs one session until it breaks; says why.
async fn run(
    shared: &Arc<Shared>,
    stages: &HashMap<Stage, mpsc::Sender<Delivery>>,
    session: Session,
    cancel: &CancellationToken,
) -> String {
    let over = cancel.child_token();
    let mut relaying = None;
    let begun = tokio::time::timeout(PATIENCE, begin(shared, stages, &session, &over));
    let begun = begun.await.map_err(|_| {
        let seconds = PATIENCE.as_secs();
        format!("the broker has not opened channels and consumers for {seconds} s")
    });
    let begun = begun.and_then(|begun| begun.map_err(|error| error.to_string()));
    let ended = match begun {
        Ok(Begun {
            mut tasks,
            consumers,
            relay,
            publisher,
        }) => {
            let relay = relaying.insert(relay);
            shared.health.send_replace(BusHealth::Ready);
            let mut watch = tokio::time::interval(Duration::from_secs(1));
            let mut resting = false;
            loop {
                tokio::select! {
                    () = shared.resting.cancelled(), if !resting => {
                        resting = true;
                        rest_consumers(shared, &consumers, &mut tasks).await;
                    }
                    () = cancel.cancelled() => break "stopping".to_owned(),
                    () = publisher.given_up() => break "a channel failed".to_owned(),
                    Some(ended) = tasks.join_next() => break match ended {
                        Ok(why) => why,
                        Err(error) => format!("a task of the session failed: {error}"),
                    },
                    ended = &mut *relay => break ended.unwrap_or_else(|error| error.to_string()),
                    _ = watch.tick() => {
                        if !session.publishing.status().connected()
                            || !session.consuming.status().connected()
                        {
                            break "the connection closed".to_owned();
                        }
                        let health = if session.publishing.status().blocked() {
                            BusHealth::Blocked
                        } else {
                            BusHealth::Ready
                        };
                        shared.health.send_if_modified(|old| {
                            let changed = *old != health;
                            *old = health;
                            changed
                        });
                    }
                }
            }
        }
        Err(why) => why,
    };
    // Leaving in good order: what the relay has in hand is confirmed first.
    if cancel.is_cancelled()
        && let Some(relay) = relaying.as_mut().filter(|relay| !relay.is_finished())
    {
        over.cancel();
        let _ = tokio::time::timeout(FLUSH, relay).await;
    }
    // Half-open links never answer a close: it gets a second, then the sockets are dropped.
    let closing = async {
        let _ = session.consuming.close(200, "bye".into()).await;
        let _ = session.publishing.close(200, "bye".into()).await;
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), closing).await;
    // The relay gives back the rows that it has in hand: without that they would wait for the end
    // of their lease.
    over.cancel();
    if let Some(mut relay) = relaying.filter(|relay| !relay.is_finished()) {
        let patience = shared.config.confirm_timeout + Duration::from_secs(1);
        if tokio::time::timeout(patience, &mut relay).await.is_err() {
            relay.abort();
        }
    }
    ended
}

/// A consumer and its channel, by which it is cancelled.
struct Consuming {
    channel: Channel,
    tag: ShortString,
}

/// What a session works with.
struct Begun {
    tasks: JoinSet<String>,
    consumers: Vec<Consuming>,
    relay: JoinHandle<String>,
    publisher: Arc<Publisher>,
}

/// Opens channels, starts consumers and the relay. Dropping the set ends the consumers; the relay
/// ends by itself once `over` is cancelled.
async fn begin(
    shared: &Arc<Shared>,
    stages: &HashMap<Stage, mpsc::Sender<Delivery>>,
    session: &Session,
    over: &CancellationToken,
) -> lapin::Result<Begun> {
    let config = &shared.config;
    let publisher = Publisher::open(
        &session.publishing,
        config.window,
        config.confirm_timeout,
        shared.resting.clone(),
    )
    .await?;
    let publisher = Arc::new(publisher);
    shared.set_publisher(Some(publisher.clone()));
    let (mut tasks, mut consumers) = (JoinSet::new(), Vec::new());
    for (&stage, sender) in stages {
        let (consumer, consuming) = consume(
            &session.consuming,
            &topology::work_queue(stage),
            config.prefetch,
        )
        .await?;
        consumers.push(consuming);
        tasks.spawn(forward(shared.clone(), stage, sender.clone(), consumer));
    }
    // One at a time: what workers have died over may be of any size.
    let (parked, consuming) = consume(&session.consuming, topology::PARKED, 1).await?;
    consumers.push(consuming);
    tasks.spawn(keep_parked(shared.clone(), parked));
    // A passive declaration publishes nothing: on this connection no alarm holds it up.
    let asking = session.consuming.create_channel().await?;
    let relay = relay::run(shared.clone(), publisher.clone(), asking, over.clone());
    Ok(Begun {
        tasks,
        consumers,
        relay: tokio::spawn(relay),
        publisher,
    })
}

async fn consume(
    connection: &Connection,
    queue: &str,
    prefetch: u16,
) -> lapin::Result<(Consumer, Consuming)> {
    let channel = connection.create_channel().await?;
    channel
        .basic_qos(prefetch, BasicQosOptions::default())
        .await?;
    let consumer = channel
        .basic_consume(
            queue.into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;
    let tag = consumer.tag();
    Ok((consumer, Consuming { channel, tag }))
}

/// Has the broker deliver nothing more, and gives back what no worker has begun. What workers have is
/// acknowledged on the same channels, which stay open.
async fn rest_consumers(shared: &Shared, consumers: &[Consuming], tasks: &mut JoinSet<String>) {
    let resting = async {
        for Consuming { channel, tag } in consumers {
            let cancelled = channel.basic_cancel(tag.clone(), BasicCancelOptions::default());
            cancelled.await?;
        }
        // Each hands on what had come before, and ends.
        while tasks.join_next().await.is_some() {}
        for stage in Stage::ALL {
            shared.outstanding.give_back_waiting(stage).await?;
        }
        Ok::<(), lapin::Error>(())
    };
    match tokio::time::timeout(FLUSH, resting).await {
        Ok(Ok(())) => {}
        // Then it goes back with the connection.
        Ok(Err(error)) => tracing::debug!(%error, "messages could not be given back"),
        Err(_) => tracing::debug!("the broker does not take messages back in time"),
    }
}

/// Hands deliveries to the stage's workers; undecodable ones are parked with their bytes.
async fn forward(
    shared: Arc<Shared>,
    stage: Stage,
    sender: mpsc::Sender<Delivery>,
    mut consumer: Consumer,
) -> String {
    while let Some(delivery) = consumer.next().await {
        let delivery = match delivery {
            Ok(delivery) => delivery,
            Err(error) => return format!("the consumer of {} failed: {error}", stage.name()),
        };
        match cloudevent::decode(&delivery.data) {
            Ok(event) => {
                let token = shared.next_token();
                let attempt = attempt(&delivery.properties);
                shared.outstanding.add(stage, token, delivery.acker);
                let handed = sender
                    .send(Delivery {
                        event,
                        attempt,
                        token,
                    })
                    .await;
                if handed.is_err() {
                    return "the stage has stopped".to_owned();
                }
            }
            Err(error) => {
                let why = format!("not an event of a version that this program knows: {error}");
                if let Err(error) = park(&shared, stage, &delivery, why).await {
                    return error;
                }
            }
        }
    }
    format!(
        "the queue of {} was deleted, or its consumer cancelled",
        stage.name()
    )
}

/// Messages that the broker's own delivery limit sent here: a worker died over them again and
/// again.
async fn keep_parked(shared: Arc<Shared>, mut consumer: Consumer) -> String {
    while let Some(delivery) = consumer.next().await {
        let delivery = match delivery {
            Ok(delivery) => delivery,
            Err(error) => return format!("the consumer of parked messages failed: {error}"),
        };
        let why = "workers died over it more often than the broker delivers".to_owned();
        let kept = match cloudevent::decode(&delivery.data) {
            // Its outbox row moves, so that it is not sent again; without a row it was committed.
            Ok(event) => {
                let settlement = Settlement {
                    id: event.id,
                    outcome: SettlementOutcome::Park { error: why },
                };
                let mut pause = FIRST_PAUSE;
                let moved = loop {
                    let now = shared.clock.now();
                    let written = shared.store.settle_outbox(vec![settlement.clone()], now);
                    if let Some(ended) = ended(written.await, &mut pause).await {
                        break ended;
                    }
                };
                match moved {
                    Ok(()) => acknowledge(&delivery).await,
                    Err(error) => Err(error),
                }
            }
            Err(_) => park(&shared, Stage::Normalise, &delivery, why).await,
        };
        if let Err(error) = kept {
            return error;
        }
    }
    "the parking queue was deleted".to_owned()
}

async fn park(
    shared: &Shared,
    stage: Stage,
    delivery: &lapin::message::Delivery,
    error: String,
) -> Result<(), String> {
    let id = delivery
        .properties
        .message_id()
        .as_ref()
        .and_then(|id| id.as_str().parse().ok())
        // A foreign message: its id is a function of its bytes, so that a redelivery is the same.
        .unwrap_or_else(|| {
            crate::model::MessageId(uuid::Uuid::new_v5(
                &uuid::Uuid::NAMESPACE_OID,
                &delivery.data,
            ))
        });
    tracing::error!(stage = stage.name(), message = %id, error, "parked");
    let mut pause = FIRST_PAUSE;
    loop {
        // Of a body of any size there are no more copies than one try takes.
        let parked = Parked {
            id,
            stage,
            body: delivery.data.clone(),
            error: error.clone(),
            attempts: attempt(&delivery.properties),
            at: shared.clock.now(),
        };
        let written = shared.store.park(parked).await;
        if let Some(ended) = ended(written, &mut pause).await {
            ended?;
            return acknowledge(delivery).await;
        }
    }
}

/// What became of a write; `None`, after a pause, where it is to be tried again because the store is
/// away. Ending the session instead would return every other message, and the broker parks what is
/// returned too often.
async fn ended(
    written: Result<(), StoreError>,
    pause: &mut Duration,
) -> Option<Result<(), String>> {
    match written {
        Err(error) if error.is_transient() => {
            tracing::warn!(%error, "a message cannot be parked yet");
            tokio::time::sleep(*pause).await;
            *pause = (*pause * 2).min(LONGEST_PAUSE);
            None
        }
        Err(error) => Some(Err(format!("a message could not be parked: {error}"))),
        Ok(()) => Some(Ok(())),
    }
}

async fn acknowledge(delivery: &lapin::message::Delivery) -> Result<(), String> {
    delivery
        .acker
        .ack(BasicAckOptions::default())
        .await
        .map(drop)
        .map_err(|e| format!("a parked message could not be acknowledged: {e}"))
}

fn attempt(properties: &lapin::BasicProperties) -> u32 {
    let header = properties
        .headers()
        .as_ref()
        .and_then(|headers| headers.inner().get(ATTEMPT_HEADER));
    match header {
        Some(AMQPValue::LongInt(number)) => u32::try_from(*number).unwrap_or(0),
        Some(AMQPValue::LongLongInt(number)) => u32::try_from(*number).unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_that_fail_at_once_follow_each_other_ever_more_slowly() {
        let moment = Duration::from_millis(5);
        let mut pause = FIRST_PAUSE;
        let pauses: Vec<u64> = (0..8)
            .map(|_| {
                pause = pause_after(pause, moment);
                let slept = pause;
                pause = lengthened(pause);
                u64::try_from(slept.as_millis()).unwrap()
            })
            .collect();
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16000, 20000, 20000]);
        // One that held is no failure of its beginning.
        assert_eq!(pause_after(pause, Duration::from_secs(3600)), FIRST_PAUSE);
        assert_eq!(pause_after(pause, pause * 4), pause);
    }
}
