//! Where a value came from, and what was wrong with it (law 5).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// JSON Pointer of a canonical field → where its value came from.
pub type ProvenanceMap = BTreeMap<String, Provenance>;

/// Why a canonical field has its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Provenance {
    /// The path in the source record, `connector` for a constant of the connector file,
    /// `member` for the member file, `finess` or `sirene` for a loaded register, or `text` for what
    /// was read out of the description.
    pub source: String,
    /// The raw value, cut at 200 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub raw: String,
    /// The rule that made the value: a stable dotted name such as `place.postal_code_and_name`.
    pub rule: String,
    /// 0 to 1; at least 0.9 means that a recruiter would sign it unread.
    pub confidence: f64,
}

/// A defect of one record, found while mapping or normalising it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// The field of the posting or of the connector's `[fields]`.
    pub field: String,
    /// Stable dotted name of the rule that refused or doubted the value.
    pub rule: String,
    /// The offending value, cut at 200 characters.
    pub value: String,
    /// What was expected and how to mend it, in English.
    pub message: String,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Info,
    Warning,
    Error,
}

/// Something that the member should know or mend in an offer; never a silent rewriting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    pub rule: String,
    pub severity: Severity,
    pub field: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// The sentence for the member, in French.
    pub message: String,
    /// The same in English.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message_en: String,
    /// The article of law, where one applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub article: Option<String>,
}
