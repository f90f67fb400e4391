//! A connector file: data, never code.

use crate::model::{ConnectorName, Draft, MemberId, Problem};
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A connector, loaded, merged with its preset and validated.
#[derive(Clone, Debug)]
pub struct Connector {
    pub name: ConnectorName,
    /// `None` for an aggregator.
    pub member: Option<MemberId>,
    /// Cron text and zone, as `schedule` reads them; `None` runs on request only.
    pub schedule: Option<String>,
    pub guards: Guards,
    // … source, auth, paging, records, fields, values: the connector language's own types
}

impl Connector {
    /// The record's reference alone: what a refused record is still known by, so that its posting
    /// is not taken for missing (law 7).
    pub fn reference(&self, record: &serde_json::Value) -> Option<String> {
        let _ = record;
        unimplemented!()
    }

    /// The draft of one record.
    ///
    /// # Errors
    /// The record cannot be a posting (no reference, no title, …): the reasons.
    pub fn map(&self, record: &serde_json::Value) -> Result<Draft, Vec<Problem>> {
        let _ = record;
        unimplemented!()
    }
}

/// `[guards]` of a connector file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Guards {
    /// Absences from complete snapshots after which a posting closes.
    pub misses: u32,
    /// Least time between two absences that count: `"1h"`; `"0s"` counts every run.
    #[schemars(with = "String")]
    pub miss_gap: SignedDuration,
    /// Share of the live postings that may be missing at once …
    pub max_drop: f64,
    /// … or number: the guard fires above both.
    pub min_drop: u64,
    /// A field filled less than this share of its former rate is doubted.
    pub min_fill_ratio: f64,
    /// An unknown tenant of this service answers like an empty board: empty never counts.
    pub dead_looks_empty: bool,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            misses: 2,
            miss_gap: SignedDuration::from_hours(1),
            max_drop: 0.3,
            min_drop: 3,
            min_fill_ratio: 0.5,
            dead_looks_empty: false,
        }
    }
}
