//! What was made of records before, by the digest of their bytes: a source that shows the same
//! again, which is the rule, costs neither parsing nor mapping.
//!
//! **Invariant:** a record is recalled only where a live posting still has the very payload that it
//! was mapped to, and only by the connector as it was loaded then: a changed file begins anew.

use crate::model::Field;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Records of one source that are remembered; about 300 bytes each. A larger source is read in full
/// each time.
pub const LIMIT: usize = 100_000;

/// Digest of a record's bytes, and of how they become text.
pub type Digest = u128;

/// What a record was mapped to: an open offer.
#[derive(Debug, PartialEq)]
pub struct Known {
    pub digest: Digest,
    pub reference: String,
    /// Of the payload.
    pub hash: String,
    /// Mapped fields that have a value.
    pub fields: Vec<Field>,
}

/// What may be recalled in one run.
pub type Recall = HashMap<Digest, Arc<Known>>;

/// What one run leaves to the next one. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<Arc<Recall>>>);

impl Memory {
    /// What still holds: `live` gives each live posting's payload by its reference.
    pub fn holding(&self, live: &HashMap<String, String>) -> Recall {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = |known: &Known| live.get(&known.reference) == Some(&known.hash);
        let own = memory.iter().filter(|(_, known)| holds(known));
        own.map(|(digest, known)| (*digest, Arc::clone(known)))
            .collect()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }

    /// Puts what a run has seen in the place of what was known before it.
    pub fn replace(&self, seen: Recall) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(seen);
    }
}

/// The digest of a record as it stands in a document read by `decoding`.
pub fn digest(decoding: &str, bytes: &[u8]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(decoding.as_bytes())
        .update(&[0])
        .update(bytes);
    let mut short = [0; 16];
    short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    Digest::from_le_bytes(short)
}
