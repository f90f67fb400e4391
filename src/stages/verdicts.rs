//! Verdicts on pairs, computed on blocking threads and remembered: a pair's verdict depends on
//! the bodies of the two postings alone, and a body on nothing while its digest stays.

use super::{Failure, Rules, caught};
use crate::dedupe::Features;
use crate::model::{Edge, PostingId, StoredPosting};
use crate::store::{BodyDigest, PublicTx, Result, Store};
use async_trait::async_trait;
use futures::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Verdicts remembered between the two steps of a batch and between batches, twice over.
const REMEMBERED: usize = 200_000;

/// Features remembered, twice over: two to four kilobytes each.
const KNOWN: usize = 12_000;

/// Bodies in memory while features are read of them.
const BODIES: usize = 500;

type Key = (PostingId, BodyDigest, PostingId, BodyDigest);

/// Postings of pairs that the rules broke down on, and what the rules said.
pub(super) type Broken = BTreeMap<PostingId, String>;

/// What verdicts are made from, read with or without the hub-wide lock.
#[async_trait]
pub(super) trait Bodies: Send {
    async fn digests(&mut self, ids: &[PostingId]) -> Result<Vec<(PostingId, BodyDigest)>>;
    async fn load(&mut self, ids: &[PostingId]) -> Result<Vec<StoredPosting>>;
}

#[async_trait]
impl Bodies for &dyn Store {
    async fn digests(&mut self, ids: &[PostingId]) -> Result<Vec<(PostingId, BodyDigest)>> {
        Store::digests(*self, ids).await
    }

    async fn load(&mut self, ids: &[PostingId]) -> Result<Vec<StoredPosting>> {
        self.load_normalised(ids).await
    }
}

#[async_trait]
impl Bodies for &mut dyn PublicTx {
    async fn digests(&mut self, ids: &[PostingId]) -> Result<Vec<(PostingId, BodyDigest)>> {
        PublicTx::digests(*self, ids).await
    }

    async fn load(&mut self, ids: &[PostingId]) -> Result<Vec<StoredPosting>> {
        self.load_normalised(ids).await
    }
}

pub(super) struct Verdicts {
    rules: Rules,
    /// `None` for a hopeless pair.
    remembered: Mutex<Recent<Key, Option<Edge>>>,
    known: Mutex<Recent<(PostingId, BodyDigest), Arc<Features>>>,
}

impl Verdicts {
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            remembered: Mutex::new(Recent::new(REMEMBERED)),
            known: Mutex::new(Recent::new(KNOWN)),
        }
    }

    /// The verdict on each of `pairs` of which both bodies are stored, each pair once, without
    /// those that say nothing worth keeping.
    pub async fn of(
        self: &Arc<Self>,
        bodies: &mut dyn Bodies,
        pairs: Vec<(PostingId, PostingId)>,
    ) -> std::result::Result<(Vec<Edge>, Broken), Failure> {
        let pairs: BTreeSet<(PostingId, PostingId)> = pairs
            .into_iter()
            .filter(|(a, b)| a != b)
            .map(|(a, b)| (a.min(b), a.max(b)))
            .collect();
        let ends: BTreeSet<PostingId> = pairs.iter().flat_map(|(a, b)| [*a, *b]).collect();
        let ends: Vec<PostingId> = ends.into_iter().collect();
        let digests: HashMap<PostingId, BodyDigest> =
            bodies.digests(&ends).await?.into_iter().collect();
        let mut edges = Vec::new();
        let mut todo: Vec<Key> = Vec::new();
        {
            let mut remembered = lock(&self.remembered);
            for (a, b) in pairs {
                if let (Some(one), Some(other)) = (digests.get(&a), digests.get(&b)) {
                    let key = (a, *one, b, *other);
                    match remembered.get(&key) {
                        Some(edge) => edges.extend(edge),
                        None => todo.push(key),
                    }
                }
            }
        }
        let (features, mut broken) = self.features(bodies, &todo).await?;
        let features = Arc::new(features);
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let share = todo.len().div_ceil(cores).max(64);
        let computed = try_join_all(super::chunks(todo, share).map(|part| {
            let (rules, features) = (self.rules, features.clone());
            tokio::task::spawn_blocking(move || {
                let judge = |key: Key| {
                    let (a, b) = (features.get(&key.0)?, features.get(&key.2)?);
                    let edge = caught(|| (rules.compare)(a, b));
                    Some((key, edge.map(|e| (!(rules.hopeless)(&e)).then_some(e))))
                };
                part.into_iter().filter_map(judge).collect::<Vec<_>>()
            })
        }))
        .await?;
        let mut remembered = lock(&self.remembered);
        for (key, edge) in computed.into_iter().flatten() {
            match edge {
                Ok(edge) => {
                    edges.extend(edge.clone());
                    remembered.insert(key, edge);
                }
                Err(error) => {
                    broken.insert(key.0, error.clone());
                    broken.insert(key.2, error);
                }
            }
        }
        Ok((edges, broken))
    }

    /// The features of all postings of these pairs, remembered or read of their bodies.
    async fn features(
        self: &Arc<Self>,
        bodies: &mut dyn Bodies,
        pairs: &[Key],
    ) -> std::result::Result<(HashMap<PostingId, Arc<Features>>, Broken), Failure> {
        let wanted: BTreeMap<PostingId, BodyDigest> = pairs
            .iter()
            .flat_map(|(a, one, b, other)| [(*a, *one), (*b, *other)])
            .collect();
        let mut found = HashMap::with_capacity(wanted.len());
        let mut lacking = Vec::new();
        {
            let mut known = lock(&self.known);
            for (id, digest) in &wanted {
                match known.get(&(*id, *digest)) {
                    Some(features) => {
                        found.insert(*id, features);
                    }
                    None => lacking.push(*id),
                }
            }
        }
        let mut broken = Broken::new();
        for part in lacking.chunks(BODIES) {
            let postings = bodies.load(part).await?;
            let cores = std::thread::available_parallelism().map_or(2, usize::from);
            let share = postings.len().div_ceil(cores).max(8);
            let read = try_join_all(super::chunks(postings, share).map(|part| {
                let rules = self.rules;
                tokio::task::spawn_blocking(move || {
                    let read = |of: StoredPosting| {
                        let features = caught(|| (rules.features)(&of.posting));
                        (of.state.id, features)
                    };
                    part.into_iter().map(read).collect::<Vec<_>>()
                })
            }))
            .await?;
            let mut known = lock(&self.known);
            for (id, features) in read.into_iter().flatten() {
                match features {
                    Ok(features) => {
                        let features = Arc::new(features);
                        known.insert((id, wanted[&id]), features.clone());
                        found.insert(id, features);
                    }
                    Err(error) => {
                        broken.insert(id, error);
                    }
                }
            }
        }
        Ok((found, broken))
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A map that keeps at least the last `limit` entries that were used, at most twice as many.
struct Recent<K, V> {
    limit: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Eq + Hash + Clone, V: Clone> Recent<K, V> {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let value = self.old.remove(key)?;
        self.insert(key.clone(), value.clone());
        Some(value)
    }

    fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.limit {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}
