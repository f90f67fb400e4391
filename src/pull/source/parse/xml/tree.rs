//! The tree of one XML element, read with `quick-xml`, and what is mended before giving it up.

use crate::pull::source::parse::MAX_DEPTH;
use crate::pull::source::text::html_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use serde_json::{Map, Value};

/// The tree of one element: attributes as `@name`, repeated children as lists, text as a string,
/// or as `#text` beside attributes; HTML that was not escaped stays text.
///
/// # Errors
/// What is wrong with it, after unescaped `&` and unclosed `<br>` were mended, and tags of prose
/// that were not closed in order.
pub fn tree(text: &str) -> Result<Value, String> {
    build(text, false).or_else(|first| build(&mended(text), true).map_err(|_| first))
}

struct Frame {
    name: String,
    map: Map<String, Value>,
    text: String,
    /// Offset of the content.
    start: usize,
    html: bool,
}

/// With `lenient`, prose within a field may leave its tags open or close some that never were.
fn build(text: &str, lenient: bool) -> Result<Value, String> {
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.allow_dangling_amp = false;
    config.expand_empty_elements = false;
    config.check_end_names = !lenient;
    config.allow_unmatched_ends = lenient;
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
            Event::End(end) => {
                if lenient && !reach(&mut stack, end.name().as_ref(), text, before)? {
                    continue;
                }
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

/// Closes prose that was left open within the element of this name. `false` when the end tag
/// closes nothing that is open, which prose may do.
fn reach(stack: &mut Vec<Frame>, name: &str, text: &str, at: usize) -> Result<bool, String> {
    let Some(target) = stack.iter().rposition(|frame| frame.name == name) else {
        return if stack.len() > 1 && is_prose(name) {
            mark_html(stack, name);
            Ok(false)
        } else {
            Err(format!("</{name}> closes nothing"))
        };
    };
    while stack.len() > target + 1 {
        let Some(open) = stack.pop() else { break };
        // A field that is not closed is no matter of prose.
        if stack.len() < 2 || !is_prose(&open.name) {
            return Err(format!("<{}> is closed by </{name}>", open.name));
        }
        let inner = open.html.then(|| text.get(open.start..at)).flatten();
        if let Some(parent) = stack.last_mut() {
            add(&mut parent.map, open.name.clone(), finish(open, inner));
        }
    }
    Ok(true)
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
    // The record itself is data: a child `<a>` or `<i>` of it is a field.
    if stack.len() > 1
        && is_prose(name)
        && let Some(parent) = stack.last_mut()
    {
        parent.html = true;
    }
}

fn is_prose(name: &str) -> bool {
    matches!(
        name.to_ascii_lowercase().as_str(),
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
            | "img"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "font"
            | "sup"
            | "sub"
            | "section"
            | "table"
            | "tbody"
            | "tr"
            | "td"
            | "th"
            | "blockquote"
    )
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
