//! The guard on components: where more than [`CROWD`] postings hang together, less of what ties
//! them counts, step by step, until they fall into parts that are small enough. What an event
//! costs is then bounded, and a crowd is merged less, never by chance.
//!
//! **Invariants:** the step of a posting is a function of the pairs alone, whatever was found
//! first: the first at which its part has no more than [`CROWD`] postings. All of a part are at one
//! step. What people tied holds at every step.

use super::derive::bond;
use super::merge;
use super::scorecard::{SCORECARD, points};
use crate::model::{PostingId, StoredPosting};
use std::collections::{BTreeMap, BTreeSet};

/// A component of more postings than this is a crowd.
pub const CROWD: usize = 200;

/// How much less counts, 0 where there is no crowd.
pub type Step = u8;

/// The last step: what no person tied stands alone.
pub const ALONE: Step = 3;

/// What ties two postings holds at steps below this; 0 where nothing does.
pub type Tie = u8;

/// What people tied.
pub const HUMAN: Tie = Tie::MAX;

/// The tie of a pair of this weight, with the states of the two as they are: one may be merged or
/// contest a merge; at step 1 it must weigh what a contested merge needs; at step 2 the two must be
/// of one month besides.
pub fn tie(weight: i64, p: &StoredPosting, q: &StoredPosting) -> Tie {
    let bands = SCORECARD.bands;
    match bond(weight, p, q) {
        bond if bond < bands.rival => 0,
        bond if bond < bands.contested => 1,
        _ if month(p) != month(q) => 2,
        _ => ALONE,
    }
}

/// Whether a pair of this weight ties at `step`, where the weight alone tells.
pub fn by_weight(weight: i64, step: Step) -> Option<bool> {
    let needed = needed(step)?;
    if weight + SCORECARD.most_apart_bonus() < needed {
        Some(false)
    } else if weight >= needed && step < 2 {
        Some(true)
    } else {
        None
    }
}

/// What a pair must weigh to tie at `step`; nothing does at the last.
pub fn needed(step: Step) -> Option<i64> {
    match step {
        0 => Some(SCORECARD.bands.rival),
        1 | 2 => Some(SCORECARD.bands.contested),
        _ => None,
    }
}

/// What a person is told of two postings of a crowd at this step: in English and French.
pub fn note(step: Step) -> Option<[String; 2]> {
    let (english, french) = match step {
        0 => return None,
        1 => ("are joined", "sont réunies"),
        2 => ("of one month are joined", "d'un même mois sont réunies"),
        _ => {
            return Some([
                format!(
                    "more than {CROWD} like ads hang together: the machine joins none of them, a person may"
                ),
                format!(
                    "plus de {CROWD} annonces semblables : la machine n'en réunit aucune, une personne le peut"
                ),
            ]);
        }
    };
    let bands = SCORECARD.bands;
    let (raised, usual) = (points(bands.contested), points(bands.same));
    Some([
        format!(
            "more than {CROWD} like ads hang together: two {english} from {raised} bits on, not from {usual}"
        ),
        format!(
            "plus de {CROWD} annonces semblables : deux annonces {french} à partir de {} bits, et non de {}",
            raised.replace('.', ","),
            usual.replace('.', ",")
        ),
    ])
}

/// The month of publication; two ads of one month may be one in the midst of a crowd.
fn month(posting: &StoredPosting) -> (i16, i8) {
    let day = merge::first_published(posting).to_zoned(jiff::tz::TimeZone::UTC);
    (day.year(), day.month())
}

/// The step of each of `n` postings, by all ties between them.
pub fn steps(n: usize, ties: &[(usize, usize, Tie)]) -> Vec<Step> {
    let mut steps = vec![0; n];
    for step in 0..ALONE {
        let mut forest = Forest::new(n);
        for (a, b, tie) in ties {
            if *tie > step && steps[*a] == step && steps[*b] == step {
                forest.join(*a, *b);
            }
        }
        let mut sizes = vec![0; n];
        for at in 0..n {
            sizes[forest.root(at)] += 1;
        }
        for at in 0..n {
            if steps[at] == step && sizes[forest.root(at)] > CROWD {
                steps[at] += 1;
            }
        }
    }
    steps
}

/// Disjoint sets of `0..n`.
pub struct Forest(Vec<usize>);

impl Forest {
    pub fn new(n: usize) -> Self {
        Self((0..n).collect())
    }

    pub fn root(&mut self, mut of: usize) -> usize {
        while self.0[of] != of {
            self.0[of] = self.0[self.0[of]];
            of = self.0[of];
        }
        of
    }

