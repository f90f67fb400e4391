//! Vacancy events with full bodies on `passerelle.public`, in the order of `changes`.
//!
//! No subscriber is success: the exchange is not mandatory. A slow subscriber is its own queue's
//! problem, and `/api/v1/changes` is how it catches up.

use super::Shared;
use super::publisher::{Outgoing, Published, WhileBlocked};
use super::topology::PUBLIC;
use crate::model::TombstoneReason;
use crate::store::{Change, ChangeOp, Hint, StoreError};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const CURSOR: &str = "amqp:passerelle.public";
const BATCH: usize = 256;

/// Follows `changes` with a cursor of its own.
pub struct PublicSink {
    shared: Arc<Shared>,
}

impl PublicSink {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Publishes until `cancel`. Only one of several processes does at a time.
    pub async fn run(self, cancel: CancellationToken) {
        let turn = crate::model::ConnectorName(CURSOR.to_owned());
        while !cancel.is_cancelled() {
            let pause = match self.shared.store.lock_connector(&turn).await {
                Ok(Some(right)) => {
                    let lost = right.lost();
                    tokio::select! {
                        ended = self.follow(&cancel) => ended,
                        // What is on its way may arrive twice, under the same id.
                        () = lost.cancelled() => {
                            tracing::warn!("the right to the public feed was lost; it is taken again");
                            Ok(())
                        }
                    }
                }
                // Another process publishes.
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = pause {
                tracing::warn!(%error, "the public feed waits for the store");
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(Duration::from_secs(2)) => {}
            }
        }
    }

    /// Publishes whatever is new while there is a connection.
    async fn follow(&self, cancel: &CancellationToken) -> Result<(), StoreError> {
        let mut hints = self.shared.store.hints(Hint::Changes);
        while !cancel.is_cancelled() {
            let Some(publisher) = self.shared.publisher() else {
                return Ok(());
            };
            // What waits for the end of an alarm is not handed over yet: it may be erased meanwhile.
            if publisher.blocked() {
                tokio::select! {
                    () = cancel.cancelled() => {}
                    () = tokio::time::sleep(Duration::from_millis(500)) => {}
                }
                continue;
            }
            let after = self.shared.store.cursor(CURSOR).await?;
            let batch = publisher.window().min(BATCH);
            let changes = self.shared.store.changes(after, batch).await?;
            let Some(last) = changes.last().map(|change| change.seq) else {
                tokio::select! {
                    () = cancel.cancelled() => {}
                    () = hints.next() => {}
                    () = tokio::time::sleep(Duration::from_millis(500)) => {}
                }
                continue;
            };
            let messages: Vec<Outgoing> = changes.iter().map(outgoing).collect();
            let outcomes = publisher.publish(&messages, WhileBlocked::Waits).await;
            if let Some(outcome) = outcomes.iter().find(|o| **o != Published::Confirmed) {
                // The process stops under an alarm: the next one sends them.
                if cancel.is_cancelled() {
                    return Ok(());
                }
                tracing::warn!(?outcome, "public events were not confirmed; they go again");
                if matches!(outcome, Published::Unknown(_)) {
                    publisher.give_up();
                }
                // At least once, in order: the whole batch goes again with the same ids.
                return Ok(());
            }
            // Who has the right now moved it: this process has lost it, and will hear of that.
            if !self
                .shared
                .store
                .advance_cursor(CURSOR, after, last)
                .await?
            {
                tracing::warn!("another process publishes the public feed");
                return Ok(());
            }
        }
        Ok(())
    }
}

/// The CloudEvent of one change; its id is a function of the change, stable over resends.
fn outgoing(change: &Change) -> Outgoing {
    let (type_name, routing_key, data) = match &change.op {
        ChangeOp::Upsert { body } => (
            "fr.passerelle.vacancy.upserted.v1",
            "vacancy.upserted",
            serde_json::from_slice(body).unwrap_or(Value::Null),
        ),
        ChangeOp::Delete { reason, into } => {
            let mut data = json!({ "id": change.id, "reason": reason });
            if let (TombstoneReason::Merged, Some(into)) = (reason, into) {
                data["into"] = json!(into);
            }
            ("fr.passerelle.vacancy.deleted.v1", "vacancy.deleted", data)
        }
    };
    let id = format!("{}-{}", change.id, change.seq);
    let envelope = json!({
        "specversion": "1.0",
        "id": id,
        "source": crate::bus::cloudevent::SOURCE,
        "type": type_name,
        "subject": change.id,
        "time": change.changed_at,
        "datacontenttype": "application/json",
        "sequence": format!("{:020}", change.seq),
        "data": data,
    });
    Outgoing {
        exchange: PUBLIC,
        routing_key: routing_key.to_owned(),
        body: serde_json::to_vec(&envelope).unwrap_or_default(),
        message_id: id,
        type_name,
        attempt: 0,
        mandatory: false,
    }
}
