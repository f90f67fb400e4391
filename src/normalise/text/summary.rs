//! One line that says what the job is, cut at a sentence.

use super::sections::of_employer;
use super::{Document, Kind};

/// The longest summary, in characters.
const LIMIT: usize = 240;
/// A shorter block is a heading or a greeting, no sentence.
const LEAST: usize = 40;

/// The first sentences of the first block that is long enough to say something.
pub fn summary(document: &Document) -> Option<String> {
    // What the employer says of itself is no summary of the job, where it is marked as such.
    let block = document
        .blocks
        .iter()
        .zip(of_employer(document))
        .filter(|(block, employer)| !employer && !matches!(block.kind, Kind::Heading(_)))
        .map(|(block, _)| block.text().replace('\n', " "))
        .find(|text| text.chars().nth(LEAST).is_some())?;
    let mut end = None;
    let mut word_end = 0;
    let mut before = ' ';
    for (count, (at, c)) in block.char_indices().enumerate() {
        if count >= LIMIT {
            break;
        }
        if c == ' ' {
            word_end = at;
            if matches!(before, '.' | '!' | '?') && count > LEAST {
                end = Some(at);
            }
        }
        before = c;
    }
    if block.chars().count() <= LIMIT {
        return Some(block);
    }
    Some(match end {
        Some(end) => block[..end].to_owned(),
        None if word_end > 0 => format!("{} …", &block[..word_end]),
        None => super::super::record::cut(&block, LIMIT).to_owned(),
    })
}
