//! Verdicts on pairs, computed on blocking threads from features that are remembered: a pair's
//! verdict depends on the bodies of the two postings alone, and a body on nothing while its digest
//! stays. What is not in memory is in the store; what is not there is read of the body.

use super::{Failure, Rules, caught};
use crate::dedupe::Features;
use crate::model::{Edge, Posting, PostingId};
use crate::store::{BodyDigest, KeptFeatures, PublicTx, Result, Store};
use async_trait::async_trait;
use bytes::Bytes;
use futures::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of features remembered, twice over: about one and a half to three kilobytes each.
const KNOWN: usize = 24 << 20;

/// Bodies in memory while features are read of them.
const BODIES: usize = 500;
/// Features that one commit keeps at most.
const KEPT: usize = 1000;

/// Postings of pairs that the rules broke down on, and what the rules said.
pub(super) type Broken = BTreeMap<PostingId, String>;

/// What verdicts are made from, read with or without the hub-wide lock.
#[async_trait]
pub(super) trait Bodies: Send {
    async fn digests(&mut self, ids: &[PostingId]) -> Result<Vec<(PostingId, BodyDigest)>>;
    async fn features(&mut self, ids: &[PostingId]) -> Result<Vec<KeptFeatures>>;
    async fn bodies(&mut self, ids: &[PostingId]) -> Result<Vec<(Posting, BodyDigest)>>;
}

#[async_trait]
impl Bodies for &dyn Store {
    async fn digests(&mut self, ids: &[PostingId]) -> Result<Vec<(PostingId, BodyDigest)>> {
        Store::digests(*self, ids).await
    }

    async fn features(&mut self, ids: &[PostingId]) -> Result<Vec<KeptFeatures>> {
        Store::features(*self, ids).await
    }

    async fn bodies(&mut self, ids: &[PostingId]) -> Result<Vec<(Posting, BodyDigest)>> {
        Store::bodies(*self, ids).await
    }
}

#[async_trait]
impl Bodies for &mut dyn PublicTx {
    async fn digests(&mut self, ids: &[PostingId]) -> Result<Vec<(PostingId, BodyDigest)>> {
        PublicTx::digests(*self, ids).await
    }

    async fn features(&mut self, ids: &[PostingId]) -> Result<Vec<KeptFeatures>> {
        PublicTx::features(*self, ids).await
    }

    async fn bodies(&mut self, ids: &[PostingId]) -> Result<Vec<(Posting, BodyDigest)>> {
        PublicTx::bodies(*self, ids).await
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
        let weight = features.weight();
        self.lock().insert(id, (digest, features), weight);
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

/// What became of pairs.
pub(super) struct Judged {
    /// Without those that say nothing worth keeping.
    pub edges: Vec<Edge>,
    /// Features of the ends of these.
    pub features: HashMap<PostingId, Arc<Features>>,
    pub broken: Broken,
}

pub(super) struct Verdicts {
    rules: Rules,
    known: Known,
    /// Read of bodies since the last commit, which is to keep them.
    read: Mutex<Vec<KeptFeatures>>,
}

impl Verdicts {
    pub fn new(rules: Rules, known: Known) -> Self {
        Self {
            rules,
            known,
            read: Mutex::default(),
        }
    }

    /// The verdict on each of `pairs` of which both bodies are stored, each pair once.
    pub async fn of(
        &self,
        bodies: &mut dyn Bodies,
        pairs: Vec<(PostingId, PostingId)>,
    ) -> std::result::Result<Judged, Failure> {
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
        let mut edges: Vec<Edge> = Vec::new();
        for judged in computed.into_iter().flatten() {
            match judged {
                Ok(edge) => edges.push(edge),
                Err(ends) => broken.extend(ends),
            }
        }
        let ends = edges.iter().flat_map(|edge| [edge.a, edge.b]);
        let features = ends.filter_map(|id| Some((id, features.get(&id)?.clone())));
        Ok(Judged {
            features: features.collect(),
            edges,
            broken,
        })
    }

    /// The features of `ids`: remembered, kept in the store, or read of their bodies.
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
            let mut kept = bodies.features(part).await?;
            kept.retain(|(id, digest, _)| digests.get(id) == Some(digest));
            let unpacked = on_all_cores(kept, |(id, digest, bytes)| {
                Some((id, digest, Arc::new(Features::unpack(&bytes)?)))
            });
            for (id, digest, features) in unpacked.await?.into_iter().flatten() {
                self.known.add(id, digest, features.clone());
                found.insert(id, features);
            }
            let unread = part.iter().filter(|id| !found.contains_key(*id));
            let unread: Vec<PostingId> = unread.copied().collect();
            if unread.is_empty() {
                continue;
            }
            let rules = self.rules;
            let read = on_all_cores(bodies.bodies(&unread).await?, move |(posting, digest)| {
                let features = caught(|| (rules.features)(&posting));
                let features = features.map(|features| {
                    let kept = Bytes::from(features.pack());
                    (digest, kept, Arc::new(features))
                });
                (posting.id, features)
            });
            for (id, features) in read.await? {
                match features {
                    Ok((digest, kept, features)) => {
                        self.known.add(id, digest, features.clone());
                        found.insert(id, features);
                        self.lock().push((id, digest, kept));
                    }
                    Err(error) => {
                        broken.insert(id, error);
                    }
                }
            }
        }
        Ok((found, broken))
    }

