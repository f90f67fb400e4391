//! What a batch touches, as connected components that are derived one by one.

use super::Rules;
use super::dedupe::Postings;
use super::verdicts::Broken;
use crate::dedupe::crowd::{self, ALONE, Forest, HUMAN, Step, Tie};
use crate::dedupe::{Derived, Features};
use crate::model::{Decision, Edge, Network, PostingId, StoredPosting, VacancyId};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Everything that the postings of a batch are connected to.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Postings whose events are worked on.
    pub due: BTreeSet<PostingId>,
    /// Verdicts, and how far each ties its two.
    pub edges: Vec<(Edge, Tie)>,
    /// What is included, each at its step of a crowd.
    pub steps: BTreeMap<PostingId, Step>,
    /// The cluster that each posting is in as stored.
    pub clusters: BTreeMap<PostingId, VacancyId>,
    /// Postings that the rules broke down on, and how.
    pub broken: Broken,
    /// Features of those that were compared.
    pub features: HashMap<PostingId, Arc<Features>>,
    decisions: Vec<Decision>,
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

    /// Takes a decision in; returns the two postings that it ties.
    pub fn decide(&mut self, decision: Decision) -> Option<(PostingId, PostingId)> {
        if self.decisions.contains(&decision) {
            return None;
        }
        let tied = decision.object.filter(|_| ties(&decision));
        let tied = tied.map(|object| (decision.subject, object));
        self.decisions.push(decision);
        tied
    }

    /// Finds the step of all that is included, which is everything that hangs together with it.
    pub fn find_steps(&mut self) {
        let ids: Vec<PostingId> = self.steps.keys().copied().collect();
        let pair = |a: &PostingId, b: &PostingId| {
            Some((ids.binary_search(a).ok()?, ids.binary_search(b).ok()?))
        };
        let judged = self.edges.iter();
        let judged = judged.filter_map(|(edge, tie)| Some((pair(&edge.a, &edge.b)?, *tie)));
        let tied = self.decisions.iter().filter(|d| ties(d));
        let tied = tied.filter_map(|d| Some((pair(&d.subject, &d.object?)?, HUMAN)));
        let ties: Vec<(usize, usize, Tie)> = judged
            .chain(tied)
            .map(|((a, b), tie)| (a, b, tie))
            .collect();
        let steps = crowd::steps(ids.len(), &ties);
        self.steps = ids.into_iter().zip(steps).collect();
    }

    /// Takes the bodies of what is included.
    pub fn take(&mut self, known: &Postings) {
        let included = self.steps.keys();
        self.postings = included
            .filter_map(|id| Some((*id, known.get(id)?.clone())))
            .collect();
    }

    /// Splits into components, in order of their smallest posting.
    pub fn components(self) -> Vec<Component> {
        let ids: Vec<PostingId> = self.postings.keys().copied().collect();
        let place = |id: &PostingId| ids.binary_search(id).ok();
        let mut forest = Forest::new(ids.len());
        let step = |id: &PostingId| self.steps.get(id).copied().unwrap_or(ALONE);
        let joined = self.edges.iter().filter(|(edge, tie)| {
            let (one, other) = (step(&edge.a), step(&edge.b));
            one == other && *tie > one
        });
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
            component.step = step(id);
            if let Some(features) = self.features.get(id) {
                component.features.insert(*id, features.clone());
            }
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

fn ties(decision: &Decision) -> bool {
    decision.kind.ties()
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
    /// How little counts in it, as part of a crowd.
    step: Step,
    decisions: Vec<Decision>,
    features: HashMap<PostingId, Arc<Features>>,
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
        let postings: Vec<&StoredPosting> = self.postings.iter().map(|p| &**p).collect();
        (rules.derive)(
            &postings,
            &|id| self.features.get(&id).map(|features| &**features),
            &self.edges,
            &self.decisions,
            network,
            now,
            self.step,
        )
    }

    /// The verdicts to store: those of the postings worked on.
    pub fn new_edges(&self) -> impl Iterator<Item = &Edge> {
        let due = &self.due;
        let own = self.edges.iter();
        own.filter(move |e| due.contains(&e.a) || due.contains(&e.b))
    }
}
