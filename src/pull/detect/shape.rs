//! Which preset a payload is of, by its records alone.

use super::jobs::are_jobs;
use super::propose::{self, Guess};
use crate::model::Field;
use crate::pull::connector::file::{Detect, Kind};
use crate::pull::connector::{Catalogue, Connector, describe, preset};
use crate::pull::mapping::Path;
use crate::pull::source::parse::{self, Item, Plan};
use serde_json::Value;
use std::collections::HashMap;

/// Records that are looked at.
const SAMPLE: usize = 40;
/// Presets of a form rather than of a service: their records must be of jobs, too.
const GENERIC: [&str; 7] = [
    "atom",
    "csv",
    "indeed-xml",
    "json-feed",
    "rss",
    "xlsx",
    "jooble",
];

/// Presets of a service whose fields goods, books or news have, too.
const WIDE: [&str; 3] = ["leboncoin", "pass", "successfactors"];

/// How bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Xml,
    Html,
    Csv,
    Workbook,
}

/// The format of a payload, by its first bytes.
pub fn format(bytes: &[u8]) -> Format {
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        return Format::Workbook;
    }
    let head: Vec<u8> = bytes
        .iter()
        .copied()
        .filter(|b| !matches!(b, 0 | 0xef | 0xbb | 0xbf | 0xfe | 0xff))
        .skip_while(u8::is_ascii_whitespace)
        .take(4096)
        .collect();
    let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
    match head.first() {
        Some(b'{' | b'[') => Format::Json,
        Some(b'<') if is_html(&text) => Format::Html,
        Some(b'<') => Format::Xml,
        _ => Format::Csv,
    }
}

/// Whether a document is HTML: `<html_profile>` is an element of one feed.
fn is_html(lower: &str) -> bool {
    lower.starts_with("<!doctype html")
        || ["<html>", "<html ", "<html\n", "<html\r", "<html\t"]
            .iter()
            .any(|tag| lower.contains(tag))
}

fn fits(kind: Kind, format: Format) -> bool {
    match format {
        Format::Json => kind == Kind::Json,
        Format::Xml => matches!(kind, Kind::Xml | Kind::Rss | Kind::Atom),
        Format::Html => kind == Kind::Html,
        Format::Csv => kind == Kind::Csv,
        Format::Workbook => matches!(kind, Kind::Xlsx | Kind::Ods),
    }
}

/// A preset that a payload fits.
#[derive(Clone, Debug)]
pub struct Match {
    pub preset: String,
    /// Sum over what was found where the preset expects it, rare paths counting more.
    pub score: f64,
    pub records: usize,
    pub mapped: usize,
}

/// The presets whose records these are, the best first.
pub fn matches(bytes: &[u8], catalogue: &Catalogue) -> Vec<Match> {
    let format = format(bytes);
    let loaded: Vec<(String, Connector, Detect)> = catalogue
        .names()
        .filter_map(|name| {
            let connector = preset(name, catalogue)?.connector?;
            let detect = describe(name, catalogue)?.info?.detect.unwrap_or_default();
            Some((name.to_owned(), connector, detect))
        })
        .collect();
    let mut known: HashMap<String, f64> = HashMap::new();
    for (_, connector, _) in &loaded {
        for path in connector.mapping().paths() {
            *known.entry(path).or_default() += 1.0;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of presets")]
    let all = loaded.len() as f64 + 1.0;
    let mut found: Vec<Match> = loaded
        .iter()
        .filter(|(_, connector, detect)| detect.shape && fits(connector.source.kind, format))
        .filter_map(|(name, connector, detect)| {
            let weight = |path: &str| (all / known.get(path).copied().unwrap_or(1.0)).ln();
            weigh(name, connector, detect, bytes, &weight)
        })
        .collect();
    found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.preset.cmp(&b.preset)));
    found
}

