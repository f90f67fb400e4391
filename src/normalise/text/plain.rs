//! Plain text to a document: empty lines part paragraphs, bullets make items.

use super::html::Builder;
use super::{Document, Kind};

/// The document of plain text. Words are never changed; only blanks, bullets and breaks are read.
pub fn parse(text: &str) -> Document {
    let mut builder = Builder::default();
    for line in text.split('\n') {
        let line = line.trim();
        if line.is_empty() {
            builder.end_block();
            continue;
        }
        if let Some(item) = bullet(line) {
            builder.end_block();
            builder.start(Kind::Item {
                ordered: false,
                depth: 1,
            });
            builder.text(item);
            builder.end_block();
            continue;
        }
        builder.break_line();
        builder.text(line);
    }
    builder.finish()
}

/// The text of an item that begins with a bullet sign. A hyphen counts only before a blank or a
/// letter: "-10 %" is no item.
fn bullet(line: &str) -> Option<&str> {
    let mut chars = line.chars();
    let first = chars.next()?;
    let rest = chars.as_str();
    match first {
        '•' | '·' | '▪' | '●' | '◦' | '‣' | '⁃' | '∙' | '■' | '□' | '➢' | '➤' | '►' | '✓' | '✔'
        | '✅' | '☑' | '➔' | '→' | '👉' => {
            let rest = rest.trim_start_matches(['\u{fe0f}', ' ', '\u{a0}', '\t']);
            (!rest.is_empty()).then_some(rest)
        }
        '-' | '–' | '—' | '*' | 'o' => {
            let next = rest.chars().next()?;
            let spaced = next.is_whitespace();
            let glued = first != 'o' && first != '*' && next.is_alphabetic();
            let rest = rest.trim();
            ((spaced || glued) && !rest.is_empty()).then_some(rest)
        }
        _ => None,
    }
}
