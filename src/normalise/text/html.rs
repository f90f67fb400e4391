//! HTML of any quality to a document, in one pass.
//!
//! A tokeniser without a tree: nesting is a few counters, so 100,000 open tags cost no more than
//! 100,000 words. What is not on the short list of known tags is dropped, its text kept.

use super::clean::{joins_badly, whole_word};
use super::document::{Block, Document, Kind, Run};
use super::{KEPT_CHARACTERS, entities, repair};
use std::borrow::Cow;

/// Elements whose content is no text of the ad.
const DROPPED: [&str; 20] = [
    "script", "style", "svg", "math", "template", "head", "title", "iframe", "object", "noscript",
    "noembed", "noframes", "xmp", "textarea", "select", "button", "canvas", "audio", "video",
    "applet",
];
/// Elements that begin and end a block.
const BLOCKS: [&str; 26] = [
    "p",
    "div",
    "section",
    "article",
    "blockquote",
    "tr",
    "table",
    "tbody",
    "thead",
    "hr",
    "pre",
    "address",
    "figure",
    "figcaption",
    "center",
    "dl",
    "dt",
    "dd",
    "main",
    "header",
    "footer",
    "aside",
    "form",
    "fieldset",
    "body",
    "html",
];
/// Inline elements that betray HTML but change nothing.
const INLINE: [&str; 9] = [
    "span", "font", "img", "u", "small", "sup", "sub", "td", "th",
];
/// The longest tag, attributes included, in bytes; a longer one ends at its first `>`.
const TAG_LIMIT: usize = 4096;
const DEPTH_LIMIT: usize = 4;

/// Whether `text` holds at least one tag that ads use. `<5 ans` is none.
pub fn looks_like_html(text: &str) -> bool {
    text.match_indices('<').any(|(at, _)| {
        let rest = &text[at + 1..];
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        let name = tag_name(rest);
        let after = rest.as_bytes().get(name.len());
        let closed = matches!(after, Some(b'>' | b'/' | b' ' | b'\t' | b'\n' | b'\r'));
        let known = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
        closed
            && (known(&BLOCKS)
                || known(&DROPPED)
                || known(&INLINE)
                || known(&[
                    "a", "b", "i", "br", "em", "strong", "ul", "ol", "li", "h1", "h2", "h3", "h4",
                    "h5", "h6",
                ]))
    })
}

fn tag_name(text: &str) -> &str {
    let end = text
        .bytes()
        .position(|b| !b.is_ascii_alphanumeric())
        .unwrap_or(text.len());
    if text.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) {
        &text[..end]
    } else {
        ""
    }
}

/// The document of repaired HTML.
pub fn parse(html: &str) -> Document {
    let mut builder = Builder::default();
    // Names whose end tag is known not to follow: looked for once, not at every opening.
    let mut endless: Vec<String> = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        builder.markup_text(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("<!--") {
            rest = skip_to(after, "-->", &mut endless);
            continue;
        }
        if let Some(after) = rest.strip_prefix("<![CDATA[") {
            rest = after;
            continue;
        }
        let next = rest.as_bytes().get(1).copied().unwrap_or(b' ');
        if !(next.is_ascii_alphabetic() || matches!(next, b'/' | b'!' | b'?')) {
            builder.markup_text("<");
            rest = &rest[1..];
            continue;
        }
        let Some(end) = tag_end(rest) else {
            // No `>` to come: text from here on.
            builder.markup_text(rest);
            rest = "";
            break;
        };
        let tag = &rest[1..end];
        rest = &rest[end + 1..];
        let (closing, tag) = match tag.strip_prefix('/') {
            Some(tag) => (true, tag),
            None => (false, tag),
        };
        let name = tag_name(tag).to_ascii_lowercase();
        if DROPPED.contains(&name.as_str()) {
            builder.space();
            if !closing && !tag.ends_with('/') {
                rest = skip_element(rest, &name, &mut endless);
            }
            continue;
        }
        builder.tag(&name, closing, &tag[name.len().min(tag.len())..]);
    }
    builder.markup_text(rest);
    builder.finish()
}

