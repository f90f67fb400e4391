//! XML by streams: each record's element is cut out by its tags and read with `quick-xml`.
//!
//! No DTD is processed and no entity expanded but the five of XML and the names of HTML.

use super::window::{Kept, Window};
use super::{
    Decoding, ENVELOPE_BYTES, Item, ParseEnd, Plan, Record, Stop, Take, Wholeness, excerpt,
};
use serde_json::{Map, Value};
use std::io::Read;

mod tree;

pub use tree::tree;

/// Records without their end tag that are looked past in one document.
const TORN: u32 = 1000;

pub fn parse<R: Read>(
    window: &mut Window<R>,
    plan: &Plan,
    decoding: Decoding,
    take: &mut Take<'_>,
) -> ParseEnd {
    let mut parser = Parser {
        window,
        plan,
        paths: &plan.paths,
        cap: plan.record_bytes,
        decoding,
        pinned: plan.encoding.is_some(),
        take,
        items: 0,
        open: Vec::new(),
        seen_list: false,
        record: Kept::default(),
        torn: 0,
        envelope: Value::Object(Map::new()),
    };
    let result = parser.document();
    let (items, seen_list) = (parser.items, parser.seen_list);
    let envelope = std::mem::take(&mut parser.envelope);
    let wholeness = match result {
        Err(stop) => stop.wholeness(window.offset(), items),
        Ok(None) => Wholeness::Whole,
        Ok(Some(_)) if seen_list || items > 0 => Wholeness::Whole,
        Ok(Some(root)) => {
            let wanted: Vec<String> = plan.paths.iter().map(|p| p.join(".")).collect();
            Wholeness::Alien(format!(
                "the document is <{root}> and has nothing at `{}`",
                wanted.join("` or `")
            ))
        }
    };
    ParseEnd {
        wholeness,
        envelope,
        items,
    }
}

struct Parser<'p, 't, R> {
    window: &'p mut Window<R>,
    plan: &'p Plan,
    paths: &'p [Vec<String>],
    cap: usize,
    decoding: Decoding,
    pinned: bool,
    take: &'p mut Take<'t>,
    items: u64,
    /// Open elements on the way to the records.
    open: Vec<String>,
    /// Whether the element that holds the records was there.
    seen_list: bool,
    record: Kept,
    /// Records that had no end tag.
    torn: u32,
    envelope: Value,
}

impl<R: Read> Parser<'_, '_, R> {
    /// The name of the root element, or none for an empty document.
    fn document(&mut self) -> Result<Option<String>, Stop> {
        let mut root: Option<String> = None;
        // A mark or padding that is not at the very start.
        while let Some(0 | 0xef | 0xbb | 0xbf) = self.window.peek_solid()? {
            self.window.advance(1);
        }
        match self.window.peek_solid()? {
            None => return Ok(None),
            Some(b'<') => {}
            Some(_) => {
                return Err(Stop::Bad(
                    "the document does not start with a tag".to_owned(),
                ));
            }
        }
        loop {
            self.skip_text(root.is_some() && self.open.is_empty())?;
            let head = self.window.at_least(9)?;
            if head.is_empty() {
                return if self.open.is_empty() && root.is_some() {
                    Ok(root)
                } else if root.is_none() {
                    Err(Stop::Bad("the document has no element".to_owned()))
                } else {
                    Err(Stop::Cut(format!(
                        "<{}> is not closed",
                        self.open.join("><")
                    )))
                };
            }
            if head.starts_with(b"<!--") {
                self.through(b"-->", 4)?;
            } else if head.starts_with(b"<![CDATA[") {
                self.through(b"]]>", 9)?;
            } else if head.starts_with(b"<?") {
                self.declaration()?;
            } else if head.starts_with(b"<!") {
                self.doctype()?;
            } else if head.starts_with(b"</") {
                self.close()?;
            } else {
                if root.is_some() && self.open.is_empty() {
                    return Err(Stop::Bad(
                        "something follows the end of the document".to_owned(),
                    ));
                }
                let name = self.element()?;
                if root.is_none() {
                    if name.eq_ignore_ascii_case("html") {
                        return Err(Stop::Bad(
                            "an HTML page stands where XML was expected".to_owned(),
                        ));
                    }
                    root = Some(name);
                }
            }
        }
    }

