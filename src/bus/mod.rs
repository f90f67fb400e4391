//! Floor 3: how events reach the stages. Embedded: the outbox table itself, leased. RabbitMQ: a
//! relay publishes the outbox, queues deliver.
//!
//! **Invariant:** a delivery ends only after the store has committed what it caused.

pub mod cloudevent;
mod embedded;
pub mod rabbit;

pub use embedded::EmbeddedBus;

use crate::model::{Event, MessageId, Stage};
use async_trait::async_trait;
use std::time::Duration;

/// One event handed to a worker of its stage.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub event: Event,
    /// Deliveries that failed before this one.
    pub attempt: u32,
    /// The backend's own handle (a delivery tag); 0 where it needs none.
    pub token: u64,
}

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its effects are committed.
    Done,
    /// Worth another try: up the ladder (10 s, 1 min, 10 min, 1 h), then parked.
    Retry(String),
    /// No use in trying again.
    Park(String),
    /// Not worked on: the process stops. It comes again as it is, with no attempt counted.
    Back,
}

#[derive(Debug, thiserror::Error)]
#[error("the bus could not {doing}")]
pub struct BusError {
    pub doing: String,
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Waits before the 1st, 2nd, … retry; after the last the message is parked.
pub const LADDER: [Duration; 4] = [
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(600),
    Duration::from_secs(3600),
];

#[async_trait]
pub trait Bus: Send + Sync + 'static {
    /// Up to `max` deliveries of `stage`; waits up to `wait` for the first. Empty means none.
    async fn receive(
        &self,
        stage: Stage,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, BusError>;
    /// Ends deliveries. Embedded: what the stage's own commit already deleted is not an error.
    async fn settle(&self, stage: Stage, ended: Vec<(Delivery, Verdict)>) -> Result<(), BusError>;
    /// Tells waiting workers that a commit wrote events for them: a hint, never needed.
    fn wake(&self, stage: Stage);
    /// Whether messages wait or are being worked on, of any stage.
    async fn idle(&self) -> Result<bool, BusError>;
    /// Has delivered again what was taken from it and reached nobody: a reception broke down half-way.
    /// What others have in hand may come twice. Embedded: nothing is taken that is not handed out.
    fn renew(&self) {}
    /// Takes nothing more: the process stops. What has not been handed out goes to others.
    fn rest(&self) {}
    /// Sends what is on its way and leaves. What is not ended by now comes again elsewhere.
    async fn close(&self) {}
    /// Whether this process alone works on every stage, so that what it remembers stays true.
    fn exclusive(&self) -> bool {
        false
    }
    /// Message ids go into the commit's inbox.
    fn message_ids(deliveries: &[Delivery]) -> Vec<MessageId>
    where
        Self: Sized,
    {
        deliveries.iter().map(|d| d.event.id).collect()
    }
}
