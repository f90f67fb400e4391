//! A mapping for a feed that no preset knows, from the names and the values of its fields.

mod fields;

use super::shape::{Format, are_jobs, format};
use crate::pull::source::parse::xml_tree;
use crate::pull::source::text_of;
use fields::{FIELDS, Looks};
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// One proposed field.
#[derive(Clone, Debug)]
pub struct Guess {
    pub field: &'static str,
    pub path: String,
    /// 0 to 1.
    pub confidence: f64,
    /// A value, for the admin to judge by.
    pub example: String,
}

/// A proposed mapping.
#[derive(Clone, Debug)]
pub struct Proposal {
    pub kind: &'static str,
    /// Path of the list, `.` for the document itself; none for tables.
    pub records: Option<String>,
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
        Format::Html => return None,
    };
    if !are_jobs(&list) {
        return None;
    }
    let mut guesses = guess(&list);
    // The address of an offer is its key where nothing else is.
    if !guesses.iter().any(|g| g.field == "reference")
        && let Some(link) = guesses.iter().find(|g| g.field == "apply_url")
    {
        guesses.insert(
            0,
            Guess {
                field: "reference",
                confidence: link.confidence / 2.0,
                ..link.clone()
            },
        );
    }
    let has = |field: &str| guesses.iter().any(|g| g.field == field);
    let others = ["description", "contract", "apply_url", "published"]
        .into_iter()
        .filter(|field| has(field))
        .count()
        + usize::from(has("place") || has("place_city") || has("place_postal_code"));
    (has("reference") && has("title") && others >= 2).then_some(Proposal {
        kind,
        records,
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

/// The list of objects with the most members, and its path.
fn longest_list(value: &Value) -> Option<(String, Vec<Value>)> {
    fn walk<'v>(
        value: &'v Value,
        path: &str,
        depth: usize,
        best: &mut Option<(String, &'v [Value])>,
    ) {
        match value {
            Value::Array(items) => {
                let objects = items.iter().filter(|item| item.is_object()).count();
                let longer = best
                    .as_ref()
                    .is_none_or(|(_, known)| known.len() < items.len());
                if objects > 0 && objects * 2 >= items.len() && longer {
                    *best = Some((path.to_owned(), items));
                }
            }
            Value::Object(map) if depth < 4 => {
                for (key, inner) in map {
                    let next = if path == "." {
                        key.clone()
                    } else {
                        format!("{path}.{key}")
                    };
                    walk(inner, &next, depth + 1, best);
                }
            }
            _ => {}
        }
    }
    let mut best = None;
    walk(value, ".", 0, &mut best);
    best.map(|(path, items)| {
        let objects = items.iter().filter(|item| item.is_object());
        (path, objects.take(40).cloned().collect())
    })
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
    let (path, list) = longest_list(&tree).or_else(|| {
        // A single offer is no list in a tree.
        let (name, only) = tree
            .as_object()?
            .iter()
            .find(|(_, value)| value.is_object())?;
        Some((name.clone(), vec![only.clone()]))
    })?;
    let path = if path == "." {
        root
    } else {
        format!("{root}.{path}")
    };
    Some((path, list))
}

/// The rows of a table, through the preset that reads any table.
fn table(preset: &str, bytes: &[u8]) -> Option<Vec<Value>> {
    let catalogue = crate::pull::connector::Catalogue::embedded();
    let mut connector = crate::pull::connector::preset(preset, &catalogue)?.connector?;
    connector.source.csv.final_newline = Some(false);
    let (records, _) = super::shape::sample(&connector, bytes);
    let wide = records.first()?.as_object()?.len() >= 3;
    wide.then_some(records)
}

/// The best path for each field.
fn guess(records: &[Value]) -> Vec<Guess> {
    let mut leaves: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in records {
        collect(record, "", 0, &mut leaves);
    }
    let mut taken: Vec<String> = Vec::new();
    let mut out = Vec::new();
    for (field, names, looks) in FIELDS {
        let best = leaves
            .iter()
            .filter(|(path, _)| !taken.contains(path))
            .filter_map(|(path, values)| {
                let score = score(path, values, names, *looks, field, records.len())?;
                Some((score, path, values))
            })
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)));
        if let Some((confidence, path, values)) = best {
            taken.push(path.clone());
            out.push(Guess {
                field,
                path: path.clone(),
                confidence,
                example: values[0]
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ")
                    .chars()
                    .take(60)
                    .collect(),
            });
        }
    }
    out
}

fn collect(value: &Value, path: &str, depth: usize, leaves: &mut BTreeMap<String, Vec<String>>) {
    let mut put = |text: String| {
        if !text.trim().is_empty() {
            leaves.entry(path.to_owned()).or_default().push(text);
        }
    };
    match value {
        Value::String(text) => put(text.clone()),
        Value::Number(number) => put(number.to_string()),
        Value::Object(map) if depth < 4 => {
            for (key, inner) in map {
                let quoted = if key.contains(['.', '[', ']', '"']) {
                    format!("\"{key}\"")
                } else {
                    key.clone()
                };
                let next = if path.is_empty() || key == "#text" {
                    if path.is_empty() {
                        quoted
                    } else {
                        path.to_owned()
                    }
                } else {
                    format!("{path}.{quoted}")
                };
                collect(inner, &next, depth + 1, leaves);
            }
        }
        Value::Array(items) => {
            for item in items {
                collect(item, path, depth + 1, leaves);
            }
        }
        _ => {}
    }
}

