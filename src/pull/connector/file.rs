//! The connector language: what may stand in a connector file or a preset.
//!
//! The types are the reference; their JSON Schema (`schema connector`) serves editors and the
//! checks of [`super::load`]. A preset is a connector file with `[preset]` and `[parameters]`.

mod fields;
mod source;

pub use fields::*;
pub use source::*;

use super::Guards;
use super::secret::Text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A connector file: how to pull the offers of one source.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectorFile {
    /// Identity of the connector, fixed for life: lower-case letters, digits and hyphens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For people: what this source is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// `id` of the member whose own source this is; none for an aggregator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// When it runs: five cron fields, optionally followed by a time zone (default Europe/Paris).
    /// Without a schedule it runs on request only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Time zone of dates that the source writes without one. Default `Europe/Paris`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Name of a preset of the catalogue that this file starts from.
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Parameters of the preset.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, serde_json::Value>,
    /// Where the records come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Who may send offers instead of being asked for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<Push>,
    /// Where the page of an offer stands that is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
    /// Which part of the answer is a record, and what its absence means.
    #[serde(default)]
    pub records: Records,
    /// Field of a posting = where it stands in a record.
    #[serde(default)]
    pub fields: Fields,
    /// Value tables: `[values.contract]` with `"CDI" = "cdi"`. A field's `values` names its table;
    /// case and blanks at the ends do not count, an empty result means "no value", and the key
    /// `*` stands for every other value.
    #[serde(default)]
    pub values: BTreeMap<String, BTreeMap<String, String>>,
    /// When a run is doubted and when absence closes.
    #[serde(default)]
    pub guards: Guards,
    /// Caps on size and time.
    #[serde(default)]
    pub limits: LimitsTable,
    /// Presets only: what the preset is and how well its facts are known.
    #[serde(default, rename = "preset", skip_serializing_if = "Option::is_none")]
    pub info: Option<PresetInfo>,
    /// Presets only: what `with` may set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Parameter>,
}

/// `[preset]`: what a preset is for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PresetInfo {
    /// Name of the service or format.
    pub title: String,
    /// One or two sentences in French: where the admin finds the parameters.
    pub doc: String,
    /// How its facts are known.
    pub evidence: Evidence,
    /// How `connectors detect` tells this source from others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detect: Option<Detect>,
}

/// `[preset] detect`: by what a source is known.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Detect {
    /// Regular expressions over an address; their named groups are parameters of the preset.
    pub urls: Vec<String>,
    /// Paths that most records of this source have, each with alternatives after `|`.
    pub needs: Vec<String>,
    /// Paths below the root of a site at which this source is usually found.
    pub probes: Vec<String>,
    /// Whether its records alone tell it from others.
    pub shape: bool,
}

impl Default for Detect {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            needs: Vec::new(),
            probes: Vec::new(),
            shape: true,
        }
    }
}

/// How the facts of a preset are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Tried on real payloads of the service.
    Payload,
    /// Written from the vendor's documentation.
    Documented,
    /// Known at second hand: `check` warns.
    SecondHand,
}

/// `[parameters.NAME]`: one parameter of a preset, used in it as `${NAME}`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// What it is and where to find it, in French.
    pub doc: String,
    /// Value when the connector sets none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<serde_json::Value>,
    /// The connector must set it.
    #[serde(default)]
    pub required: bool,
    /// A secret: `{ env = "NAME" }` or `{ file = "PATH" }`.
    #[serde(default)]
    pub secret: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

/// `[push]`: offers that the source sends to `POST /api/v1/ingest/NAME`, in the form that
/// `[source] kind`, `[records]` and `[fields]` describe; without a `[source]`, JSON.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Push {
    /// A key that the sender shows: `Authorization: Bearer …`, or `X-Passerelle-Key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Text>,
    /// A secret with which the sender signs: HMAC-SHA256 of the body, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hmac: Option<Text>,
    /// Header of the signature, `sha256=` before it or not.
    #[serde(default = "signature")]
    pub signature_header: String,
    /// What is sent only says that something changed: it asks for a run at once.
    #[serde(default)]
    pub notify: bool,
    /// Where such a message names the offer that changed, by its reference: `data.job.id`. That one
    /// alone is asked for, at `[source.one]`; where it cannot be had so, the whole source is read.
    /// Setting it says `notify` too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<String>,
}

fn signature() -> String {
    "X-Passerelle-Signature".to_owned()
}

/// `[records]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Records {
    /// Keys that lead to the list of records: `resultats`, `data.jobs`, `source.job`; `.` when the
    /// answer itself is the list. Several are tried in order. (CSV has none.)
    pub path: Option<OneOrMany>,
    /// Path of the number of records that the answer declares.
    pub total: Option<String>,
    /// What the absence of a record means.
    pub semantics: Option<Semantics>,
    /// Only records for which this expression holds: `department == "70"`.
    pub keep: Option<String>,
    /// JSON:API: `relationships` of a record are replaced by the objects of `included`.
    pub relationships: bool,
}

/// What the absence of a record from a run means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Semantics {
    /// The source shows everything that is open: absence counts as a miss.
    Snapshot,
    /// The source shows the newest only: absence means nothing.
    Window,
}

/// A string or a list of strings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// `[limits]`: caps on size and time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsTable {
    /// Megabytes on the wire, one request.
    pub download_mb: u64,
    /// Megabytes after decompression, one request.
    pub body_mb: u64,
    /// Kilobytes of one record; a larger one is refused, the rest goes on.
    pub record_kb: u64,
    /// Seconds of one request, body included.
    pub seconds: u64,
    /// Seconds without a byte.
    pub idle_seconds: u64,
    pub redirects: u32,
    /// Pages, or slices, of one run.
    pub pages: u64,
}

impl Default for LimitsTable {
    fn default() -> Self {
        Self {
            download_mb: 1024,
            body_mb: 4096,
            record_kb: 4096,
            seconds: 900,
            idle_seconds: 30,
            redirects: 5,
            pages: 5000,
        }
    }
}
