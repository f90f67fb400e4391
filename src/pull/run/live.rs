//! What a run reads from: a connector in its environment, or whatever stands in for one.

use crate::model::{ConnectorName, Draft, Problem};
use crate::pull::connector::{Connector, Guards};
use crate::pull::recall::Memory;
use crate::pull::source::{self, ReadEnd, RecordSink, SourceEnv};
use crate::store::ConnectorState;
use async_trait::async_trait;
use serde_json::Value;
use std::sync::Arc;

/// What makes a draft of a record; all that the stages after the pull need of a connector.
pub trait Map: Send + Sync + 'static {
    /// See [`Connector::map`].
    ///
    /// # Errors
    /// The reasons why the record cannot be a posting.
    fn map(&self, record: &Value) -> Result<Draft, Vec<Problem>>;
    /// The reference of a record that cannot be mapped, where it can be read.
    fn reference(&self, record: &Value) -> Option<String>;
}

/// What the page of an offer says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    There,
    /// In so many words: 404 or 410.
    Gone,
    /// It could not be asked, or gave an answer that says nothing.
    Silent,
}

/// What a run needs of a connector: reading its source and mapping its records.
#[async_trait]
pub trait Source: Map {
    fn name(&self) -> &ConnectorName;
    fn guards(&self) -> &Guards;
    /// Pages of missing offers that one run may ask for; 0 where the source gives none.
    fn probes(&self) -> usize {
        0
    }
    /// What the pages of these records say, in their order.
    async fn probe(&self, records: &[Value]) -> Vec<Page> {
        vec![Page::Silent; records.len()]
    }
    /// Whether there is no source any more; see [`crate::pull::removed`].
    fn is_removed(&self) -> bool {
        false
    }
    /// What its last run made of its records, where that is remembered.
    fn memory(&self) -> Option<&Memory> {
        None
    }
    /// Comes back once another batch of what the run found may be written; `false` where it may not any
    /// more, and is left to the next run. A source by itself has room.
    async fn room(&self) -> bool {
        true
    }
    /// See [`source::read`].
    async fn read(&self, before: &ConnectorState, sink: &mut dyn RecordSink) -> ReadEnd;
}

/// A connector with what reading it takes.
#[derive(Clone, Debug)]
pub struct Live {
    pub connector: Arc<Connector>,
    pub env: SourceEnv,
}

impl Map for Connector {
    fn map(&self, record: &Value) -> Result<Draft, Vec<Problem>> {
        Connector::map(self, record)
    }

    fn reference(&self, record: &Value) -> Option<String> {
        Connector::reference(self, record)
    }
}

impl Map for Live {
    fn map(&self, record: &Value) -> Result<Draft, Vec<Problem>> {
        self.connector.map(record)
    }

    fn reference(&self, record: &Value) -> Option<String> {
        self.connector.reference(record)
    }
}

#[async_trait]
impl Source for Live {
    fn name(&self) -> &ConnectorName {
        &self.connector.name
    }

    fn guards(&self) -> &Guards {
        &self.connector.guards
    }

    fn memory(&self) -> Option<&Memory> {
        Some(&self.connector.memory)
    }

    fn probes(&self) -> usize {
        self.connector.probe.as_ref().map_or(0, |probe| probe.most)
    }

    async fn probe(&self, records: &[Value]) -> Vec<Page> {
        source::probe(&self.connector, &self.env, records).await
    }

    async fn read(&self, before: &ConnectorState, sink: &mut dyn RecordSink) -> ReadEnd {
        source::read(&self.connector, before, &self.env, sink).await
    }
}
