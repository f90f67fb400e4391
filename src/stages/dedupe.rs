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
use crate::dedupe::crowd::{self, ALONE, HUMAN, Search, Step, Tie};
use crate::dedupe::{Derived, KEY_CAP};
use crate::model::{Event, Outcome, PostingId, Stage, StoredPosting, VacancyId};
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

    /// Everything that the postings in `due` are connected to or were, read under the lock: in a
    /// crowd, no more of it than their parts.
    async fn gather(
        &self,
        tx: &mut dyn PublicTx,
        due: Vec<StoredPosting>,
    ) -> Result<Gathered, Failure> {
        let known = index(due);
        let due: BTreeSet<PostingId> = known.keys().copied().collect();
        let mut found = Found {
            tie: self.hub.rules.tie,
            search: Search::new(due.clone()),
            gathered: Gathered::new(due.clone()),
            known,
        };
        let ids: Vec<PostingId> = due.iter().copied().collect();
        // What the pairs of those in `due` tied, or tie now: how far.
        let mut ends: BTreeMap<PostingId, Tie> = due.iter().map(|id| (*id, HUMAN)).collect();
        let mut end = |id: PostingId, tie: Tie| {
            let known = ends.entry(id).or_default();
            *known = tie.max(*known);
        };
        for part in ids.chunks(AT_ONCE) {
            let pairs = tx.candidates(part, KEY_CAP).await?;
            let judged = {
                let mut bodies: &mut dyn PublicTx = tx;
                self.verdicts.of(&mut bodies, pairs).await?
            };
            found.gathered.broken.extend(judged.broken);
            found.gathered.features.extend(judged.features);
            let both = judged.edges.iter().flat_map(|edge| [edge.a, edge.b]);
            load(tx, &mut found.known, both).await?;
            for edge in judged.edges {
                let tie = found.tie(edge.a, edge.b, edge.weight);
                found.search.tie(edge.a, edge.b, tie);
                end(edge.a, tie);
                end(edge.b, tie);
                if tie > 0 || edge.outcome != Outcome::Different {
                    found.gathered.edges.push((edge, tie));
                }
            }
        }
        for edge in tx.edges(&ids).await? {
            // With states that are not known any more: at most so far.
            let may = |step: &Step| crowd::by_weight(edge.weight, *step) != Some(false);
            let tie = (0..ALONE).take_while(may).count() as Tie;
            end(edge.a, tie);
            end(edge.b, tie);
        }
        for (a, b) in found.read(tx, &due).await? {
            end(a, HUMAN);
            end(b, HUMAN);
        }
        // Parts that stood without what is due may have become a crowd by it, or been one.
        let mut touched = due;
        for step in 0..=ALONE {
            let reached = ends.iter().filter(|(_, tie)| **tie > step);
            let reached = reached.map(|(id, _)| *id).collect();
            let parts = found.parts(tx, step, true, &reached).await?;
            touched.extend(parts.into_iter().flatten());
        }
        while !touched.is_empty() {
            let mut fresh = Vec::new();
            for step in 0..=ALONE {
                for id in found.parts(tx, step, false, &touched).await?.concat() {
                    touched.remove(&id);
                    found.gathered.steps.insert(id, step);
                    fresh.push(id);
                }
            }
            let mates = tx.clusters(&fresh).await?;
            touched.extend(mates.iter().map(|(id, _)| *id));
            found.gathered.clusters.extend(mates);
            touched.retain(|id| !found.gathered.steps.contains_key(id));
        }
        let included: Vec<PostingId> = found.gathered.steps.keys().copied().collect();
        load(tx, &mut found.known, included.into_iter()).await?;
        Ok(found.finish())
    }
}

/// What is known so far of all that hangs together with what is due.
struct Found {
    tie: fn(i64, &StoredPosting, &StoredPosting) -> Tie,
    search: Search,
    gathered: Gathered,
    known: Postings,
}

impl Found {
    /// How far a verdict ties its two, with the two as they are now; one that is gone is not tied.
    fn tie(&self, a: PostingId, b: PostingId, weight: i64) -> Tie {
        match (self.known.get(&a), self.known.get(&b)) {
            (Some(a), Some(b)) => (self.tie)(weight, a, b),
            _ => 0,
        }
    }

    /// Reads what is stored on the pairs of `ids`; returns which of them people tied.
    async fn read(
        &mut self,
        tx: &mut dyn PublicTx,
        ids: &BTreeSet<PostingId>,
    ) -> Result<Vec<(PostingId, PostingId)>, Failure> {
        let ids: Vec<PostingId> = ids.iter().copied().collect();
        let mut tied = Vec::new();
        for decision in tx.decisions(&ids).await? {
            tied.extend(self.gathered.decide(decision));
        }
        for (a, b) in &tied {
            self.search.tie(*a, *b, HUMAN);
        }
        let due = &self.gathered.due;
        let stored = tx.edges(&ids).await?;
        let stored = stored
            .into_iter()
            .filter(|e| !due.contains(&e.a) && !due.contains(&e.b));
        for edge in stored {
            self.search.weigh(edge.a, edge.b, edge.weight);
            self.gathered.edges.push((edge, 0));
        }
        self.search.has_read(ids);
        Ok(tied)
    }

    /// [`Search::parts`], with what it wants read from the store.
    async fn parts(
        &mut self,
        tx: &mut dyn PublicTx,
        step: Step,
        without: bool,
        sources: &BTreeSet<PostingId>,
    ) -> Result<Vec<Vec<PostingId>>, Failure> {
        loop {
            let wanted = match self.search.parts(step, without, sources) {
                Ok(parts) => {
                    let parts = parts.into_iter().map(|part| part.into_iter().collect());
                    return Ok(parts.collect());
                }
                Err(wanted) => wanted,
            };
            if !wanted.pairs.is_empty() {
                self.read(tx, &wanted.pairs).await?;
            }
            let ends = wanted.ties.keys().flat_map(|(a, b)| [*a, *b]);
            load(tx, &mut self.known, ends).await?;
            for ((a, b), weight) in wanted.ties {
                let tie = self.tie(a, b, weight);
                self.search.tie(a, b, tie);
            }
        }
    }

    /// What was gathered, with its bodies, and without what turned out to be elsewhere.
    fn finish(mut self) -> Gathered {
        let mut edges = std::mem::take(&mut self.gathered.edges);
        let (due, steps) = (&self.gathered.due, &self.gathered.steps);
        edges.retain(|(edge, _)| {
            due.contains(&edge.a)
                || due.contains(&edge.b)
                || steps.contains_key(&edge.a) && steps.contains_key(&edge.b)
        });
        for (edge, tie) in &mut edges {
            *tie = self.tie(edge.a, edge.b, edge.weight);
        }
        self.gathered.edges = edges;
        self.gathered.distinct_edges();
        self.gathered.take(&self.known);
        self.gathered
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
        crate::fault::point("dedupe.derived");
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