/// The byte of the `>` that ends the tag at the start of `text`, quotes respected.
fn tag_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut quote = None;
    for (at, &byte) in bytes.iter().enumerate().take(TAG_LIMIT).skip(1) {
        match (quote, byte) {
            (Some(open), close) if open == close => quote = None,
            (None, b'"' | b'\'') if bytes[at - 1] == b'=' || bytes[at - 1] == b' ' => {
                quote = Some(byte);
            }
            (None, b'>') => return Some(at),
            _ => {}
        }
    }
    text.find('>')
}

fn skip_to<'a>(text: &'a str, mark: &str, endless: &mut Vec<String>) -> &'a str {
    if endless.iter().any(|known| known == mark) {
        return text;
    }
    if let Some(at) = text.find(mark) {
        &text[at + mark.len()..]
    } else {
        endless.push(mark.to_owned());
        text
    }
}

/// What follows the end tag of `name`; without one, `text` itself for markup and nothing for
/// scripts and styles, whose content must not show.
fn skip_element<'a>(text: &'a str, name: &str, endless: &mut Vec<String>) -> &'a str {
    let missing = if matches!(name, "script" | "style") {
        ""
    } else {
        text
    };
    if endless.iter().any(|known| known == name) {
        return missing;
    }
    let found = text.match_indices("</").find(|(at, _)| {
        let rest = &text.as_bytes()[at + 2..];
        rest.len() >= name.len() && rest[..name.len()].eq_ignore_ascii_case(name.as_bytes())
    });
    match found {
        Some((at, _)) => match text[at..].find('>') {
            Some(end) => &text[at + end + 1..],
            None => "",
        },
        None => {
            endless.push(name.to_owned());
            missing
        }
    }
}

/// What stands between two words: nothing, a blank, or a line's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd)]
enum Gap {
    #[default]
    None,
    Space,
    Break,
}

/// Gathers blocks from events; shared by HTML and plain text.
#[derive(Debug, Default)]
pub struct Builder {
    document: Document,
    kind: Option<Kind>,
    runs: Vec<Run>,
    gap: Gap,
    strong: usize,
    em: usize,
    href: Option<String>,
    lists: Vec<bool>,
    characters: usize,
}

impl Builder {
    pub fn start(&mut self, kind: Kind) {
        self.end_block();
        self.kind = Some(kind);
    }

    pub fn end_block(&mut self) {
        self.gap = Gap::None;
        let runs = std::mem::take(&mut self.runs);
        let kind = self.kind.take().unwrap_or_else(|| self.default_kind());
        if !runs.is_empty() {
            self.document.blocks.push(Block { kind, runs });
        }
    }

    fn default_kind(&self) -> Kind {
        match self.lists.last() {
            Some(&ordered) => Kind::Item {
                ordered,
                depth: u8::try_from(self.lists.len().min(DEPTH_LIMIT)).unwrap_or(1),
            },
            None => Kind::Paragraph,
        }
    }

    pub fn break_line(&mut self) {
        if self.runs.is_empty() {
            return;
        }
        if self.gap == Gap::Break && self.lists.is_empty() {
            self.end_block();
        } else {
            self.gap = Gap::Break;
        }
    }

    pub fn space(&mut self) {
        if self.gap == Gap::None {
            self.gap = Gap::Space;
        }
    }

