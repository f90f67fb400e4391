//! All pairs of a corpus at once: what the stage does posting by posting, over a whole set.

use super::corpus::LabelledPair;
use crate::dedupe::cluster::{self, Pairs, Thresholds};
use crate::dedupe::features::Features;
use crate::dedupe::scorecard::Scorecard;
use crate::dedupe::signals::{self, Signals};
use crate::dedupe::{KEY_CAP, WORTH, compare, keys, promise, worth_asking};
use crate::model::Posting;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A candidate pair, its levels and its weight.
pub struct Scored {
    pub a: u32,
    pub b: u32,
    pub signals: Signals,
    pub weight: i64,
}

/// The postings of a corpus, compared.
pub struct Matching {
    pub features: Vec<Features>,
    pub scored: Vec<Scored>,
    /// Candidates of each posting with their weights.
    near: Vec<Vec<(u32, i64)>>,
}

impl Matching {
    pub fn of(card: &Scorecard, postings: &[Posting]) -> Self {
        let features = in_parallel(postings, Features::of);
        let candidates = candidates(&features);
        let scored = in_parallel(&candidates, |(a, b)| {
            let (one, other) = (&features[*a as usize], &features[*b as usize]);
            let signals = signals::read(one, other);
            let weight = compare::weight_by(card, one, other, &signals);
            Scored {
                a: *a,
                b: *b,
                signals,
                weight,
            }
        });
        let mut near = vec![Vec::new(); features.len()];
        for pair in &scored {
            near[pair.a as usize].push((pair.b, pair.weight));
            near[pair.b as usize].push((pair.a, pair.weight));
        }
        Self {
            features,
            scored,
            near,
        }
    }

    pub fn pairs(&self) -> usize {
        self.scored.len()
    }

    /// Share of the true pairs that blocking proposed.
    pub fn recall(&self, truth: &[u64]) -> f64 {
        let mut sizes: HashMap<u64, u64> = HashMap::new();
        for vacancy in truth {
            *sizes.entry(*vacancy).or_default() += 1;
        }
        let there: u64 = sizes.values().map(|n| n * (n - 1) / 2).sum();
        let found = self
            .scored
            .iter()
            .filter(|s| truth.get(s.a as usize) == truth.get(s.b as usize))
            .count();
        found as f64 / there.max(1) as f64
    }

    /// Share of the positive labelled pairs that blocking proposed.
    pub fn recall_of(&self, pairs: &[LabelledPair]) -> f64 {
        let proposed: HashSet<(u32, u32)> = self.scored.iter().map(|s| (s.a, s.b)).collect();
        let same: Vec<_> = pairs.iter().filter(|p| p.same).collect();
        let found = same
            .iter()
            .filter(|p| proposed.contains(&(p.a.min(p.b) as u32, p.a.max(p.b) as u32)))
            .count();
        found as f64 / same.len().max(1) as f64
    }

    /// Weighs all candidates by another scorecard.
    pub fn weigh_by(&mut self, card: &Scorecard) {
        let features = &self.features;
        let weights = in_parallel(&self.scored, |s| {
            let (a, b) = (&features[s.a as usize], &features[s.b as usize]);
            compare::weight_by(card, a, b, &s.signals)
        });
        self.near.iter_mut().for_each(Vec::clear);
        for (pair, weight) in self.scored.iter_mut().zip(weights) {
            pair.weight = weight;
            self.near[pair.a as usize].push((pair.b, weight));
            self.near[pair.b as usize].push((pair.a, weight));
        }
    }

    /// The cluster of each posting at these thresholds, as the number of its first member.
    /// No cluster holds a pair below `different`.
    pub fn partition(
        &self,
        card: &Scorecard,
        thresholds: Thresholds,
        different: i64,
    ) -> Vec<usize> {
        let mut cluster: Vec<usize> = (0..self.features.len()).collect();
        let parts = in_parallel(&self.components(thresholds.rival), |members| {
            self.component(card, members, thresholds, different)
        });
        for group in parts.into_iter().flatten() {
            for posting in &group {
                cluster[*posting] = group[0];
            }
        }
        cluster
    }

    /// Postings that pairs of at least `least` connect; an average of less cannot be reached
    /// without one.
    fn components(&self, least: i64) -> Vec<Vec<usize>> {
        let mut parent: Vec<u32> = (0..self.features.len() as u32).collect();
        for pair in self.scored.iter().filter(|s| s.weight >= least) {
            let (a, b) = (find(&mut parent, pair.a), find(&mut parent, pair.b));
            parent[a.max(b) as usize] = a.min(b);
        }
        let mut components: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for at in 0..self.features.len() {
            components
                .entry(find(&mut parent, at as u32))
                .or_default()
                .push(at);
        }
        components.into_values().filter(|c| c.len() > 1).collect()
    }

