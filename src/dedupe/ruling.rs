//! Decisions of people, reduced to what holds now.

use crate::model::{Decision, DecisionKind, PostingId};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What people said last, by subject. A function of the set of decisions, not of its order.
#[derive(Debug, Default)]
pub struct Ruling {
    /// Pairs, the smaller id first.
    pub joined: BTreeSet<(PostingId, PostingId)>,
    pub parted: BTreeSet<(PostingId, PostingId)>,
    pub hidden: BTreeSet<PostingId>,
    pub erased: BTreeMap<PostingId, Timestamp>,
    /// When the last word on a pair was said.
    pub at: BTreeMap<(PostingId, PostingId), Timestamp>,
    /// What the two said then, where that is known.
    pub shown: BTreeMap<(PostingId, PostingId), Vec<u8>>,
    /// An accepted re-key, from the new reference's posting to the old one's.
    pub rekeyed: BTreeMap<PostingId, PostingId>,
}

impl Ruling {
    pub fn of(decisions: &[Decision]) -> Self {
        let mut sorted: Vec<&Decision> = decisions.iter().collect();
        sorted.sort_by(|a, b| {
            (a.at, a.kind, a.subject, a.object, &a.who, &a.why)
                .cmp(&(b.at, b.kind, b.subject, b.object, &b.who, &b.why))
        });
        let mut ruling = Self::default();
        for decision in sorted {
            let subject = decision.subject;
            let pair = decision.object.map(|o| (subject.min(o), subject.max(o)));
            if let Some(pair) = pair {
                ruling.at.insert(pair, decision.at);
                match &decision.shown {
                    Some(shown) => ruling.shown.insert(pair, shown.clone()),
                    None => ruling.shown.remove(&pair),
                };
            }
            match (decision.kind, pair) {
                (DecisionKind::Same | DecisionKind::Rekey, Some(pair)) => {
                    ruling.parted.remove(&pair);
                    ruling.joined.insert(pair);
                    if let (DecisionKind::Rekey, Some(new)) = (decision.kind, decision.object) {
                        ruling.rekeyed.insert(new, subject);
                    }
                }
                (DecisionKind::Different, Some(pair)) => {
                    ruling.joined.remove(&pair);
                    ruling.parted.insert(pair);
                    ruling.forget_rekey(pair);
                }
                (DecisionKind::Unsure, Some(pair)) => {
                    ruling.joined.remove(&pair);
                    ruling.forget_rekey(pair);
                    ruling.parted.remove(&pair);
                }
                (DecisionKind::Hide, _) => {
                    ruling.hidden.insert(subject);
                }
                (DecisionKind::Show, _) => {
                    ruling.hidden.remove(&subject);
                }
                (DecisionKind::Erase, _) => {
                    ruling.erased.entry(subject).or_insert(decision.at);
                }
                _ => {}
            }
        }
        ruling
    }

    fn forget_rekey(&mut self, (a, b): (PostingId, PostingId)) {
        self.rekeyed
            .retain(|new, old| (*new, *old) != (a, b) && (*new, *old) != (b, a));
    }
}
