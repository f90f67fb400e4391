//! The verdict on a pair.

use super::features::Features;
use super::scorecard::{SCORECARD, Scorecard};
use super::signals::{self, Signals};
use crate::model::{Edge, Outcome};

/// What a vetoed pair weighs at most: 30 bits against.
const VETOED: i64 = -30_000;

/// The weight of a pair by the shipped scorecard.
pub fn weight(a: &Features, b: &Features) -> i64 {
    weight_by(&SCORECARD, a, b, &signals::read(a, b))
}

/// The weight of a pair by a given scorecard, its signals read already.
pub fn weight_by(card: &Scorecard, a: &Features, b: &Features, signals: &Signals) -> i64 {
    let weight = card.weigh(signals);
    match signals::veto(a, b, signals) {
        Some(_) => weight.min(VETOED),
        None => weight,
    }
}

/// The verdict with its evidence, the smaller id first.
pub fn edge(one: &Features, other: &Features) -> Edge {
    judged(one, other, true)
}

/// [`edge`] without a word of evidence for a hopeless pair: nearly all of them are, and nobody
/// reads what is said of them.
pub fn lean_edge(one: &Features, other: &Features) -> Edge {
    judged(one, other, false)
}

fn judged(one: &Features, other: &Features, wordy: bool) -> Edge {
    let (a, b) = if one.id <= other.id {
        (one, other)
    } else {
        (other, one)
    };
    let signals = signals::read(a, b);
    let weight = weight_by(&SCORECARD, a, b, &signals);
    let veto = signals::veto(a, b, &signals);
    let outcome = match veto {
        Some(_) => Outcome::Different,
        None => SCORECARD.outcome(weight),
    };
    let mut evidence = Vec::new();
    if wordy || !SCORECARD.hopeless(weight) {
        evidence.extend(veto.map(|line| format!("veto: {}", line.name())));
        evidence.extend(SCORECARD.evidence(&signals));
    }
    Edge {
        a: a.id,
        b: b.id,
        outcome,
        weight,
        evidence,
    }
}
