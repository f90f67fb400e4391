//! `duplicates fit`: weights from labelled pairs, by penalised logistic regression over the
//! levels, by Newton's method within bounds. Deterministic: sums in a fixed order.

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
    /// At most so many; it is done when nothing moves any more.
    pub steps: usize,
    /// Strength of the pull towards zero.
    pub ridge: f64,
    /// Strength of the pull of neighbouring levels towards each other.
    pub smooth: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            steps: 50,
            ridge: 0.6,
            smooth: 1.0,
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
        _ if line.ends_with("gap") || line.ends_with("lag") || line == "sources" => {
            (f64::MIN, f64::MAX)
        }
        // The corpora hold few links and requisitions; what they are worth is known.
        "same" if line == "link" => (4.2, f64::MAX),
        "same" | "in_text" if line == "reference" => (2.8, f64::MAX),
        // Nor do they hold many that state several openings.
        "same" if line == "openings" => (0.7, f64::MAX),
        "doubtful_other" if line == "openings" => (f64::MIN, -1.4),
        "other" if line == "openings" => (f64::MIN, -3.5),
        "near" | "district" if line == "place" => (f64::MIN, f64::MAX),
        "same" | "reworded_same" | "in_text" | "near" | "named" => (0.0, f64::MAX),
        "other" | "different" | "other_own" | "other_department" | "other_in_text"
        | "other_share" | "absent" | "silent" | "poor" => (f64::MIN, 0.0),
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
    let places = |signals: &Signals| -> Vec<usize> {
        let levels = signals.iter().zip(&offsets);
        let at = levels.map(|(level, start)| start + usize::from(*level));
        std::iter::once(0)
            .chain(at.filter(|at| !silent[*at]))
            .collect()
    };
    let rows: Vec<(Vec<usize>, &Example)> =
        examples.iter().map(|e| (places(&e.signals), e)).collect();
    let mut beta: Vec<f64> = limits
        .iter()
        .map(|(low, high)| 0.0_f64.clamp(*low, *high))
        .collect();
    for _ in 0..options.steps {
        let model = Local::at(&beta, &rows, &neighbours, options);
        let step = model.descend(&beta, &limits, &silent);
        // Half a step, and half of that, until it is one downhill.
        let along = |share: f64| -> Vec<f64> {
            beta.iter().zip(&step).map(|(b, s)| b + share * s).collect()
        };
        let loss = |at: &[f64]| loss(at, &rows, &neighbours, options);
        let before = loss(&beta);
        let next = (0..20)
            .map(|halved| along(0.5_f64.powi(halved)))
            .find(|next| loss(next) < before);
        let Some(next) = next else { break };
        beta = next;
        if step.iter().all(|s| s.abs() < 1e-4) {
            break;
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

/// What is minimised: the log loss of the examples and what pulls on the weights.
fn loss(
    beta: &[f64],
    rows: &[(Vec<usize>, &Example)],
    neighbours: &[(usize, usize)],
    options: Options,
) -> f64 {
    let pulls = beta.iter().skip(1).map(|b| b * b).sum::<f64>() * options.ridge / 2.0;
    let between = neighbours
        .iter()
        .map(|(low, high)| (beta[*high] - beta[*low]).powi(2))
        .sum::<f64>();
    let told = rows.iter().map(|(places, example)| {
        let score = places.iter().map(|at| beta[*at]).sum::<f64>();
        let wrong = if example.same { -score } else { score };
        // The logarithm of 1 + e^wrong, without overflow.
        example.weight * (wrong.max(0.0) + (-wrong.abs()).exp().ln_1p())
    });
    pulls + between * options.smooth / 2.0 + told.sum::<f64>()
}

/// The quadratic that touches the loss at a point: what Newton's method minimises at each step.
struct Local {
    slope: Vec<f64>,
    /// Row by row, symmetric.
    bend: Vec<Vec<f64>>,
}

impl Local {
    fn at(
        beta: &[f64],
        rows: &[(Vec<usize>, &Example)],
        neighbours: &[(usize, usize)],
        options: Options,
    ) -> Self {
        let mut slope: Vec<f64> = beta.iter().map(|b| options.ridge * b).collect();
        slope[0] = 0.0;
        let mut bend = vec![vec![0.0; beta.len()]; beta.len()];
        for (at, row) in bend.iter_mut().enumerate() {
            row[at] = if at == 0 { 1e-6 } else { options.ridge };
        }
        for (low, high) in neighbours {
            let pull = options.smooth * (beta[*high] - beta[*low]);
            slope[*high] += pull;
            slope[*low] -= pull;
            bend[*high][*high] += options.smooth;
            bend[*low][*low] += options.smooth;
            bend[*high][*low] -= options.smooth;
            bend[*low][*high] -= options.smooth;
        }
        for (places, example) in rows {
            let score = places.iter().map(|at| beta[*at]).sum::<f64>();
            let expected = 1.0 / (1.0 + (-score).exp());
            let error = example.weight * (expected - f64::from(u8::from(example.same)));
            let curve = example.weight * expected * (1.0 - expected);
            for at in places {
                slope[*at] += error;
            }
            // Far from doubt the curve is nothing.
            if curve > 1e-7 {
                for x in places {
                    let row = &mut bend[*x];
                    for y in places {
                        row[*y] += curve;
                    }
                }
            }
        }
        Self { slope, bend }
    }

    /// The step to the least point within the limits, coordinate by coordinate.
    fn descend(&self, beta: &[f64], limits: &[(f64, f64)], silent: &[bool]) -> Vec<f64> {
        let mut step = vec![0.0; beta.len()];
        let mut slope = self.slope.clone();
        for _ in 0..2_000 {
            let mut most: f64 = 0.0;
            for at in (0..beta.len()).filter(|at| !silent[*at]) {
                let (low, high) = limits[at];
                let wanted = step[at] - slope[at] / self.bend[at][at];
                let moved = (beta[at] + wanted).clamp(low, high) - beta[at] - step[at];
                if moved != 0.0 {
                    step[at] += moved;
                    for (other, bend) in slope.iter_mut().zip(&self.bend[at]) {
                        *other += bend * moved;
                    }
                    most = most.max(moved.abs());
                }
            }
            if most < 1e-6 {
                break;
            }
        }
        step
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
