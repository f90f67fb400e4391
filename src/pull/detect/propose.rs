//! A mapping for a feed that no preset knows, from the names and the values of its fields.

mod fields;
mod html;
mod looks;
mod score;

use super::jobs::are_jobs;
use super::shape::{Format, format};
use crate::pull::source::parse::xml_tree;
use crate::pull::source::text_of;
use serde_json::Value;
use std::fmt::Write;

pub use html::HtmlList;
pub use score::guess;

/// One proposed field.
#[derive(Clone, Debug)]
pub struct Guess {
    pub field: &'static str,
    /// One path, or several whose texts belong together.
    pub paths: Vec<String>,
    /// 0 to 1.
    pub confidence: f64,
    /// A value, for the admin to judge by.
    pub example: String,
    /// For dates: the forms in which its values are written.
    pub formats: Vec<&'static str>,
    /// For states: what its values mean.
    pub values: Vec<(String, &'static str)>,
}

impl Guess {
    /// The line of `[fields]`.
    pub fn line(&self) -> String {
        let sure = format!("# {:.0} %", self.confidence * 100.0);
        let paths = match self.paths.as_slice() {
            [one] => format!("{one:?}"),
            many => format!("{many:?}"),
        };
        let mut rule = String::new();
        if self.paths.len() > 1 {
            rule += ", join = \"\\n\"";
        }
        if !self.formats.is_empty() {
            let _ = write!(rule, ", format = {:?}", self.formats);
        }
        if !self.values.is_empty() {
            let table: Vec<String> = self
                .values
                .iter()
                .map(|(value, meaning)| format!("{value:?} = {meaning:?}"))
                .collect();
            let _ = write!(rule, ", values = {{ {} }}", table.join(", "));
        }
        if rule.is_empty() {
            format!("{} = {paths} {sure}", self.field)
        } else {
            format!("{} = {{ path = {paths}{rule} }} {sure}", self.field)
        }
    }
}

/// A proposed mapping.
#[derive(Clone, Debug)]
pub struct Proposal {
    pub kind: &'static str,
    /// Path of the list, `.` for the document itself; none for tables and pages.
    pub records: Option<String>,
    /// Pages: what finds the offers, and their values.
    pub html: Option<HtmlList>,
    pub guesses: Vec<Guess>,
    pub count: usize,
}

impl Proposal {
    /// The mean confidence of its fields.
    pub fn confidence(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a handful of fields")]
        let count = self.guesses.len().max(1) as f64;
        self.guesses.iter().map(|g| g.confidence).sum::<f64>() / count
    }
}

/// The mapping that a payload suggests; none when it does not look like a list of offers.
pub fn propose(bytes: &[u8]) -> Option<Proposal> {
    let mut html = None;
    let (kind, records, list) = match format(bytes) {
        Format::Json => {
            let value = json(&text_of(bytes))?;
            let (path, list) = longest_list(&value)?;
            ("json", Some(path), list)
        }
        Format::Xml => {
            let (path, list) = elements(&text_of(bytes))?;
            ("xml", Some(path), list)
        }
        Format::Csv => ("csv", None, table("csv", bytes)?),
        Format::Workbook => ("xlsx", None, table("xlsx", bytes)?),
        Format::Html => {
            let (found, list) = html::list(&text_of(bytes))?;
            html = Some(found);
            ("html", None, list)
        }
    };
    if !are_jobs(&list) {
        return None;
    }
    let mut guesses = guess(&list);
    // Where an offer is shown is where it is applied to, unless the source says otherwise.
    let link = guesses.iter().position(|g| g.field == "url");
    if let Some(at) = link
        && !guesses
            .iter()
            .any(|g| matches!(g.field, "apply_url" | "apply_email"))
    {
        guesses[at].field = "apply_url";
    }
    // The address of an offer is its key where nothing else is.
    if !guesses.iter().any(|g| g.field == "reference")
        && let Some(link) = guesses
            .iter()
            .find(|g| g.field == "url")
            .or_else(|| guesses.iter().find(|g| g.field == "apply_url"))
    {
        let link = Guess {
            field: "reference",
            confidence: (link.confidence * 50.0).round() / 100.0,
            ..link.clone()
        };
        guesses.insert(0, link);
    }
    let has = |field: &str| guesses.iter().any(|g| g.field == field);
    let others = ["description", "contract", "apply_url", "published"]
        .into_iter()
        .filter(|field| has(field))
        .count()
        + usize::from(has("place") || has("place_city") || has("place_postal_code"));
    if !has("reference") || !has("title") || others < 2 {
        return None;
    }
    if let Some(html) = &mut html {
        html.keep(&guesses);
    }
    Some(Proposal {
        kind,
        records,
        html,
        count: list.len(),
        guesses,
    })
}

/// A document, or objects one a line.
fn json(text: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    let lines: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line.trim_end_matches(',')).ok())
        .filter(Value::is_object)
        .collect();
    (!lines.is_empty()).then_some(Value::Array(lines))
}

