//! A connector file: data, never code.
//!
//! `file` is the language; `catalogue` holds the presets; `load` merges a file with its preset and
//! checks it, all problems at once; the result is a [`Connector`].

pub mod catalogue;
mod check;
pub mod docs;
pub mod file;
mod load;
mod problem;
mod secret;

pub use catalogue::Catalogue;
pub use load::{Loaded, describe, load, load_file, load_folder, preset};
pub(crate) use load::{NAME_AND_RIGHTS, OWN_NAME, taken, unreadable};
pub use problem::{FileProblem, Level};
pub use secret::{Text, reference_forms};

use super::mapping::{Mapping, Path};
use crate::fetch::Limits;
use crate::model::{ConnectorName, Draft, MemberId, Problem};
use crate::pull::recall::Memory;
use file::{LimitsTable, Semantics, Source};
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A connector, loaded, merged with its preset and validated.
#[derive(Clone, Debug)]
pub struct Connector {
    pub name: ConnectorName,
    /// For people; empty when the file has none.
    pub title: String,
    /// `None` for an aggregator.
    pub member: Option<MemberId>,
    /// Cron text and zone, as `schedule` reads them; `None` runs on request only.
    pub schedule: Option<String>,
    pub guards: Guards,
    /// Name of the preset that it uses.
    pub preset: Option<String>,
    /// Where the records come from.
    pub source: Source,
    /// Who may send offers.
    pub push: Option<file::Push>,
    /// Where a missing offer is looked up.
    pub probe: Option<file::Probe>,
    /// Where the list of records stands, in order of trial; keys only.
    pub(crate) record_paths: Vec<Vec<String>>,
    /// Where the answer declares the number of records.
    pub(crate) total: Option<Path>,
    pub semantics: Semantics,
    pub(crate) relationships: bool,
    pub limits: LimitsTable,
    /// Of its dates that have none, and of the day of a run.
    pub(crate) zone: TimeZone,
    mapping: Mapping,
    /// What its last run made of its records.
    pub(crate) memory: Memory,
}

impl Connector {
    /// The draft of one record.
    ///
    /// # Errors
    /// The record cannot be a posting (no reference, no title, …): the reasons.
    pub fn map(&self, record: &serde_json::Value) -> Result<Draft, Vec<Problem>> {
        self.mapping.map(record)
    }

    /// The record's reference alone: what a refused record is still known by, so that its posting
    /// is not taken for missing (law 7).
    pub fn reference(&self, record: &serde_json::Value) -> Option<String> {
        self.mapping.reference(record)
    }

    /// The compiled field map.
    pub fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// Caps of one request.
    pub(crate) fn fetch_limits(&self) -> Limits {
        Limits {
            wire_bytes: self.limits.download_mb << 20,
            body_bytes: self.limits.body_mb << 20,
            total: Duration::from_secs(self.limits.seconds),
            idle: Duration::from_secs(self.limits.idle_seconds),
            redirects: self.limits.redirects,
            ..Limits::default()
        }
    }
}

/// `[guards]` of a connector file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Guards {
    /// Absences from complete snapshots after which a posting closes.
    #[schemars(range(min = 1))]
    pub misses: u32,
    /// Least time between two absences that count: `"1h"`; `"0s"` counts every run.
    #[schemars(with = "String")]
    pub miss_gap: SignedDuration,
    /// Share of the live postings that may be missing at once …
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_drop: f64,
    /// … or number: the guard fires above both.
    pub min_drop: u64,
    /// A field filled less than this share of its former rate is doubted.
    #[schemars(range(min = 0.0, max = 1.0))]
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

#[cfg(test)]
mod tests;
