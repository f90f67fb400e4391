//! Rows as the store gives and takes them.

mod hints;
mod messages;
mod public;
mod runs;

pub use hints::*;
pub use messages::*;
pub use public::*;
pub use runs::*;

use crate::model::{
    ConnectorName, Decision, Edge, Event, Posting, PostingId, PostingState, RegisterEntry,
    Revision, StoredPosting, Turn,
};
use bytes::Bytes;
use std::collections::BTreeMap;

/// What went wrong in a store, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Worth another try: a lock, a lost connection, a full disk.
    #[error("the store is busy or away while it should {doing}")]
    Transient {
        doing: String,
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// Will fail again: a row that cannot be read, a constraint.
    #[error("the store refused to {doing}: {why}")]
    Permanent { doing: String, why: String },
    /// Written by a newer program.
    #[error("the store has schema {found}, this program knows {known}: start the newer program")]
    Newer { found: u32, known: u32 },
    /// Another process has the pipeline of this embedded store.
    #[error(
        "another process ({pid}) runs the pipeline of this store: stop it, or use PostgreSQL and RabbitMQ for several processes"
    )]
    Locked { pid: String },
}

impl StoreError {
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transient { .. })
    }
}

/// Entries of one key of a register that are given at most.
pub const REGISTER_KEY_LIMIT: usize = 50;

/// A register's entry, and what it is found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedEntry {
    pub entry: RegisterEntry,
    pub keys: Vec<String>,
}

/// What the normalise stage starts from.
#[derive(Clone, Debug, PartialEq)]
pub struct Pulled {
    pub state: PostingState,
    /// `None` once retention dropped it.
    pub payload: Option<Bytes>,
    /// What the stored normalised form was made from.
    pub made_from: Option<Revision>,
}

/// Of a normalised body: the first 16 bytes of its BLAKE3 hash.
pub type BodyDigest = [u8; 16];

/// Features of a posting as bytes, and the digest of the body that they were read of.
pub type KeptFeatures = (PostingId, BodyDigest, Bytes);

#[derive(Clone, Debug, PartialEq)]
pub struct NormalisedOutput {
    pub revision: Revision,
    pub posting: Posting,
    /// Blocking keys, sorted and distinct; empty for a posting that is closed or internal.
    pub keys: Vec<u64>,
    /// What dedupe knows of the posting, as bytes that mean nothing to the store; `None` drops what
    /// was kept of it.
    pub features: Option<Bytes>,
    pub events: Vec<Event>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Live postings of each connector.
    pub live_postings: BTreeMap<ConnectorName, u64>,
    pub vacancies: u64,
    pub holds: u64,
    pub parked: u64,
    pub head: u64,
}

/// Everything known of one posting.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    pub pulled: Pulled,
    /// When it closed and came back, oldest first.
    pub turns: Vec<Turn>,
    pub normalised: Option<StoredPosting>,
    pub edges: Vec<Edge>,
    pub decisions: Vec<Decision>,
    pub vacancy: Option<StoredVacancy>,
    pub runs: Vec<Run>,
}
