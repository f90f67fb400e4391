//! Reading a source: authentication, paging, parsing, one record after the other.

mod secrets;

pub use secrets::Secrets;

use super::connector::Connector;
use crate::fetch::Fetcher;
use crate::model::Clock;
use crate::store::{ConnectorState, SnapshotKind};
use async_trait::async_trait;

/// One record as the source shows it.
#[derive(Clone, Debug)]
pub enum SourceRecord {
    /// The record's tree; XML, CSV and feeds become the same tree of maps as JSON.
    Tree(serde_json::Value),
    /// A record that could not be parsed (or whose detail could not be fetched), while the rest
    /// could. Counted as pulled and rejected; `reference`, where it could be told, keeps its
    /// posting from being taken for missing.
    Broken {
        reference: Option<String>,
        /// Raw text, cut at 4 kB.
        raw: String,
        why: String,
    },
}

/// How the reading ended. Records that were handed over before an error stay valid.
#[derive(Clone, Debug)]
pub struct ReadEnd {
    /// `Complete` only when proved: declared total, paging total, well-formed end of document.
    /// A source that shows a window only (`semantics = "window"`) ends `Partial` without error.
    pub snapshot: SnapshotKind,
    /// Why it is partial or failed; names URL, status, position.
    pub error: Option<String>,
    /// Validators, body hash and watermark to keep when the run is applied; the other fields are
    /// those of the state before.
    pub state: ConnectorState,
    /// Requests made, and bytes read after decompression.
    pub requests: u64,
    pub bytes: u64,
}

/// What reading needs of the outside world. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct SourceEnv {
    pub fetcher: Fetcher,
    pub clock: Clock,
    pub secrets: Secrets,
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
    env: &SourceEnv,
    sink: &mut dyn RecordSink,
) -> ReadEnd {
    let _ = (connector, before, env, sink);
    unimplemented!()
}
