//! The verdict on a pair.

use super::features::Features;
use super::scorecard::{SCORECARD, Scorecard, TOO_LITTLE};
use super::signals::{self, Signals};
use crate::model::{Edge, Outcome};

/// What a vetoed pair weighs at most: 30 bits against.
const VETOED: i64 = -30_000;

/// The weight of a pair by the shipped scorecard.
pub fn weight(a: &Features, b: &Features) -> i64 {
    weight_by(&SCORECARD, a, b, &signals::read(a, b))
}

/// The weight of a pair by a given scorecard, its signals read already: at most a question where
/// there is too little to go by.
pub fn weight_by(card: &Scorecard, a: &Features, b: &Features, signals: &Signals) -> i64 {
    let mut weight = card.weigh(signals);
    if signals::too_little(signals) {
        weight = weight.min(card.bands.same - 1);
    }
    match signals::veto(a, b, signals) {
        Some(_) => weight.min(VETOED),
        None => weight,
    }
}

/// The verdict with its evidence, the smaller id first.
pub fn edge(one: &Features, other: &Features) -> Edge {
    let (a, b) = in_order(one, other);
    judged(a, b, &signals::read(a, b))
}

/// [`edge`], or `None` for a pair that is neither a question nor can ever join, whatever becomes of
/// the two: nearly all are, and most of them without a look at the texts.
pub fn hopeful_edge(one: &Features, other: &Features) -> Option<Edge> {
    // Most of a block of one trade and département: the rest need not be read.
    if signals::apart(one, other) {
        return None;
    }
    let (a, b) = in_order(one, other);
    let mut signals = signals::facts(a, b);
    let most = SCORECARD.weigh_at_most(&signals, signals::texts_of(a, b));
    if signals::veto(a, b, &signals).is_some() || SCORECARD.hopeless(most) {
        return None;
    }
    // Words tell siblings from copies sooner than phrases do.
    let unread = signals::read_words(a, b, &mut signals);
    if SCORECARD.hopeless(SCORECARD.weigh_at_most(&signals, unread)) {
        return None;
    }
    signals::read_shingles(a, b, &mut signals);
    let weight = weight_by(&SCORECARD, a, b, &signals);
    (!SCORECARD.hopeless(weight)).then(|| judged(a, b, &signals))
}

fn in_order<'a>(one: &'a Features, other: &'a Features) -> (&'a Features, &'a Features) {
    if one.id <= other.id {
        (one, other)
    } else {
        (other, one)
    }
}

fn judged(a: &Features, b: &Features, signals: &Signals) -> Edge {
    let weight = weight_by(&SCORECARD, a, b, signals);
    let veto = signals::veto(a, b, signals);
    let outcome = match veto {
        Some(_) => Outcome::Different,
        None => SCORECARD.outcome(weight),
    };
    let mut evidence = Vec::new();
    evidence.extend(veto.map(|line| format!("veto: {}", line.name())));
    if signals::too_little(signals) && SCORECARD.weigh(signals) > weight {
        evidence.push(TOO_LITTLE[0].to_owned());
    }
    evidence.extend(SCORECARD.evidence(signals));
    Edge {
        a: a.id,
        b: b.id,
        outcome,
        weight,
        evidence,
    }
}
