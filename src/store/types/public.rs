//! Vacancies and the changes that the public sees.

use super::KeptFeatures;
use crate::model::{
    Edge, Event, PostingId, Revision, TombstoneReason, Vacancy, VacancyId, VacancyStatus,
};
use bytes::Bytes;
use jiff::Timestamp;
use std::collections::BTreeSet;

/// A vacancy row: public when `state` is live and nothing hides it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredVacancy {
    pub id: VacancyId,
    pub status: VacancyStatus,
    /// Merged record with everything, for admins; `None` for a tombstone that never was public.
    pub vacancy: Option<Vacancy>,
    /// The canonical bytes that were published last; `None` unless live and public.
    pub body: Option<Bytes>,
    pub provenance: Option<Bytes>,
    /// Its last change number; 0 while it was never public.
    pub seq: u64,
    pub changed_at: Option<Timestamp>,
    /// Its postings, live and closed.
    pub postings: Vec<PostingId>,
}

/// One live public vacancy as it is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicVacancy {
    pub id: VacancyId,
    pub seq: u64,
    pub changed_at: Timestamp,
    /// Canonical JSON.
    pub body: Bytes,
}

/// One row of `changes`: the last state of one vacancy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub seq: u64,
    pub id: VacancyId,
    pub changed_at: Timestamp,
    pub op: ChangeOp,
}

impl Change {
    /// Whether it takes away what was erased.
    pub fn is_erasure(&self) -> bool {
        matches!(
            self.op,
            ChangeOp::Delete {
                reason: TombstoneReason::Erased,
                ..
            }
        )
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeOp {
    Upsert {
        body: Bytes,
    },
    Delete {
        reason: TombstoneReason,
        into: Option<VacancyId>,
    },
}

/// What one dedupe batch writes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PublicCommit {
    /// All stored edges of these postings are replaced by `edges`.
    pub replace_edges_of: BTreeSet<PostingId>,
    pub edges: Vec<Edge>,
    /// New cluster of each posting.
    pub clusters: Vec<(PostingId, VacancyId)>,
    pub vacancies: Vec<VacancyWrite>,
    /// What the verdicts of these postings were made from.
    pub deduped: Vec<(PostingId, Revision)>,
    /// Features that had to be read of bodies, to be kept.
    pub features: Vec<KeptFeatures>,
    pub events: Vec<Event>,
}

impl PublicCommit {
    /// Takes in what was worked out apart.
    pub fn append(&mut self, mut other: Self) {
        self.replace_edges_of.append(&mut other.replace_edges_of);
        self.edges.append(&mut other.edges);
        self.clusters.append(&mut other.clusters);
        self.vacancies.append(&mut other.vacancies);
        self.deduped.append(&mut other.deduped);
        self.features.append(&mut other.features);
        self.events.append(&mut other.events);
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct VacancyWrite {
    pub id: VacancyId,
    pub status: VacancyStatus,
    pub vacancy: Option<Vacancy>,
    /// Canonical bytes, when live.
    pub body: Option<Bytes>,
    pub provenance: Option<Bytes>,
    /// The change row that it causes: `None` when nothing public changed.
    pub change: Option<ChangeWrite>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeWrite {
    /// Given as a time to readers of the delta feed.
    pub at: Timestamp,
    /// `None` for an upsert of `body`.
    pub delete: Option<TombstoneReason>,
    pub into: Option<VacancyId>,
}
