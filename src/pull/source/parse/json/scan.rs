//! Finding the end of a JSON value in a stream, torn ones included, and mending what can be mended.
//!
//! A quotation mark or a bracket too many or too few must cost one record, not all that follow: the
//! scan knows the marks by which the next record shows inside a torn one.

use crate::pull::source::parse::Stop;
use crate::pull::source::parse::window::{Kept, Window};
use std::io::Read;

/// How a scanned value ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// At its own end, as far as brackets tell.
    Here,
    /// It is torn, and the next value starts here; a comma between the two is consumed.
    AtNext,
}

/// Brackets that are open, a bit each: whether it is a list.
#[derive(Default)]
struct Open {
    lists: u128,
    depth: u32,
}

impl Open {
    fn push(&mut self, list: bool) {
        if self.depth < 128 {
            let bit = 1u128 << self.depth;
            self.lists = if list {
                self.lists | bit
            } else {
                self.lists & !bit
            };
        }
        self.depth += 1;
    }

    /// Whether the innermost is a list; `None` when none is open or it is too deep to know.
    fn top(&self) -> Option<bool> {
        (1..=128)
            .contains(&self.depth)
            .then(|| self.lists >> (self.depth - 1) & 1 == 1)
    }

    /// Closes the innermost bracket of this kind, with what was left open in it. `false` when none
    /// of this kind is open.
    fn close(&mut self, list: bool) -> bool {
        if self.depth > 128 {
            self.depth -= 1;
            return true;
        }
        let mut depth = self.depth;
        while depth > 0 {
            depth -= 1;
            if (self.lists >> depth & 1 == 1) == list {
                self.depth = depth;
                return true;
            }
        }
        false
    }
}

/// One JSON value into `out`, up to `cap` bytes of it.
///
/// # Errors
/// The document ends within it.
pub fn scan<R: Read>(window: &mut Window<R>, out: &mut Kept, cap: usize) -> Result<Ended, Stop> {
    let mut open = Open::default();
    let mut in_string = false;
    let mut escaped = false;
    let mut started = false;
    // The last byte outside strings that is no blank.
    let mut before = 0u8;
    loop {
        let chunk = window.chunk()?;
        if chunk.is_empty() {
            // Only a bare word may end with the bytes, and the document goes on after words.
            return Err(Stop::Cut("the document ends within a value".to_owned()));
        }
        let mut i = 0;
        let mut end = None;
        let mut suspicious = false;
        while i < chunk.len() {
            let byte = chunk[i];
            if in_string {
                if escaped {
                    escaped = false;
                    i += 1;
                    continue;
                }
                match memchr::memchr2(b'"', b'\\', &chunk[i..]) {
                    None => i = chunk.len(),
                    Some(n) => {
                        i += n + 1;
                        if chunk[i - 1] == b'\\' {
                            escaped = true;
                            continue;
                        }
                        in_string = false;
                        if open.depth == 0 {
                            end = Some(Ended::Here);
                            break;
                        }
                        // The string ends like the gap between two records.
                        let last = match i {
                            0 | 1 => out.bytes.last().copied().unwrap_or(0),
                            _ => chunk[i - 2],
                        };
                        if last == b'{' || last.is_ascii_whitespace() {
                            suspicious = true;
                            break;
                        }
                    }
                }
                continue;
            }
            match byte {
                b'"' => {
                    if open.depth == 0 && started {
                        return Err(Stop::Bad("a quotation mark is out of place".to_owned()));
                    }
                    in_string = true;
                }
                // An object where a key should stand: a brace was forgotten, this is the next one.
                b'{' if before == b',' && open.top() == Some(false) => {
                    end = Some(Ended::AtNext);
                    break;
                }
                b'{' | b'[' => open.push(byte == b'['),
                b'}' | b']' => {
                    if !open.close(byte == b']') {
                        end = Some(Ended::Here);
                        break;
                    }
                    if open.depth == 0 {
                        i += 1;
                        end = Some(Ended::Here);
                        break;
                    }
                }
                b',' | b':' if open.depth == 0 => {
                    end = Some(Ended::Here);
                    break;
                }
                b if b.is_ascii_whitespace() => {
                    if open.depth == 0 && started {
                        end = Some(Ended::Here);
                        break;
                    }
                    i += 1;
                    continue;
                }
                _ => {}
            }
            before = byte;
            started = true;
            i += 1;
        }
        started = true;
        out.push(&chunk[..i], cap);
        window.advance(i);
        if let Some(end) = end {
            // Whoever calls again must not stand still.
            if before == 0 && end == Ended::Here && open.depth == 0 && !in_string && out.len == 0 {
                return Err(Stop::Bad("a value is missing".to_owned()));
            }
            return Ok(end);
        }
        if suspicious && next_record_in_string(window, out, cap)? {
            return Ok(Ended::AtNext);
        }
    }
}

