//! XML by streams: each record's element is cut out by its tags and read with `quick-xml`.
//!
//! No DTD is processed and no entity expanded but the five of XML and the names of HTML.

use super::window::{Kept, Window};
use super::{
    Decoding, ENVELOPE_BYTES, Item, MAX_DEPTH, ParseEnd, Plan, Stop, Take, Wholeness, excerpt,
};
use crate::pull::source::text::html_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use serde_json::{Map, Value};
use std::io::Read;

pub fn parse<R: Read>(
    window: &mut Window<R>,
    plan: &Plan,
    decoding: Decoding,
    take: &mut Take<'_>,
) -> ParseEnd {
    let mut parser = Parser {
        window,
        paths: &plan.paths,
        cap: plan.record_bytes,
        decoding,
        pinned: plan.encoding.is_some(),
        take,
        items: 0,
        open: Vec::new(),
        seen_list: false,
        record: Kept::default(),
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
    envelope: Value,
}

impl<R: Read> Parser<'_, '_, R> {
    /// The name of the root element, or none for an empty document.
    fn document(&mut self) -> Result<Option<String>, Stop> {
        let mut root: Option<String> = None;
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
        match self.open.pop() {
            Some(open) if open == name => Ok(()),
            Some(open) => Err(Stop::Bad(format!("<{open}> is closed by </{name}>"))),
            None => Err(Stop::Bad(format!("</{name}> closes nothing"))),
        }
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
                .all(|(want, is)| want == "*" || want == is)
        };
        let is_record = self
            .paths
            .iter()
            .any(|p| p.len() == here.len() && matches(p));
        let holds_list = self
            .paths
            .iter()
            .any(|p| p.len() == here.len() + 1 && matches(&p[..here.len()]));
        let on_the_way = self
            .paths
            .iter()
            .any(|p| p.len() > here.len() && matches(&p[..here.len()]));
        if is_record {
            self.rest_of_element(&name, self_closing, self.cap)?;
            self.emit(start)?;
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
            self.rest_of_element(&name, self_closing, ENVELOPE_BYTES)?;
            self.keep_beside(&name);
        }
        Ok(name)
    }

    /// Everything up to the end tag of the element whose start tag was read, into `record`.
    fn rest_of_element(&mut self, name: &str, self_closing: bool, cap: usize) -> Result<(), Stop> {
        if self_closing {
            return Ok(());
        }
        let mut record = std::mem::take(&mut self.record);
        let result = self.copy_element(name, cap, &mut record);
        self.record = record;
        result
    }

    fn copy_element(&mut self, name: &str, cap: usize, out: &mut Kept) -> Result<(), Stop> {
        let cut = || Stop::Cut(format!("the document ends within <{name}>"));
        let mut depth = 1usize;
        loop {
            let chunk = self.window.chunk()?;
            if chunk.is_empty() {
                return Err(cut());
            }
            let n = memchr::memchr(b'<', chunk).unwrap_or(chunk.len());
            out.push(&chunk[..n], cap);
            self.window.advance(n);
            let head = self.window.at_least(name.len() + 3)?;
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
                    self.copy_through(b"]]>", 9, cap, out)?;
                    continue;
                }
            }
            let head = self.window.at_least(name.len() + 3)?;
            if head.starts_with(b"<!--") {
                self.copy_through(b"-->", 4, cap, out)?;
            } else if is_tag(head, b"</", name) {
                self.copy_through(b">", 2, cap, out)?;
                depth -= 1;
                if depth == 0 {
                    return Ok(());
                }
            } else if is_tag(head, b"<", name) {
                if !start_tag(self.window, out, cap)? {
                    depth += 1;
                }
            } else {
                out.push(b"<", cap);
                self.window.advance(1);
            }
        }
    }

    fn emit(&mut self, start: u64) -> Result<(), Stop> {
        let item = if self.record.is_over(self.cap) {
            Item::Broken {
                raw: excerpt(self.decoding, &self.record.bytes),
                why: format!(
                    "the record at byte {start} has {} bytes, more than limits.record_kb allows",
                    self.record.len
                ),
            }
        } else {
            match tree(&self.decoding.text(&self.record.bytes)) {
                Ok(value) => Item::Record(value),
                Err(why) => Item::Broken {
                    raw: excerpt(self.decoding, &self.record.bytes),
                    why: format!("the record at byte {start} is no XML: {why}"),
                },
            }
        };
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

/// The tree of one element: attributes as `@name`, repeated children as lists, text as a string,
/// or as `#text` beside attributes; HTML that was not escaped stays text.
///
/// # Errors
/// What is wrong with it, after unescaped `&` and unclosed `<br>` were mended.
pub fn tree(text: &str) -> Result<Value, String> {
    build(text).or_else(|first| build(&mended(text)).map_err(|_| first))
}

struct Frame {
    name: String,
    map: Map<String, Value>,
    text: String,
    /// Offset of the content.
    start: usize,
    html: bool,
}

fn build(text: &str) -> Result<Value, String> {
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.allow_dangling_amp = false;
    config.expand_empty_elements = false;
    let mut stack: Vec<Frame> = Vec::new();
    loop {
        let before = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        let event = reader.read_event().map_err(|error| error.to_string())?;
        match event {
            Event::Start(start) => {
                if stack.len() >= MAX_DEPTH {
                    return Err(format!("it is nested deeper than {MAX_DEPTH}"));
                }
                let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
                let frame = frame(&start, at)?;
                mark_html(&mut stack, &frame.name);
                stack.push(frame);
            }
            Event::Empty(start) => {
                let frame = frame(&start, 0)?;
                mark_html(&mut stack, &frame.name);
                match stack.last_mut() {
                    Some(parent) => add(&mut parent.map, frame.name.clone(), finish(frame, None)),
                    None => return Ok(finish(frame, None)),
                }
            }
            Event::End(_) => {
                let Some(frame) = stack.pop() else {
                    return Err("an element is closed that was never opened".to_owned());
                };
                let inner = frame.html.then(|| text.get(frame.start..before)).flatten();
                match stack.last_mut() {
                    Some(parent) => add(&mut parent.map, frame.name.clone(), finish(frame, inner)),
                    None => return Ok(finish(frame, inner)),
                }
            }
            Event::Text(piece) => {
                if let Some(frame) = stack.last_mut() {
                    frame.text.push_str(&piece);
                }
            }
            Event::CData(piece) => {
                if let Some(frame) = stack.last_mut() {
                    frame.text.push_str(&piece);
                }
            }
            Event::GeneralRef(reference) => {
                let Some(frame) = stack.last_mut() else {
                    continue;
                };
                match reference.resolve_char_ref() {
                    Ok(Some(c)) => frame.text.push(c),
                    Ok(None) => match html_entity(&reference) {
                        Some(known) => frame.text.push_str(known),
                        None => {
                            frame.text.push('&');
                            frame.text.push_str(&reference);
                            frame.text.push(';');
                        }
                    },
                    Err(_) => frame.text.push('\u{fffd}'),
                }
            }
            Event::Eof => return Err("it ends before its end tag".to_owned()),
            _ => {}
        }
    }
}

fn frame(start: &BytesStart<'_>, at: usize) -> Result<Frame, String> {
    let mut map = Map::new();
    for attribute in start.html_attributes().with_checks(false) {
        let Ok(attribute) = attribute else { continue };
        let value = attribute
            .normalized_value_with(XmlVersion::Implicit1_0, 1, html_entity)
            .map_or_else(|_| attribute.value.to_string(), |v| v.into_owned());
        map.insert(format!("@{}", attribute.key.as_ref()), Value::String(value));
    }
    Ok(Frame {
        name: start.name().as_ref().to_owned(),
        map,
        text: String::new(),
        start: at,
        html: false,
    })
}

/// Elements of HTML prose: their parent holds HTML that nobody escaped.
fn mark_html(stack: &mut [Frame], name: &str) {
    let lower = name.to_ascii_lowercase();
    let is_html = matches!(
        lower.as_str(),
        "a" | "p"
            | "br"
            | "ul"
            | "ol"
            | "li"
            | "div"
            | "span"
            | "strong"
            | "em"
            | "b"
            | "i"
            | "u"
            | "hr"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "font"
            | "table"
            | "blockquote"
    );
    // The record itself is data: a child `<a>` or `<i>` of it is a field.
    if is_html
        && stack.len() > 1
        && let Some(parent) = stack.last_mut()
    {
        parent.html = true;
    }
}

fn finish(frame: Frame, html: Option<&str>) -> Value {
    let has_children = frame.map.keys().any(|key| !key.starts_with('@'));
    let text = match html {
        Some(inner) => inner.trim(),
        None => frame.text.trim(),
    };
    let mut map = frame.map;
    if html.is_some() {
        map.retain(|key, _| key.starts_with('@'));
    }
    if map.is_empty() {
        return if text.is_empty() {
            Value::Null
        } else {
            Value::String(text.to_owned())
        };
    }
    if !text.is_empty() && (html.is_some() || !has_children) {
        map.insert("#text".to_owned(), Value::String(text.to_owned()));
    }
    Value::Object(map)
}

fn add(map: &mut Map<String, Value>, name: String, value: Value) {
    match map.get_mut(&name) {
        None => {
            map.insert(name, value);
        }
        Some(Value::Array(items)) => items.push(value),
        Some(known) => {
            let first = known.take();
            *known = Value::Array(vec![first, value]);
        }
    }
}

/// Mends what is certain: `&` that starts no reference, `<` that starts no tag, void elements of
/// HTML without their slash. CDATA stays as it is.
fn mended(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("<![CDATA[") {
            let end = after.find("]]>").map_or(rest.len(), |n| n + 9 + 3);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        } else if rest.starts_with('&') {
            out.push_str(if is_reference(rest) { "&" } else { "&amp;" });
            rest = &rest[1..];
        } else if let Some(end) = void_tag(rest) {
            out.push_str(rest[..end - 1].trim_end_matches('/'));
            out.push_str("/>");
            rest = &rest[end..];
        } else {
            let opens = rest[1..].starts_with(|c: char| {
                c.is_alphabetic() || matches!(c, '/' | '!' | '?' | '_' | ':')
            });
            out.push_str(if opens { "<" } else { "&lt;" });
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

fn is_reference(text: &str) -> bool {
    let Some(end) = text.find(';').filter(|n| *n <= 12) else {
        return false;
    };
    let name = &text[1..end];
    let digits = name.strip_prefix("#x").or(name.strip_prefix("#X"));
    match (digits, name.strip_prefix('#')) {
        (Some(hex), _) => !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit()),
        (None, Some(decimal)) => !decimal.is_empty() && decimal.bytes().all(|b| b.is_ascii_digit()),
        (None, None) => !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric()),
    }
}

/// The length of a void element's start tag at the start of `text`; `</br>` counts too.
fn void_tag(text: &str) -> Option<usize> {
    let lower: String = text
        .chars()
        .take(8)
        .collect::<String>()
        .to_ascii_lowercase();
    let void = ["<br", "<hr", "<img"].iter().find(|tag| {
        lower.strip_prefix(**tag).is_some_and(|after| {
            after.starts_with(|c: char| c.is_whitespace() || matches!(c, '>' | '/'))
        })
    });
    void?;
    text.find('>').map(|n| n + 1)
}