    /// The smaller root stays.
    pub fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        let (low, high) = (a.min(b), a.max(b));
        self.0[high] = low;
    }
}

/// Postings and what ties them, read piece by piece: no search goes further than a crowd's limit.
#[derive(Debug, Default)]
pub struct Search {
    /// Postings whose own pairs are being replaced: a search may leave them out.
    apart: BTreeSet<PostingId>,
    near: BTreeMap<PostingId, BTreeMap<PostingId, Near>>,
    /// Postings whose pairs are known.
    read: BTreeSet<PostingId>,
    /// Postings found to be in a crowd at a step, without those apart and with them.
    crowded: BTreeMap<(Step, bool), BTreeSet<PostingId>>,
}

#[derive(Clone, Copy, Debug)]
enum Near {
    Weight(i64),
    Tie(Tie),
}

/// What a search must be told before it can end.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Postings whose pairs are to be read.
    pub pairs: BTreeSet<PostingId>,
    /// Pairs whose tie the weight does not tell, with the weight.
    pub ties: BTreeMap<(PostingId, PostingId), i64>,
}

impl Search {
    pub fn new(apart: BTreeSet<PostingId>) -> Self {
        Self {
            apart,
            ..Self::default()
        }
    }

    /// Two postings share a verdict of this weight.
    pub fn weigh(&mut self, a: PostingId, b: PostingId, weight: i64) {
        for (a, b) in [(a, b), (b, a)] {
            let near = self.near.entry(a).or_default();
            near.entry(b).or_insert(Near::Weight(weight));
        }
    }

    /// What ties two postings is known; the strongest holds.
    pub fn tie(&mut self, a: PostingId, b: PostingId, tie: Tie) {
        for (a, b) in [(a, b), (b, a)] {
            let near = self.near.entry(a).or_default().entry(b);
            let near = near.or_insert(Near::Tie(tie));
            *near = match near {
                Near::Tie(known) => Near::Tie(tie.max(*known)),
                Near::Weight(_) => Near::Tie(tie),
            };
        }
    }

    /// The pairs of these postings have all been told.
    pub fn has_read(&mut self, ids: impl IntoIterator<Item = PostingId>) {
        self.read.extend(ids);
    }

    /// The parts at `step` in which the `sources` are, without those that are crowds; with
    /// `without`, as if no posting apart were tied to any other.
    ///
    /// # Errors
    /// What is not known yet. To be asked again once it is.
    pub fn parts(
        &mut self,
        step: Step,
        without: bool,
        sources: &BTreeSet<PostingId>,
    ) -> Result<Vec<BTreeSet<PostingId>>, Wanted> {
        let (mut wanted, mut parts) = (Wanted::default(), Vec::new());
        let mut reached: BTreeSet<PostingId> = BTreeSet::new();
        for source in sources {
            if reached.contains(source) || self.is_crowded(step, without, source) {
                continue;
            }
            let (part, crowded) = self.walk(step, without, *source, &mut wanted);
            if crowded {
                let known = self.crowded.entry((step, without)).or_default();
                known.extend(part);
            } else {
                reached.extend(part.iter().copied());
                parts.push(part);
            }
        }
        if wanted == Wanted::default() {
            Ok(parts)
        } else {
            Err(wanted)
        }
    }

    fn is_crowded(&self, step: Step, without: bool, id: &PostingId) -> bool {
        let holds = |without| {
            let known = self.crowded.get(&(step, without));
            known.is_some_and(|known| known.contains(id))
        };
        // More ties make no crowd smaller.
        holds(without) || (!without && holds(true))
    }

