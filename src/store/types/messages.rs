//! Messages between the stages.

use crate::model::{Event, MessageId, Stage};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Messages that a commit settles in its own transaction: deleted from the embedded outbox, or
/// inserted into the inbox of `stage` where a broker delivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbox {
    pub stage: Stage,
    pub messages: Vec<MessageId>,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    pub event: Event,
    /// Deliveries that failed before this one.
    pub attempt: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    pub id: MessageId,
    pub outcome: SettlementOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettlementOutcome {
    Done,
    /// Handed to a broker, which confirmed it, or given back: due again at `resend_at` unless a
    /// stage's commit (its inbox) deleted the row by then. The attempt count stays.
    Sent {
        resend_at: Timestamp,
    },
    Retry {
        at: Timestamp,
        error: String,
    },
    Park {
        error: String,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxDepth {
    pub events: u64,
    pub oldest: Option<Timestamp>,
}

/// A message that could not be processed after its retries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    pub id: MessageId,
    pub stage: Stage,
    /// The message as it came; JSON of [`Event`] unless it was undecodable.
    pub body: Vec<u8>,
    pub error: String,
    pub attempts: u32,
    pub at: Timestamp,
}

impl Parked {
    /// A row of the outbox that is no event to this program: of a newer one, or damaged.
    pub(in crate::store) fn unreadable(
        id: MessageId,
        stage: Stage,
        body: Vec<u8>,
        why: &str,
        attempts: u32,
        at: Timestamp,
    ) -> Self {
        let error = format!("not an event that this program knows: {why}");
        tracing::error!(stage = stage.name(), message = %id, error, "parked");
        Self {
            id,
            stage,
            body,
            error,
            attempts,
            at,
        }
    }
}
