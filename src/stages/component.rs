//! What a batch touches, as connected components that are derived one by one.

use super::Rules;
use super::dedupe::Postings;
use super::verdicts::Broken;
use crate::dedupe::Derived;
use crate::model::{Decision, DecisionKind, Edge, Network, PostingId, StoredPosting, VacancyId};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Everything that the postings of a batch are connected to.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Postings whose events are worked on.
    pub due: BTreeSet<PostingId>,
    /// Verdicts, and whether each may join its two.
    pub edges: Vec<(Edge, bool)>,
    /// The cluster that each posting is in as stored.
    pub clusters: BTreeMap<PostingId, VacancyId>,
    /// Postings that the rules broke down on, and how.
    pub broken: Broken,
    decisions: Vec<Decision>,
    included: BTreeSet<PostingId>,
    postings: Postings,
}

impl Gathered {
    pub fn new(due: BTreeSet<PostingId>) -> Self {
        Self {
            due,
            ..Self::default()
        }
    }

    /// A pair of which both are worked on was found from either side.
    pub fn distinct_edges(&mut self) {
        self.edges.sort_by_key(|(edge, _)| (edge.a, edge.b));
        self.edges.dedup_by_key(|(edge, _)| (edge.a, edge.b));
    }

    pub fn include(&mut self, ids: &[PostingId]) {
        self.included.extend(ids);
    }

    pub fn includes(&self, id: &PostingId) -> bool {
        self.included.contains(id)
    }

    /// Takes a decision in; returns the postings that it ties to what is included.
    pub fn decide(&mut self, decision: Decision) -> Vec<PostingId> {
        if self.decisions.contains(&decision) {
            return Vec::new();
        }
        let tied = match (ties(&decision), decision.object) {
            (true, Some(object)) => vec![decision.subject, object],
            _ => Vec::new(),
        };
        self.decisions.push(decision);
        tied
    }

    /// Takes the bodies of what is included.
    pub fn take(&mut self, known: &Postings) {
        let included = self.included.iter();
        self.postings = included
            .filter_map(|id| Some((*id, known.get(id)?.clone())))
            .collect();
    }

    /// Splits into components, in order of their smallest posting.
    pub fn components(self) -> Vec<Component> {
        let ids: Vec<PostingId> = self.postings.keys().copied().collect();
        let place = |id: &PostingId| ids.binary_search(id).ok();
        let mut forest = Forest::new(ids.len());
        let joined = self.edges.iter().filter(|(_, joins)| *joins);
        let joined = joined.map(|(edge, _)| (edge.a, edge.b));
        let tied = self.decisions.iter().filter(|d| ties(d));
        let tied = tied.filter_map(|d| Some((d.subject, d.object?)));
        for (a, b) in joined.chain(tied) {
            if let (Some(a), Some(b)) = (place(&a), place(&b)) {
                forest.join(a, b);
            }
        }
        let mut components: BTreeMap<usize, Component> = BTreeMap::new();
        for (at, id) in ids.iter().enumerate() {
            let component = components.entry(forest.root(at)).or_default();
            component.postings.push(self.postings[id].clone());
            if let Some(cluster) = self.clusters.get(id) {
                component.clusters.insert(*id, *cluster);
            }
            if self.due.contains(id) {
                component.due.insert(*id);
            }
            if let Some(error) = self.broken.get(id).filter(|_| self.due.contains(id)) {
                component.broken = Some(error.clone());
            }
        }
        let mut of = |id: &PostingId| place(id).map(|at| forest.root(at));
        for (edge, _) in self.edges {
            // An edge between two components is a question only; the stage of either stores it.
            let roots = [of(&edge.a), of(&edge.b)];
            let home = match roots {
                [Some(root), _] if self.due.contains(&edge.a) => Some(root),
                [_, Some(root)] => Some(root),
                [Some(root), None] => Some(root),
                [None, None] => None,
            };
            if let Some(component) = home.and_then(|root| components.get_mut(&root)) {
                component.edges.push(edge);
            }
        }
        for decision in self.decisions {
            let roots = [Some(decision.subject), decision.object];
            let roots: BTreeSet<usize> = roots.iter().flatten().filter_map(&mut of).collect();
            for root in roots {
                if let Some(component) = components.get_mut(&root) {
                    component.decisions.push(decision.clone());
                }
            }
        }
        components.into_values().collect()
    }
}

/// Whether a decision holds two postings together until a later one says otherwise; which is the
/// later one, `derive` knows.
fn ties(decision: &Decision) -> bool {
    matches!(decision.kind, DecisionKind::Same | DecisionKind::Rekey)
}

/// Postings that may be one vacancy or several, and nothing outside them may be part of those.
#[derive(Debug, Default)]
pub(super) struct Component {
    /// By id.
    pub postings: Vec<Arc<StoredPosting>>,
    /// Those whose events are worked on.
    pub due: BTreeSet<PostingId>,
    /// Verdicts that touch it; both ends are inside unless one is a question about an outsider.
    pub edges: Vec<Edge>,
    pub clusters: BTreeMap<PostingId, VacancyId>,
    pub broken: Option<String>,
    decisions: Vec<Decision>,
}

impl Component {
    pub fn due(&self) -> Vec<PostingId> {
        self.due.iter().copied().collect()
    }

    /// The ids under which these postings are, were or may be published.
    pub fn vacancies(&self) -> impl Iterator<Item = VacancyId> + '_ {
        let own = self.postings.iter().map(|p| p.state.id.vacancy());
        own.chain(self.clusters.values().copied())
    }

    pub fn derive(&self, rules: &Rules, network: &Network, now: Timestamp) -> Vec<Derived> {
        let postings: Vec<StoredPosting> = self
            .postings
            .iter()
            .map(|p| StoredPosting::clone(p))
            .collect();
        (rules.derive)(&postings, &self.edges, &self.decisions, network, now)
    }

    /// The verdicts to store: those of the postings worked on.
    pub fn new_edges(&self) -> impl Iterator<Item = &Edge> {
        let due = &self.due;
        let own = self.edges.iter();
        own.filter(move |e| due.contains(&e.a) || due.contains(&e.b))
    }
}

/// Disjoint sets of `0..n`.
struct Forest(Vec<usize>);

impl Forest {
    fn new(n: usize) -> Self {
        Self((0..n).collect())
    }

    fn root(&mut self, mut of: usize) -> usize {
        while self.0[of] != of {
            self.0[of] = self.0[self.0[of]];
            of = self.0[of];
        }
        of
    }

    /// The smaller root stays.
    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        let (low, high) = (a.min(b), a.max(b));
        self.0[high] = low;
    }
}
