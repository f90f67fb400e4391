//! Text: repaired, safe by construction, readable.
//!
//! A description becomes a [`Document`]: a flat list of paragraphs, headings and list items whose
//! runs carry bold, italics and links. HTML and plain text are rendered from it, so nothing but
//! those few tags can ever leave, whatever came in. **Invariant:** every step is linear.

mod clean;
mod document;
mod entities;
mod html;
mod language;
mod plain;
mod sections;
mod summary;

pub use clean::{line, repair};
pub use document::{Block, Document, Kind};
pub use html::{looks_like_html, parse as parse_html};
pub use language::language;
pub use plain::parse as parse_plain;
pub use sections::sections;
pub use summary::summary;

/// The longest text that is read, in bytes. Real descriptions stay under a tenth of it.
pub const TEXT_LIMIT: usize = 400_000;
/// The longest text that is kept, in characters.
pub const KEPT_CHARACTERS: usize = 60_000;

/// The document of a description as a source gives it: HTML (escaped once too often, or not) or
/// plain text.
pub fn parse(source: &str) -> Document {
    let source = limit(source, TEXT_LIMIT);
    let repaired = repair(source);
    if looks_like_html(&repaired) {
        return parse_html(&repaired);
    }
    if repaired.contains('&') {
        let once = entities::decode(&repaired);
        if looks_like_html(&once) {
            return parse_html(&once);
        }
        // Plain text that was escaped twice: "&amp;eacute;".
        let text = if once.contains('&') {
            entities::decode(&once)
        } else {
            once
        };
        return parse_plain(&repair(&text));
    }
    parse_plain(&repaired)
}

/// At most `bytes` bytes of `text`, cut at a character.
fn limit(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let mut end = bytes;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests;