    /// Text with entities to decode.
    fn markup_text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let text: Cow<'_, str> = if text.contains('&') {
            Cow::Owned(repair(&entities::decode(text)))
        } else {
            Cow::Borrowed(text)
        };
        self.text(&text);
    }

    /// Literal text; runs of blanks count as one.
    pub fn text(&mut self, text: &str) {
        for (index, word) in text.split(char::is_whitespace).enumerate() {
            if index > 0 {
                self.space();
            }
            if !word.is_empty() {
                self.word(word);
            }
        }
    }

    fn word(&mut self, word: &str) {
        if self.characters > KEPT_CHARACTERS {
            self.document.cut = true;
            return;
        }
        self.characters += word.len() + 1;
        if self.kind.is_none() {
            self.kind = Some(self.default_kind());
        }
        let before = match self.gap {
            _ if self.runs.is_empty() => "",
            Gap::None => "",
            Gap::Space => " ",
            Gap::Break => "\n",
        };
        let word = if self.gap == Gap::None {
            word
        } else {
            whole_word(word)
        };
        self.gap = Gap::None;
        let (strong, em) = (self.strong > 0, self.em > 0);
        let styled = strong || em || self.href.is_some();
        let mut before = before;
        // The blank between two styles stands outside of them.
        if let Some(last) = self.runs.last_mut()
            && styled
            && !(last.strong || last.em || last.href.is_some())
        {
            last.text.push_str(before);
            before = "";
        }
        let same = self
            .runs
            .last()
            .is_some_and(|run| run.strong == strong && run.em == em && run.href == self.href);
        if !same {
            self.runs.push(Run {
                text: String::new(),
                strong,
                em,
                href: self.href.clone(),
            });
        }
        if let Some(run) = self.runs.last_mut() {
            // A dropped tag stood between: what was apart must not become an escape or another letter.
            if before.is_empty() && joins_badly(&run.text, word) {
                before = " ";
            }
            run.text.push_str(before);
            run.text.push_str(word);
        }
    }

    fn tag(&mut self, name: &str, closing: bool, attributes: &str) {
        match name {
            "br" => self.break_line(),
            "strong" | "b" => count(&mut self.strong, closing),
            "em" | "i" => count(&mut self.em, closing),
            "a" => self.href = if closing { None } else { href(attributes) },
            "ul" | "ol" => {
                self.end_block();
                if closing {
                    self.lists.pop();
                } else {
                    self.lists.push(name == "ol");
                }
            }
            "li" => {
                // An item without a list is an item all the same, until a block ends it.
                self.end_block();
                if !closing && self.lists.is_empty() {
                    self.kind = Some(Kind::Item {
                        ordered: false,
                        depth: 1,
                    });
                }
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                if self.lists.is_empty() {
                    self.end_block();
                    if !closing {
                        let level = if name <= "h3" { 3 } else { 4 };
                        self.kind = Some(Kind::Heading(level));
                    }
                } else {
                    self.break_line();
                }
            }
            "td" | "th" if !closing && !self.runs.is_empty() => self.text(" | "),
            _ if BLOCKS.contains(&name) => {
                if self.lists.is_empty() {
                    self.end_block();
                } else if !self.runs.is_empty() {
                    self.gap = Gap::Break;
                }
            }
            _ => {}
        }
    }

    pub fn finish(mut self) -> Document {
        self.end_block();
        let mut above = 0;
        for block in &mut self.document.blocks {
            for run in block.runs.iter_mut().filter(|run| run.text.contains('&')) {
                // A dropped tag stood between a sign and its name: they stay apart.
                if entities::decode(&run.text) != run.text {
                    run.text = apart(&run.text);
                }
            }
            if let Kind::Item { depth, .. } = &mut block.kind {
                *depth = (*depth).min(above + 1);
                above = *depth;
            } else {
                above = 0;
            }
        }
        self.document
    }
}

/// `text` with a blank after every `&` that a name or number follows.
fn apart(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if c == '&'
            && chars
                .peek()
                .is_some_and(|next| next.is_ascii_alphanumeric() || *next == '#')
        {
            out.push(' ');
        }
    }
    out
}

fn count(open: &mut usize, closing: bool) {
    if closing {
        *open = open.saturating_sub(1);
    } else {
        *open += 1;
    }
}

/// The address of an `a`, if it is an absolute web address without a person in it; campaign
/// parameters are left out.
fn href(attributes: &str) -> Option<String> {
    let lower = attributes.to_ascii_lowercase();
    let at = lower.find("href")? + 4;
    let value = attributes
        .get(at..)?
        .trim_start()
        .strip_prefix('=')?
        .trim_start();
    let raw = match value.chars().next()? {
        quote @ ('"' | '\'') => value[1..].split(quote).next()?,
        _ => value.split([' ', '>', '\t', '\n']).next()?,
    };
    super::super::links::public(&repair(&entities::decode(raw)))
}
