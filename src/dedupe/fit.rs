//! `duplicates fit`: weights from labelled pairs, by penalised logistic regression over the
//! levels. Deterministic: full batches, a fixed number of steps, sums in a fixed order.

use super::scorecard::{Bands, FitRecord, WeightFile};
use super::signals::{LINES, Signals};
use std::collections::BTreeMap;

/// Pairs with equal levels, together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Example {
    pub signals: Signals,
    pub same: bool,
    /// How many pairs it stands for.
    pub weight: f64,
}

/// How the fit is done; the defaults are those of the shipped table.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub steps: usize,
    /// Strength of the pull towards zero.
    pub ridge: f64,
    /// Strength of the pull of neighbouring levels towards each other.
    pub smooth: f64,
    pub rate: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            steps: 1_500,
            ridge: 3.0,
            smooth: 1.0,
            rate: 0.05,
        }
    }
}

/// Nothing known says nothing: these levels keep the weight zero.
fn is_silent(level: &str) -> bool {
    level == "unknown"
}

/// Lines whose levels are steps of one measure.
fn is_measure(line: &str) -> bool {
    ["containment", "resemblance", "rare", "substitution"]
        .iter()
        .any(|m| line.ends_with(m))
}

/// What agrees never speaks against, what differs never for: a table that a person can defend.
fn bounds(line: &str, level: &str) -> (f64, f64) {
    match level {
        _ if line == "gap" || line == "reissue_gap" || line == "sources" => (f64::MIN, f64::MAX),
        // The corpora hold few links and requisitions; what they are worth is known.
        "same" if line == "link" => (4.2, f64::MAX),
        "same" | "in_text" if line == "reference" => (2.8, f64::MAX),
        "near" | "district" if line == "place" => (f64::MIN, f64::MAX),
        "same" | "in_text" | "near" | "named" => (0.0, f64::MAX),
        "other" | "different" | "other_own" | "other_department" | "other_in_text"
        | "other_share" | "absent" | "poor" => (f64::MIN, 0.0),
        _ => (f64::MIN, f64::MAX),
    }
}

/// The table that explains `examples` best.
pub fn fit(examples: &[Example], bands: Bands, record: FitRecord, options: Options) -> WeightFile {
    let examples = gather(examples);
    let offsets: Vec<usize> = LINES
        .iter()
        .scan(1, |at, (_, levels)| {
            let start = *at;
            *at += levels.len();
            Some(start)
        })
        .collect();
    let silent: Vec<bool> = std::iter::once(false)
        .chain(
            LINES
                .iter()
                .flat_map(|(_, levels)| levels.iter().map(|l| is_silent(l))),
        )
        .collect();
    let limits: Vec<(f64, f64)> = std::iter::once((f64::MIN, f64::MAX))
        .chain(
            LINES
                .iter()
                .flat_map(|(line, levels)| levels.iter().map(|l| bounds(line, l))),
        )
        .collect();
    let neighbours: Vec<(usize, usize)> = LINES
        .iter()
        .zip(&offsets)
        .filter(|((line, _), _)| is_measure(line))
        .flat_map(|((_, levels), start)| {
            let step = |i: usize| !matches!(levels[i], "unknown" | "empty");
            (1..levels.len())
                .filter(move |i| step(*i) && step(i - 1))
                .map(move |i| (start + i - 1, start + i))
        })
        .collect();
    let mut beta: Vec<f64> = limits.iter().map(|(low, _)| low.max(0.0)).collect();
    let (mut first, mut second) = (beta.clone(), beta.clone());
    for step in 1..=options.steps {
        let mut gradient: Vec<f64> = beta.iter().map(|b| options.ridge * b).collect();
        gradient[0] = 0.0;
        for (low, high) in &neighbours {
            let slope = options.smooth * (beta[*high] - beta[*low]);
            gradient[*high] += slope;
            gradient[*low] -= slope;
        }
        for example in &examples {
            let places = || {
                example
                    .signals
                    .iter()
                    .zip(&offsets)
                    .map(|(level, start)| start + usize::from(*level))
            };
            let score = beta[0] + places().map(|at| beta[at]).sum::<f64>();
            let expected = 1.0 / (1.0 + (-score).exp());
            let error = example.weight * (expected - f64::from(u8::from(example.same)));
            gradient[0] += error;
            places().for_each(|at| gradient[at] += error);
        }
        // Adam, its rate falling towards the end.
        let decay = 1.0 - step as f64 / (options.steps + 1) as f64;
        for at in 0..beta.len() {
            if silent[at] {
                continue;
            }
            first[at] = 0.9 * first[at] + 0.1 * gradient[at];
            second[at] = 0.999 * second[at] + 0.001 * gradient[at] * gradient[at];
            let m = first[at] / (1.0 - 0.9_f64.powi(step as i32));
            let v = second[at] / (1.0 - 0.999_f64.powi(step as i32));
            beta[at] -= options.rate * decay * m / (v.sqrt() + 1e-9);
            beta[at] = beta[at].clamp(limits[at].0, limits[at].1);
        }
    }
    // Natural units to hundredths of a bit.
    let millibits = |b: f64| (b / std::f64::consts::LN_2 * 100.0).round() as i64 * 10;
    let mut lines: BTreeMap<String, BTreeMap<String, i64>> = LINES
        .iter()
        .zip(&offsets)
        .map(|((line, levels), start)| {
            let weights = levels.iter().enumerate();
            let weights =
                weights.map(|(i, level)| ((*level).to_owned(), millibits(beta[start + i])));
            ((*line).to_owned(), weights.collect())
        })
        .collect();
    lines.insert(
        "prior".to_owned(),
        BTreeMap::from([("prior".to_owned(), millibits(beta[0]))]),
    );
    WeightFile {
        fit: record,
        bands,
        lines,
    }
}

/// Equal levels and labels as one example: the batch shrinks tenfold.
fn gather(examples: &[Example]) -> Vec<Example> {
    let mut sums: BTreeMap<(Signals, bool), f64> = BTreeMap::new();
    for example in examples {
        *sums.entry((example.signals, example.same)).or_default() += example.weight;
    }
    sums.into_iter()
        .map(|((signals, same), weight)| Example {
            signals,
            same,
            weight,
        })
        .collect()
}
