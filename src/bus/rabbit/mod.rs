//! The bus on RabbitMQ: the main road of a deployment of several processes.
//!
//! A relay publishes the outbox with confirms; quorum queues deliver to the stages; a supervisor
//! connects, declares and consumes anew after any fault, for ever.
//!
//! **Invariants:** a row leaves the outbox only when its stage has committed, so that nothing is
//! lost even with the broker's disk; a message is acknowledged after that; a retry is our own
//! confirmed publish with our own attempt header, never a requeue; nothing waits without an end.

mod config;
mod outstanding;
mod publisher;
mod relay;
mod session;
mod sink;
mod topology;

pub use config::RabbitConfig;
pub use sink::PublicSink;
pub use topology::{PARKED, PUBLIC, declare, queues, retry_queue, work_queue};

use super::{Bus, BusError, Delivery, Verdict};
use crate::bus::cloudevent;
use crate::model::{Clock, Stage};
use crate::store::{DynStore, Settlement, SettlementOutcome};
use async_trait::async_trait;
use outstanding::Outstanding;
use publisher::{Outgoing, Published, Publisher, WhileBlocked};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex as AsyncMutex, Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A confirmed event whose stage has still not committed it is sent again after this time, longer than
/// the ladder's last wait. A broker that has lost its queues is noticed when they are declared, and
/// gets all of it again at once ([`topology::missing`]); one that has lost what was in them, after
/// [`RabbitConfig::lost_after`].
const RESEND_AFTER: Duration = Duration::from_secs(2 * 3600);

/// A session that is rebuilt gives every message back that the process has in hand, and a broker parks
/// what came back twenty times: a worker that breaks down for ever does not take the others' along.
const BETWEEN_RENEWALS: Duration = Duration::from_mins(5);

/// What the bus says of itself to `/readyz` and to the pull stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BusHealth {
    /// No session yet, or the last one broke: why.
    Away(String),
    /// Connected, but the broker takes no messages (memory or disk alarm): pulls should pause.
    Blocked,
    Ready,
}

/// A bus over RabbitMQ and the outbox of the store.
pub struct RabbitBus {
    shared: Arc<Shared>,
    incoming: HashMap<Stage, AsyncMutex<mpsc::Receiver<Delivery>>>,
    health: watch::Receiver<BusHealth>,
    supervisor: Mutex<Option<JoinHandle<()>>>,
    closing: CancellationToken,
    /// Ends the supervisor with the bus.
    _running: DropGuard,
}

/// What the supervisor's tasks and the bus's callers share.
struct Shared {
    config: RabbitConfig,
    store: DynStore,
    /// The machine's clock: leases are about machines, not about the world (law 4 is not touched).
    clock: Clock,
    outstanding: Outstanding,
    /// The publisher of the session that is open now.
    publisher: Mutex<Option<Arc<Publisher>>>,
    tokens: AtomicU64,
    /// Rounds of the relay in a row that a message came back from, over sessions.
    returns: AtomicU32,
    /// When the session may be rebuilt again by [`Bus::renew`], and whether that waits to be done.
    renewal: Mutex<(Option<Instant>, bool)>,
    /// Wakes the relay.
    outbox: Notify,
    /// Cancelled once this process takes no more messages.
    resting: CancellationToken,
    health: watch::Sender<BusHealth>,
}

