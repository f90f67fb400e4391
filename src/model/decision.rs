//! Verdicts of the machine and decisions of humans on postings.

use super::PostingId;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The verdict on a pair; stored once, with `a < b`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    pub a: PostingId,
    pub b: PostingId,
    pub outcome: Outcome,
    /// Thousandths of a bit; above zero speaks for one vacancy.
    pub weight: i64,
    /// Evidence in words, the weightiest first.
    pub evidence: Vec<String>,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Different,
    Ask,
    Same,
}

/// What a human said. An input like any other: dated, signed, never deleted, only superseded by a
/// later one on the same subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    pub kind: DecisionKind,
    /// The posting that it is about; for a pair the smaller id.
    pub subject: PostingId,
    /// The other posting of a pair or of a re-key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<PostingId>,
    pub who: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    pub at: Timestamp,
    /// What the two of a pair said then, as `dedupe` reads it: whether they have changed since.
    #[serde(skip)]
    pub shown: Option<Vec<u8>>,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DecisionKind {
    Same,
    Different,
    /// Back to what the machine says of the pair.
    Unsure,
    Hide,
    Show,
    Erase,
    /// `subject` (old reference) became `object` (new reference).
    Rekey,
}

impl DecisionKind {
    /// Whether it holds two postings together until a later one says otherwise; which is the later
    /// one, `dedupe` knows.
    pub fn ties(self) -> bool {
        matches!(self, Self::Same | Self::Rekey)
    }
}