/// How well a path's name and values speak for a field; none when they speak against it.
fn score(
    path: &str,
    values: &[String],
    names: &[&str],
    looks: Looks,
    field: &str,
    records: usize,
) -> Option<f64> {
    let folded = |text: &str| -> String {
        use unicode_normalization::UnicodeNormalization;
        text.nfd()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_ascii_lowercase()
    };
    let steps: Vec<&str> = path.split('.').collect();
    let last = folded(steps.last().copied().unwrap_or_default());
    // `place.city`, `company.name`: the step before says whose name it is.
    let before = steps.len().checked_sub(2).map(|at| folded(steps[at]));
    let rank = |name: &str| names.iter().position(|known| *known == name);
    #[expect(clippy::cast_precision_loss, reason = "short lists")]
    let by_name = |at: usize| 0.95 - 0.4 * at as f64 / names.len().max(2) as f64;
    let name = if let Some(at) = rank(&last) {
        let nested = steps.len() > 1;
        by_name(at) - if nested { 0.1 } else { 0.0 }
    } else if let Some(at) = before.as_deref().and_then(rank).filter(|_| {
        matches!(
            last.as_str(),
            "name" | "label" | "libelle" | "nom" | "value" | "text" | "id" | "code"
        )
    }) {
        by_name(at) - 0.15
    } else if field == "reference" {
        let at = words(steps.last().copied().unwrap_or_default())
            .into_iter()
            .find_map(|word| rank(&word).or((word == "num").then_some(0)))?;
        by_name(at) - 0.2
    } else if let Some(at) = names
        .iter()
        .position(|known| known.len() > 3 && last.contains(*known))
    {
        by_name(at) - 0.3
    } else {
        return None;
    };
    if field == "reference" && steps.len() > 1 && before.as_deref().and_then(rank).is_none() {
        return None;
    }
    let share = |test: &dyn Fn(&str) -> bool| {
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share =
            values.iter().filter(|v| test(v.trim())).count() as f64 / values.len().max(1) as f64;
        share
    };
    static DATE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"^\d{4}-\d{2}-\d{2}|^\d{1,2}[/.-]\d{1,2}[/.-]\d{4}|^\w{3}, \d{1,2} \w{3} \d{4}|^1\d{9}(\d{3})?$|^20\d{6}$").ok()
    });
    let fits = match looks {
        Looks::Any => 1.0,
        Looks::Short => share(&|v| v.chars().count() <= 160 && !v.contains('<')),
        Looks::Long => share(&|v| v.chars().count() >= 20),
        Looks::Link => {
            share(&|v| v.starts_with("http://") || v.starts_with("https://") || v.starts_with('/'))
        }
        Looks::PostalCode => share(&|v| {
            (4..=8).contains(&v.len()) && v.bytes().filter(u8::is_ascii_digit).count() >= 4
        }),
        Looks::Date => share(&|v| DATE.as_ref().is_some_and(|date| date.is_match(v))),
    };
    if fits < 0.5 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let filled = (values.len() as f64 / records.max(1) as f64).min(1.0);
    let mut score = name * (0.6 + 0.2 * fits + 0.2 * filled);
    if field == "reference" {
        let mut distinct: Vec<&String> = values.iter().collect();
        distinct.sort_unstable();
        distinct.dedup();
        // A key is there for every record, and no two share one.
        if distinct.len() < values.len() || values.len() < records {
            return None;
        }
    }
    score = score.clamp(0.05, 0.99);
    Some((score * 100.0).round() / 100.0)
}

/// `num_annonce` and `numAnnonce` as their words.
fn words(name: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    for c in name.chars() {
        if c.is_uppercase() || !c.is_alphanumeric() {
            out.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(last) = out.last_mut()
        {
            last.extend(c.to_lowercase());
        }
    }
    out
}

/// The forms in which a date is written, as `format` names them.
pub fn date_formats(example: &str) -> &'static [&'static str] {
    let bytes = example.as_bytes();
    match () {
        () if example.len() == 10 && example.bytes().all(|b| b.is_ascii_digit()) => &["epoch"],
        () if example.len() == 13 && example.bytes().all(|b| b.is_ascii_digit()) => &["epoch_ms"],
        () if example.len() == 8 && example.bytes().all(|b| b.is_ascii_digit()) => &["%Y%m%d"],
        () if bytes.get(2) == Some(&b'/') => &["%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y"],
        () if bytes.get(2) == Some(&b'-') => &["%d-%m-%Y %H:%M:%S", "%d-%m-%Y"],
        () if bytes.get(2) == Some(&b'.') => &["%d.%m.%Y"],
        () if bytes.get(3) == Some(&b',') => &["rfc2822"],
        () => &["iso", "%Y-%m-%d %H:%M:%S"],
    }
}
