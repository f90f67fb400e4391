//! Questions for people: vacancies that may be one, with what speaks for and against.

use super::features::Features;
use super::ruling::Ruling;
use super::scorecard::SCORECARD;
use super::{compare, promise, shown, worth_asking};
use crate::model::{Decision, Edge, Outcome, PostingId, StoredPosting, VacancyId};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Two vacancies of which the machine is not sure.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The two, the smaller id first.
    pub vacancies: (VacancyId, VacancyId),
    /// Mean weight over all pairs between them, in thousandths of a bit.
    pub weight: i64,
    /// The pair that speaks most for one vacancy.
    pub best: Edge,
    /// Postings of both.
    pub postings: usize,
    /// Whether an answer is wanted: enough hangs on it and none holds.
    pub open: bool,
    /// A person answered, but a text changed since and the machine is sure of the contrary.
    pub asked_again: bool,
    /// The answer that holds.
    pub answer: Option<Answer>,
}

/// What a person said of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Same,
    Different,
}

/// How often people and the machine were of one mind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Agreement {
    /// The machine would have said the same.
    pub agreed: usize,
    pub contradicted: usize,
    /// The machine had asked.
    pub asked: usize,
}

/// The questions between the vacancies of these postings, the weightiest first; ties by id. A
/// function of its arguments, whatever their order. `postings` are those of the vacancies that are
/// live, `home` says in which each stands.
pub fn questions(
    postings: &[StoredPosting],
    home: &BTreeMap<PostingId, VacancyId>,
    edges: &[Edge],
    decisions: &[Decision],
) -> Vec<Question> {
    let known: BTreeMap<PostingId, &StoredPosting> =
        postings.iter().map(|p| (p.state.id, p)).collect();
    let mut members: BTreeMap<VacancyId, Vec<PostingId>> = BTreeMap::new();
    for (posting, vacancy) in home.iter().filter(|(id, _)| known.contains_key(id)) {
        members.entry(*vacancy).or_default().push(*posting);
    }
    let ruling = Ruling::of(decisions);
    let answered = answers(&ruling, home);
    let mut pairs: BTreeSet<(VacancyId, VacancyId)> = edges
        .iter()
        .filter(|e| e.outcome != Outcome::Different)
        .filter_map(|e| Some((*home.get(&e.a)?, *home.get(&e.b)?)))
        .filter(|(a, b)| a != b)
        .map(|(a, b)| (a.min(b), a.max(b)))
        .collect();
    pairs.extend(answered.keys().filter(|(a, b)| a != b));
    let mut features: BTreeMap<PostingId, Features> = BTreeMap::new();
    let mut found = Vec::new();
    // Those that no answer settles, by their place in `found`.
    let mut could = Vec::new();
    for (a, b) in pairs {
        let (Some(left), Some(right)) = (members.get(&a), members.get(&b)) else {
            continue;
        };
        for id in left.iter().chain(right) {
            if let Some(posting) = known.get(id) {
                features
                    .entry(*id)
                    .or_insert_with(|| Features::of(&posting.posting));
            }
        }
        let verdicts: Vec<Edge> = left
            .iter()
            .flat_map(|x| right.iter().map(move |y| (x, y)))
            .filter_map(|(x, y)| Some(compare::edge(features.get(x)?, features.get(y)?)))
            .collect();
        let count = verdicts.len() as i64;
        let weight = verdicts.iter().map(|e| e.weight).sum::<i64>();
        let weight = weight.div_euclid(count.max(1));
        let said = answered.get(&(a, b));
        let answer = said.map(|said| said.answer);
        let possible = weight >= SCORECARD.bands.ask
            && verdicts
                .iter()
                .all(|e| e.weight >= SCORECARD.bands.different);
        let best = verdicts
            .into_iter()
            .max_by(|x, y| (x.weight, y.a, y.b).cmp(&(y.weight, x.a, x.b)));
        let Some(best) = best.filter(|_| possible || answer.is_some()) else {
            continue;
        };
        let changed = said.is_some_and(|said| said.is_outdated(home, &best, &known, &features));
        let asked_again = changed && contradicts(answer, best.outcome);
        if answer.is_none() && possible {
            let promise = promise(left.len(), right.len(), weight);
            could.push((found.len(), (a, b, promise)));
        }
        found.push(Question {
            vacancies: (a, b),
            weight,
            postings: left.len() + right.len(),
            open: asked_again,
            asked_again,
            answer,
            best,
        });
    }
    let (places, promises): (Vec<usize>, Vec<_>) = could.into_iter().unzip();
    for (at, put) in places.into_iter().zip(worth_asking(&promises)) {
        found[at].open |= put;
    }
    found.sort_by_key(|q| (std::cmp::Reverse(q.weight), q.vacancies));
    found
}

