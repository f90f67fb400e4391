//! Floor 2: which postings are one vacancy, and what that vacancy says. Pure functions.
//!
//! `features` reads a posting once; `keys` says with which others it is compared; `signals` and
//! `scorecard` make the verdict on a pair; `cluster` makes vacancies of verdicts and decisions;
//! `derive` and `merge` say who founds them, whether they are open and what they show. The tables
//! beside the code (`weights.toml`, `sources.toml`, `facets.toml`, `evidence.toml`) are reviewed
//! like code.
//!
//! **Invariants:** integers only in scores; nothing depends on the order of arrival; a pair's
//! verdict is a function of the two postings and the statistics snapshot alone.

mod cluster;
mod compare;
pub mod crowd;
#[cfg(test)]
mod crowds;
mod derive;
pub mod evaluate;
mod features;
pub mod fit;
mod keys;
mod links;
mod merge;
#[cfg(test)]
mod properties;
mod questions;
mod review;
mod ruling;
mod scorecard;
mod shown;
pub mod signals;
pub mod statistics;
mod tables;
#[cfg(test)]
mod tests;
mod text;

pub use derive::{Read, derive, unread};
pub use features::Features;
pub use questions::{Agreement, Answer, Question, agreement, questions};
pub use review::{Ad, Explanation, QuestionRow, QuestionState, Review, Verdict};
pub use scorecard::{
    Bands, FitRecord, SCORECARD, Scorecard, WeightFile, WeightsError, in_french, probability,
};

pub use shown::shown;

use crate::model::{
    Edge, Posting, PostingId, ProvenanceMap, TombstoneReason, Vacancy, VacancyId, VacancyStatus,
};
use std::collections::BTreeSet;

/// A blocking key that more postings share than this is generic: it proposes no pair.
pub const KEY_CAP: usize = 100;

/// Blocking keys of a posting: sorted, distinct, symmetric (they depend on nothing else).
pub fn block_keys(posting: &Posting) -> Vec<u64> {
    Features::of(posting).keys()
}

/// The verdict on a pair, with `a < b` whatever the order of the arguments.
pub fn compare(one: &Posting, other: &Posting) -> Edge {
    compare::edge(&Features::of(one), &Features::of(other))
}

/// [`compare`], for postings whose features are at hand; `None` where the verdict is neither a
/// question nor can ever join the two, whatever becomes of them.
pub fn compare_features(one: &Features, other: &Features) -> Option<Edge> {
    compare::hopeful_edge(one, other)
}

/// What a question must promise for each vacancy that is asked about, in thousandths of a pair of
/// postings.
const WORTH: u64 = 700;

/// What "same" would join of two vacancies of so many postings, times the chance that it is the
/// answer, `weight` being the mean between them: in thousandths of a pair of postings.
fn promise(left: usize, right: usize, weight: i64) -> u64 {
    left as u64 * right as u64 * u64::from(probability(weight))
}

/// Which questions are put to a person, of all that could be: two vacancies and their [`promise`]
/// each. One is put that promises [`WORTH`] for each vacancy which no other question asks about
/// yet, and in any case once: who looks at a vacancy already answers the next question about it
/// cheaply. Two lone ads are left as they are; what is published keeps both. The order of the
/// questions says nothing: what is put only makes more worth putting.
fn worth_asking<T: Copy + Ord>(questions: &[(T, T, u64)]) -> Vec<bool> {
    let mut put = vec![false; questions.len()];
    let mut asked: BTreeSet<T> = BTreeSet::new();
    loop {
        let mut more = false;
        for ((a, b, promise), put) in questions.iter().zip(&mut put) {
            let new = [a, b].into_iter().filter(|v| !asked.contains(v)).count();
            if !*put && *promise >= WORTH * new.max(1) as u64 {
                asked.extend([*a, *b]);
                (*put, more) = (true, true);
            }
        }
        if !more {
            return put;
        }
    }
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

/// The reason that consumers are given for a vacancy that is not live; `None` for a live one.
pub fn tombstone(status: &VacancyStatus) -> Option<TombstoneReason> {
    match status {
        VacancyStatus::Live => None,
        VacancyStatus::Private => Some(TombstoneReason::Hidden),
        VacancyStatus::Closed { reason, .. } => Some(*reason),
        VacancyStatus::Merged { .. } => Some(TombstoneReason::Merged),
    }
}

/// The bytes under which a vacancy is published: RFC 8785, public fields only. Empty only for a
/// record that cannot be JSON (a number that is none), which no rule produces.
pub fn public_body(vacancy: &Vacancy) -> Vec<u8> {
    crate::model::canonical_json(vacancy).unwrap_or_default()
}
