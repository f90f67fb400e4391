//! Labelled corpora as examples for the fit.

use super::corpus::{Corpus, LabelledPair};
use super::matching::Matching;
use crate::dedupe::features::Features;
use crate::dedupe::fit::{Example, Options, fit};
use crate::dedupe::scorecard::{Bands, FitRecord, SCORECARD, WeightFile};
use crate::dedupe::signals::{self, Signals};

/// What a fit learns from.
pub struct Source {
    pub corpus: Corpus,
    /// `None`: every candidate pair, by the corpus's own truth.
    pub pairs: Option<Vec<LabelledPair>>,
    /// How many times each pair counts.
    pub times: f64,
}

/// The table that explains all sources best.
pub fn learn(sources: &[Source], bands: Bands, record: FitRecord) -> WeightFile {
    let examples: Vec<Example> = sources.iter().flat_map(examples).collect();
    fit(&examples, bands, record, Options::default())
}

/// Pairs with their levels and labels; what a veto decides teaches nothing.
fn examples(source: &Source) -> Vec<Example> {
    let open =
        |a: &Features, b: &Features, signals: &Signals| signals::veto(a, b, signals).is_none();
    let Some(pairs) = &source.pairs else {
        let matching = Matching::of(&SCORECARD, &source.corpus.postings);
        let truth = &source.corpus.truth;
        let pairs = matching
            .scored
            .iter()
            .map(|s| (s.a as usize, s.b as usize, s.signals));
        return pairs
            .filter(|(a, b, s)| open(&matching.features[*a], &matching.features[*b], s))
            .map(|(a, b, signals)| Example {
                signals,
                same: truth.get(a) == truth.get(b),
                weight: source.times,
            })
            .collect();
    };
    let features = |at: usize| source.corpus.postings.get(at).map(Features::of);
    pairs
        .iter()
        .filter_map(|pair| {
            let (a, b) = (features(pair.a)?, features(pair.b)?);
            let signals = signals::read(&a, &b);
            open(&a, &b, &signals).then_some(Example {
                signals,
                same: pair.same,
                weight: source.times,
            })
        })
        .collect()
}
