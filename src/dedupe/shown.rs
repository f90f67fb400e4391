//! What the two of a pair said when a person judged them, in a few hundred bytes: enough to tell
//! later whether a text has changed much, whatever dates its source gives.

use super::features::Features;
use super::statistics::STATISTICS;
use crate::model::{Posting, RULES};
use serde::{Deserialize, Serialize};

/// Shingles kept of a text: the smallest hashes, so that what is left of them tells of the rest.
const KEPT: usize = 32;
/// Of the shingles of both versions, the least share in per cent that a mere edit leaves in common.
const EDITED: usize = 75;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Shown {
    /// Other rules may hash otherwise.
    rules: u32,
    /// In the order of the ids.
    texts: [Text; 2],
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Text {
    title: u64,
    shingles: Vec<u32>,
}

impl Text {
    fn of(features: &Features) -> Self {
        Self {
            title: features.title,
            shingles: features.shingles.smallest(KEPT, &STATISTICS.shingles),
        }
    }

    fn differs_much(&self, other: &Self) -> bool {
        if self.title != other.title {
            return true;
        }
        // Comparable as far as both would hold what there is.
        let limit = |text: &Self| match text.shingles.get(KEPT - 1) {
            Some(last) => *last,
            None => u32::MAX,
        };
        let limit = limit(self).min(limit(other));
        let below = |text: &Self| text.shingles.partition_point(|s| *s <= limit);
        let (a, b) = (
            &self.shingles[..below(self)],
            &other.shingles[..below(other)],
        );
        let common = super::text::shared(a, b);
        common * 100 < (a.len() + b.len() - common) * EDITED
    }
}

/// The two as they are now, to be kept with what a person says of them.
pub fn shown(one: &Posting, other: &Posting) -> Vec<u8> {
    let (a, b) = if one.id <= other.id {
        (one, other)
    } else {
        (other, one)
    };
    let shown = Shown {
        rules: RULES,
        texts: [a, b].map(|posting| Text::of(&Features::of(posting))),
    };
    postcard::to_allocvec(&shown).unwrap_or_default()
}

/// Whether either of the two has changed much since they were [`shown`]: `one` stands for the smaller
/// id of then. `None` where these bytes do not tell.
pub(super) fn changed_much(shown: &[u8], one: &Features, other: &Features) -> Option<bool> {
    let then: Shown = postcard::from_bytes(shown).ok()?;
    let mut texts = then.texts.iter().zip([one, other]);
    (then.rules == RULES).then(|| texts.any(|(then, now)| then.differs_much(&Text::of(now))))
}

#[cfg(test)]
mod tests {
    use super::super::tests::posting;
    use super::*;

    #[test]
    fn an_edit_is_no_change_and_another_text_is() {
        let (one, other) = (
            posting("ats", "1", true, 1),
            posting("board", "2", false, 1),
        );
        let bytes = shown(&other.posting, &one.posting);
        assert!(bytes.len() < 400, "{}", bytes.len());
        let changed = |title: &str, cut: usize, more: &str| {
            let mut new = one.posting.clone();
            new.offer.title = title.to_owned();
            let text = &mut new.offer.description.as_mut().unwrap().text;
            let kept = text
                .char_indices()
                .rev()
                .map(|(at, _)| at)
                .find(|at| *at <= cut);
            text.truncate(kept.unwrap_or(0));
            text.push_str(more);
            let (one, other) = (Features::of(&new), Features::of(&other.posting));
            if one.id < other.id {
                changed_much(&bytes, &one, &other)
            } else {
                changed_much(&bytes, &other, &one)
            }
        };
        let title = "Aide-soignant H/F";
        assert_eq!(changed(title, 10_000, ""), Some(false));
        assert_eq!(
            changed("AIDE-SOIGNANT (F/H)", 10_000, " Poste à pourvoir."),
            Some(false)
        );
        assert_eq!(changed("Aide-soignant chef", 10_000, ""), Some(true));
        assert_eq!(changed(title, 100, ""), Some(true));
        let other_text = "Rejoignez une équipe mobile de nuit sur trois sites de la vallée, avec \
                          véhicule de service et astreintes partagées entre collègues.";
        assert_eq!(changed(title, 0, other_text), Some(true));
        let features = Features::of(&one.posting);
        assert_eq!(changed_much(&bytes[..9], &features, &features), None);
    }
}
