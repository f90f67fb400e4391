//! Figures for a partition against the truth.

use serde::Serialize;
use std::collections::HashMap;

/// Precision, recall and their harmonic mean, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
}

impl Figures {
    pub fn new(precision: f64, recall: f64) -> Self {
        let sum = precision + recall;
        let f1 = if sum > 0.0 {
            2.0 * precision * recall / sum
        } else {
            0.0
        };
        Self {
            precision,
            recall,
            f1,
        }
    }

    /// Of counts: right among those found, right among those there.
    pub fn of_counts(right: u64, found: u64, there: u64) -> Self {
        let share = |of: u64| {
            if of == 0 {
                1.0
            } else {
                right as f64 / of as f64
            }
        };
        Self::new(share(found), share(there))
    }
}

/// Over pairs that stand in one cluster.
pub fn pairwise(found: &[usize], truth: &[u64]) -> Figures {
    let pairs = |sizes: &mut dyn Iterator<Item = u64>| {
        sizes.map(|n| n * n.saturating_sub(1) / 2).sum::<u64>()
    };
    let mut both: HashMap<(usize, u64), u64> = HashMap::new();
    let mut clusters: HashMap<usize, u64> = HashMap::new();
    let mut vacancies: HashMap<u64, u64> = HashMap::new();
    for (cluster, vacancy) in found.iter().zip(truth) {
        *both.entry((*cluster, *vacancy)).or_default() += 1;
        *clusters.entry(*cluster).or_default() += 1;
        *vacancies.entry(*vacancy).or_default() += 1;
    }
    Figures::of_counts(
        pairs(&mut both.values().copied()),
        pairs(&mut clusters.values().copied()),
        pairs(&mut vacancies.values().copied()),
    )
}

/// Over postings: how much of a posting's cluster is right, and how much of its vacancy is there.
pub fn bcubed(found: &[usize], truth: &[u64]) -> Figures {
    let mut both: HashMap<(usize, u64), f64> = HashMap::new();
    let mut clusters: HashMap<usize, f64> = HashMap::new();
    let mut vacancies: HashMap<u64, f64> = HashMap::new();
    for (cluster, vacancy) in found.iter().zip(truth) {
        *both.entry((*cluster, *vacancy)).or_default() += 1.0;
        *clusters.entry(*cluster).or_default() += 1.0;
        *vacancies.entry(*vacancy).or_default() += 1.0;
    }
    // Sorted sums: the same figure to the last digit whatever the order of the map.
    let mean = |whole: &dyn Fn(usize, u64) -> f64| {
        let mut parts: Vec<f64> = both
            .iter()
            .map(|((c, v), n)| n * n / whole(*c, *v))
            .collect();
        parts.sort_by(f64::total_cmp);
        parts.iter().sum::<f64>() / found.len().max(1) as f64
    };
    Figures::new(
        mean(&|c, _| clusters.get(&c).copied().unwrap_or(1.0)),
        mean(&|_, v| vacancies.get(&v).copied().unwrap_or(1.0)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_partition_is_perfect_and_a_wrong_one_is_not() {
        let truth = [1, 1, 2, 2];
        assert_eq!(pairwise(&[0, 0, 5, 5], &truth), Figures::new(1.0, 1.0));
        assert_eq!(bcubed(&[0, 0, 5, 5], &truth), Figures::new(1.0, 1.0));
        let merged = pairwise(&[0, 0, 0, 0], &truth);
        assert!((merged.precision - 1.0 / 3.0).abs() < 1e-9 && merged.recall == 1.0);
        assert!((bcubed(&[0, 0, 0, 0], &truth).precision - 0.5).abs() < 1e-9);
        assert_eq!(pairwise(&[0, 1, 2, 3], &truth).recall, 0.0);
    }
}
