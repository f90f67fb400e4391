//! Pages of HTML, the last resort: each element that a selector finds is a record, and selectors
//! within it find its values.
//!
//! A page without any such element proves nothing, unless it has the mark of an empty list.

use super::{Decoding, Item, ParseEnd, Plan, Take, Wholeness};
use scraper::{ElementRef, Html, Selector};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::Read;

/// Largest page.
const PAGE: u64 = 16 << 20;

pub fn parse(input: impl Read, plan: &Plan, decoding: Decoding, take: &mut Take<'_>) -> ParseEnd {
    let mut items = 0;
    let mut envelope = Map::new();
    let mut bytes = Vec::new();
    let wholeness = match input.take(PAGE).read_to_end(&mut bytes) {
        Err(error) => Wholeness::Cut(format!("the transfer broke off: {error}")),
        Ok(_) => page(
            &decoding.text(&bytes),
            plan,
            take,
            &mut items,
            &mut envelope,
        ),
    };
    ParseEnd {
        wholeness,
        envelope: Value::Object(envelope),
        items,
    }
}

fn page(
    text: &str,
    plan: &Plan,
    take: &mut Take<'_>,
    items: &mut u64,
    envelope: &mut Map<String, Value>,
) -> Wholeness {
    let table = &plan.html;
    let Some(select) = selector(&table.select) else {
        return Wholeness::Alien(format!("`{}` is no CSS selector", table.select));
    };
    let document = Html::parse_document(text);
    for (name, find) in &table.page {
        insert(envelope, name, values(document.root_element(), find));
    }
    for element in document.select(&select) {
        let mut record = Map::new();
        for (name, find) in &table.values {
            insert(&mut record, name, values(element, find));
        }
        if record.is_empty() {
            continue;
        }
        *items += 1;
        if !take(Item::Record(Value::Object(record).into())) {
            return Wholeness::Cut("the reading was stopped".to_owned());
        }
    }
    if let Some(missing) = missing_end(text) {
        return Wholeness::Cut(format!("the page has no {missing}"));
    }
    let marked_empty = || {
        let mark = table.empty.as_deref().and_then(selector);
        mark.is_some_and(|mark| document.select(&mark).next().is_some())
    };
    if *items == 0 && !marked_empty() {
        return Wholeness::Alien(format!("nothing on the page matches `{}`", table.select));
    }
    Wholeness::Whole
}

/// The end tag that a whole page has and this one lacks: that of `html`, or, of a part of a page,
/// that of its first element at its very end.
fn missing_end(text: &str) -> Option<String> {
    let lower = text.trim().to_ascii_lowercase();
    if lower.contains("<html") {
        let ended = lower
            .rsplit_once("</html")
            .is_some_and(|(_, rest)| rest.trim_start().starts_with('>'));
        return (!ended).then(|| "</html>".to_owned());
    }
    let first = lower.split('<').find_map(|part| {
        let name = part.split(|c: char| !c.is_ascii_alphanumeric()).next()?;
        (!name.is_empty() && part.len() < lower.len()).then(|| format!("</{name}>"))
    })?;
    (!lower.ends_with(&first)).then_some(first)
}

fn insert(map: &mut Map<String, Value>, name: &str, mut found: Vec<String>) {
    match found.len() {
        0 => {}
        1 => {
            map.insert(name.to_owned(), Value::String(found.remove(0)));
        }
        _ => {
            map.insert(name.to_owned(), found.into());
        }
    }
}

/// What `h2 a`, `a@href` or `.text@html` finds in an element: its text, an attribute, its inner
/// HTML. Without a selector (`@href`) the element itself is meant.
pub fn values(element: ElementRef<'_>, find: &str) -> Vec<String> {
    let (css, attribute) = split(find);
    let read = |found: ElementRef<'_>| -> Option<String> {
        let text = match attribute {
            None => found.text().collect::<Vec<_>>().join(" "),
            Some("html") => return Some(found.inner_html().trim().to_owned()),
            Some(name) => found.value().attr(name)?.to_owned(),
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        Some(words.join(" "))
    };
    let texts: Vec<String> = if css.is_empty() {
        read(element).into_iter().collect()
    } else {
        let Some(selector) = selector(css) else {
            return Vec::new();
        };
        element.select(&selector).filter_map(read).collect()
    };
    texts.into_iter().filter(|text| !text.is_empty()).collect()
}

/// The values of one page as a record; none where the page has nothing of them.
pub fn values_of(text: &str, finds: &BTreeMap<String, String>) -> Option<Value> {
    let document = Html::parse_document(text);
    let mut record = Map::new();
    for (name, find) in finds {
        insert(&mut record, name, values(document.root_element(), find));
    }
    (!record.is_empty()).then_some(Value::Object(record))
}

/// A selector and the attribute after its last `@`.
pub fn split(find: &str) -> (&str, Option<&str>) {
    match find.rsplit_once('@') {
        Some((css, name)) if !name.contains([']', '"', '\'']) => (css.trim(), Some(name.trim())),
        _ => (find.trim(), None),
    }
}

fn selector(css: &str) -> Option<Selector> {
    Selector::parse(css).ok()
}

/// Whether `find` is written as [`values`] reads it.
pub fn is_valid(find: &str) -> bool {
    let (css, attribute) = split(find);
    (css.is_empty() && attribute.is_some()) || selector(css).is_some()
}
