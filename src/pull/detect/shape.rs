//! Which preset a payload is of, by its records alone.

use crate::model::Field;
use crate::pull::connector::file::{Detect, Kind};
use crate::pull::connector::{Catalogue, Connector, describe, preset};
use crate::pull::mapping::Path;
use crate::pull::source::parse::{self, Item, Plan};
use regex::Regex;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::LazyLock;

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
        Some(b'<') if text.contains("<html") || text.starts_with("<!doctype html") => Format::Html,
        Some(b'<') => Format::Xml,
        _ => Format::Csv,
    }
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
    if is_generic && !are_jobs(&records) && with_contract * 2 < records.len() {
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
    let is_record = |value: &Value| connector.map(value).is_ok();
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

/// Whether most of these records speak of jobs.
pub fn are_jobs(records: &[Value]) -> bool {
    static WORDS: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r"(?i)\b[hf] ?/ ?[hfx]\b|\b(cdi|cdd|int[ée]rim|alternance|apprenti\w*|temps (plein|partiel)|full[- ]?time|part[- ]?time|infirmi\w+|aide[- ]soignant\w*|m[ée]decin\w*|psychologue|[ée]ducat\w+|kin[ée]\w*|sage[- ]femme|technicien\w*|ing[ée]nieur\w*|engineer|developer|d[ée]veloppeur\w*|manager|ambulanc\w+|cuisini\w+|secr[ée]taire|agent|conseill\w+|assistant\w*|cadre|stage|responsable|direct(eur|rice)|coordinat\w+|pharmacien\w*|orthophoniste|di[ée]t[ée]ticien\w*|brancardier|recrut\w+|recruiting|we are hiring|job|poste|offre d'emploi|emploi|salaire|candidat\w*|vacature|stelle\w*)\b",
        )
        .ok()
    });
    let Some(words) = WORDS.as_ref() else {
        return false;
    };
    // Two different words of work in a record, or one in its title, tell; a shop says neither.
    let speaking = records
        .iter()
        .filter(|record| {
            let text = record.to_string();
            let mut said: Vec<String> = words
                .find_iter(&text)
                .map(|found| found.as_str().to_lowercase())
                .collect();
            said.sort_unstable();
            said.dedup();
            said.len() >= 2
                || ["title", "titre", "intitule", "name", "label"]
                    .iter()
                    .any(|key| {
                        record
                            .get(*key)
                            .and_then(Value::as_str)
                            .is_some_and(|title| words.is_match(title))
                    })
        })
        .count();
    !records.is_empty() && speaking * 2 >= records.len()
}
