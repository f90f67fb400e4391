//! Reading a source: authentication, paging, parsing, one record after the other.

use super::connector::Connector;
use crate::store::{ConnectorState, SnapshotKind};
use async_trait::async_trait;

/// One record as the source shows it.
#[derive(Clone, Debug)]
pub enum SourceRecord {
    /// The record's tree; XML, CSV and feeds become the same tree of maps as JSON.
    Tree(serde_json::Value),
    /// A record that could not be parsed on its own, while the rest could: raw text cut at 4 kB,
    /// and why.
    Broken { raw: String, why: String },
}

/// How the reading ended. Records that were handed over before an error stay valid.
#[derive(Clone, Debug)]
pub struct ReadEnd {
    /// `Complete` only when proved: declared total, paging total, well-formed end of document.
    pub snapshot: SnapshotKind,
    /// Why it is partial or failed; names URL, status, position.
    pub error: Option<String>,
    /// Validators, body hash and watermark to keep when the run is applied.
    pub state: ConnectorState,
    /// Requests made, and bytes read after decompression.
    pub requests: u64,
    pub bytes: u64,
}

/// Where the records go, in batches, as they stream in; back-pressure by its await.
#[async_trait]
pub trait RecordSink: Send {
    async fn push(&mut self, records: Vec<SourceRecord>) -> anyhow::Result<()>;
}

/// Reads `connector` once. Never fails: what went wrong is in the end, beside what was read.
pub async fn read(
    connector: &Connector,
    before: &ConnectorState,
    sink: &mut dyn RecordSink,
) -> ReadEnd {
    let _ = (connector, before, sink);
    unimplemented!()
}
