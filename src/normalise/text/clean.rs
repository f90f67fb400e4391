//! Repair of characters: mojibake where the reading is certain, marks that nobody can see.

use super::super::record::cut;
use regex::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;

/// `text` without control, zero-width and direction characters, with UTF-8 that had been read as
/// Windows-1252 put right. Line ends become `\n`.
pub fn repair(text: &str) -> String {
    let read = unmangle(text);
    let seen = visible(&read);
    // What vanished may have stood between two halves.
    let whole = if seen.len() == read.len() {
        Cow::Borrowed(seen.as_str())
    } else {
        unmangle(&seen)
    };
    unescape(&whole).into_owned()
}

/// `text` without what nobody can see; line ends as `\n`.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // What needs no repair is copied in runs.
    while let Some(at) = rest.find(needs_repair) {
        out.push_str(&rest[..at]);
        let mut chars = rest[at..].chars().peekable();
        let Some(c) = chars.next() else { break };
        rest = &rest[at + c.len_utf8()..];
        match c {
            '\r' if chars.peek() != Some(&'\n') => out.push('\n'),
            '\u{2028}' | '\u{2029}' | '\u{85}' | '\u{b}' | '\u{c}' => out.push('\n'),
            _ => {}
        }
    }
    out.push_str(rest);
    out
}

/// Characters that [`repair`] replaces or drops.
fn needs_repair(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control() && c != '\n' && c != '\t';
    }
    // Most letters of French stand below U+0180; of those only C1 controls and the soft hyphen go.
    if c < '\u{180}' {
        return c < '\u{a0}' || c == '\u{ad}';
    }
    matches!(c, '\u{2028}' | '\u{2029}') || is_invisible(c)
}

/// Line ends and quotes that a careless export spelt out, once or more: "/r/n", "\n", "d\'enfants".
static SPELT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"/r/n|(?:\\+r)?\\+n|\\+(['"])"#).ok());

fn unescape(text: &str) -> Cow<'_, str> {
    match SPELT.as_ref() {
        Some(regex) if text.contains('\\') || text.contains("/r/n") => {
            regex.replace_all(text, |found: &regex::Captures<'_>| match found.get(1) {
                Some(quote) => quote.as_str().to_owned(),
                None => "\n".to_owned(),
            })
        }
        _ => Cow::Borrowed(text),
    }
}

/// Whether `after`, put at the end of `before`, makes something to repair that neither is alone.
pub fn joins_badly(before: &str, after: &str) -> bool {
    if !before.ends_with(|c: char| matches!(c, '\\' | '/' | 'r') || !c.is_ascii()) {
        return false;
    }
    let tail = before.char_indices().rev().nth(3).map_or(0, |(at, _)| at);
    let joined = format!("{}{}", &before[tail..], cut(after, 4));
    repair(&joined) != joined
}

/// `text` on one line: repaired, blanks collapsed, trimmed.
pub fn line(text: &str) -> String {
    let repaired = repair(text);
    let decoded = if repaired.contains('&') {
        Cow::Owned(repair(&super::entities::decode(&repaired)))
    } else {
        Cow::Borrowed(repaired.as_str())
    };
    let mut out = String::with_capacity(decoded.len());
    for word in decoded.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(whole_word(word));
    }
    out
}

/// A replacement character that stands alone between blanks was an "à": no other French word is one
/// letter outside ASCII.
pub fn whole_word(word: &str) -> &str {
    if word == "\u{fffd}" { "à" } else { word }
}

/// Marks without a glyph: zero width, direction, byte order, soft hyphen, variation selectors of
/// text, private use and non-characters.
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
        | '\u{fffe}' | '\u{ffff}' | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{e007f}')
}

/// UTF-8 read as Windows-1252 ("Ã©"), read again as it was meant. A sequence is replaced only when
/// it is well-formed UTF-8 of a character that French text uses.
fn unmangle(text: &str) -> Cow<'_, str> {
    // Only these can be the first byte of a sequence read wrongly, and French has a plain letter
    // after each.
    let mut lead = false;
    let suspect = text.chars().any(|c| {
        let pair = lead && !c.is_ascii();
        lead = matches!(c, 'Â'..='ß' | 'â' | 'ï' | 'ð');
        pair
    });
    if !suspect {
        return Cow::Borrowed(text);
    }
    // What a sequence was read wrongly from may be the end of another: "ÃƒÂ©" was read twice. Every
    // character that comes last is looked at with those before it, so this stays linear.
    let mut out: Vec<char> = Vec::with_capacity(text.len());
    for c in text.chars() {
        out.push(c);
        while let Some((meant, length)) = mangled_end(&out) {
            out.truncate(out.len() - length);
            out.push(meant);
        }
    }
    Cow::Owned(out.into_iter().collect())
}

/// The character that ends `read` in mangled form, and of how many it was made.
fn mangled_end(read: &[char]) -> Option<(char, usize)> {
    let last = byte_of(*read.last()?)?;
    if !(0x80..=0xbf).contains(&last) {
        return None;
    }
    (2..=4.min(read.len())).find_map(|length| {
        let (meant, made_of) = mangled(&read[read.len() - length..])?;
        (made_of == length).then_some((meant, length))
    })
}

/// The character that `read` begins with in mangled form, and how many it takes.
fn mangled(read: &[char]) -> Option<(char, usize)> {
    let mut bytes = [0_u8; 4];
    bytes[0] = byte_of(*read.first()?)?;
    let wanted = match bytes[0] {
        0xc2..=0xdf => 2,
        0xe2 | 0xef => 3,
        0xf0 => 4,
        _ => return None,
    };
    for (slot, c) in bytes
        .iter_mut()
        .take(wanted)
        .skip(1)
        .zip(read.get(1..wanted)?)
    {
        let byte = byte_of(*c)?;
        if !(0x80..=0xbf).contains(&byte) {
            return None;
        }
        *slot = byte;
    }
    let meant = std::str::from_utf8(&bytes[..wanted]).ok()?.chars().next()?;
    // A soft hyphen is dropped anyway.
    let french = matches!(meant,
        '\u{a0}'..='\u{ac}' | '\u{ae}'..='\u{17f}' | '\u{2010}'..='\u{203a}' | '€' | '™'
        | '\u{fffd}' | '\u{2190}'..='\u{27bf}' | '\u{1f300}'..='\u{1faff}');
    french.then_some((meant, wanted))
}

/// The Windows-1252 byte of `c`, control range included (what a decoder leaves of 0x81 and others).
fn byte_of(c: char) -> Option<u8> {
    if let Ok(byte) = u8::try_from(u32::from(c)) {
        return (byte >= 0x80).then_some(byte);
    }
    let index = WINDOWS_1252.iter().position(|&known| known == c)?;
    u8::try_from(0x80 + index).ok()
}

/// Windows-1252 from 0x80 to 0x9f; NUL where it has no character.
const WINDOWS_1252: [char; 32] = [
    '€', '\0', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\0', 'Ž', '\0', '\0', '‘',
    '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\0', 'ž', 'Ÿ',
];
