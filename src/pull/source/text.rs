//! Bytes to text: byte-order marks, UTF-16, and sources that declare one encoding and write
//! another.
//!
//! UTF-16 is turned into UTF-8 as it streams. Everything else is cut into records as bytes first
//! (all other encodings of the web agree with ASCII) and decoded record by record, so that no
//! character is ever split, and one record in a wrong encoding does not spoil the others.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use std::borrow::Cow;
use std::io::{self, Read};

/// How the bytes of a document become text.
#[derive(Clone, Copy, Debug)]
pub struct Decoding {
    /// For bytes that are not UTF-8.
    fallback: &'static Encoding,
}

impl Default for Decoding {
    fn default() -> Self {
        Self {
            fallback: WINDOWS_1252,
        }
    }
}

impl Decoding {
    /// By the name of an encoding: what a connector pins or a document declares. Bytes that are
    /// UTF-8 are read as such whatever is declared; a declared UTF-8 that is none is Windows-1252.
    pub fn named(label: &str) -> Option<Self> {
        let found = Encoding::for_label(label.trim().as_bytes())?;
        let fallback = if found == UTF_8 || found == UTF_16LE || found == UTF_16BE {
            WINDOWS_1252
        } else {
            found
        };
        Some(Self { fallback })
    }

    /// The encoding of bytes that are not UTF-8.
    pub fn name(self) -> &'static str {
        self.fallback.name()
    }

    /// The text of one record. Where most of it is UTF-8, only the bytes that are none are read
    /// otherwise: a text that was cut within a letter must not turn all others into `Ã©`.
    pub fn text<'b>(&self, bytes: &'b [u8]) -> Cow<'b, str> {
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Cow::Borrowed(text);
        }
        let is_mixed = bytes.utf8_chunks().any(|chunk| !chunk.valid().is_ascii());
        if !is_mixed {
            return self.fallback.decode_without_bom_handling(bytes).0;
        }
        let mut out = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            out.push_str(chunk.valid());
            match chunk.invalid() {
                // The start of a letter that was cut off.
                [] | [0xc2 | 0xc3] | [0xe2, 0x80..=0x9f] | [0xf0, ..] => {}
                other => out.push_str(&self.fallback.decode_without_bom_handling(other).0),
            }
        }
        Cow::Owned(out)
    }
}

/// The text of a whole small document, whatever its encoding.
pub fn document(bytes: &[u8]) -> String {
    let mut plain = Vec::with_capacity(bytes.len());
    // Reading from memory does not fail.
    let _ = Plain::new(bytes).read_to_end(&mut plain);
    Decoding::default().text(&plain).into_owned()
}

/// The charset of a Content-Type header.
pub fn charset(content_type: &str) -> Option<&str> {
    let lower = content_type.to_ascii_lowercase();
    let at = lower.find("charset=")? + "charset=".len();
    let rest = content_type.get(at..)?;
    Some(rest.split(';').next()?.trim().trim_matches(['"', '\'']))
}

/// A byte stream without its byte-order mark; UTF-16 (by its mark, or by zero bytes at the start)
/// comes out as UTF-8.
pub struct Plain<R> {
    inner: R,
    /// `None` until the first bytes have told.
    mode: Option<Mode>,
    /// Bytes that wait to be handed out.
    out: Vec<u8>,
    at: usize,
}

enum Mode {
    AsIs,
    Utf16(Box<encoding_rs::Decoder>),
}

impl<R: Read> Plain<R> {
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            mode: None,
            out: Vec::new(),
            at: 0,
        }
    }

    fn start(&mut self) -> io::Result<Mode> {
        let mut head = Vec::with_capacity(4);
        self.inner.by_ref().take(4).read_to_end(&mut head)?;
        let (mode, skip) = match head.as_slice() {
            [0xef, 0xbb, 0xbf, ..] => (Mode::AsIs, 3),
            [0xff, 0xfe, ..] => (utf16(UTF_16LE), 2),
            [0xfe, 0xff, ..] => (utf16(UTF_16BE), 2),
            [b, 0, c, 0] if *b != 0 && *c != 0 => (utf16(UTF_16LE), 0),
            [0, b, 0, c] if *b != 0 && *c != 0 => (utf16(UTF_16BE), 0),
            _ => (Mode::AsIs, 0),
        };
        let rest = head.split_off(skip.min(head.len()));
        match mode {
            Mode::AsIs => {
                self.out = rest;
                Ok(Mode::AsIs)
            }
            Mode::Utf16(mut decoder) => {
                decode(&mut decoder, &rest, false, &mut self.out);
                Ok(Mode::Utf16(decoder))
            }
        }
    }
}

