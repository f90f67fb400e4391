//! A bus on a virtual host of its own, and whoever looks into that from outside.

use crate::services::{BROKER, Broker, broker};
use crate::store_contract::backend::Backend;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use passerelle::bus::rabbit::{RabbitBus, RabbitConfig};
use passerelle::bus::{Bus, Delivery, Verdict};
use passerelle::model::{Clock, Event, EventKind, MessageId, PostingId, Revision, Stage};
use passerelle::store::{DynStore, SqliteStore};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{RwLockReadGuard, RwLockWriteGuard};
use tokio_util::sync::CancellationToken;

/// What only a fault makes take longer.
pub const SOON: Duration = Duration::from_secs(30);

/// One process's bus. Dropping it is a crash.
pub struct Rig {
    pub store: DynStore,
    pub bus: Arc<RabbitBus>,
    pub cancel: CancellationToken,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// A broker for one test, and the right to it for as long as the test lasts.
pub struct Turn {
    pub broker: Broker,
    _turn: Held,
}

enum Held {
    Shared(#[allow(dead_code, reason = "held")] RwLockReadGuard<'static, ()>),
    Alone(#[allow(dead_code, reason = "held")] RwLockWriteGuard<'static, ()>),
}

/// For a test that leaves the broker alone; `None`, said on standard error, where none runs.
pub async fn shared(test: &str) -> Option<Turn> {
    let _turn = Held::Shared(BROKER.read().await);
    let broker = broker(test)?;
    Some(Turn { broker, _turn })
}

/// For a test that kills the broker, or has all of it block.
pub async fn alone(test: &str) -> Option<Turn> {
    let _turn = Held::Alone(BROKER.write().await);
    let broker = broker(test)?;
    Some(Turn { broker, _turn })
}

impl Turn {
    /// A bus over a store in memory.
    pub async fn rig(&self) -> Rig {
        self.rig_over(temporary()).await
    }

    pub async fn rig_over(&self, store: DynStore) -> Rig {
        Rig::start(self.config(), store, &Stage::ALL).await
    }

    /// As it is deployed: over PostgreSQL.
    pub async fn rig_over_postgres(&self, test: &str) -> Option<(Rig, Backend)> {
        let backend = Backend::postgres(test).await?;
        Some((self.rig_over(backend.open().await).await, backend))
    }

    pub fn config(&self) -> RabbitConfig {
        RabbitConfig {
            addresses: vec![self.broker.url.clone()],
            confirm_timeout: Duration::from_secs(5),
            ..Default::default()
        }
    }

    /// A way of its own to the broker; the channel lives as long as the connection.
    pub async fn channel(&self) -> (Connection, Channel) {
        let connection = Connection::connect(&self.broker.url, ConnectionProperties::default());
        let connection = connection.await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        (connection, channel)
    }

    /// Messages that wait in a queue.
    pub async fn depth(&self, queue: &str) -> u32 {
        let passive = QueueDeclareOptions {
            passive: true,
            ..Default::default()
        };
        let (_connection, channel) = self.channel().await;
        let queue = channel.queue_declare(queue.into(), passive, FieldTable::default());
        queue.await.unwrap().message_count()
    }

    /// No message more is taken, by any virtual host, until the value is dropped.
    pub fn alarm(&self) -> Alarm<'_> {
        self.broker
            .control(&["set_vm_memory_high_watermark", "0.00001"]);
        Alarm(&self.broker)
    }
}

/// Over when it is dropped, also by a test that fails.
pub struct Alarm<'a>(&'a Broker);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        self.0
            .control(&["set_vm_memory_high_watermark", "absolute", "2GB"]);
    }
}

pub fn temporary() -> DynStore {
    Arc::new(SqliteStore::temporary().unwrap())
}

pub fn clock() -> Clock {
    #[allow(
        clippy::disallowed_methods,
        reason = "the bus runs on the machine's clock"
    )]
    Clock::new(jiff::Timestamp::now)
}

pub fn events(count: usize) -> Vec<Event> {
    (0..count).map(event).collect()
}

/// News of the `n`th posting.
pub fn event(n: usize) -> Event {
    let key = PostingId::new(&"test".into(), &n.to_string());
    let revision = Revision {
        observation: 1,
        rules: 1,
    };
    let at = jiff::Timestamp::UNIX_EPOCH;
    Event::new(EventKind::PostingPulled, key, revision, at)
}

pub fn ids(events: &[Event]) -> BTreeSet<MessageId> {
    events.iter().map(|event| event.id).collect()
}

/// Looks until it holds, for as long as only what is broken takes.
pub async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < SOON * 2, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

impl Rig {
    pub async fn start(config: RabbitConfig, store: DynStore, stages: &[Stage]) -> Self {
        let cancel = CancellationToken::new();
        let bus = RabbitBus::start(config, store.clone(), clock(), stages, cancel.clone());
        let bus = bus.await.unwrap();
        Self { store, bus, cancel }
    }

    pub async fn send(&self, events: Vec<Event>) {
        self.store.enqueue(events).await.unwrap();
        self.bus.wake(Stage::Normalise);
    }

    pub async fn until_idle(&self) {
        let idle = async || self.bus.idle().await.unwrap();
        until("the bus does not come to rest", idle).await;
    }

    pub async fn receive(&self, max: usize) -> Vec<Delivery> {
        self.bus.receive(Stage::Normalise, max, SOON).await.unwrap()
    }

    /// So many deliveries, in hand.
    pub async fn take(&self, count: usize) -> Vec<Delivery> {
        let mut taken = Vec::new();
        while taken.len() < count {
            let more = self.receive(count - taken.len()).await;
            assert!(!more.is_empty(), "{} of {count} came", taken.len());
            taken.extend(more);
        }
        taken
    }

    pub async fn end(&self, batch: Vec<Delivery>, verdict: Verdict) {
        let ended = batch.into_iter().map(|d| (d, verdict.clone())).collect();
        self.bus.settle(Stage::Normalise, ended).await.unwrap();
    }

    /// Ends well whatever comes, until `count` different events are done; gives every delivery.
    pub async fn work(&self, count: usize) -> Vec<Delivery> {
        let mut done = Vec::new();
        let mut distinct = BTreeSet::new();
        let began = Instant::now();
        while distinct.len() < count {
            assert!(began.elapsed() < SOON * 4, "{} of {count}", distinct.len());
            let wait = Duration::from_secs(1);
            let batch = self.bus.receive(Stage::Normalise, 200, wait).await.unwrap();
            distinct.extend(batch.iter().map(|delivery| delivery.event.id));
            done.extend(batch.iter().cloned());
            self.end(batch, Verdict::Done).await;
        }
        done
    }

    /// The same until nothing is left anywhere.
    pub async fn work_off(&self) -> Vec<Delivery> {
        let mut done = Vec::new();
        let began = Instant::now();
        while !self.bus.idle().await.unwrap() {
            assert!(began.elapsed() < SOON * 4, "the bus does not come to rest");
            let wait = Duration::from_millis(200);
            let batch = self.bus.receive(Stage::Normalise, 200, wait).await.unwrap();
            done.extend(batch.iter().cloned());
            self.end(batch, Verdict::Done).await;
        }
        done
    }
}

pub fn came(deliveries: &[Delivery]) -> BTreeSet<MessageId> {
    deliveries
        .iter()
        .map(|delivery| delivery.event.id)
        .collect()
}
