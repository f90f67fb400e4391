//! Average-link clustering of one component, as a function of its pairs alone.
//!
//! **Invariants:** integers only; ties by the order of the postings given (their ids), never by
//! arrival; two postings that a person called different, or that are *different* by the
//! scorecard, never meet in one cluster unless a person joined them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// A cluster above this is not grown by machine: a person must look first.
pub const LARGEST: usize = 40;

/// What is known of the pairs of `n` postings, numbered in the order of their ids.
pub struct Pairs<'a> {
    pub n: usize,
    /// Pairs that were found by blocking, `a < b`.
    pub edges: BTreeMap<(usize, usize), i64>,
    /// The weight of any other pair.
    pub weigh: &'a dyn Fn(usize, usize) -> i64,
    /// A pair below this is *different*.
    pub different: i64,
    /// Pairs that a person joined, and parted.
    pub joined: BTreeSet<(usize, usize)>,
    pub parted: BTreeSet<(usize, usize)>,
}

/// Weight of a pair that a person joined: 64 bits.
const JOINED: i64 = 64_000;

/// The clusters at threshold `same`, each sorted, by their first member.
pub fn partition(pairs: &Pairs<'_>, same: i64) -> Vec<Vec<usize>> {
    let mut state = State {
        pairs,
        known: pairs.edges.clone(),
        members: (0..pairs.n).map(|i| vec![i]).collect(),
        near: vec![BTreeSet::new(); pairs.n],
        version: vec![0; pairs.n],
        heap: BinaryHeap::new(),
    };
    for (a, b) in &pairs.joined {
        let (ra, rb) = (state.root(*a), state.root(*b));
        if ra != rb && !state.is_parted(ra, rb) {
            state.join(ra.min(rb), ra.max(rb));
        }
    }
    for (a, b) in pairs.edges.keys() {
        let (ra, rb) = (state.root(*a), state.root(*b));
        if ra != rb {
            state.near[ra].insert(rb);
            state.near[rb].insert(ra);
        }
    }
    for a in 0..pairs.n {
        for b in state.near[a].clone().range(a + 1..) {
            state.push(a, *b, same);
        }
    }
    while let Some((_, Reverse(a), Reverse(b), versions)) = state.heap.pop() {
        if versions != (state.version[a], state.version[b]) {
            continue;
        }
        state.join(a, b);
        for c in state.near[a].clone() {
            state.push(a.min(c), a.max(c), same);
        }
    }
    state.members.retain(|m| !m.is_empty());
    state.members.sort();
    state.members
}

type Candidate = (i64, Reverse<usize>, Reverse<usize>, (u32, u32));

struct State<'a> {
    pairs: &'a Pairs<'a>,
    known: BTreeMap<(usize, usize), i64>,
    /// By root, the smallest member; empty for those that were taken up.
    members: Vec<Vec<usize>>,
    /// Roots that share at least one edge with this root.
    near: Vec<BTreeSet<usize>>,
    version: Vec<u32>,
    heap: BinaryHeap<Candidate>,
}

impl State<'_> {
    fn root(&self, of: usize) -> usize {
        if self.members[of].contains(&of) {
            return of;
        }
        self.members
            .iter()
            .position(|m| m.contains(&of))
            .unwrap_or(of)
    }

    fn is_parted(&self, a: usize, b: usize) -> bool {
        self.members[a].iter().any(|x| {
            self.members[b]
                .iter()
                .any(|y| self.pairs.parted.contains(&(*x.min(y), *x.max(y))))
        })
    }

    /// Takes `b` up into `a`, `a < b`.
    fn join(&mut self, a: usize, b: usize) {
        let taken = std::mem::take(&mut self.members[b]);
        self.members[a].extend(taken);
        self.members[a].sort_unstable();
        self.version[a] += 1;
        self.version[b] += 1;
        let near = std::mem::take(&mut self.near[b]);
        for c in near {
            self.near[c].remove(&b);
            if c != a {
                self.near[c].insert(a);
                self.near[a].insert(c);
            }
        }
        self.near[a].remove(&b);
    }

    fn push(&mut self, a: usize, b: usize, same: i64) {
        if let Some(mean) = self.mean(a, b)
            && mean >= same
        {
            let versions = (self.version[a], self.version[b]);
            self.heap.push((mean, Reverse(a), Reverse(b), versions));
        }
    }

    /// Mean weight between two clusters; `None` where they may not meet.
    fn mean(&mut self, a: usize, b: usize) -> Option<i64> {
        let size = self.members[a].len() + self.members[b].len();
        if size > LARGEST || self.is_parted(a, b) {
            return None;
        }
        let mut total = 0;
        for x in &self.members[a] {
            for y in &self.members[b] {
                let pair = (*x.min(y), *x.max(y));
                if self.pairs.joined.contains(&pair) {
                    total += JOINED;
                    continue;
                }
                let weight = *self
                    .known
                    .entry(pair)
                    .or_insert_with(|| (self.pairs.weigh)(pair.0, pair.1));
                if weight < self.pairs.different {
                    return None;
                }
                total += weight;
            }
        }
        let count = (self.members[a].len() * self.members[b].len()) as i64;
        Some(total.div_euclid(count.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clusters(
        n: usize,
        edges: &[(usize, usize, i64)],
        parted: &[(usize, usize)],
    ) -> Vec<Vec<usize>> {
        let pairs = Pairs {
            n,
            edges: edges.iter().map(|(a, b, w)| ((*a, *b), *w)).collect(),
            weigh: &|_, _| -4_000,
            different: -20_000,
            joined: BTreeSet::new(),
            parted: parted.iter().copied().collect(),
        };
        partition(&pairs, 2_000)
    }

    #[test]
    fn weak_links_do_not_chain() {
        assert_eq!(
            clusters(3, &[(0, 1, 5_000), (1, 2, 3_000)], &[]),
            [vec![0, 1], vec![2]]
        );
        assert_eq!(
            clusters(3, &[(0, 1, 9_000), (1, 2, 9_000)], &[]),
            [vec![0, 1, 2]]
        );
    }

    #[test]
    fn parted_postings_never_meet() {
        let edges = [(0, 1, 9_000), (1, 2, 9_500), (0, 2, 9_000)];
        assert_eq!(clusters(3, &edges, &[(0, 1)]), [vec![0], vec![1, 2]]);
        assert_eq!(clusters(3, &edges, &[(0, 1), (0, 2), (1, 2)]).len(), 3);
    }

    #[test]
    fn no_cluster_outgrows_review() {
        let edges: Vec<_> = (0..100)
            .flat_map(|a| (a + 1..100).map(move |b| (a, b, 9_000)))
            .collect();
        assert!(
            clusters(100, &edges, &[])
                .iter()
                .all(|c| c.len() <= LARGEST)
        );
    }
}
