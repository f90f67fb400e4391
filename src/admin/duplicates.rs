//! What people are asked about duplicates, read from the store. Answers are [`super::decisions`].

use crate::dedupe::crowd::{self, ALONE, HUMAN, Search, Step};
use crate::dedupe::{Explanation, Review};
use crate::model::{Decision, Edge, Outcome, PostingId, StoredPosting, VacancyId, VacancyStatus};
use crate::store::{Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};

/// Rows read at a time.
const AT_ONCE: usize = 500;

/// Why two offers are not explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    #[error("there is no offer {0}: give the id of a vacancy or of one of its postings")]
    Unknown(VacancyId),
    #[error("{0} and {1} are one posting: give two")]
    One(VacancyId, VacancyId),
    #[error("the evidence could not be read")]
    Store(#[from] StoreError),
}

/// The evidence on two offers, each given by the id of a posting, or of the vacancy it founded.
///
/// # Errors
/// An id that nobody knows, a pair of one, or the store's.
pub async fn explain(
    store: &dyn Store,
    one: VacancyId,
    other: VacancyId,
) -> Result<Explanation, ExplainError> {
    let (first, second) = (posting(store, one).await?, posting(store, other).await?);
    if first.state.id == second.state.id {
        return Err(ExplainError::One(one, other));
    }
    let decisions = store.decisions().await?;
    let homes = [
        home(store, first.state.id).await?,
        home(store, second.state.id).await?,
    ];
    let explained = Explanation::of((&first, homes[0]), (&second, homes[1]), &decisions);
    if !explained.wants_reason() {
        return Ok(explained);
    }
    let step = step(store, first.state.id).await?;
    Ok(explained.crowded(step))
}

/// How little counts where a posting stands, since it is in a crowd; reads no further than a
/// crowd's limit.
async fn step(store: &dyn Store, id: PostingId) -> Result<Step, StoreError> {
    let mut tx = store.lock_public().await?;
    let (mut search, mut known) = (Search::default(), BTreeMap::new());
    let sources = BTreeSet::from([id]);
    let mut step = 0;
    while step < ALONE {
        let wanted = match search.parts(step, false, &sources) {
            Ok(parts) if parts.is_empty() => {
                step += 1;
                continue;
            }
            Ok(_) => return Ok(step),
            Err(wanted) => wanted,
        };
        let ids: Vec<PostingId> = wanted.pairs.into_iter().collect();
        for edge in tx.edges(&ids).await? {
            search.weigh(edge.a, edge.b, edge.weight);
        }
        for decision in tx.decisions(&ids).await? {
            if let (true, Some(object)) = (decision.kind.ties(), decision.object) {
                search.tie(decision.subject, object, HUMAN);
            }
        }
        search.has_read(ids);
        let ends: BTreeSet<PostingId> = wanted.ties.keys().flat_map(|(a, b)| [*a, *b]).collect();
        let ends: Vec<PostingId> = ends.into_iter().collect();
        let found = tx.load_normalised(&ends).await?;
        known.extend(found.into_iter().map(|p| (p.state.id, p)));
        for ((a, b), weight) in wanted.ties {
            let tie = match (known.get(&a), known.get(&b)) {
                (Some(p), Some(q)) => crowd::tie(weight, p, q),
                _ => 0,
            };
            search.tie(a, b, tie);
        }
    }
    Ok(ALONE)
}

async fn posting(store: &dyn Store, id: VacancyId) -> Result<StoredPosting, ExplainError> {
    let mut found = store.load_normalised(&[PostingId(id.0)]).await?;
    found.pop().ok_or(ExplainError::Unknown(id))
}

/// The vacancy in which a posting stands.
async fn home(store: &dyn Store, id: PostingId) -> Result<Option<VacancyId>, StoreError> {
    let trace = store.trace(id).await?;
    Ok(trace.and_then(|t| t.vacancy).map(|v| v.id))
}

/// What the questions are made from.
pub struct World {
    postings: Vec<StoredPosting>,
    home: BTreeMap<PostingId, VacancyId>,
    edges: Vec<Edge>,
    decisions: Vec<Decision>,
}

impl World {
    /// The questions, as [`Review::of`] makes them; seconds of one core in a large hub.
    pub fn review(&self, all: bool) -> Review {
        Review::of(
            &self.postings,
            &self.home,
            &self.edges,
            &self.decisions,
            all,
        )
    }

    /// # Errors
    /// The store's.
    pub async fn read(store: &dyn Store) -> Result<Self, StoreError> {
        let ids = store.posting_ids(None).await?;
        let decisions = store.decisions().await?;
        // One consistent view of edges and clusters; the lock is given back before any work.
        let mut tx = store.lock_public().await?;
        let (mut home, mut edges) = (BTreeMap::new(), Vec::new());
        for part in ids.chunks(AT_ONCE) {
            home.extend(tx.clusters(part).await?);
            let stored = tx.edges(part).await?;
            edges.extend(
                stored
                    .into_iter()
                    .filter(|e| e.outcome != Outcome::Different),
            );
        }
        drop(tx);
        edges.sort_by_key(|e| (e.a, e.b));
        edges.dedup_by_key(|e| (e.a, e.b));
        let across = |e: &&Edge| home.get(&e.a) != home.get(&e.b);
        let mut wanted: BTreeSet<VacancyId> = BTreeSet::new();
        for edge in edges.iter().filter(across) {
            wanted.extend([home.get(&edge.a), home.get(&edge.b)].into_iter().flatten());
        }
        let decided: BTreeSet<PostingId> = decisions
            .iter()
            .flat_map(|d| [Some(d.subject), d.object])
            .flatten()
            .collect();
        wanted.extend(decided.iter().filter_map(|id| home.get(id)));
        let mut live = BTreeSet::new();
        for vacancy in wanted {
            let stored = store.vacancy(vacancy).await?;
            let asked = |status: &VacancyStatus| {
                matches!(status, VacancyStatus::Live | VacancyStatus::Private)
            };
            if stored.is_some_and(|v| asked(&v.status)) {
                live.insert(vacancy);
            }
        }
        let needed: Vec<PostingId> = home
            .iter()
            .filter(|(_, vacancy)| live.contains(vacancy))
            .map(|(id, _)| *id)
            .collect();
        let mut postings = Vec::new();
        for part in needed.chunks(AT_ONCE) {
            postings.extend(store.load_normalised(part).await?);
        }
        Ok(Self {
            postings,
            home,
            edges,
            decisions,
        })
    }
}
