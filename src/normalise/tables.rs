//! The compiled-in tables: facts and judgements that a recruiter can read and correct in CSV.
//!
//! `data/README.md` says where each comes from. A table is parsed once, on first use; lines that
//! begin with `#` are comments. A malformed row would be a defect of the build, so tests read every
//! table whole, and a running program leaves the row out.

use crate::model::Severity;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::LazyLock;

/// The rows of a table with a header line.
pub fn rows<T: DeserializeOwned>(table: &[u8]) -> Vec<T> {
    csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .flexible(true)
        .from_reader(table)
        .into_deserialize()
        .filter_map(Result::ok)
        .collect()
}

/// The text of a table compressed with zstd; empty where it is damaged.
pub fn inflate(compressed: &[u8]) -> Vec<u8> {
    zstd::decode_all(compressed).unwrap_or_default()
}

/// A row of `findings.csv`.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct FindingRow {
    pub rule: String,
    pub severity: Severity,
    pub article: String,
    pub message: String,
}

static FINDINGS: LazyLock<HashMap<String, FindingRow>> = LazyLock::new(|| {
    rows::<FindingRow>(include_bytes!("data/findings.csv"))
        .into_iter()
        .map(|row| (row.rule.clone(), row))
        .collect()
});

/// What the table says of `rule`; a rule that it lacks explains itself by its name.
pub fn finding(rule: &str) -> FindingRow {
    debug_assert!(FINDINGS.contains_key(rule), "findings.csv lacks {rule}");
    FINDINGS.get(rule).cloned().unwrap_or_else(|| FindingRow {
        rule: rule.to_owned(),
        severity: Severity::Info,
        article: String::new(),
        message: rule.to_owned(),
    })
}

#[cfg(test)]
pub fn finding_rules() -> Vec<String> {
    FINDINGS.keys().cloned().collect()
}