    /// Goes as far as is known; whether that is a crowd.
    fn walk(
        &self,
        step: Step,
        without: bool,
        source: PostingId,
        wanted: &mut Wanted,
    ) -> (BTreeSet<PostingId>, bool) {
        let mut part = BTreeSet::from([source]);
        let mut next = vec![source];
        let mut asks = Wanted::default();
        while let Some(id) = next.pop() {
            if !self.read.contains(&id) {
                asks.pairs.insert(id);
                continue;
            }
            for (other, near) in self.near.get(&id).into_iter().flatten() {
                let apart = self.apart.contains(&id) || self.apart.contains(other);
                if (without && apart) || part.contains(other) {
                    continue;
                }
                let ties = match near {
                    Near::Tie(tie) => Some(*tie > step),
                    // At the last step nothing is told by a weight.
                    Near::Weight(_) if step >= ALONE => Some(false),
                    Near::Weight(weight) => by_weight(*weight, step),
                };
                match (ties, near) {
                    (Some(true), _) => {
                        if step < ALONE && self.is_crowded(step, without, other) {
                            return (part, true);
                        }
                        part.insert(*other);
                        next.push(*other);
                    }
                    (None, Near::Weight(weight)) => {
                        asks.ties.insert((id.min(*other), id.max(*other)), *weight);
                    }
                    _ => {}
                }
                if step < ALONE && part.len() > CROWD {
                    return (part, true);
                }
            }
        }
        wanted.pairs.extend(asks.pairs);
        wanted.ties.extend(asks.ties);
        (part, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(n: usize) -> PostingId {
        PostingId(uuid::Uuid::from_u128(n as u128 + 1))
    }

    /// A search that reads pairs only where it is told to want them.
    fn found(
        n: usize,
        ties: &[(usize, usize, Tie)],
        of: usize,
    ) -> (Step, BTreeSet<PostingId>, usize) {
        let mut search = Search::default();
        let mut read = 0;
        for step in 0..=ALONE {
            loop {
                match search.parts(step, false, &BTreeSet::from([id(of)])) {
                    Ok(parts) => match parts.into_iter().next() {
                        Some(part) => return (step, part, read),
                        None => break,
                    },
                    Err(wanted) => {
                        assert!(wanted.pairs.len() <= CROWD && wanted.ties.is_empty());
                        read += wanted.pairs.len();
                        for (a, b, tie) in ties {
                            if wanted.pairs.contains(&id(*a)) || wanted.pairs.contains(&id(*b)) {
                                search.tie(id(*a), id(*b), *tie);
                            }
                        }
                        search.has_read(wanted.pairs);
                    }
                }
            }
        }
        panic!("of {n} postings, {of} has no part");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        /// A search finds what all pairs say, and reads no more than a crowd's limit at each step.
        #[test]
        fn a_search_finds_the_step_and_the_part_of_all_pairs(
            n in 2..900_usize,
            chain in prop::collection::vec((1..4_u8, 0..40_usize), 900),
            more in prop::collection::vec((0..900_usize, 0..900_usize, 1..4_u8), 0..40),
            of in prop::collection::vec(0..900_usize, 6),
        ) {
            let mut ties: Vec<(usize, usize, Tie)> = (1..n)
                .filter(|at| chain[*at].1 > 0)
                .map(|at| (at - 1, at, chain[at].0))
                .collect();
            ties.extend(more.into_iter().map(|(a, b, tie)| (a % n, b % n, tie)).filter(|(a, b, _)| a != b));
            let steps = steps(n, &ties);
            for of in of.into_iter().map(|of| of % n) {
                let (step, part, read) = found(n, &ties, of);
                prop_assert_eq!(step, steps[of]);
                prop_assert!(read <= (usize::from(ALONE) + 1) * (CROWD + 1), "{} read", read);
                let mut forest = Forest::new(n);
                for (a, b, tie) in ties.iter().filter(|(a, b, _)| steps[*a] == step && steps[*b] == step) {
                    if *tie > step {
                        forest.join(*a, *b);
                    }
                }
                let whole: BTreeSet<PostingId> = (0..n)
                    .filter(|at| steps[*at] == step && forest.root(*at) == forest.root(of))
                    .map(id)
                    .collect();
                prop_assert_eq!(part, whole);
            }
        }
    }

    #[test]
    fn what_people_tied_holds_in_any_crowd() {
        let mut ties: Vec<(usize, usize, Tie)> = (1..400).map(|at| (at - 1, at, ALONE)).collect();
        assert!(steps(400, &ties).iter().all(|step| *step == ALONE));
        ties.push((3, 390, HUMAN));
        let (step, part, _) = found(400, &ties, 3);
        assert_eq!((step, part), (ALONE, BTreeSet::from([id(3), id(390)])));
        // One fewer than a crowd is none.
        assert!(
            steps(CROWD, &ties[..CROWD - 1])
                .iter()
                .all(|step| *step == 0)
        );
    }

    #[test]
    fn a_person_is_told_how_much_is_needed() {
        assert_eq!(note(0), None);
        let [english, french] = note(2).unwrap();
        assert!(
            english.contains("of one month") && english.contains("+4.9 bits"),
            "{english}"
        );
        assert!(
            french.contains("d'un même mois") && french.contains("+4,9"),
            "{french}"
        );
    }
}