    /// Skips text. After the root only blanks may follow.
    fn skip_text(&mut self, after_root: bool) -> Result<(), Stop> {
        loop {
            let chunk = self.window.chunk()?;
            if chunk.is_empty() {
                return Ok(());
            }
            let n = memchr::memchr(b'<', chunk);
            let text = &chunk[..n.unwrap_or(chunk.len())];
            if after_root && text.iter().any(|b| !b.is_ascii_whitespace() && *b != 0) {
                return Err(Stop::Bad("text follows the end of the document".to_owned()));
            }
            let skip = text.len();
            self.window.advance(skip);
            if n.is_some() {
                return Ok(());
            }
        }
    }

    /// Moves behind `end`, which is looked for after the first `skip` bytes.
    fn through(&mut self, end: &[u8], skip: usize) -> Result<(), Stop> {
        let mut ignored = Kept::default();
        self.copy_through(end, skip, 0, &mut ignored)
    }

    fn copy_through(
        &mut self,
        end: &[u8],
        skip: usize,
        cap: usize,
        out: &mut Kept,
    ) -> Result<(), Stop> {
        let mut from = skip;
        loop {
            let chunk = self.window.at_least(from + end.len())?;
            if chunk.len() < from + end.len() {
                return Err(Stop::Cut(
                    "the document ends within a comment or a section".to_owned(),
                ));
            }
            if let Some(n) = memchr::memmem::find(&chunk[from..], end) {
                let n = from + n + end.len();
                out.push(&chunk[..n], cap);
                self.window.advance(n);
                return Ok(());
            }
            let n = chunk.len() + 1 - end.len();
            out.push(&chunk[..n], cap);
            self.window.advance(n);
            from = 0;
        }
    }