/// How the answers that hold compare with what the machine says of the same pairs.
pub fn agreement(postings: &[StoredPosting], decisions: &[Decision]) -> Agreement {
    let known: BTreeMap<PostingId, &StoredPosting> =
        postings.iter().map(|p| (p.state.id, p)).collect();
    let ruling = Ruling::of(decisions);
    let said = |pairs: &BTreeSet<(PostingId, PostingId)>, answer: Answer| {
        let pairs = pairs.iter().map(move |pair| (*pair, answer));
        pairs.collect::<Vec<_>>()
    };
    let mut counts = Agreement::default();
    let joined = said(&ruling.joined, Answer::Same);
    for ((a, b), answer) in joined
        .into_iter()
        .chain(said(&ruling.parted, Answer::Different))
    {
        let (Some(a), Some(b)) = (known.get(&a), known.get(&b)) else {
            continue;
        };
        match (answer, super::compare(&a.posting, &b.posting).outcome) {
            (_, Outcome::Ask) => counts.asked += 1,
            (Answer::Same, Outcome::Same) | (Answer::Different, Outcome::Different) => {
                counts.agreed += 1;
            }
            _ => counts.contradicted += 1,
        }
    }
    counts
}

/// What a person said of a pair of postings.
struct Said<'a> {
    answer: Answer,
    pair: (PostingId, PostingId),
    at: Timestamp,
    /// What the two said then, where that is known.
    shown: Option<&'a [u8]>,
}

impl Said<'_> {
    /// Whether either of the two, or what stands for it since it closed, has changed much. Where
    /// what was shown is not known, the dates that their sources give tell.
    fn is_outdated(
        &self,
        home: &BTreeMap<PostingId, VacancyId>,
        best: &Edge,
        known: &BTreeMap<PostingId, &StoredPosting>,
        features: &BTreeMap<PostingId, Features>,
    ) -> bool {
        let living = |id: PostingId| {
            let beside = |other: &PostingId| home.get(other) == home.get(&id);
            let heir = || [best.a, best.b].into_iter().find(beside);
            Some(id).filter(|id| known.contains_key(id)).or_else(heir)
        };
        let (Some(a), Some(b)) = (living(self.pair.0), living(self.pair.1)) else {
            return false;
        };
        let read = features.get(&a).zip(features.get(&b));
        let told = self.shown.zip(read);
        let told = told.and_then(|(then, (a, b))| shown::changed_much(then, a, b));
        told.unwrap_or_else(|| {
            let updated = |id| known.get(id).and_then(|p| p.posting.offer.updated);
            [a, b].iter().filter_map(updated).any(|at| at > self.at)
        })
    }
}

type Answers<'a> = BTreeMap<(VacancyId, VacancyId), Said<'a>>;

/// What people said, by the vacancies in which their postings stand now.
fn answers<'a>(ruling: &'a Ruling, home: &BTreeMap<PostingId, VacancyId>) -> Answers<'a> {
    // Where both were said of two vacancies, what keeps them apart decides.
    let joined = ruling.joined.iter().map(|pair| (pair, Answer::Same));
    let parted = ruling.parted.iter().map(|pair| (pair, Answer::Different));
    let said = joined.chain(parted).filter_map(|(pair, answer)| {
        let (x, y) = (*home.get(&pair.0)?, *home.get(&pair.1)?);
        let said = Said {
            answer,
            pair: *pair,
            at: ruling.at.get(pair).copied().unwrap_or_default(),
            shown: ruling.shown.get(pair).map(Vec::as_slice),
        };
        Some(((x.min(y), x.max(y)), said))
    });
    said.collect()
}

fn contradicts(answer: Option<Answer>, machine: Outcome) -> bool {
    matches!(
        (answer, machine),
        (Some(Answer::Same), Outcome::Different) | (Some(Answer::Different), Outcome::Same)
    )
}