/// The list of objects whose members speak of jobs and are most, and its path. Lists within the
/// members of another (places, skills) are not looked at.
fn longest_list(value: &Value) -> Option<(String, Vec<Value>)> {
    fn walk<'v>(value: &'v Value, path: &str, depth: usize, all: &mut Vec<(String, &'v [Value])>) {
        match value {
            Value::Array(items) => {
                let objects = items.iter().filter(|item| item.is_object()).count();
                if objects > 0 && objects * 2 >= items.len() {
                    all.push((path.to_owned(), items));
                }
            }
            Value::Object(map) if depth < 4 => {
                for (key, inner) in map {
                    let key = quoted(key);
                    let next = if path == "." {
                        key
                    } else {
                        format!("{path}.{key}")
                    };
                    walk(inner, &next, depth + 1, all);
                }
            }
            _ => {}
        }
    }
    let mut all = Vec::new();
    walk(value, ".", 0, &mut all);
    all.sort_by_key(|(_, items)| {
        let objects: Vec<Value> = items.iter().take(40).cloned().collect();
        std::cmp::Reverse((are_jobs(&objects), items.len()))
    });
    all.into_iter().next().map(|(path, items)| {
        let objects = items.iter().filter(|item| item.is_object());
        (path, objects.take(40).cloned().collect())
    })
}

/// A key as a path writes it.
fn quoted(key: &str) -> String {
    if key.contains(['.', '[', ']', '"']) || key.trim() != key {
        format!("\"{key}\"")
    } else {
        key.to_owned()
    }
}

/// The elements that repeat most below one parent, and their path.
fn elements(text: &str) -> Option<(String, Vec<Value>)> {
    let body = text.trim_start_matches('\u{feff}').trim_start();
    let start = body
        .match_indices('<')
        .map(|(at, _)| at)
        .find(|at| body[at + 1..].starts_with(|c: char| c.is_alphabetic() || c == '_'))?;
    let root: String = body[start + 1..]
        .chars()
        .take_while(|c| !c.is_whitespace() && !matches!(c, '>' | '/'))
        .collect();
    let tree = xml_tree(&body[start..]).ok()?;
    let (path, list) = longest_list(&tree).or_else(|| single(&tree))?;
    let path = if path == "." {
        root
    } else {
        format!("{root}.{path}")
    };
    Some((path, list))
}

/// A single offer is no list in a tree: the first element, at most two deep, that speaks of a job.
fn single(tree: &Value) -> Option<(String, Vec<Value>)> {
    let map = tree.as_object()?;
    let inner = |map: &serde_json::Map<String, Value>, prefix: &str| {
        map.iter()
            .filter(|(_, value)| value.is_object())
            .find(|(_, value)| are_jobs(std::slice::from_ref(value)))
            .map(|(name, only)| (format!("{prefix}{name}"), vec![only.clone()]))
    };
    map.iter()
        .filter_map(|(name, value)| Some((name, value.as_object()?)))
        .find_map(|(name, value)| inner(value, &format!("{name}.")))
        .filter(|(_, list)| list[0].as_object().is_some_and(|record| record.len() >= 3))
        .or_else(|| inner(map, ""))
}

/// The rows of a table, through the preset that reads any table.
fn table(preset: &str, bytes: &[u8]) -> Option<Vec<Value>> {
    let catalogue = crate::pull::connector::Catalogue::embedded();
    let mut connector = crate::pull::connector::preset(preset, &catalogue)?.connector?;
    connector.source.csv.final_newline = Some(false);
    let (records, _) = super::shape::rows(&connector, bytes);
    let wide = records.first()?.as_object()?.len() >= 3;
    wide.then_some(records)
}
