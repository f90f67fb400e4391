//! A list of offers on a page without markup for machines: the elements that repeat, and what
//! stands in each of them.

use super::super::jobs::are_jobs;
use super::Guess;
use scraper::{ElementRef, Html, Selector};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Elements that are looked at for one candidate.
const SAMPLE: usize = 40;
/// Longest text of one value.
const TEXT: usize = 400;

/// What finds the offers of a page, and their values: `[source.html]`.
#[derive(Clone, Debug)]
pub struct HtmlList {
    pub select: String,
    pub values: BTreeMap<String, String>,
    /// What leads to the next page.
    pub next: Option<String>,
}

impl HtmlList {
    /// Leaves the values that a field is made of.
    pub fn keep(&mut self, guesses: &[Guess]) {
        self.values
            .retain(|name, _| guesses.iter().any(|guess| guess.paths.contains(name)));
    }
}

/// The list of a page whose members speak of jobs, and the first of them.
pub fn list(page: &str) -> Option<(HtmlList, Vec<Value>)> {
    let document = Html::parse_document(page);
    let mut best: Option<(HtmlList, Vec<Value>)> = None;
    for select in candidates(&document) {
        let Ok(selector) = Selector::parse(&select) else {
            continue;
        };
        let elements: Vec<ElementRef<'_>> = document.select(&selector).take(SAMPLE).collect();
        // One in another is a frame, no member of a list.
        let nested = elements
            .iter()
            .any(|one| one.select(&selector).next().is_some());
        if elements.len() < 2 || nested {
            continue;
        }
        let finds = finds(&elements);
        let records: Vec<Value> = elements
            .iter()
            .map(|element| record(*element, &finds))
            .collect();
        let named = records
            .iter()
            .filter(|record| record.get("titre").is_some() && record.get("lien").is_some())
            .count();
        if named * 3 < records.len() * 2 || !are_jobs(&records) {
            continue;
        }
        // Of two selectors that find as many, the one with more values is the whole offer.
        let better = best.as_ref().is_none_or(|(known, members)| {
            (records.len(), finds.len()) > (members.len(), known.values.len())
        });
        if better {
            let found = HtmlList {
                select,
                values: finds,
                next: next_page(&document),
            };
            best = Some((found, records));
        }
    }
    best
}

/// Selectors of elements that may be offers: by their own class, or by that of their parent.
fn candidates(document: &Html) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    let Ok(all) = Selector::parse("li, article, div, tr, a, section, dl") else {
        return out;
    };
    for element in document.select(&all) {
        let tag = element.value().name();
        if let Some(class) = class_of(element) {
            out.insert(format!("{tag}.{class}"));
        }
        let parent = element.parent().and_then(ElementRef::wrap);
        let parent = match parent {
            // Parsers put a `tbody` into each table.
            Some(body) if body.value().name() == "tbody" => body
                .parent()
                .and_then(ElementRef::wrap)
                .map(|table| (table, " ")),
            Some(parent) => Some((parent, " > ")),
            None => None,
        };
        if let Some((parent, gap)) = parent
            && let Some(name) = class_of(parent)
                .map(|class| format!(".{class}"))
                .or_else(|| {
                    Some(format!(
                        "#{}",
                        parent.value().id().filter(|id| is_name(id))?
                    ))
                })
        {
            out.insert(format!("{}{name}{gap}{tag}", parent.value().name()));
        }
    }
    out
}

/// The first class that can stand in a selector as it is and is no running number.
fn class_of(element: ElementRef<'_>) -> Option<&str> {
    element.value().classes().find(|class| is_name(class))
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        && !name.chars().rev().take(3).all(|c| c.is_ascii_digit())
}

/// What can be found in most of `elements`: title, link, times, keys, and each class by its name.
fn finds(elements: &[ElementRef<'_>]) -> BTreeMap<String, String> {
    let mut tried: BTreeMap<String, String> = BTreeMap::new();
    let is_link = elements.iter().all(|e| e.value().name() == "a");
    let link = if is_link { "@href" } else { "a@href" };
    tried.insert("lien".to_owned(), link.to_owned());
    let title = ["h1, h2, h3, h4, h5", "[class*=title], [class*=titre]", "a"]
        .into_iter()
        .find(|find| share(elements, find) * 3 >= elements.len() * 2);
    // The text of an element that is nothing but a link.
    let title = title.or_else(|| is_link.then_some("*")).unwrap_or("a");
    tried.insert("titre".to_owned(), title.to_owned());
    tried.insert("date".to_owned(), "time@datetime".to_owned());
    if let Some(first) = elements.first() {
        for (name, _) in first.value().attrs() {
            if name.starts_with("data-") && name.ends_with("id") {
                tried.insert("id".to_owned(), format!("@{name}"));
            }
        }
    }
    let Ok(any) = Selector::parse("[class]") else {
        return tried;
    };
    for element in elements {
        for inner in element.select(&any) {
            if let Some(class) = class_of(inner) {
                let name = class.replace('_', "-").to_ascii_lowercase();
                tried.entry(name).or_insert_with(|| format!(".{class}"));
            }
        }
    }
    // Cells of a table without classes are told by their number.
    if elements.iter().all(|e| e.value().name() == "tr") {
        for n in 1..=8 {
            tried.insert(format!("colonne-{n}"), format!("td:nth-child({n})"));
        }
    }
    tried.retain(|_, find| share(elements, find) * 2 >= elements.len());
    tried
}

/// In how many elements something is found.
fn share(elements: &[ElementRef<'_>], find: &str) -> usize {
    elements
        .iter()
        .filter(|element| !value(**element, find).is_empty())
        .count()
}

fn value(element: ElementRef<'_>, find: &str) -> String {
    let found = crate::pull::source::parse::html_find(element, find);
    found
        .into_iter()
        .next()
        .unwrap_or_default()
        .chars()
        .take(TEXT)
        .collect()
}

fn record(element: ElementRef<'_>, finds: &BTreeMap<String, String>) -> Value {
    let mut map = Map::new();
    for (name, find) in finds {
        let value = value(element, find);
        if !value.is_empty() {
            map.insert(name.clone(), Value::String(value));
        }
    }
    Value::Object(map)
}

/// A link that says that it leads on.
fn next_page(document: &Html) -> Option<String> {
    [
        "a[rel=next]@href",
        "link[rel=next]@href",
        "li.next a@href",
        "a.next@href",
    ]
    .into_iter()
    .find(|find| {
        let (css, _) = find.split_once('@').unwrap_or((find, ""));
        Selector::parse(css).is_ok_and(|css| document.select(&css).next().is_some())
    })
    .map(str::to_owned)
}