    /// `<?xml …?>`: its encoding counts unless the connector or the transport pins one.
    fn declaration(&mut self) -> Result<(), Stop> {
        let mut text = Kept::default();
        self.copy_through(b"?>", 2, 1024, &mut text)?;
        let text = String::from_utf8_lossy(&text.bytes).into_owned();
        if !self.pinned
            && let Some((_, rest)) = text.split_once("encoding=")
        {
            let label: String = rest
                .trim_start_matches(['"', '\'', '\\'])
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':'))
                .collect();
            self.decoding = Decoding::named(&label).unwrap_or(self.decoding);
        }
        Ok(())
    }

    fn doctype(&mut self) -> Result<(), Stop> {
        let mut quote = None;
        let mut nested = 0usize;
        loop {
            let chunk = self.window.chunk()?;
            if chunk.is_empty() {
                return Err(Stop::Cut("the document ends within its DOCTYPE".to_owned()));
            }
            for (i, byte) in chunk.iter().enumerate() {
                match (quote, byte) {
                    (Some(q), b) if *b == q => quote = None,
                    (Some(_), _) => {}
                    (None, b'"' | b'\'') => quote = Some(*byte),
                    (None, b'[') => nested += 1,
                    (None, b']') => nested = nested.saturating_sub(1),
                    (None, b'>') if nested == 0 => {
                        self.window.advance(i + 1);
                        return Ok(());
                    }
                    _ => {}
                }
            }
            let n = chunk.len();
            self.window.advance(n);
        }
    }

    fn close(&mut self) -> Result<(), Stop> {
        let mut tag = Kept::default();
        self.copy_through(b">", 2, 4096, &mut tag)?;
        let name = name_of(&tag.bytes[2.min(tag.bytes.len())..]);
        match self.open.iter().rposition(|open| *open == name) {
            // What was left open within it is closed with it.
            Some(at) => self.open.truncate(at),
            None if self.open.is_empty() => {
                return Err(Stop::Bad(format!("</{name}> closes nothing")));
            }
            // The end tag of a record, twice.
            None => {}
        }
        Ok(())
    }

    /// An element that starts here: a record, a step on the way, or something beside it.
    fn element(&mut self) -> Result<String, Stop> {
        let start = self.window.offset();
        self.record.clear();
        let mut record = std::mem::take(&mut self.record);
        let tag = start_tag(self.window, &mut record, self.cap);
        self.record = record;
        let self_closing = tag?;
        let name = name_of(self.record.bytes.get(1..).unwrap_or_default());
        if name.is_empty() {
            return Err(Stop::Bad("a tag has no name".to_owned()));
        }
        let mut here: Vec<&str> = self.open.iter().map(String::as_str).collect();
        here.push(&name);
        let matches = |path: &[String]| {
            path.iter()
                .zip(&here)
                .all(|(want, is)| want == "*" || want == is || want == local(is))
        };
        let is_record = self
            .paths
            .iter()
            .any(|p| p.len() == here.len() && matches(p));
        let holds_list = self.paths.iter().any(|p| {
            // Any element at all proves no list.
            p.len() == here.len() + 1 && p[here.len() - 1] != "*" && matches(&p[..here.len()])
        });
        let on_the_way = self
            .paths
            .iter()
            .any(|p| p.len() > here.len() && matches(&p[..here.len()]));
        if is_record {
            if self.rest_of_element(&name, self_closing, self.cap)? {
                self.emit(start, &name)?;
            } else {
                self.give(Item::Broken {
                    raw: excerpt(self.decoding, &self.record.bytes),
                    why: format!("the record at byte {start} has no </{name}>"),
                })?;
            }
        } else if on_the_way {
            self.seen_list |= holds_list;
            self.keep_attributes(&name);
            if !self_closing {
                self.open.push(name.clone());
            }
        } else if here.len() == 1 {
            // The root is something else: go through it all the same, to tell a cut from a stranger.
            if !self_closing {
                self.open.push(name.clone());
            }
        } else {
            if !self.rest_of_element(&name, self_closing, ENVELOPE_BYTES)? {
                return Err(Stop::Bad(format!("<{name}> is not closed")));
            }
            self.keep_beside(&name);
        }
        Ok(name)
    }

    /// Everything up to the end tag of the element whose start tag was read, into `record`.
    /// `false` when the end tag is missing: the record is what stands before the next one.
    fn rest_of_element(
        &mut self,
        name: &str,
        self_closing: bool,
        cap: usize,
    ) -> Result<bool, Stop> {
        if self_closing {
            return Ok(true);
        }
        let mut record = std::mem::take(&mut self.record);
        let head = record.bytes.len();
        let result = self.copy_element(name, cap, &mut record);
        let torn = match &result {
            Ok(Copied::Whole) => None,
            Ok(Copied::Unclosed) => Some(next_start(&record.bytes, head, name)),
            Ok(Copied::Torn(at)) => Some(Some(*at)),
            // The document may be cut, too: what can still be told apart is.
            Err(Stop::Cut(_)) => next_start(&record.bytes, head, name).map(Some),
            Err(_) => None,
        };
        if torn.is_some() {
            self.torn += 1;
        }
        let result = match torn {
            Some(Some(at)) if self.torn <= TORN && !record.is_over(cap) => {
                self.window.unread(&record.bytes[at..]);
                record.bytes.truncate(at);
                record.len = at;
                Ok(false)
            }
            Some(None) => Ok(false),
            _ => result.map(|_| true),
        };
        self.record = record;
        result
    }

    fn copy_element(&mut self, name: &str, cap: usize, out: &mut Kept) -> Result<Copied, Stop> {
        let cut = || Stop::Cut(format!("the document ends within <{name}>"));
        let parent = self.open.last().cloned().unwrap_or_default();
        let longest = name.len().max(parent.len()) + 3;
        let mut depth = 1usize;
        // Elements within the record that are called like its parent.
        let mut parents = 0usize;
        loop {
            let chunk = self.window.chunk()?;
            if chunk.is_empty() {
                return Err(cut());
            }
            let n = memchr::memchr(b'<', chunk).unwrap_or(chunk.len());
            if depth > 1 && out.len + n > cap && !out.is_over(cap) {
                return Ok(Copied::Unclosed);
            }
            out.push(&chunk[..n], cap);
            self.window.advance(n);
            let head = self.window.at_least(longest)?;
            if head.is_empty() {
                return Err(cut());
            }
            if head[0] != b'<' {
                continue;
            }
            if head.starts_with(b"<![CDATA[") || (head.len() < 9 && b"<![CDATA[".starts_with(head))
            {
                let head = self.window.at_least(9)?;
                if head.starts_with(b"<![CDATA[") {
                    let from = out.bytes.len();
                    self.copy_through(b"]]>", 9, cap, out)?;
                    if let Some(at) = swallowed(&out.bytes, from, name) {
                        return Ok(Copied::Torn(at));
                    }
                    continue;
                }
            }
            let head = self.window.at_least(longest)?;
            if head.starts_with(b"<!--") {
                let from = out.bytes.len();
                self.copy_through(b"-->", 4, cap, out)?;
                if let Some(at) = swallowed(&out.bytes, from, name) {
                    return Ok(Copied::Torn(at));
                }
            } else if is_tag(head, b"</", name) {
                self.copy_through(b">", 2, cap, out)?;
                depth -= 1;
                if depth == 0 {
                    return Ok(Copied::Whole);
                }
            } else if is_tag(head, b"<", name) {
                if !start_tag(self.window, out, cap)? {
                    depth += 1;
                }
            } else if !parent.is_empty() && is_tag(head, b"</", &parent) {
                if parents == 0 {
                    return Ok(Copied::Unclosed);
                }
                parents -= 1;
                out.push(b"<", cap);
                self.window.advance(1);
            } else {
                if !parent.is_empty() && is_tag(head, b"<", &parent) {
                    parents += 1;
                }
                out.push(b"<", cap);
                self.window.advance(1);
            }
        }
    }

    fn emit(&mut self, start: u64, name: &str) -> Result<(), Stop> {
        let item = if self.record.is_over(self.cap) {
            Item::Broken {
                raw: excerpt(self.decoding, &self.record.bytes),
                why: format!(
                    "the record at byte {start} has {} bytes, more than limits.record_kb allows",
                    self.record.len
                ),
            }
        } else {
            let (digest, known) = self.plan.recalled(self.decoding, &self.record.bytes);
            if let Some(known) = known {
                self.items += 1;
                return if (self.take)(Item::Known(known)) {
                    Ok(())
                } else {
                    Err(Stop::Enough)
                };
            }
            match tree(&self.decoding.text(&self.record.bytes)) {
                Ok(value) => Item::Record(Record {
                    tree: match name.split_once(':') {
                        // The record's own prefix is only how this document abbreviates.
                        Some((prefix, _)) => unprefixed(value, prefix),
                        None => value,
                    },
                    digest,
                }),
                Err(why) => Item::Broken {
                    raw: excerpt(self.decoding, &self.record.bytes),
                    why: format!("the record at byte {start} is no XML: {why}"),
                },
            }
        };
        self.give(item)
    }

    fn give(&mut self, item: Item) -> Result<(), Stop> {
        self.items += 1;
        if (self.take)(item) {
            Ok(())
        } else {
            Err(Stop::Enough)
        }
    }

    /// The place in the envelope of the element that is open.
    fn place(&mut self) -> &mut Map<String, Value> {
        let mut at = &mut self.envelope;
        for name in &self.open {
            if !at.is_object() {
                *at = Value::Object(Map::new());
            }
            at = at
                .as_object_mut()
                .map(|map| {
                    map.entry(name.clone())
                        .or_insert_with(|| Value::Object(Map::new()))
                })
                .unwrap_or_else(|| unreachable!("made an object just above"));
        }
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at.as_object_mut()
            .unwrap_or_else(|| unreachable!("made an object just above"))
    }

    fn keep_attributes(&mut self, name: &str) {
        let text = self.decoding.text(&self.record.bytes).into_owned();
        let closed = format!("{}/>", text.trim_end_matches(['>', '/']));
        if let Ok(Value::Object(attributes)) = tree(&closed) {
            self.place()
                .insert(name.to_owned(), Value::Object(attributes));
        }
    }

    fn keep_beside(&mut self, name: &str) {
        if self.record.is_over(ENVELOPE_BYTES) {
            return;
        }
        let text = self.decoding.text(&self.record.bytes).into_owned();
        if let Ok(value) = tree(&text) {
            let place = self.place();
            // What repeats beside the records (a second kind of list) is not kept whole.
            if !place.contains_key(name) {
                place.insert(name.to_owned(), value);
            }
        }
    }
}

