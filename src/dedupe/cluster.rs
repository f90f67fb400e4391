//! Average-link clustering of one component, as a function of its pairs alone.
//!
//! **Invariants:** integers only; ties by the order of the postings given (their ids), never by
//! arrival; two postings that a person called different, or that are *different* by the
//! scorecard, never meet in one cluster unless a person joined them.

use super::scorecard::Bands;
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

/// When a merge is made, on the mean weight between two clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// At least this, where nothing contests the merge.
    pub same: i64,
    /// At least this, where a third cluster does: of siblings an ad may belong to either.
    pub contested: i64,
    /// A third contests that reaches this with one side, but not with the other.
    pub rival: i64,
}

impl Thresholds {
    /// One threshold, whatever third clusters say.
    pub fn plain(same: i64) -> Self {
        Self {
            same,
            contested: same,
            rival: same,
        }
    }
}

impl From<Bands> for Thresholds {
    fn from(bands: Bands) -> Self {
        Self {
            same: bands.same,
            contested: bands.contested,
            rival: bands.rival,
        }
    }
}

/// Weight of a pair that a person joined: 64 bits.
const JOINED: i64 = 64_000;

/// The clusters, each sorted, by their first member.
pub fn partition(pairs: &Pairs<'_>, thresholds: Thresholds) -> Vec<Vec<usize>> {
    let mut state = State {
        pairs,
        thresholds,
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
            state.push(a, *b);
        }
    }
    // What is contested waits: another merge may take the rival away.
    loop {
        let mut waiting = Vec::new();
        let mut merged = false;
        while let Some(candidate) = state.heap.pop() {
            let (mean, Reverse(a), Reverse(b), versions) = candidate;
            if versions != (state.version[a], state.version[b]) {
                continue;
            }
            if mean < thresholds.contested && state.is_contested(a, b) {
                waiting.push(candidate);
                continue;
            }
            merged = true;
            state.join(a, b);
            for c in state.near[a].clone() {
                state.push(a.min(c), a.max(c));
            }
        }
        if !merged {
            break;
        }
        state.heap.extend(waiting);
    }
    state.members.retain(|m| !m.is_empty());
    state.members.sort();
    state.members
}

type Candidate = (i64, Reverse<usize>, Reverse<usize>, (u32, u32));

struct State<'a> {
    pairs: &'a Pairs<'a>,
    thresholds: Thresholds,
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

    /// Whether a third cluster goes with one of the two but not with the other.
    fn is_contested(&mut self, a: usize, b: usize) -> bool {
        let rival = self.thresholds.rival;
        [(a, b), (b, a)].into_iter().any(|(of, not)| {
            self.near[of].clone().into_iter().any(|third| {
                let mut goes = |with: usize| {
                    let mean = self.mean(with.min(third), with.max(third));
                    mean.is_some_and(|mean| mean >= rival)
                };
                third != not && goes(of) && !goes(not)
            })
        })
    }

    fn push(&mut self, a: usize, b: usize) {
        if let Some(mean) = self.mean(a, b)
            && mean >= self.thresholds.same
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
        partition(&pairs, Thresholds::plain(2_000))
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
    fn a_contested_merge_needs_more() {
        let run = |middle: i64| {
            let edges = [((0, 1), middle), ((1, 2), 2_100)];
            let pairs = Pairs {
                n: 3,
                edges: edges.into_iter().collect(),
                weigh: &|_, _| -9_000,
                different: -8_000,
                joined: BTreeSet::new(),
                parted: BTreeSet::new(),
            };
            let thresholds = Thresholds {
                same: 2_000,
                contested: 3_000,
                rival: 1_000,
            };
            partition(&pairs, thresholds)
        };
        // Either of two that exclude each other: nobody knows which.
        assert_eq!(run(2_500), [vec![0], vec![1], vec![2]]);
        assert_eq!(run(3_500), [vec![0, 1], vec![2]]);
        // One link that nothing contests.
        assert_eq!(run(500), [vec![0], vec![1, 2]]);
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
