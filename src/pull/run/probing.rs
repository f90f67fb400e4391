//! Looking up missing offers on their own pages: a page that is gone closes its offer at once.

use super::walk::{Absent, Records};
use super::{Page, RunError, Running};
use crate::model::{PostingId, PostingState};
use crate::pull::diff::is_missing;
use crate::pull::source::ReadEnd;
use crate::store::{RecordVerdict, SnapshotKind};
use bytes::Bytes;
use serde_json::Value;
use std::collections::HashSet;

/// Pages of offers that the source still shows, one of which has to answer.
const CONTROLS: usize = 3;

/// What was found.
#[derive(Debug, Default)]
pub struct Probed {
    /// Live postings whose pages are gone.
    pub gone: Vec<PostingState>,
    /// Where the next run goes on.
    pub cursor: Option<String>,
}

impl Running<'_> {
    /// Asks for the pages of missing postings, as many as a run may.
    pub(super) async fn probe(
        &self,
        end: &ReadEnd,
        kind: SnapshotKind,
    ) -> Result<Probed, RunError> {
        let mut probed = Probed {
            gone: Vec::new(),
            cursor: self.before.probed.clone(),
        };
        let most = self.source.probes();
        let meaningful = match kind {
            SnapshotKind::Complete | SnapshotKind::Unchanged => true,
            // A tenant that is dead has no pages either.
            SnapshotKind::Empty => !self.source.guards().dead_looks_empty,
            // A window by nature, not one that broke off.
            SnapshotKind::Partial => end.error.is_none(),
            SnapshotKind::Failed => false,
        };
        if most == 0 || !meaningful || self.source.is_removed() {
            return Ok(probed);
        }
        let asked = self.to_ask(kind, most).await?;
        if asked.is_empty() {
            return Ok(probed);
        }
        let controls = self.controls(kind).await?;
        if !controls.is_empty() && !self.source.probe(&controls).await.contains(&Page::There) {
            tracing::warn!(
                connector = %self.source.name(), run = %self.id,
                "no page of an offer that the source shows could be read: those of missing ones say nothing"
            );
            return Ok(probed);
        }
        let full = asked.len() == most;
        probed.cursor = asked.last().map(|s| s.reference.clone()).filter(|_| full);
        let ids: Vec<PostingId> = asked.iter().map(|state| state.id).collect();
        let pulled = self.missing(self.store.load_pulled(&ids).await)?;
        let (states, records): (Vec<_>, Vec<_>) = pulled
            .into_iter()
            .filter_map(|pulled| Some((pulled.state, tree(&pulled.payload?)?)))
            .unzip();
        let pages = self.source.probe(&records).await;
        let answers = states.into_iter().zip(pages);
        probed.gone = answers
            .filter(|(_, page)| *page == Page::Gone)
            .map(|(state, _)| state)
            .collect();
        Ok(probed)
    }

    /// Missing postings from where the last run left off, and again from the start.
    async fn to_ask(&self, kind: SnapshotKind, most: usize) -> Result<Vec<PostingState>, RunError> {
        let mut met = HashSet::new();
        let mut asked = Vec::new();
        for after in [self.before.probed.clone(), None] {
            let mut absent = Absent::after(self.store, self.id, after);
            while let Some(page) = self.missing(absent.next().await)? {
                for state in page {
                    if asked.len() == most || !met.insert(state.id) {
                        return Ok(asked);
                    }
                    if kind == SnapshotKind::Partial || is_missing(&state, kind) {
                        asked.push(state);
                    }
                }
            }
        }
        Ok(asked)
    }

    /// A few offers that are still shown; none where nothing is.
    async fn controls(&self, kind: SnapshotKind) -> Result<Vec<Value>, RunError> {
        let payloads: Vec<Bytes> = if kind == SnapshotKind::Unchanged {
            // What a snapshot confirms was not staged again.
            let mut absent = Absent::after(self.store, self.id, None);
            let page = self.missing(absent.next().await)?.unwrap_or_default();
            let shown = page.iter().filter(|state| state.misses == 0);
            let ids: Vec<PostingId> = shown.map(|state| state.id).take(CONTROLS).collect();
            let pulled = self.missing(self.store.load_pulled(&ids).await)?;
            pulled.into_iter().filter_map(|p| p.payload).collect()
        } else {
            let mut records = Records::new(self.store, self.id);
            let page = self.staged(records.next().await)?.unwrap_or_default();
            let open = page
                .into_iter()
                .filter(|c| c.row.verdict == RecordVerdict::Open);
            let references: Vec<String> = open.map(|c| c.row.reference).take(CONTROLS).collect();
            let payloads = self.store.staged_payloads(self.id, &references).await;
            self.staged(payloads)?.into_iter().map(|(_, p)| p).collect()
        };
        Ok(payloads.iter().filter_map(tree).collect())
    }
}

fn tree(payload: &Bytes) -> Option<Value> {
    serde_json::from_slice(payload).ok()
}
