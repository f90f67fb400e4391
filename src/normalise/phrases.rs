//! One pass over a text for every phrase of the trade: shifts, statuses, agreements, benefits,
//! diplomas, legal doubts. The table `phrases.csv` says what each means.

use super::tables;
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use std::sync::LazyLock;

/// What a phrase is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    Form,
    Status,
    Mobility,
    Shift,
    Time,
    Agreement,
    Basis,
    Benefit,
    Diploma,
    Law,
    Public,
    Remote,
    Itinerant,
}

#[derive(Clone, Debug, serde::Deserialize)]
pub struct Phrase {
    pub topic: Topic,
    pub value: String,
    /// Folded.
    pub phrase: String,
}

/// A phrase found in a folded text.
#[derive(Clone, Debug)]
pub struct Hit {
    pub phrase: &'static Phrase,
    /// Bytes of the folded text.
    pub range: std::ops::Range<usize>,
    /// Whether "pas de", "sans", "ni" or the like stands before it.
    pub negated: bool,
}

struct Matcher {
    phrases: Vec<Phrase>,
    automaton: Option<AhoCorasick>,
}

static MATCHER: LazyLock<Matcher> = LazyLock::new(|| {
    let phrases: Vec<Phrase> = tables::rows(include_bytes!("data/phrases.csv"));
    let automaton = AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostLongest)
        // A table of some hundred kilobytes, and every text is read twice as fast.
        .kind(Some(AhoCorasickKind::DFA))
        .build(phrases.iter().map(|phrase| phrase.phrase.as_str()))
        .ok();
    Matcher { phrases, automaton }
});

/// All phrases in a folded text, whole words only, leftmost and longest first.
pub fn find(folded: &str) -> Vec<Hit> {
    let matcher = &*MATCHER;
    let Some(automaton) = &matcher.automaton else {
        return Vec::new();
    };
    let bytes = folded.as_bytes();
    automaton
        .find_iter(folded)
        .filter(|found| {
            let free = |at: Option<&u8>| at.is_none_or(|byte| !byte.is_ascii_alphanumeric());
            let first_free = !bytes[found.start()].is_ascii_alphanumeric();
            (first_free || free(found.start().checked_sub(1).and_then(|at| bytes.get(at))))
                && free(bytes.get(found.end()))
        })
        .map(|found| Hit {
            phrase: &matcher.phrases[found.pattern().as_usize()],
            range: found.range(),
            negated: negated(&folded[..found.start()]),
        })
        .collect()
}

/// Whether one of the last words before a phrase, in the same clause, denies it.
fn negated(before: &str) -> bool {
    let mut from = before.len().saturating_sub(28);
    while !before.is_char_boundary(from) {
        from += 1;
    }
    let near = &before[from..];
    let clause = near
        .rsplit(['.', ';', ':', '\n', '!', '?', ',', '('])
        .next()
        .unwrap_or(near);
    let mut words = clause.split_ascii_whitespace().rev().take(4);
    words.any(|word| {
        matches!(
            word,
            "pas" | "sans" | "ni" | "aucun" | "aucune" | "hors" | "non" | "jamais"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise::fold::fold;

    #[test]
    fn every_phrase_is_folded_and_unique() {
        let matcher = &*MATCHER;
        assert!(matcher.phrases.len() > 100);
        let mut seen = std::collections::HashSet::new();
        for phrase in &matcher.phrases {
            assert_eq!(fold(&phrase.phrase), phrase.phrase);
            assert!(seen.insert(&phrase.phrase), "twice: {}", phrase.phrase);
        }
        let lines = String::from_utf8_lossy(include_bytes!("data/phrases.csv"))
            .lines()
            .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
            .count();
        assert_eq!(lines, matcher.phrases.len() + 1, "a row is malformed");
    }

    #[test]
    fn negation_is_heard() {
        let hits = find("pas de travail de nuit. travail de nuit possible");
        let night: Vec<bool> = hits
            .iter()
            .filter(|hit| hit.phrase.topic == Topic::Shift)
            .map(|hit| hit.negated)
            .collect();
        assert_eq!(night, [true, false]);
    }
}
