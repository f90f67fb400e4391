//! Verdicts on pairs, computed on blocking threads from features that are remembered: a pair's
//! verdict depends on the bodies of the two postings alone, and a body on nothing while its digest
//! stays.

use super::{Failure, Rules, caught};
use crate::dedupe::Features;
use crate::model::{Edge, PostingId, StoredPosting};
use crate::store::{BodyDigest, PublicTx, Result, Store};
use async_trait::async_trait;
use futures::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Features remembered, twice over: two to four kilobytes each.
const KNOWN: usize = 12_000;

/// Bodies in memory while features are read of them.
const BODIES: usize = 500;

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

/// Features by posting, of the body with that digest; shared by the stages of a process, so that
/// each body is read once.
#[derive(Clone)]
pub(super) struct Known(Arc<Mutex<Read>>);

type Read = Recent<PostingId, (BodyDigest, Arc<Features>)>;

impl Known {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Recent::new(KNOWN))))
    }

    pub fn add(&self, id: PostingId, digest: BodyDigest, features: Arc<Features>) {
        self.lock().insert(id, (digest, features));
    }

    /// Splits `wanted` into what is known and what must be read.
    fn of(
        &self,
        wanted: &[(PostingId, BodyDigest)],
    ) -> (HashMap<PostingId, Arc<Features>>, Vec<PostingId>) {
        let mut found = HashMap::with_capacity(wanted.len());
        let mut lacking = Vec::new();
        let mut known = self.lock();
        for (id, digest) in wanted {
            match known.get(id) {
                Some((of, features)) if of == *digest => drop(found.insert(*id, features)),
                _ => lacking.push(*id),
            }
        }
        (found, lacking)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Read> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Verdicts {
    rules: Rules,
    known: Known,
}

impl Verdicts {
    pub fn new(rules: Rules, known: Known) -> Self {
        Self { rules, known }
    }

    /// The verdict on each of `pairs` of which both bodies are stored, each pair once, without
    /// those that say nothing worth keeping.
    pub async fn of(
        &self,
        bodies: &mut dyn Bodies,
        pairs: Vec<(PostingId, PostingId)>,
    ) -> std::result::Result<(Vec<Edge>, Broken), Failure> {
        let mut pairs: Vec<(PostingId, PostingId)> = pairs
            .into_iter()
            .filter(|(a, b)| a != b)
            .map(|(a, b)| (a.min(b), a.max(b)))
            .collect();
        pairs.sort_unstable();
        pairs.dedup();
        let ends: BTreeSet<PostingId> = pairs.iter().flat_map(|(a, b)| [*a, *b]).collect();
        let (features, mut broken) = self.features(bodies, ends.into_iter().collect()).await?;
        let features = Arc::new(features);
        let share = pairs.len().div_ceil(cores()).max(64);
        let computed = try_join_all(super::chunks(pairs, share).map(|part| {
            let (rules, features) = (self.rules, features.clone());
            tokio::task::spawn_blocking(move || {
                let judge = |(a, b): (PostingId, PostingId)| {
                    let (one, other) = (features.get(&a)?, features.get(&b)?);
                    match caught(|| (rules.compare)(one, other)) {
                        Ok(edge) => edge.map(Ok),
                        Err(error) => Some(Err([(a, error.clone()), (b, error)])),
                    }
                };
                part.into_iter().filter_map(judge).collect::<Vec<_>>()
            })
        }))
        .await?;
        let mut edges = Vec::new();
        for judged in computed.into_iter().flatten() {
            match judged {
                Ok(edge) => edges.push(edge),
                Err(ends) => broken.extend(ends),
            }
        }
        Ok((edges, broken))
    }

    /// The features of `ids`, remembered or read of their bodies.
    pub async fn features(
        &self,
        bodies: &mut dyn Bodies,
        ids: Vec<PostingId>,
    ) -> std::result::Result<(HashMap<PostingId, Arc<Features>>, Broken), Failure> {
        let digests = bodies.digests(&ids).await?;
        let (mut found, lacking) = self.known.of(&digests);
        let digests: HashMap<PostingId, BodyDigest> = digests.into_iter().collect();
        let mut broken = Broken::new();
        for part in lacking.chunks(BODIES) {
            let postings = bodies.load(part).await?;
            let share = postings.len().div_ceil(cores()).max(8);
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
            for (id, features) in read.into_iter().flatten() {
                match features {
                    Ok(features) => {
                        let features = Arc::new(features);
                        self.known.add(id, digests[&id], features.clone());
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

pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
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
