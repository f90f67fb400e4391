//! A bus under test, with the store whose outbox feeds it.

use crate::services::{Broker, broker};
use crate::store_contract::backend::Backend as StoreBackend;
use crate::store_contract::fixtures::{at, inbox, pulled, record, state};
use jiff::{SignedDuration, Timestamp};
use passerelle::bus::rabbit::{RabbitBus, RabbitConfig};
use passerelle::bus::{Bus, Delivery, EmbeddedBus, Verdict};
use passerelle::model::{Clock, Event, Stage};
use passerelle::store::DynStore;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub struct Backend {
    store: StoreBackend,
    now: Arc<Mutex<Timestamp>>,
    broker: Option<Broker>,
}

/// A broker's ladder needs real time: this one is short.
const SHORT_LADDER: [Duration; 4] = [
    Duration::from_millis(1200),
    Duration::from_millis(1250),
    Duration::from_millis(1300),
    Duration::from_millis(1350),
];

/// One process: its store and its bus. Dropping it is a crash.
pub struct Process {
    pub store: DynStore,
    pub bus: Arc<dyn Bus>,
}

impl Backend {
    pub fn embedded() -> Self {
        Self {
            store: StoreBackend::sqlite(),
            now: Arc::new(Mutex::new(at(0))),
            broker: None,
        }
    }

    /// As it is deployed; `None` where no servers run.
    pub async fn cluster(test: &str) -> Option<Self> {
        Some(Self {
            store: StoreBackend::postgres(test).await?,
            broker: Some(broker(test)?),
            ..Self::embedded()
        })
    }

    /// `None` where no broker runs. The outbox is SQLite's: what is tested here is the bus.
    pub fn rabbitmq(test: &str) -> Option<Self> {
        Some(Self {
            broker: Some(broker(test)?),
            ..Self::embedded()
        })
    }

    pub async fn start(&self) -> Process {
        let store = self.store.open().await;
        let now = Arc::clone(&self.now);
        let clock = Clock::new(move || *now.lock().unwrap());
        if let Some(broker) = &self.broker {
            let config = RabbitConfig {
                addresses: vec![broker.url.clone()],
                ladder: SHORT_LADDER.to_vec(),
                ..RabbitConfig::default()
            };
            let stages = &Stage::ALL;
            let cancel = CancellationToken::new();
            let bus = RabbitBus::start(config, store.clone(), clock, stages, cancel).await;
            return Process {
                bus: bus.unwrap(),
                store,
            };
        }
        Process {
            bus: Arc::new(EmbeddedBus::new(store.clone(), clock)),
            store,
        }
    }

    /// Lets `span` pass for the ladder, and a little more: real time runs beside the clock.
    pub async fn pass(&self, span: Duration) {
        let span = span + Duration::from_secs(5);
        if self.broker.is_some() {
            tokio::time::sleep(Duration::from_millis(2000)).await;
            return;
        }
        *self.now.lock().unwrap() += SignedDuration::try_from(span).unwrap();
    }
}

impl Process {
    /// Writes events for the normalise stage and wakes it, as a commit does.
    pub async fn write(&self, references: &[&str]) -> Vec<Event> {
        let events: Vec<Event> = references
            .iter()
            .map(|reference| pulled(&state(&record(reference, ""), 1)))
            .collect();
        self.store.enqueue(events.clone()).await.unwrap();
        self.bus.wake(Stage::Normalise);
        events
    }

    /// All that is due now; waits a moment for the first, and for what comes one by one.
    pub async fn receive(&self) -> Vec<Delivery> {
        let mut wait = Duration::from_millis(300);
        let mut all = Vec::new();
        loop {
            let received = self.bus.receive(Stage::Normalise, 100, wait).await.unwrap();
            if received.is_empty() {
                return all;
            }
            all.extend(received);
            wait = Duration::from_millis(100);
        }
    }

    /// The one delivery that is due now.
    pub async fn receive_one(&self) -> Delivery {
        let mut received = self.receive().await;
        assert_eq!(received.len(), 1, "{received:?}");
        received.remove(0)
    }

    pub async fn settle(&self, delivery: Delivery, verdict: Verdict) {
        let ended = vec![(delivery, verdict)];
        self.bus.settle(Stage::Normalise, ended).await.unwrap();
    }

    /// What a stage does: commits with its inbox, then settles.
    pub async fn work(&self, deliveries: Vec<Delivery>) {
        let ids = deliveries.iter().map(|delivery| delivery.event.id);
        let handled = inbox(Stage::Normalise, ids.collect());
        let committed = self.store.commit_normalised(Vec::new(), &handled).await;
        committed.unwrap();
        let ended = deliveries.into_iter().map(|d| (d, Verdict::Done));
        let settled = self.bus.settle(Stage::Normalise, ended.collect()).await;
        settled.unwrap();
    }
}
