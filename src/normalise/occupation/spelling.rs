//! Misspelt words of the trade: "infirmer", "aide soigante", "kinesitherapeuthe".
//!
//! A word is put right only when no table knows it, it is long enough not to be another word, and
//! one word of the trade alone is near. Cost is bounded: few words are unknown, each is compared
//! with those of its first letter and nearly its length.

use super::super::tables::Map;

/// A shorter stem has too many neighbours.
const LEAST: usize = 6;
/// From this length on two slips are forgiven.
const LONG: usize = 9;

/// The stems that a misspelt word may have meant, by first letter.
#[derive(Debug, Default)]
pub struct Vocabulary {
    by_first: Map<char, Vec<Vec<char>>>,
}

impl Vocabulary {
    pub fn new<'a>(stems: impl Iterator<Item = &'a str>) -> Self {
        let mut this = Self::default();
        for stem in stems {
            let word: Vec<char> = stem.chars().collect();
            if word.len() < LEAST - 1 {
                continue;
            }
            let known = this.by_first.entry(word[0]).or_default();
            if !known.contains(&word) {
                known.push(word);
            }
        }
        this
    }

    /// The one stem nearest to `unknown`, within one slip, or two in a long word. `None` where two
    /// are equally near, or none.
    pub fn nearest(&self, unknown: &str) -> Option<String> {
        let word: Vec<char> = unknown.chars().take(40).collect();
        if word.len() < LEAST || !word.iter().all(|c| c.is_alphabetic()) {
            return None;
        }
        let limit = if word.len() >= LONG { 2 } else { 1 };
        let mut best: Option<(usize, &[char])> = None;
        let mut tied = false;
        for known in self.by_first.get(&word[0])? {
            if known.len().abs_diff(word.len()) > limit {
                continue;
            }
            let slips = distance(&word, known);
            match best {
                _ if slips > limit => {}
                Some((least, _)) if slips > least => {}
                Some((least, _)) if slips == least => tied = true,
                _ => {
                    best = Some((slips, known));
                    tied = false;
                }
            }
        }
        best.filter(|_| !tied)
            .map(|(_, word)| word.iter().collect())
    }
}

/// Letters to add, drop, change or exchange with their neighbour to make one word the other.
fn distance(one: &[char], other: &[char]) -> usize {
    let width = other.len() + 1;
    let mut before: Vec<usize> = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    let mut row = vec![0; width];
    for (at, c) in one.iter().enumerate() {
        row[0] = at + 1;
        for (column, d) in other.iter().enumerate() {
            let mut least = (last[column] + usize::from(c != d))
                .min(last[column + 1] + 1)
                .min(row[column] + 1);
            if at > 0 && column > 0 && *c == other[column - 1] && one[at - 1] == *d {
                least = least.min(before[column - 1] + 1);
            }
            row[column + 1] = least;
        }
        std::mem::swap(&mut before, &mut last);
        std::mem::swap(&mut last, &mut row);
    }
    last[width - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slip_or_two_in_a_long_word() {
        let vocabulary = Vocabulary::new(
            [
                "infirmier",
                "soignant",
                "kinesitherapeut",
                "medecin",
                "educateur",
            ]
            .into_iter(),
        );
        for (written, meant) in [
            ("infirmer", Some("infirmier")),
            ("infrimier", Some("infirmier")),
            ("soigant", Some("soignant")),
            ("kinesitherapeuth", Some("kinesitherapeut")),
            ("kinesiterapeut", Some("kinesitherapeut")),
            ("medcin", Some("medecin")),
            ("medici", None),
            ("edu", None),
        ] {
            assert_eq!(vocabulary.nearest(written).as_deref(), meant, "{written}");
        }
    }
}