/// A string that reads `},{` and is followed by a letter is none: a quotation mark too many has
/// turned texts and gaps around. What was taken of the next record is given back.
fn next_record_in_string<R: Read>(
    window: &mut Window<R>,
    out: &mut Kept,
    cap: usize,
) -> Result<bool, Stop> {
    if out.is_over(cap)
        || !window
            .peek()?
            .is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'@' | b'$'))
    {
        return Ok(false);
    }
    let Some(inside) = out.bytes.strip_suffix(b"\"") else {
        return Ok(false);
    };
    let blank = |bytes: &[u8]| bytes.trim_ascii_end().len();
    let Some(rest) = inside[..blank(inside)].strip_suffix(b"{") else {
        return Ok(false);
    };
    let rest = &rest[..blank(rest)];
    let rest = rest.strip_suffix(b",").unwrap_or(rest);
    let rest = &rest[..blank(rest)];
    if !rest.ends_with(b"}") {
        return Ok(false);
    }
    let keep = rest.len();
    out.bytes.truncate(keep);
    out.len = keep;
    window.unread(b"{\"");
    Ok(true)
}

/// The rest of the line into `out`; whether a line end was there.
pub fn line<R: Read>(window: &mut Window<R>, out: &mut Kept, cap: usize) -> Result<bool, Stop> {
    loop {
        let chunk = window.chunk()?;
        if chunk.is_empty() {
            return Ok(false);
        }
        match memchr::memchr(b'\n', chunk) {
            Some(n) => {
                out.push(&chunk[..n], cap);
                window.advance(n + 1);
                return Ok(true);
            }
            None => {
                let n = chunk.len();
                out.push(chunk, cap);
                window.advance(n);
            }
        }
    }
}

/// JSON as sources write it: raw control characters and unknown escapes in strings, halves of
/// surrogate pairs, commas before a closing bracket, `NaN`, NUL bytes as padding.
pub fn mended(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '"' => {
                out.push('"');
                rest = string(rest, &mut out);
            }
            ',' if rest.trim_start().starts_with(['}', ']']) => {}
            '\0' | '\u{feff}' => {}
            'N' if rest.starts_with("aN") => {
                out.push_str("null");
                rest = &rest[2..];
            }
            c => out.push(c),
        }
    }
    out
}

/// Mends up to the end of a string; what follows it.
fn string<'t>(mut rest: &'t str, out: &mut String) -> &'t str {
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '"' => {
                out.push('"');
                return rest;
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 => out.push(' '),
            '\\' => rest = escape(rest, out),
            c => out.push(c),
        }
    }
    rest
}

/// Mends what follows a backslash; what follows the escape.
fn escape<'t>(rest: &'t str, out: &mut String) -> &'t str {
    let Some(c) = rest.chars().next() else {
        return rest;
    };
    let after = &rest[c.len_utf8()..];
    match c {
        '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' => {
            out.push('\\');
            out.push(c);
            after
        }
        'u' => {
            let Some(unit) = hex(after) else {
                out.push('\u{fffd}');
                return after;
            };
            let tail = &after[4..];
            if !(0xd800..=0xdfff).contains(&unit) {
                out.push_str("\\u");
                out.push_str(&after[..4]);
                return tail;
            }
            let low = tail.strip_prefix("\\u").and_then(hex);
            if unit < 0xdc00 && low.is_some_and(|low| (0xdc00..=0xdfff).contains(&low)) {
                out.push_str("\\u");
                out.push_str(&after[..4]);
                out.push_str(&tail[..6]);
                return &tail[6..];
            }
            // Half of an emoji is no character.
            tail
        }
        // `\'` and its like: the backslash says nothing.
        '\n' => {
            out.push_str("\\n");
            after
        }
        c if (c as u32) < 0x20 => after,
        c => {
            out.push(c);
            after
        }
    }
}

/// The number that the next four characters write.
fn hex(text: &str) -> Option<u32> {
    let digits = text.get(..4)?;
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, 16).ok()
}