/// How an element was copied.
enum Copied {
    Whole,
    /// Its parent ended, or so much came that its end tag must be missing.
    Unclosed,
    /// A section in it swallowed the start of the next record, which is here.
    Torn(usize),
}

/// Where the next element of this name starts in `bytes`, after the first one's start tag.
fn next_start(bytes: &[u8], from: usize, name: &str) -> Option<usize> {
    memchr::memchr_iter(b'<', bytes.get(from..)?)
        .map(|n| from + n)
        .find(|n| is_tag(&bytes[*n..], b"<", name))
}

/// Where the next record starts in a section that was never closed and ran on into it.
fn swallowed(bytes: &[u8], from: usize, name: &str) -> Option<usize> {
    let section = bytes.get(from..)?;
    let end = memchr::memchr_iter(b'<', section).find(|n| is_tag(&section[*n..], b"</", name))?;
    next_start(bytes, from + end + 1, name)
}

/// A name without its prefix.
fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// The tree without `prefix:` before the names in it.
fn unprefixed(value: Value, prefix: &str) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| {
                let bare = key
                    .strip_prefix(prefix)
                    .and_then(|rest| rest.strip_prefix(':'))
                    .map(str::to_owned);
                (bare.unwrap_or(key), unprefixed(value, prefix))
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(|v| unprefixed(v, prefix)).collect(),
        other => other,
    }
}

