//! What a normalisation gathers besides values: provenance (law 5) and findings.

use super::tables;
use crate::model::{Finding, Provenance, ProvenanceMap, Raw};

/// The longest raw value that provenance and findings keep, in characters.
const RAW_LIMIT: usize = 200;

/// Source of what was read out of the description.
pub const TEXT: &str = "text";
/// Source of what the title says.
pub const TITLE: &str = "title";
/// Source of what the member's file says.
pub const MEMBER: &str = "member";

#[derive(Debug, Default)]
pub struct Record {
    pub findings: Vec<Finding>,
    pub provenance: ProvenanceMap,
}

impl Record {
    /// Notes where the value at `pointer` came from. The last note of a pointer counts.
    pub fn set(&mut self, pointer: &str, source: &str, raw: &str, rule: &str, confidence: f64) {
        self.provenance.insert(
            pointer.to_owned(),
            Provenance {
                source: source.to_owned(),
                raw: cut(raw, RAW_LIMIT).to_owned(),
                rule: rule.to_owned(),
                confidence,
            },
        );
    }

    /// The same for a mapped field of the draft.
    pub fn mapped(&mut self, pointer: &str, raw: &Raw, rule: &str, confidence: f64) {
        self.set(pointer, &raw.path, raw.source_text(), rule, confidence);
    }

    /// Whether `rule` was already found for `field`.
    pub fn has(&self, rule: &str, field: &str) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.rule == rule && finding.field == field)
    }

    /// Adds the finding `rule` of the table, once a rule and field.
    pub fn find(&mut self, rule: &str, field: &str, value: &str) {
        if self.has(rule, field) {
            return;
        }
        let row = tables::finding(rule);
        let value = cut(value, RAW_LIMIT);
        self.findings.push(Finding {
            rule: rule.to_owned(),
            severity: row.severity,
            field: field.to_owned(),
            value: value.to_owned(),
            message: row.message.replace("{value}", value),
            message_en: row.english.replace("{value}", value),
            article: (!row.article.is_empty()).then(|| row.article.clone()),
        });
    }
}

/// At most `limit` characters of `text`.
pub fn cut(text: &str, limit: usize) -> &str {
    match text.char_indices().nth(limit) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}