fn utf16(encoding: &'static Encoding) -> Mode {
    Mode::Utf16(Box::new(encoding.new_decoder_without_bom_handling()))
}

fn decode(decoder: &mut encoding_rs::Decoder, bytes: &[u8], last: bool, out: &mut Vec<u8>) {
    let room = decoder
        .max_utf8_buffer_length(bytes.len())
        .unwrap_or(bytes.len() * 3 + 16);
    let start = out.len();
    out.resize(start + room, 0);
    let (_, _, written, _) = decoder.decode_to_utf8(bytes, &mut out[start..], last);
    out.truncate(start + written);
}

impl<R: Read> Read for Plain<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.mode.is_none() {
            self.mode = Some(self.start()?);
        }
        loop {
            if self.at < self.out.len() {
                let n = buffer.len().min(self.out.len() - self.at);
                buffer[..n].copy_from_slice(&self.out[self.at..self.at + n]);
                self.at += n;
                return Ok(n);
            }
            self.out.clear();
            self.at = 0;
            match &mut self.mode {
                Some(Mode::Utf16(decoder)) => {
                    let mut chunk = [0u8; 8192];
                    let n = self.inner.read(&mut chunk)?;
                    decode(decoder, &chunk[..n], n == 0, &mut self.out);
                    if n == 0 {
                        self.mode = Some(Mode::AsIs);
                        if self.out.is_empty() {
                            return Ok(0);
                        }
                    }
                }
                _ => return self.inner.read(buffer),
            }
        }
    }
}

/// The HTML names that feeds use without declaring them.
pub fn html_entity(name: &str) -> Option<&'static str> {
    Some(match name {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "quot" => "\"",
        "apos" => "'",
        "nbsp" => "\u{a0}",
        "eacute" => "é",
        "Eacute" => "É",
        "egrave" => "è",
        "Egrave" => "È",
        "ecirc" => "ê",
        "Ecirc" => "Ê",
        "euml" => "ë",
        "agrave" => "à",
        "Agrave" => "À",
        "acirc" => "â",
        "Acirc" => "Â",
        "ccedil" => "ç",
        "Ccedil" => "Ç",
        "icirc" => "î",
        "iuml" => "ï",
        "ocirc" => "ô",
        "ouml" => "ö",
        "ugrave" => "ù",
        "ucirc" => "û",
        "uuml" => "ü",
        "oelig" => "œ",
        "OElig" => "Œ",
        "aelig" => "æ",
        "euro" => "€",
        "laquo" => "«",
        "raquo" => "»",
        "lsquo" => "‘",
        "rsquo" => "’",
        "ldquo" => "“",
        "rdquo" => "”",
        "ndash" => "–",
        "mdash" => "—",
        "hellip" => "…",
        "bull" => "•",
        "middot" => "·",
        "deg" => "°",
        "sup2" => "²",
        "frac12" => "½",
        "copy" => "©",
        "reg" => "®",
        "trade" => "™",
        "thinsp" => "\u{2009}",
        "ensp" => "\u{2002}",
        "shy" => "\u{ad}",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Plain::new(bytes).read_to_end(&mut out).expect("in memory");
        out
    }

    #[test]
    fn marks_and_utf16() {
        let text = "<a>é</a>";
        assert_eq!(plain(text.as_bytes()), text.as_bytes());
        assert_eq!(
            plain(&[b"\xef\xbb\xbf", text.as_bytes()].concat()),
            text.as_bytes()
        );
        let le: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(plain(&[&b"\xff\xfe"[..], &le].concat()), text.as_bytes());
        assert_eq!(plain(&[&b"\xfe\xff"[..], &be].concat()), text.as_bytes());
        assert_eq!(plain(&le), text.as_bytes());
        assert_eq!(plain(&be), text.as_bytes());
        assert_eq!(plain(b""), b"");
        assert_eq!(plain(b"[]"), b"[]");
    }

    #[test]
    fn what_is_declared_matters_less_than_what_is_there() {
        let utf8 = Decoding::named("utf-8").expect("known");
        assert_eq!(utf8.text("é".as_bytes()), "é");
        assert_eq!(utf8.text(b"\xe9t\xe9"), "été");
        let latin = Decoding::named("ISO-8859-1").expect("known");
        assert_eq!(latin.text(b"\xe9"), "é");
        assert_eq!(latin.text("é".as_bytes()), "é");
        assert_eq!(
            charset("text/xml; charset=\"ISO-8859-15\""),
            Some("ISO-8859-15")
        );
        assert_eq!(charset("text/xml"), None);
        assert_eq!(utf8.text(b"\xc3\xa9t\xc3"), "ét", "cut within a letter");
        assert_eq!(utf8.text(b"\xc3\xa9t\xe9 "), "été ", "two encodings in one");
    }
}
