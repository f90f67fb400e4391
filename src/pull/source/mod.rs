//! Reading a source: authentication, paging, parsing, one record after the other.
//!
//! `session` sends requests and turns answers into records; `paging` and `france_travail` reach
//! all of them; `outlet` counts, filters and hands over; `parse` reads documents.
//!
//! **Invariant (law 1):** a snapshot is complete only when its end was seen and its declared
//! totals reconcile; whatever went wrong makes it partial or failed, never less than it seems.

mod auth;
mod detail;
mod france_travail;
mod json_ld;
mod one;
mod outlet;
mod paging;
pub mod parse;
mod probe;
mod secrets;
mod session;
mod since;
mod text;

#[cfg(test)]
pub mod tests;

pub use self::parse::Record;
pub use json_ld::posting as json_ld_posting;
pub use one::read_named;
pub use probe::probe;
pub use secrets::{SecretError, Secrets};
pub use since::dated;
pub use text::{document as text_of, html_entity};

use super::connector::Connector;
use super::connector::file::{Paging, Semantics};
use super::recall::{Known, Recall};
use crate::fetch::Fetcher;
use crate::model::Clock;
use crate::store::{ConnectorState, SnapshotKind};
use async_trait::async_trait;
use outlet::Outlet;
use session::Session;
use std::sync::Arc;

/// One record as the source shows it.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceRecord {
    /// The record's tree; XML, CSV and feeds become the same tree of maps as JSON.
    Tree(Record),
    /// One that the sink knows already; only for one that has said what it recalls.
    Known(Arc<Known>),
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
    /// Records that it knows by their bytes and need not be read again.
    fn recall(&self) -> Option<Arc<Recall>> {
        None
    }
}

/// What reading all pages came to.
#[derive(Debug)]
enum Outcome {
    /// The end was seen and everything reconciles.
    Whole,
    Unchanged,
    Partial(String),
    Failed(String),
}

/// Reads `connector` once. Never fails: what went wrong is in the end, beside what was read.
pub async fn read(
    connector: &Connector,
    before: &ConnectorState,
    env: &SourceEnv,
    sink: &mut dyn RecordSink,
) -> ReadEnd {
    let mut state = before.clone();
    if connector.source.url.as_str() == super::push::PUSH_ONLY {
        // Nothing to ask: what it has comes by itself.
        return ReadEnd {
            snapshot: SnapshotKind::Partial,
            error: None,
            state,
            requests: 0,
            bytes: 0,
        };
    }
    let mut session = match Session::new(connector, env, before) {
        Ok(session) => session,
        Err(error) => {
            return ReadEnd {
                snapshot: SnapshotKind::Failed,
                error: Some(error),
                state,
                requests: 0,
                bytes: 0,
            };
        }
    };
    if connector.source.since.is_some() {
        // What changes while this run reads is the next one's to see.
        state.watermark = Some(env.clock.now().to_string());
    }
    let mut outlet = Outlet::new(connector, sink);
    let outcome = match &connector.source.paging {
        Paging::FranceTravail {
            departments,
            origins,
            rome,
            since,
        } => {
            let wanted = france_travail::Wanted {
                departments,
                origins,
                rome,
                since: since.as_deref(),
            };
            france_travail::read(&mut session, &mut outlet, &wanted).await
        }
        Paging::None => paging::one_document(&mut session, &mut outlet, &mut state).await,
        paging => paging::pages(&mut session, &mut outlet, paging).await,
    };
    let outcome = match outlet.flush(&mut session).await {
        Ok(()) => outcome,
        Err(error) => Outcome::Failed(error),
    };
    let seen = outlet.seen();
    let (mut snapshot, mut error) = match outcome {
        Outcome::Unchanged => (SnapshotKind::Unchanged, None),
        Outcome::Partial(why) => (SnapshotKind::Partial, Some(why)),
        Outcome::Failed(why) => (SnapshotKind::Failed, Some(why)),
        Outcome::Whole => match outlet.trouble() {
            Some(why) => (SnapshotKind::Partial, Some(why)),
            None if connector.semantics == Semantics::Window || session.is_incremental() => {
                (SnapshotKind::Partial, None)
            }
            None if seen == 0 => (SnapshotKind::Empty, None),
            None => (SnapshotKind::Complete, None),
        },
    };
    if let Some(why) = outlet.sink_error() {
        snapshot = SnapshotKind::Failed;
        error = Some(why);
    }
    if !matches!(snapshot, SnapshotKind::Complete | SnapshotKind::Unchanged) {
        // Validators of something that was not whole would hide the rest for ever.
        state.etag = None;
        state.last_modified = None;
        state.body_hash = None;
    }
    ReadEnd {
        snapshot,
        error: error.map(|text| session.redacted(&text)),
        state,
        requests: session.requests(),
        bytes: session.bytes(),
    }
}
