//! How far sources are pulled while the broker does not take what they cause.

use crate::bus::rabbit::{BusHealth, RabbitBus};
use crate::model::ConnectorName;
use crate::store::DynStore;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Events that wait for an absent broker before pulls pause. Runs that are under way at the same time
/// may each pass it by one batch, and by the closings that they end with.
const OUTBOX_LIMIT: u64 = 100_000;
/// How often a run that waits looks again.
const LOOK: Duration = Duration::from_secs(1);

/// The room that the outbox has left.
#[derive(Clone)]
pub struct Room {
    store: DynStore,
    /// `None` where the outbox itself is the bus.
    rabbit: Option<Arc<RabbitBus>>,
    /// Until when it is waited for, where that has an end.
    deadline: Option<Instant>,
}

impl Room {
    pub fn new(store: DynStore, rabbit: Option<Arc<RabbitBus>>) -> Self {
        Self {
            store,
            rabbit,
            deadline: None,
        }
    }

    /// The same for a command that waits no longer than that.
    pub fn within(self, limit: Duration) -> Self {
        Self {
            deadline: Instant::now().checked_add(limit),
            ..self
        }
    }

    /// Whether new work may be made: not while the broker takes no messages, and while it is away
    /// only as far as the outbox has room.
    pub async fn is_left(&self) -> bool {
        match self.rabbit.as_deref().map(RabbitBus::health) {
            None | Some(BusHealth::Ready) => true,
            Some(BusHealth::Blocked) => false,
            Some(BusHealth::Away(_)) => {
                let depth = self.store.outbox_depth().await;
                depth.is_ok_and(|depth| depth.events < OUTBOX_LIMIT)
            }
        }
    }

    /// Comes back once the run of `connector` may write more; `false` where the process stops first, or
    /// has waited long enough.
    pub async fn wait(&self, connector: &ConnectorName) -> bool {
        let Some(rabbit) = &self.rabbit else {
            return true;
        };
        if self.is_left().await {
            return true;
        }
        let why = match rabbit.health() {
            BusHealth::Blocked => "RabbitMQ takes no messages (memory or disk alarm)",
            _ => "there is no connection to RabbitMQ, and the outbox is full",
        };
        tracing::warn!(%connector, limit = OUTBOX_LIMIT, why, "the run waits");
        loop {
            tokio::select! {
                () = rabbit.resting() => return false,
                () = tokio::time::sleep(LOOK) => {}
            }
            if self.deadline.is_some_and(|end| end <= Instant::now()) {
                return false;
            }
            if self.is_left().await {
                tracing::info!(%connector, "the run goes on");
                return true;
            }
        }
    }
}
