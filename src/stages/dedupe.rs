//! Stage two: verdicts on pairs, clusters, vacancies and their changes.
//!
//! First, where other workers want the hub-wide lock too, what candidates are judged by is read
//! without it; then, under the lock, they are looked for again and judged, and the batch is written
//! as one commit.

use super::component::{Component, Gathered};
use super::normalise::{refuse, wanted};
use super::pipeline::inbox;
use super::verdicts::{Known, Verdicts, cores};
use super::{Exceptions, Failure, Hub, Worker, caught, chunks, derive};
use crate::bus::Verdict;
use crate::dedupe::{Derived, KEY_CAP};
use crate::model::{Edge, Event, Outcome, PostingId, Stage, StoredPosting, VacancyId};
use crate::store::{PublicCommit, PublicTx, Store};
use async_trait::async_trait;
use futures::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::spawn_blocking;

/// Postings whose candidates are compared at a time.
const AT_ONCE: usize = 100;
/// A lock that takes longer to come is held by another worker.
const CONTENDED: Duration = Duration::from_millis(20);

pub(super) type Postings = BTreeMap<PostingId, Arc<StoredPosting>>;

pub(super) struct Dedupe {
    hub: Hub,
    verdicts: Verdicts,
    /// Whether others wanted the lock when it was taken last.
    contended: AtomicBool,
}

impl Dedupe {
    pub fn new(hub: Hub, known: Known) -> Self {
        let verdicts = Verdicts::new(hub.rules, known);
        Self {
            hub,
            verdicts,
            contended: AtomicBool::new(true),
        }
    }

    /// Reads what the batch's candidates are judged by, so that little is left under the lock.
    async fn read_ahead(&self, ids: &[PostingId]) -> Result<(), Failure> {
        for part in ids.chunks(AT_ONCE) {
            let pairs = self.hub.store.candidates(part, KEY_CAP).await?;
            let ends: BTreeSet<PostingId> = pairs.iter().flat_map(|(a, b)| [*a, *b]).collect();
            let mut bodies: &dyn Store = &*self.hub.store;
            let ends = ends.into_iter().collect();
            self.verdicts.features(&mut bodies, ends).await?;
        }
        Ok(())
    }

    /// Everything that the postings in `due` are connected to, read under the lock.
    async fn gather(
        &self,
        tx: &mut dyn PublicTx,
        due: Vec<StoredPosting>,
    ) -> Result<Gathered, Failure> {
        let mut known = index(due);
        let due: Vec<PostingId> = known.keys().copied().collect();
        let mut gathered = Gathered::new(due.iter().copied().collect());
        let mut frontier: BTreeSet<PostingId> = gathered.due.clone();
        for part in due.chunks(AT_ONCE) {
            let pairs = tx.candidates(part, KEY_CAP).await?;
            let (fresh, broken) = {
                let mut bodies: &mut dyn PublicTx = tx;
                self.verdicts.of(&mut bodies, pairs).await?
            };
            gathered.broken.extend(broken);
            let ends = fresh.iter().flat_map(|edge| [edge.a, edge.b]);
            load(tx, &mut known, ends).await?;
            for edge in fresh {
                let joins = self.joins(&edge, &known);
                if joins {
                    frontier.extend([edge.a, edge.b]);
                }
                if joins || edge.outcome != Outcome::Different {
                    gathered.edges.push((edge, joins));
                }
            }
        }
        load(tx, &mut known, frontier.iter().copied()).await?;
        gathered.distinct_edges();
        while !frontier.is_empty() {
            let ids: Vec<PostingId> = frontier.iter().copied().collect();
            gathered.include(&ids);
            let clusters = tx.clusters(&ids).await?;
            let decisions = tx.decisions(&ids).await?;
            let stored = tx.edges(&ids).await?;
            let stored: Vec<Edge> = stored
                .into_iter()
                .filter(|e| !gathered.due.contains(&e.a) && !gathered.due.contains(&e.b))
                .collect();
            let mut next: BTreeSet<PostingId> = clusters.iter().map(|(id, _)| *id).collect();
            gathered.clusters.extend(clusters);
            for decision in decisions {
                next.extend(gathered.decide(decision));
            }
            let ends = stored.iter().flat_map(|e| [e.a, e.b]);
            load(tx, &mut known, ends.chain(next.iter().copied())).await?;
            for edge in stored {
                let joins = self.joins(&edge, &known);
                if joins {
                    next.extend([edge.a, edge.b]);
                }
                gathered.edges.push((edge, joins));
            }
            frontier = next
                .into_iter()
                .filter(|id| known.contains_key(id) && !gathered.includes(id))
                .collect();
        }
        gathered.take(&known);
        Ok(gathered)
    }