impl Shared {
    fn publisher(&self) -> Option<Arc<Publisher>> {
        self.publisher
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set_publisher(&self, publisher: Option<Arc<Publisher>>) {
        *self
            .publisher
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = publisher;
    }

    fn next_token(&self) -> u64 {
        self.tokens.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl RabbitBus {
    /// Connects, declares, and keeps doing so in the background until `cancel`. An unreachable
    /// broker is waited for; it is said in the log and in [`RabbitBus::health`].
    ///
    /// `stages` are those whose queues this process consumes; every process relays the outbox.
    ///
    /// # Errors
    /// What no waiting mends: wrong credentials, a missing virtual host, a queue that exists with
    /// other arguments.
    pub async fn start(
        config: RabbitConfig,
        store: DynStore,
        clock: Clock,
        stages: &[Stage],
        cancel: CancellationToken,
    ) -> Result<Arc<Self>, BusError> {
        config.validate()?;
        let (health_sender, health) =
            watch::channel(BusHealth::Away("not connected yet".to_owned()));
        let mut incoming = HashMap::new();
        let mut outgoing = HashMap::new();
        for &stage in stages {
            let (sender, receiver) = mpsc::channel(usize::from(config.prefetch));
            outgoing.insert(stage, sender);
            incoming.insert(stage, AsyncMutex::new(receiver));
        }
        let shared = Arc::new(Shared {
            config,
            store,
            clock,
            outstanding: Outstanding::default(),
            publisher: Mutex::new(None),
            tokens: AtomicU64::new(0),
            returns: AtomicU32::new(0),
            renewal: Mutex::default(),
            outbox: Notify::new(),
            resting: CancellationToken::new(),
            health: health_sender,
        });
        let cancel = cancel.child_token();
        let (running, closing) = (cancel.clone().drop_guard(), cancel.clone());
        let first = session::connect_until(&shared, &cancel).await?;
        let supervising = session::supervise(shared.clone(), outgoing, first, cancel);
        Ok(Arc::new(Self {
            shared,
            incoming,
            health,
            supervisor: Mutex::new(Some(tokio::spawn(supervising))),
            closing,
            _running: running,
        }))
    }

    pub fn health(&self) -> BusHealth {
        self.health.borrow().clone()
    }

    /// Comes back once this process takes no more messages, because it stops.
    pub async fn resting(&self) {
        self.shared.resting.cancelled().await;
    }

    /// A sink of public vacancy events that shares this bus's connection.
    pub fn public_sink(&self) -> PublicSink {
        PublicSink::new(self.shared.clone())
    }

    async fn write(&self, stage: Stage, rows: Vec<Settlement>) -> Result<(), BusError> {
        if rows.is_empty() {
            return Ok(());
        }
        let now = self.shared.clock.now();
        let settled = self.shared.store.settle_outbox(rows, now);
        settled.await.map_err(|source| BusError {
            doing: format!("settle messages of {}", stage.name()),
            source: Box::new(source),
        })
    }

    /// Publishes each to its step of the ladder.
    async fn climb(
        &self,
        session: Option<&Publisher>,
        stage: Stage,
        climbing: Vec<(Duration, Delivery)>,
    ) -> Climbed {
        let mut climbed = Climbed::default();
        if climbing.is_empty() {
            return climbed;
        }
        let Some(publisher) = session else {
            climbed.broken = Some("no connection to the broker".to_owned());
            return climbed;
        };
        if publisher.blocked() {
            climbed.refused = climbing;
            return climbed;
        }
        let messages: Vec<Outgoing> = climbing
            .iter()
            .map(|(wait, delivery)| Outgoing {
                exchange: "",
                routing_key: topology::retry_queue(stage, *wait),
                body: cloudevent::encode(&delivery.event),
                message_id: delivery.event.id.to_string(),
                type_name: delivery.event.kind.type_name(),
                attempt: delivery.attempt + 1,
                mandatory: true,
            })
            .collect();
        let outcomes = publisher.publish(&messages, WhileBlocked::GivesUp).await;
        for (one, outcome) in climbing.into_iter().zip(outcomes) {
            match outcome {
                Published::Confirmed => climbed.arrived.push(one.1.token),
                Published::Refused => climbed.refused.push(one),
                Published::Unknown(_) if publisher.blocked() => climbed.refused.push(one),
                other => {
                    let why = format!("the retry queue took no message: {other:?}");
                    climbed.broken = Some(why);
                }
            }
        }
        climbed
    }
}

/// What became of messages that were to climb the ladder.
#[derive(Default)]
struct Climbed {
    /// Tokens of those that are there.
    arrived: Vec<u64>,
    /// Those that the broker takes no more now, by an alarm or because its queue is full: they wait for
    /// their step in the outbox. Given back, they would come again at once, and the broker parks what it
    /// has delivered too often.
    refused: Vec<(Duration, Delivery)>,
    /// Why the session is of no use any more; the rest comes again with the next one.
    broken: Option<String>,
}

#[async_trait]
impl Bus for RabbitBus {
    async fn receive(
        &self,
        stage: Stage,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, BusError> {
        let Some(receiver) = self.incoming.get(&stage) else {
            return Ok(Vec::new());
        };
        let mut receiver = receiver.lock().await;
        let mut batch = Vec::new();
        tokio::select! {
            biased;
            () = self.shared.resting.cancelled() => return Ok(batch),
            received = tokio::time::timeout(wait, receiver.recv()) => match received {
                Ok(Some(delivery)) => batch.push(delivery),
                Ok(None) | Err(_) => return Ok(batch),
            }
        }
        while batch.len() < max {
            match receiver.try_recv() {
                Ok(delivery) => batch.push(delivery),
                Err(_) => break,
            }
        }
        // What a broken session left in the channel is delivered again by the broker, and so is what
        // a process that rests has given back.
        batch.retain(|delivery| self.shared.outstanding.hand_out(stage, delivery.token));
        Ok(batch)
    }

    /// The store first, then the ladder, then the acknowledgement. A crash between the first two leaves
    /// the message unacknowledged, so that it comes again with its old count; one between the last two
    /// brings it twice, which commits bear. The other way round, a store that is away would have each
    /// new try of this call put one more copy into the ladder.
    async fn settle(&self, stage: Stage, ended: Vec<(Delivery, Verdict)>) -> Result<(), BusError> {
        let session = self.shared.publisher();
        let now = self.shared.clock.now();
        let mut rows = Vec::with_capacity(ended.len());
        let mut tokens = Vec::with_capacity(ended.len());
        let mut climbing = Vec::new();
        let mut back = Vec::new();
        for (delivery, verdict) in ended {
            let id = delivery.event.id;
            let step = self.shared.config.ladder.get(delivery.attempt as usize);
            let outcome = match (verdict, step) {
                (Verdict::Done, _) => SettlementOutcome::Done,
                (Verdict::Park(error), _) | (Verdict::Retry(error), None) => {
                    SettlementOutcome::Park { error }
                }
                (Verdict::Back, _) => {
                    back.push(delivery.token);
                    continue;
                }
                (Verdict::Retry(error), Some(wait)) => {
                    climbing.push((*wait, delivery));
                    let at = now + RESEND_AFTER;
                    rows.push(Settlement {
                        id,
                        outcome: SettlementOutcome::Retry { at, error },
                    });
                    continue;
                }
            };
            rows.push(Settlement { id, outcome });
            tokens.push(delivery.token);
        }
        self.write(stage, rows).await?;
        crate::fault::point("settle.stored");
        let climbed = self.climb(session.as_deref(), stage, climbing).await;
        let waiting = climbed.refused.iter().map(|(wait, delivery)| Settlement {
            id: delivery.event.id,
            outcome: SettlementOutcome::Sent {
                resend_at: now + *wait,
            },
        });
        self.write(stage, waiting.collect()).await?;
        crate::fault::point("settle.published");
        tokens.extend(climbed.arrived);
        tokens.extend(climbed.refused.iter().map(|(_, delivery)| delivery.token));
        let mut lost = climbed.broken;
        let outstanding = &self.shared.outstanding;
        for ended in [
            outstanding.acknowledge(stage, &tokens).await,
            outstanding.give_back(stage, &back).await,
        ] {
            if let Err(error) = ended {
                lost = Some(error.to_string());
            }
        }
        // What was not acknowledged comes again once the channel is closed.
        if let (Some(why), Some(session)) = (lost, session) {
            tracing::warn!(stage = stage.name(), why, "the session is rebuilt");
            session.give_up();
        }
        Ok(())
    }

    fn wake(&self, _: Stage) {
        self.shared.outbox.notify_one();
    }

    fn renew(&self) {
        let wait = {
            let renewal = self.shared.renewal.lock();
            let mut renewal = renewal.unwrap_or_else(PoisonError::into_inner);
            if std::mem::replace(&mut renewal.1, true) {
                return;
            }
            let next = renewal.0.unwrap_or_else(Instant::now);
            next.saturating_duration_since(Instant::now())
        };
        let shared = Arc::clone(&self.shared);
        // One that breaks meanwhile gives its messages back by itself.
        let session = shared.publisher();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            let renewal = shared.renewal.lock();
            *renewal.unwrap_or_else(PoisonError::into_inner) =
                (Some(Instant::now() + BETWEEN_RENEWALS), false);
            if let Some(session) = session {
                tracing::warn!("messages were lost within the process: the session is rebuilt");
                session.give_up();
            }
        });
    }

    fn rest(&self) {
        self.shared.resting.cancel();
    }

    async fn close(&self) {
        self.rest();
        self.closing.cancel();
        let supervisor = self.supervisor.lock();
        let supervisor = supervisor.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(supervisor) = supervisor {
            // A panic of it has been told already.
            let _ = supervisor.await;
        }
    }

    async fn idle(&self) -> Result<bool, BusError> {
        let depth = self
            .shared
            .store
            .outbox_depth()
            .await
            .map_err(|source| BusError {
                doing: "read the depth of the outbox".to_owned(),
                source: Box::new(source),
            })?;
        Ok(depth.events == 0 && self.shared.outstanding.is_empty())
    }
}
