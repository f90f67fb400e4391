//! Offers that a webhook names: asked for by themselves, by the road of a pulled snapshot.
//!
//! **Invariant (law 1):** such a run says nothing of any other offer, and an offer that cannot be
//! had by itself is not thereby gone: a run of the whole source says what became of it.

use super::connector::{Connector, Guards};
use super::mapping::Path;
use super::run::{Live, Map, Source};
use super::source::{self, ReadEnd, RecordSink};
use crate::model::{ConnectorName, Draft, Problem};
use crate::store::ConnectorState;
use async_trait::async_trait;
use serde_json::Value;

/// A message that names more than so many is answered by reading the source.
const MOST: usize = 20;

/// The offers of one message, as a source that is read once.
#[derive(Clone, Debug)]
pub struct Named {
    live: Live,
    references: Vec<String>,
}

impl Named {
    /// `None` where the message names none, or too many, or the connector does not say where an
    /// offer stands by itself.
    pub fn new(live: Live, message: &[u8]) -> Option<Self> {
        let references = references(&live.connector, message);
        let can = live.connector.source.one.is_some();
        (can && (1..=MOST).contains(&references.len())).then_some(Self { live, references })
    }

    pub fn references(&self) -> &[String] {
        &self.references
    }
}

/// The references that a message names, each once.
fn references(connector: &Connector, message: &[u8]) -> Vec<String> {
    let path = connector.push.as_ref().and_then(|push| push.offer.as_ref());
    let path = path.and_then(|path| path.parse::<Path>().ok());
    let message: Result<Value, _> = serde_json::from_slice(message);
    let (Some(path), Ok(message)) = (path, message) else {
        return Vec::new();
    };
    let mut references = path.texts(&message);
    references.sort();
    references.dedup();
    references
}

impl Map for Named {
    fn map(&self, record: &Value) -> Result<Draft, Vec<Problem>> {
        self.live.map(record)
    }

    fn reference(&self, record: &Value) -> Option<String> {
        self.live.reference(record)
    }
}

#[async_trait]
impl Source for Named {
    fn name(&self) -> &ConnectorName {
        self.live.name()
    }

    fn guards(&self) -> &Guards {
        self.live.guards()
    }

    async fn read(&self, before: &ConnectorState, sink: &mut dyn RecordSink) -> ReadEnd {
        let Live { connector, env } = &self.live;
        source::read_named(connector, &self.references, before, env, sink).await
    }
}
