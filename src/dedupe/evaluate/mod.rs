//! `duplicates evaluate`: a labelled corpus through the whole path (postings, keys, verdicts,
//! clusters), and what came of it.

mod corpus;
mod learn;
mod matching;
mod metrics;

pub use corpus::{Corpus, CorpusError, LabelledPair, france_travail, labelled, pairs};
pub use learn::{Source, learn};
pub use matching::Matching;
pub use metrics::{Figures, bcubed, pairwise};

use super::cluster::Thresholds;
use super::scorecard::{SCORECARD, Scorecard};
use serde::Serialize;
use std::time::Instant;

/// The figures of one evaluation, in the form that scripts rely on.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub postings: usize,
    pub vacancies_true: usize,
    pub vacancies_found: usize,
    /// What the hub would publish: the *same* band.
    pub pairwise: Figures,
    pub bcubed: Figures,
    /// The best of a sweep of thresholds.
    pub best: Best,
    pub with_ask: WithAsk,
    /// Share of the postings with an open question.
    pub ask_share: f64,
    pub candidates: Candidates,
    pub seconds: f64,
    pub peak_mb: u64,
    /// `(name, vacancy)` of each posting, for `--clusters`.
    #[serde(skip)]
    pub clusters: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Best {
    /// Bits.
    pub threshold: f64,
    #[serde(flatten)]
    pub figures: Figures,
    pub bcubed_f1: f64,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct WithAsk {
    pub recall: f64,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Candidates {
    pub recall: f64,
    pub pairs_per_posting: f64,
}

/// Single thresholds of the sweep, in thousandths of a bit.
fn sweep() -> impl Iterator<Item = i64> {
    (-14..=12).map(|step| step * 250)
}

/// Judges the shipped rules on a corpus with its truth, or on labelled pairs of it.
pub fn evaluate(corpus: &Corpus, pairs: Option<&[LabelledPair]>) -> Report {
    evaluate_by(&SCORECARD, corpus, pairs)
}

/// [`evaluate`] with another scorecard.
pub fn evaluate_by(card: &Scorecard, corpus: &Corpus, pairs: Option<&[LabelledPair]>) -> Report {
    let started = Instant::now();
    let matching = Matching::of(card, &corpus.postings);
    let judge = |found: &[usize]| match pairs {
        None => (pairwise(found, &corpus.truth), bcubed(found, &corpus.truth)),
        Some(pairs) => {
            let figures = judged(found, pairs);
            (figures, figures)
        }
    };
    let published = matching.partition(card, card.bands.into(), card.bands.ask);
    let (figures, cubed) = judge(&published);
    let mut best = Best::default();
    for threshold in sweep() {
        let single = Thresholds::plain(threshold);
        let (figures, cubed) = judge(&matching.partition(card, single, card.bands.different));
        if figures.f1 > best.figures.f1 {
            best = Best {
                threshold: threshold as f64 / 1000.0,
                figures,
                bcubed_f1: cubed.f1,
            };
        }
    }
    // Labelled pairs tell of few others: there every question is answered by "same".
    let says_same =
        |a: usize, b: usize| pairs.is_some() || corpus.truth.get(a) == corpus.truth.get(b);
    let (questions, asked) = matching.questions(card, &published, &says_same);
    let name = |posting: usize| corpus.postings[posting].id.to_string();
    Report {
        postings: corpus.postings.len(),
        vacancies_true: match pairs {
            None => count(&corpus.truth),
            Some(pairs) => known_apart(corpus.postings.len(), pairs),
        },
        vacancies_found: count(&published),
        pairwise: figures,
        bcubed: cubed,
        best,
        with_ask: WithAsk {
            recall: judge(&asked).0.recall,
        },
        ask_share: questions as f64 / corpus.postings.len().max(1) as f64,
        candidates: Candidates {
            recall: match pairs {
                None => matching.recall(&corpus.truth),
                Some(pairs) => matching.recall_of(pairs),
            },
            pairs_per_posting: matching.pairs() as f64 / corpus.postings.len().max(1) as f64,
        },
        seconds: started.elapsed().as_secs_f64(),
        peak_mb: peak_mb(),
        clusters: corpus
            .names
            .iter()
            .zip(&published)
            .map(|(rid, cluster)| (rid.clone(), name(*cluster)))
            .collect(),
    }
}

fn count<T: Clone + Ord>(values: &[T]) -> usize {
    super::text::distinct(values.to_vec()).len()
}

/// Of a corpus that is judged by pairs, the vacancies as far as the labels tell.
fn known_apart(postings: usize, pairs: &[LabelledPair]) -> usize {
    let mut parent: Vec<u32> = (0..postings as u32).collect();
    let mut left = postings;
    for pair in pairs.iter().filter(|p| p.same) {
        let (a, b) = (
            matching::find(&mut parent, pair.a as u32),
            matching::find(&mut parent, pair.b as u32),
        );
        if a != b {
            parent[a.max(b) as usize] = a.min(b);
            left -= 1;
        }
    }
    left
}

/// Labelled pairs that a partition joins.
fn judged(found: &[usize], pairs: &[LabelledPair]) -> Figures {
    let joined = |p: &&LabelledPair| found[p.a] == found[p.b];
    let right = pairs.iter().filter(|p| p.same).filter(joined).count();
    Figures::of_counts(
        right as u64,
        pairs.iter().filter(joined).count() as u64,
        pairs.iter().filter(|p| p.same).count() as u64,
    )
}

/// Peak resident memory of this process, where the system tells.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().split(' ').next()?.parse::<u64>().ok())
        .map_or(0, |kb| kb / 1024)
}
