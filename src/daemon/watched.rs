//! A source under the eyes of the assembly: records are counted as they stream in, validators are
//! forgotten when the connector's files have changed since they were kept, and what the run found is
//! written only as far as the outbox has room.

use super::room::Room;
use crate::model::{ConnectorName, Draft, Problem};
use crate::pull::connector::Guards;
use crate::pull::recall::{Memory, Recall};
use crate::pull::run::{Map, Page, Source};
use crate::pull::source::{ReadEnd, RecordSink, SourceRecord};
use crate::store::ConnectorState;
use async_trait::async_trait;
use serde_json::Value;
use std::sync::Arc;

/// Called with the records read so far.
pub type OnRecords = Arc<dyn Fn(&ConnectorName, u64) + Send + Sync>;

pub struct Watched {
    pub inner: Arc<dyn Source>,
    pub on_records: OnRecords,
    /// An answer "unchanged" would confirm records that were read in another way.
    pub forget_validators: bool,
    pub room: Room,
}

impl Map for Watched {
    fn map(&self, record: &Value) -> Result<Draft, Vec<Problem>> {
        self.inner.map(record)
    }

    fn reference(&self, record: &Value) -> Option<String> {
        self.inner.reference(record)
    }
}

#[async_trait]
impl Source for Watched {
    fn name(&self) -> &ConnectorName {
        self.inner.name()
    }

    fn guards(&self) -> &Guards {
        self.inner.guards()
    }

    fn memory(&self) -> Option<&Memory> {
        // What was read in another way is not recalled either.
        self.inner.memory().filter(|_| !self.forget_validators)
    }

    fn is_removed(&self) -> bool {
        self.inner.is_removed()
    }

    fn probes(&self) -> usize {
        self.inner.probes()
    }

    async fn probe(&self, records: &[Value]) -> Vec<Page> {
        self.inner.probe(records).await
    }

    async fn room(&self) -> bool {
        self.room.wait(self.name()).await
    }

    async fn read(&self, before: &ConnectorState, sink: &mut dyn RecordSink) -> ReadEnd {
        let mut sink = Counting {
            sink,
            name: self.inner.name(),
            count: 0,
            on_records: &self.on_records,
        };
        if self.forget_validators {
            let fresh = ConnectorState {
                etag: None,
                last_modified: None,
                body_hash: None,
                watermark: None,
                ..before.clone()
            };
            return self.inner.read(&fresh, &mut sink).await;
        }
        self.inner.read(before, &mut sink).await
    }
}

struct Counting<'a> {
    sink: &'a mut dyn RecordSink,
    name: &'a ConnectorName,
    count: u64,
    on_records: &'a OnRecords,
}

#[async_trait]
impl RecordSink for Counting<'_> {
    async fn push(&mut self, records: Vec<SourceRecord>) -> anyhow::Result<()> {
        self.count += records.len() as u64;
        (self.on_records)(self.name, self.count);
        self.sink.push(records).await
    }

    fn recall(&self) -> Option<Arc<Recall>> {
        self.sink.recall()
    }
}