fn weigh(
    name: &str,
    connector: &Connector,
    detect: &Detect,
    bytes: &[u8],
    weight: &dyn Fn(&str) -> f64,
) -> Option<Match> {
    let (records, envelope) = sample(connector, bytes);
    if records.is_empty() {
        return None;
    }
    let has = |record: &Value, path: &str| {
        path.parse::<Path>()
            .is_ok_and(|path| path.select(record).iter().any(|value| !value.is_null()))
    };
    let has_needs = detect.needs.iter().all(|need| {
        let with = records
            .iter()
            .filter(|record| need.split('|').any(|path| has(record, path)))
            .count();
        with * 2 >= records.len()
    });
    let mapped = records.iter().filter(|r| connector.map(r).is_ok()).count();
    if !has_needs || mapped * 2 < records.len() {
        return None;
    }
    let with_contract = records
        .iter()
        .filter(|r| {
            connector
                .map(r)
                .is_ok_and(|draft| draft.get(Field::Contract).is_some())
        })
        .count();
    let is_generic = GENERIC.contains(&name);
    let is_wide = is_generic || WIDE.contains(&name);
    // A contract that was read is a word for work, but one that a preset sets itself.
    let has_contract = is_generic && with_contract * 2 >= records.len();
    if is_wide && !has_contract && !are_jobs(&records) {
        return None;
    }
    let mut score: f64 = connector
        .mapping()
        .paths()
        .iter()
        .filter(|path| records.iter().any(|record| has(record, path)))
        .map(|path| weight(path))
        .sum();
    if connector
        .total
        .as_ref()
        .is_some_and(|path| path.number(&envelope).is_some())
    {
        score += 3.0;
    }
    if connector.record_paths.iter().any(|path| !path.is_empty()) {
        score += 1.0;
    }
    // Generic presets know many names for everything: between two, the service itself is meant.
    if is_generic {
        score *= 0.5;
    }
    Some(Match {
        preset: name.to_owned(),
        score,
        records: records.len(),
        mapped,
    })
}

/// The first records of a payload as a connector reads it, and what stands beside them.
pub fn sample(connector: &Connector, bytes: &[u8]) -> (Vec<Value>, Value) {
    read(connector, bytes, &|value| connector.map(value).is_ok())
}

/// The first rows of a table, whether or not the connector finds an offer in them.
pub fn rows(connector: &Connector, bytes: &[u8]) -> (Vec<Value>, Value) {
    read(connector, bytes, &|_| true)
}

fn read(
    connector: &Connector,
    bytes: &[u8],
    is_record: &dyn Fn(&Value) -> bool,
) -> (Vec<Value>, Value) {
    let plan = Plan {
        kind: connector.source.kind,
        paths: connector.record_paths.clone(),
        csv: connector.source.csv.clone(),
        html: connector.source.html.clone(),
        encoding: None,
        record_bytes: 4 << 20,
        recall: None,
    };
    let mut records = Vec::new();
    let end = parse::parse(bytes, &plan, &is_record, &mut |item| {
        if let Item::Record(record) = item
            && records.len() < SAMPLE
        {
            records.push(record.tree);
        }
        true
    });
    (records, end.envelope)
}

/// Fields that records of a generic preset have besides those that it reads: an extension of a
/// feed, a column of a table.
pub fn beyond(name: &str, bytes: &[u8], catalogue: &Catalogue) -> Vec<Guess> {
    if !GENERIC.contains(&name) {
        return Vec::new();
    }
    let Some(mut connector) = preset(name, catalogue).and_then(|loaded| loaded.connector) else {
        return Vec::new();
    };
    connector.source.csv.final_newline = Some(false);
    let (records, _) = sample(&connector, bytes);
    let drafts: Vec<_> = records
        .iter()
        .filter_map(|r| connector.map(r).ok())
        .collect();
    let has_place = drafts
        .iter()
        .any(|draft| !draft.places.is_empty() || draft.fields.keys().any(|f| is_place(*f)));
    let known = connector.mapping().paths();
    propose::guess(&records)
        .into_iter()
        .filter(|guess| {
            let field = serde_json::from_value::<Field>(Value::String(guess.field.to_owned()));
            let Ok(field) = field else { return false };
            let is_read = drafts.iter().any(|draft| draft.get(field).is_some());
            // What the preset reads as another field is spoken for.
            let is_taken = guess.paths.iter().all(|path| known.contains(path));
            let idle = field == Field::Url || (has_place && is_place(field));
            !is_read && !is_taken && !idle
        })
        .collect()
}

fn is_place(field: Field) -> bool {
    (Field::Place..=Field::PlaceGeo).contains(&field)
}
