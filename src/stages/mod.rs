//! Floor 4: the workers of the stages. Each receives thin events, reads the newest state in sets,
//! computes on blocking threads and writes everything that follows in one commit.
//!
//! `normalise`, `dedupe` and `publish` are the workers; `pipeline` drives them; `sweep` does what
//! only time causes; `replay` asks for work again.
//!
//! **Invariants (law 3):** a delivery ends only after the commit of what it caused; an input is
//! skipped only where the stored output covers its revision; a recheck is never skipped; one bad
//! message never stops the others.

mod circuit;
mod component;
mod dedupe;
mod derive;
mod difference;
mod normalise;
mod pipeline;
mod publish;
mod registers;
mod regroup;
mod replay;
mod sweep;
mod verdicts;

pub use difference::{Difference, Example, FieldChange, difference};
pub use pipeline::{Drained, Pipeline};
pub use regroup::{Regrouped, Regrouping};
pub use replay::{follow_files, recheck, replay};
pub use sweep::{Swept, sweep};

use crate::bus::{Bus, Verdict};
use crate::dedupe::crowd::{Step, Tie};
use crate::dedupe::{Derived, Features, Read};
use crate::model::{
    Clock, ConnectorName, Decision, Draft, Edge, Event, MessageId, Network, Posting, Stage,
    StoredPosting,
};
use crate::normalise::Context;
use crate::pull::run::Map;
use crate::pull::stage::chunks;
use crate::store::{DynStore, StoreError};
use async_trait::async_trait;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLock};

/// The files that results depend on: replaced as a whole on reload, never changed in place.
#[derive(Clone, Default)]
pub struct Files {
    pub network: Arc<Network>,
    pub maps: BTreeMap<ConnectorName, Arc<dyn Map>>,
}

/// The files as they are now, shared by all workers.
#[derive(Clone, Default)]
pub struct CurrentFiles(Arc<RwLock<Arc<Files>>>);

impl CurrentFiles {
    pub fn new(files: Files) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(files))))
    }

    pub fn get(&self) -> Arc<Files> {
        let files = self.0.read();
        files
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    pub fn set(&self, files: Files) {
        let slot = self.0.write();
        *slot.unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(files);
    }
}

/// The rules of the trade, as the workers call them.
#[derive(Clone, Copy)]
pub struct Rules {
    pub normalise: fn(&Draft, &Context<'_>) -> Posting,
    pub features: fn(&Posting) -> Features,
    /// `None` for a verdict not worth keeping, whatever becomes of its two postings.
    pub compare: fn(&Features, &Features) -> Option<Edge>,
    /// How far a verdict of some weight ties its two postings, with their states as they are.
    pub tie: fn(i64, &StoredPosting, &StoredPosting) -> Tie,
    pub derive: Derive,
}

/// See [`crate::dedupe::derive`].
pub type Derive = for<'a> fn(
    &[&'a StoredPosting],
    Read<'a>,
    &[Edge],
    &[Decision],
    &Network,
    Timestamp,
    Step,
) -> Vec<Derived>;

impl Default for Rules {
    fn default() -> Self {
        Self {
            normalise: crate::normalise::with_contacts,
            features: Features::of,
            compare: crate::dedupe::compare_features,
            tie: crate::dedupe::crowd::tie,
            derive: crate::dedupe::derive,
        }
    }
}

/// What every worker works with. Cloning is cheap.
#[derive(Clone)]
pub struct Hub {
    pub store: DynStore,
    pub bus: Arc<dyn Bus>,
    pub clock: Clock,
    pub files: CurrentFiles,
    pub rules: Rules,
}

/// One stage's work on a batch of its events.
#[async_trait]
pub(crate) trait Worker: Send + Sync {
    fn stage(&self) -> Stage;

    /// Works on `events` and commits with them. Returns what went wrong with single ones; all
    /// others are done.
    async fn work(&self, events: &[Event]) -> Result<Exceptions, Failure>;
}

/// Events of a batch that did not go through, each with its own verdict.
pub(crate) type Exceptions = HashMap<MessageId, Verdict>;

/// Why a whole batch did not go through.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Not the fault of any message: all are tried again.
    Busy(String),
    /// Some message of the batch cannot be worked on; alone, it gets this verdict.
    Poison(Verdict),
}

impl Failure {
    fn of(error: &StoreError) -> Self {
        let text = chain(error);
        match error {
            StoreError::Permanent { .. } => Self::Poison(Verdict::Park(text)),
            _ => Self::Busy(text),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::of(&error)
    }
}

/// A compute thread that ended without a result.
impl From<tokio::task::JoinError> for Failure {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Poison(Verdict::Retry(format!("the computation ended: {error}")))
    }
}

/// An error with its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// Runs `compute`, with a panic as an error in words.
pub(crate) fn caught<T>(compute: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(compute))
        .map_err(|panic| format!("the rules broke down: {}", panic_text(&*panic)))
}

/// What a panic said.
fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_default()
}

#[cfg(test)]
mod tests;
