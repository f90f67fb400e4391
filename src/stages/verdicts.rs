//! Verdicts on pairs, computed on blocking threads and remembered: a pair's verdict depends on
//! the two postings alone.

use super::dedupe::Postings;
use super::{Failure, Rules, caught};
use crate::dedupe::Features;
use crate::model::{Edge, PostingId, Revision, StoredPosting};
use futures::future::try_join_all;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// Verdicts remembered between the two steps of a batch and between batches.
const REMEMBERED: usize = 200_000;

/// Features remembered: a few kilobytes each.
const KNOWN: usize = 20_000;

type Key = (PostingId, Revision, PostingId, Revision);
type Known = HashMap<(PostingId, Revision), Arc<Features>>;

/// Postings of pairs that the rules broke down on, and what the rules said.
pub(super) type Broken = BTreeMap<PostingId, String>;

pub(super) struct Verdicts {
    rules: Rules,
    remembered: Mutex<HashMap<Key, Edge>>,
    known: Mutex<Known>,
}

impl Verdicts {
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            remembered: Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// Forgets everything: postings may have been made anew from the same revision.
    pub fn forget(&self) {
        let remembered = self.remembered.lock();
        remembered.unwrap_or_else(PoisonError::into_inner).clear();
        let known = self.known.lock();
        known.unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The verdict on each of `pairs` of which both postings are given, each pair once.
    pub async fn of(
        self: &Arc<Self>,
        postings: &Postings,
        pairs: Vec<(PostingId, PostingId)>,
    ) -> Result<(Vec<Edge>, Broken), Failure> {
        let mut pairs: Vec<_> = pairs
            .into_iter()
            .filter(|(a, b)| a != b)
            .map(|(a, b)| (a.min(b), a.max(b)))
            .collect();
        pairs.sort_unstable();
        pairs.dedup();
        let mut edges = Vec::with_capacity(pairs.len());
        let mut todo = Vec::new();
        {
            let remembered = self.remembered.lock();
            let remembered = remembered.unwrap_or_else(PoisonError::into_inner);
            for (a, b) in pairs {
                let (Some(one), Some(other)) = (postings.get(&a), postings.get(&b)) else {
                    continue;
                };
                match remembered.get(&(a, one.made_from, b, other.made_from)) {
                    Some(edge) => edges.push(edge.clone()),
                    None => todo.push((one.clone(), other.clone())),
                }
            }
        }
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let share = todo.len().div_ceil(cores).max(64);
        let computed = try_join_all(super::chunks(todo, share).map(|part| {
            let verdicts = self.clone();
            tokio::task::spawn_blocking(move || {
                part.into_iter()
                    .map(|(a, b)| {
                        let edge = caught(|| verdicts.compare(&a, &b));
                        ((a.state.id, a.made_from, b.state.id, b.made_from), edge)
                    })
                    .collect::<Vec<_>>()
            })
        }))
        .await?;
        let mut broken = Broken::new();
        let mut remembered = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (key, edge) in computed.into_iter().flatten() {
            match edge {
                Ok(edge) => {
                    if remembered.len() >= REMEMBERED {
                        remembered.clear();
                    }
                    remembered.insert(key, edge.clone());
                    edges.push(edge);
                }
                Err(error) => {
                    broken.insert(key.0, error.clone());
                    broken.insert(key.2, error);
                }
            }
        }
        Ok((edges, broken))
    }

    fn compare(&self, a: &StoredPosting, b: &StoredPosting) -> Edge {
        (self.rules.compare)(&self.features(a), &self.features(b))
    }

    fn features(&self, of: &StoredPosting) -> Arc<Features> {
        let key = (of.state.id, of.made_from);
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(features) = known().get(&key) {
            return features.clone();
        }
        let features = Arc::new((self.rules.features)(&of.posting));
        let mut known = known();
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(key, features.clone());
        features
    }
}
