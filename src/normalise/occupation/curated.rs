//! The trade's own table: abbreviations and usual titles, longest pattern first in the title.

use super::super::fold;
use super::super::tables::{self, Map};
use super::spelling::Vocabulary;
use super::words::{self, Token};
use super::{Verdict, labels, rome};
use std::sync::LazyLock;

#[derive(Debug, serde::Deserialize)]
struct Row {
    patterns: String,
    rome: String,
    title: String,
}

struct Table {
    rows: Vec<Row>,
    /// Pattern as stems joined by blanks → row.
    patterns: Map<String, usize>,
    longest: usize,
    vocabulary: Vocabulary,
    /// Whole words of names and titles, in both genders.
    words: Vocabulary,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let rows: Vec<Row> = tables::rows(include_bytes!("../data/occupations.csv"));
    let mut patterns = Map::default();
    let mut longest = 1;
    for (index, row) in rows.iter().enumerate() {
        for pattern in row.patterns.split('|') {
            let stems = stems(pattern);
            longest = longest.max(stems.split(' ').count());
            patterns.entry(stems).or_insert(index);
        }
    }
    let stems = patterns.keys().flat_map(|stems| stems.split(' '));
    let titles = rows.iter().filter_map(|row| match row.title.as_str() {
        "" => rome::entry(&row.rome).map(|entry| entry.label.as_str()),
        title => Some(title),
    });
    let names = rows.iter().map(|row| row.patterns.as_str()).chain(titles);
    let folded: Vec<String> = names.map(fold).collect();
    let words = folded
        .iter()
        .flat_map(|name| name.split(|c: char| !c.is_alphanumeric()));
    Table {
        vocabulary: Vocabulary::new(stems),
        words: Vocabulary::new(words),
        rows,
        patterns,
        longest,
    }
});

fn stems(pattern: &str) -> String {
    words::tokens(pattern)
        .into_iter()
        .map(|token| token.stem)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The names of the occupation that `phrase` names, itself included: as the table writes them, in
/// folded letters. `None` where it names none.
pub fn names(phrase: &str) -> Option<Vec<&'static str>> {
    let table = &*TABLE;
    let row = *table.patterns.get(&stems(phrase))?;
    let mut names = table.rows[row].patterns.split('|');
    // So short a word has no stem: "ase" is another abbreviation than "as".
    let sure = phrase.len() > SHORT || names.clone().any(|name| name == phrase);
    sure.then(|| names.by_ref().collect())
}

/// The word of the trade's names and titles that the folded `word` may be a slip of: the only one
/// that is nearest.
pub fn spelt(word: &str) -> Option<String> {
    let meant = TABLE.words.nearest(word)?;
    (meant != word).then_some(meant)
}

/// Letters of an abbreviation, at most.
const SHORT: usize = 4;

/// Confidence of a pattern whose words had to be put right, against that of one well spelt.
const MISSPELT: f64 = 0.9;

/// The pattern of the title as it is written or, where none stands there, with its unknown words
/// put right.
pub fn find(tokens: &[Token]) -> Option<Verdict> {
    exact(tokens).or_else(|| {
        let mut put_right = false;
        let tokens: Vec<Token> = tokens
            .iter()
            .map(|token| {
                let meant = (!labels::knows(&token.stem))
                    .then(|| TABLE.vocabulary.nearest(&token.stem))
                    .flatten();
                put_right |= meant.is_some();
                Token {
                    stem: meant.unwrap_or_else(|| token.stem.clone()),
                    part: token.part,
                }
            })
            .collect();
        let verdict = put_right.then(|| exact(&tokens)).flatten()?;
        Some(Verdict {
            rule: "occupation.trade_table_misspelt",
            confidence: (verdict.confidence * MISSPELT * 100.0).round() / 100.0,
            ..verdict
        })
    })
}

/// The first pattern in the title, the longest at that place; one that begins within the first
/// two words beats a later one.
fn exact(tokens: &[Token]) -> Option<Verdict> {
    let table = &*TABLE;
    for start in 0..tokens.len() {
        for length in (1..=table.longest.min(tokens.len() - start)).rev() {
            let words = &tokens[start..start + length];
            let joined = words
                .iter()
                .map(|token| token.stem.as_str())
                .collect::<Vec<_>>()
                .join(" ");
            let Some(&index) = table.patterns.get(&joined) else {
                continue;
            };
            let row = &table.rows[index];
            let entry = rome::entry(&row.rome)?;
            // A pattern at the head of the title, or of a part of it, is what is sought; in the
            // middle it may be what the sought person works with.
            let head = start == 0 || tokens[start - 1].part != tokens[start].part;
            let confidence = match (start, head) {
                (0, _) => 0.95,
                (_, true) => 0.85,
                (1, false) => 0.8,
                _ => 0.6,
            };
            return Some(Verdict {
                rome: Some(row.rome.clone()),
                rome_v3: entry.parent.clone(),
                title: Some(if row.title.is_empty() {
                    entry.label.clone()
                } else {
                    row.title.clone()
                }),
                rule: "occupation.trade_table",
                confidence,
            });
        }
    }
    None
}

#[cfg(test)]
pub fn check() -> usize {
    let table = &*TABLE;
    for row in &table.rows {
        assert!(
            rome::entry(&row.rome).is_some(),
            "{} is no ROME code",
            row.rome
        );
    }
    table.rows.len()
}
