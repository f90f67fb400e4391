//! Floor 2: which postings are one vacancy, and what that vacancy says. Pure functions.
//!
//! **Invariants:** integers only in scores; nothing depends on the order of arrival; a pair's
//! verdict is a function of the two postings and the statistics snapshot alone.

use crate::model::{
    Decision, Edge, Network, Posting, PostingId, ProvenanceMap, StoredPosting, Vacancy, VacancyId,
    VacancyStatus,
};
use jiff::Timestamp;

/// Blocking keys of a posting: sorted, distinct, symmetric (they depend on nothing else).
pub fn block_keys(posting: &Posting) -> Vec<u64> {
    let _ = posting;
    unimplemented!()
}

/// The verdict on a pair, with `a < b` whatever the order of the arguments.
pub fn compare(one: &Posting, other: &Posting) -> Edge {
    let _ = (one, other);
    unimplemented!()
}

/// One vacancy as its postings and the decisions make it.
#[derive(Clone, Debug, PartialEq)]
pub struct Derived {
    /// The founder's id.
    pub id: VacancyId,
    /// Sorted; live and closed postings.
    pub postings: Vec<PostingId>,
    pub status: VacancyStatus,
    /// The merged record; of the last live state when closed.
    pub vacancy: Vacancy,
    pub provenance: ProvenanceMap,
}

/// The vacancies of whole components: every posting that an edge or a *same* decision connects to
/// one of `postings` must be among them. A function of its arguments alone, in any order.
/// `now` serves mandates with an end date only.
pub fn derive(
    postings: &[StoredPosting],
    edges: &[Edge],
    decisions: &[Decision],
    network: &Network,
    now: Timestamp,
) -> Vec<Derived> {
    let _ = (postings, edges, decisions, network, now);
    unimplemented!()
}