    /// Whether a pair may end in one cluster, with the two as they are now.
    fn joins(&self, edge: &Edge, known: &Postings) -> bool {
        match (known.get(&edge.a), known.get(&edge.b)) {
            (Some(a), Some(b)) => (self.hub.rules.joins)(edge, a, b),
            _ => false,
        }
    }
}

#[async_trait]
impl Worker for Dedupe {
    fn stage(&self) -> Stage {
        Stage::Dedupe
    }

    async fn work(&self, events: &[Event]) -> Result<Exceptions, Failure> {
        let now = self.hub.clock.now();
        let mut exceptions = Exceptions::new();
        let wanted = wanted(events, &mut exceptions);
        let ids: Vec<PostingId> = wanted.keys().copied().collect();
        // Where nobody else wants the lock, reading twice would only cost.
        if !self.hub.bus.exclusive() && self.contended.load(Ordering::Relaxed) {
            self.read_ahead(&ids).await?;
        }
        crate::fault::barrier("dedupe.candidates").await;
        let asked = Instant::now();
        let mut tx = self.hub.store.lock_public().await?;
        let contended = asked.elapsed() > CONTENDED;
        self.contended.store(contended, Ordering::Relaxed);
        let loaded = tx.load_normalised(&ids).await?;
        let due: Vec<StoredPosting> = loaded
            .into_iter()
            .filter(|p| wanted[&p.state.id] || !covered(p))
            .collect();
        let mut commit = PublicCommit::default();
        if !due.is_empty() {
            let gathered = self.gather(&mut *tx, due).await?;
            let (broken, whole) = self.derive(gathered, now).await?;
            for (ids, error) in broken {
                for id in ids {
                    refuse(events, id, &Verdict::Retry(error.clone()), &mut exceptions);
                }
            }
            let touched: BTreeSet<VacancyId> =
                whole.iter().flat_map(|(c, _)| c.vacancies()).collect();
            let touched: Vec<VacancyId> = touched.into_iter().collect();
            let stored = tx.vacancies(&touched).await?;
            let stored = Arc::new(stored.into_iter().map(|v| (v.id, v)).collect());
            let share = share(whole.len());
            let written = try_join_all(chunks(whole, share).map(|part| {
                let stored = Arc::clone(&stored);
                spawn_blocking(move || derive::write(&part, &stored, now))
            }));
            for part in written.await? {
                commit.append(part?);
            }
            commit.events.extend(derive::announced(&commit, now));
        }
        commit.features = self.verdicts.to_keep();
        let inbox = inbox(Stage::Dedupe, events, &exceptions, now);
        tx.commit(commit, &inbox).await?;
        Ok(exceptions)
    }
}

/// Postings whose component the rules broke down on, and why; and what was derived of the others.
type DerivedAll = (
    Vec<(Vec<PostingId>, String)>,
    Vec<(Component, Vec<Derived>)>,
);

impl Dedupe {
    async fn derive(
        &self,
        gathered: Gathered,
        now: jiff::Timestamp,
    ) -> Result<DerivedAll, Failure> {
        let (files, rules) = (self.hub.files.get(), self.hub.rules);
        let components = spawn_blocking(move || gathered.components()).await?;
        let share = share(components.len());
        let derived = try_join_all(chunks(components, share).map(|part| {
            let files = Arc::clone(&files);
            spawn_blocking(move || {
                let derive = |component: Component| {
                    let derived = match &component.broken {
                        Some(error) => Err(error.clone()),
                        None => caught(|| component.derive(&rules, &files.network, now)),
                    };
                    (component, derived)
                };
                part.into_iter().map(derive).collect::<Vec<_>>()
            })
        }));
        let mut all: DerivedAll = (Vec::new(), Vec::new());
        for (component, derived) in derived.await?.into_iter().flatten() {
            match derived {
                Ok(derived) => all.1.push((component, derived)),
                Err(error) => all.0.push((component.due(), error)),
            }
        }
        Ok(all)
    }
}

/// Components that one core works on, so that all have some; each share costs a thread's turn.
fn share(components: usize) -> usize {
    components.div_ceil(cores()).max(16)
}

fn covered(posting: &StoredPosting) -> bool {
    posting
        .deduped
        .is_some_and(|done| done.covers(posting.made_from))
}

fn index(postings: Vec<StoredPosting>) -> Postings {
    let indexed = postings.into_iter().map(|p| (p.state.id, Arc::new(p)));
    indexed.collect()
}

/// Reads those of `ids` that are not in `known` yet.
async fn load(
    tx: &mut dyn PublicTx,
    known: &mut Postings,
    ids: impl Iterator<Item = PostingId>,
) -> Result<(), Failure> {
    let missing: BTreeSet<PostingId> = ids.filter(|id| !known.contains_key(id)).collect();
    if !missing.is_empty() {
        let missing: Vec<PostingId> = missing.into_iter().collect();
        known.extend(index(tx.load_normalised(&missing).await?));
    }
    Ok(())
}