    /// Features read of bodies, for the next commit to keep. What a failing commit does not keep is
    /// read again some day.
    pub fn to_keep(&self) -> Vec<KeptFeatures> {
        let mut read = self.lock();
        let rest = read.len().saturating_sub(KEPT);
        read.split_off(rest)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<KeptFeatures>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `work` on each of `items`, in their order, on blocking threads.
async fn on_all_cores<T: Send + 'static, U: Send + 'static>(
    items: Vec<T>,
    work: impl Fn(T) -> U + Copy + Send + 'static,
) -> std::result::Result<Vec<U>, Failure> {
    let share = items.len().div_ceil(cores()).max(8);
    let done = try_join_all(super::chunks(items, share).map(|part| {
        tokio::task::spawn_blocking(move || part.into_iter().map(work).collect::<Vec<_>>())
    }));
    Ok(done.await?.into_iter().flatten().collect())
}

pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// A map that keeps what was used last: at least `limit` in weight, at most twice as much.
struct Recent<K, V> {
    limit: usize,
    weight: usize,
    young: HashMap<K, (V, usize)>,
    old: HashMap<K, (V, usize)>,
}

impl<K: Eq + Hash + Clone, V: Clone> Recent<K, V> {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            weight: 0,
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    fn get(&mut self, key: &K) -> Option<V> {
        if let Some((value, _)) = self.young.get(key) {
            return Some(value.clone());
        }
        let (value, weight) = self.old.remove(key)?;
        self.insert(key.clone(), value.clone(), weight);
        Some(value)
    }

    fn insert(&mut self, key: K, value: V, weight: usize) {
        if self.weight >= self.limit {
            self.old = std::mem::take(&mut self.young);
            self.weight = 0;
        }
        self.old.remove(&key);
        let before = self.young.insert(key, (value, weight));
        self.weight = self.weight + weight - before.map_or(0, |(_, weight)| weight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_last_is_remembered_within_its_weight() {
        let mut recent = Recent::new(100);
        for n in 0..1000_u32 {
            recent.insert(n, n, 10);
            assert_eq!(recent.get(&0), Some(0), "used all the time");
            assert!(recent.young.len() + recent.old.len() <= 20);
        }
        for n in 991..1000 {
            assert_eq!(recent.get(&n), Some(n));
        }
        for _ in 0..1000 {
            recent.insert(1, 1, 10);
        }
        assert_eq!(
            recent.get(&999),
            Some(999),
            "one that comes again weighs once"
        );
    }
}