    fn component(
        &self,
        card: &Scorecard,
        members: &[usize],
        thresholds: Thresholds,
        different: i64,
    ) -> Vec<Vec<usize>> {
        // By id, as the stage orders them.
        let mut members = members.to_vec();
        members.sort_by_key(|at| self.features[*at].id);
        let weigh = |a: usize, b: usize| {
            let (a, b) = (&self.features[members[a]], &self.features[members[b]]);
            compare::weight_by(card, a, b, &signals::read(a, b))
        };
        let place: HashMap<u32, usize> = members
            .iter()
            .enumerate()
            .map(|(i, at)| (*at as u32, i))
            .collect();
        let mut edges = BTreeMap::new();
        for (a, at) in members.iter().enumerate() {
            for (other, weight) in &self.near[*at] {
                if let Some(b) = place.get(other) {
                    edges.insert((a.min(*b), a.max(*b)), *weight);
                }
            }
        }
        let pairs = Pairs {
            n: members.len(),
            edges,
            weigh: &weigh,
            different,
            joined: BTreeSet::new(),
            parted: BTreeSet::new(),
        };
        cluster::partition(&pairs, thresholds)
            .into_iter()
            .map(|group| group.into_iter().map(|i| members[i]).collect())
            .collect()
    }
}

impl Matching {
    /// The open questions between the vacancies of `published`, as [`crate::dedupe::questions`]
    /// puts them: how many vacancies are asked about (each by one posting, its founder), and the
    /// partition once all are answered. `says_same` is the person, who is shown the pair that
    /// speaks most for one vacancy.
    pub fn questions(
        &self,
        card: &Scorecard,
        published: &[usize],
        says_same: &dyn Fn(usize, usize) -> bool,
    ) -> (usize, Vec<usize>) {
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (at, cluster) in published.iter().enumerate() {
            members.entry(*cluster).or_default().push(at);
        }
        let possible: BTreeSet<(usize, usize)> = self
            .scored
            .iter()
            .filter(|s| s.weight >= card.bands.ask)
            .map(|s| (published[s.a as usize], published[s.b as usize]))
            .filter(|(a, b)| a != b)
            .map(|(a, b)| (a.min(b), a.max(b)))
            // Whatever their weight, too few pairs hang on the answer.
            .filter(|(a, b)| promise(members[a].len(), members[b].len(), i64::MAX) >= WORTH)
            .collect();
        let mut questions = Vec::new();
        let mut best = Vec::new();
        for (a, b) in possible {
            let (left, right) = (&members[&a], &members[&b]);
            let verdicts: Vec<(i64, usize, usize)> = left
                .iter()
                .flat_map(|x| right.iter().map(move |y| (*x, *y)))
                .map(|(x, y)| (self.weight(card, x, y), x, y))
                .collect();
            let total: i64 = verdicts.iter().map(|(weight, _, _)| weight).sum();
            let mean = total.div_euclid(verdicts.len() as i64);
            let least = verdicts.iter().map(|(weight, _, _)| *weight).min();
            if mean >= card.bands.ask && least >= Some(card.bands.different) {
                questions.push((a, b, promise(left.len(), right.len(), mean)));
                best.extend(verdicts.into_iter().max());
            }
        }
        let mut asked: BTreeSet<usize> = BTreeSet::new();
        let mut parent: Vec<u32> = (0..published.len() as u32).collect();
        let put = worth_asking(&questions);
        let put = questions.iter().zip(best).zip(put).filter(|(_, put)| *put);
        for (((a, b, _), (_, x, y)), _) in put {
            asked.extend([*a, *b]);
            if says_same(x, y) {
                let (a, b) = (find(&mut parent, *a as u32), find(&mut parent, *b as u32));
                parent[a.max(b) as usize] = a.min(b);
            }
        }
        let answered = published.iter();
        let answered = answered.map(|cluster| find(&mut parent, *cluster as u32) as usize);
        (asked.len(), answered.collect())
    }
}

/// The root of `of` in a forest of disjoint sets.
pub(super) fn find(parent: &mut [u32], of: u32) -> u32 {
    let mut root = of;
    while parent[root as usize] != root {
        parent[root as usize] = parent[parent[root as usize] as usize];
        root = parent[root as usize];
    }
    root
}

/// Pairs that share a key which no more than [`KEY_CAP`] postings have.
fn candidates(features: &[Features]) -> Vec<(u32, u32)> {
    let keys = in_parallel(features, keys::of);
    let mut entries: Vec<(u64, u32)> = keys
        .iter()
        .enumerate()
        .flat_map(|(at, keys)| keys.iter().map(move |key| (*key, at as u32)))
        .collect();
    entries.sort_unstable();
    let mut pairs = Vec::new();
    for block in entries.chunk_by(|x, y| x.0 == y.0) {
        if block.len() > KEY_CAP {
            continue;
        }
        for (i, (_, a)) in block.iter().enumerate() {
            pairs.extend(block[i + 1..].iter().map(|(_, b)| (*a, *b)));
        }
        if pairs.len() > 50_000_000 {
            pairs.sort_unstable();
            pairs.dedup();
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

/// `f` over all items on all cores, in order.
fn in_parallel<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = items.len().div_ceil(cores).max(1);
    let f = &f;
    std::thread::scope(|scope| {
        let parts: Vec<_> = items
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().map(f).collect::<Vec<R>>()))
            .collect();
        parts
            .into_iter()
            .flat_map(|part| match part.join() {
                Ok(results) => results,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    })
}

impl Matching {
    /// The levels of any pair, proposed or not.
    pub fn signals(&self, a: usize, b: usize) -> Signals {
        signals::read(&self.features[a], &self.features[b])
    }
}

impl Matching {
    /// The weight of any pair by a scorecard.
    pub fn weight(&self, card: &Scorecard, a: usize, b: usize) -> i64 {
        compare::weight_by(
            card,
            &self.features[a],
            &self.features[b],
            &self.signals(a, b),
        )
    }
}