/// Whether `head` is a tag of `name` that starts with `lead`.
fn is_tag(head: &[u8], lead: &[u8], name: &str) -> bool {
    head.strip_prefix(lead)
        .and_then(|rest| rest.strip_prefix(name.as_bytes()))
        .is_some_and(|after| {
            after
                .first()
                .is_none_or(|b| b.is_ascii_whitespace() || matches!(b, b'>' | b'/'))
        })
}

/// Copies a start tag; whether it closes itself. Quotation marks may hold `>`.
fn start_tag<R: Read>(window: &mut Window<R>, out: &mut Kept, cap: usize) -> Result<bool, Stop> {
    let mut quote = None;
    let mut before = 0u8;
    let mut read = 0usize;
    loop {
        let chunk = window.chunk()?;
        if chunk.is_empty() {
            return Err(Stop::Cut("the document ends within a tag".to_owned()));
        }
        let mut end = None;
        for (i, byte) in chunk.iter().enumerate() {
            match (quote, *byte) {
                (Some(q), b) if b == q => quote = None,
                (Some(_), _) => {}
                (None, b'"' | b'\'') => quote = Some(*byte),
                (None, b'>') => {
                    end = Some(i);
                    break;
                }
                _ => {}
            }
            before = *byte;
        }
        let n = end.map_or(chunk.len(), |i| i + 1);
        read += n;
        out.push(&chunk[..n], cap);
        window.advance(n);
        if end.is_some() {
            return Ok(before == b'/');
        }
        if read > ENVELOPE_BYTES {
            return Err(Stop::Bad("a tag never ends".to_owned()));
        }
    }
}

/// The name at the start of a tag's content.
fn name_of(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .position(|b| b.is_ascii_whitespace() || matches!(b, b'>' | b'/'))
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}
