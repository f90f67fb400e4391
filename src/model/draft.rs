//! The draft: a source record after the connector's field map, before any rule of the trade.

use super::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a connector can map. These are the keys of `[fields]` in a connector file; a place field
/// may also stand under `[fields.places]` for sources with several places a record.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The source's key of the record. Required.
    Reference,
    /// An explicit status; its value table maps to `open`, `closed` (filled) or `withdrawn`.
    Status,
    /// Its value table maps to `public` or `internal`.
    Visibility,
    /// Required.
    Title,
    /// ROME code.
    OccupationCode,
    OccupationLabel,
    EmployerName,
    EmployerSiret,
    EmployerFiness,
    EmployerDescription,
    Establishment,
    Agreement,
    /// Name of an agency or board that stands between.
    Intermediary,
    /// Free text: "70 - VESOUL", "Vesoul (70000)".
    Place,
    PlaceInsee,
    PlacePostalCode,
    PlaceCity,
    PlaceDepartment,
    PlaceRegion,
    PlaceCountry,
    PlaceAddress,
    PlaceLat,
    PlaceLon,
    /// `lat,lon` in one string.
    PlaceGeo,
    Remote,
    /// Code or label of the legal form; its value table maps to `contract.form`.
    Contract,
    /// A second code or label that refines it (apprenticeship, liberal…).
    ContractNature,
    /// Label or number of months.
    ContractDuration,
    PublicStatus,
    /// Code or label; its value table maps to `full` or `part`.
    WorkingTime,
    /// Hours a week, number or label.
    Hours,
    /// Percentage or share of a full-time equivalent.
    Fte,
    /// Night, week-ends, 12 h…: free text.
    Shifts,
    /// Free text of the pay.
    Pay,
    PayMin,
    PayMax,
    PayCurrency,
    /// Its value table maps to `pay.period`.
    PayPeriod,
    /// Its value table maps to `gross` or `net`.
    PayGross,
    PayComment,
    /// A list.
    Benefits,
    /// HTML or plain text.
    Description,
    /// A list.
    Diplomas,
    Experience,
    Openings,
    Service,
    Requisition,
    Published,
    Updated,
    Expires,
    Starts,
    ApplyUrl,
    ApplyEmail,
    /// The ad's own page at the source.
    Url,
    ContactName,
    ContactEmail,
    ContactPhone,
    /// A list, parallel to `partner_urls`.
    PartnerNames,
    /// A list.
    PartnerUrls,
    Language,
    Logo,
}

/// One mapped value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raw {
    /// After value table and date format. One item for a scalar field, never none. Dates are
    /// RFC 3339 timestamps (`2026-11-02T00:00:00Z`) or, for `starts`, `2026-11-02`.
    pub values: Vec<String>,
    /// As the source wrote it (values joined by `|`), where that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// Where in the record it stood, as the connector file writes the path.
    pub path: String,
    /// Whether a value table of the connector knew it: then it is canonical already.
    #[serde(default)]
    pub mapped: bool,
}

impl Raw {
    pub fn new(value: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            values: vec![value.into()],
            raw: None,
            path: path.into(),
            mapped: false,
        }
    }

    pub fn value(&self) -> &str {
        self.values.first().map_or("", String::as_str)
    }

    /// What the source wrote.
    pub fn source_text(&self) -> &str {
        self.raw.as_deref().unwrap_or_else(|| self.value())
    }
}

/// A source record after the field map. Empty values are absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    pub reference: String,
    pub fields: BTreeMap<Field, Raw>,
    /// Place fields, one map a place; empty when the place stands in `fields`.
    pub places: Vec<BTreeMap<Field, Raw>>,
    /// What the map could not read (a date of another form, a number that is none).
    pub problems: Vec<Problem>,
}

impl Draft {
    pub fn get(&self, field: Field) -> Option<&Raw> {
        self.fields.get(&field)
    }

    pub fn value(&self, field: Field) -> Option<&str> {
        self.fields
            .get(&field)
            .map(Raw::value)
            .filter(|v| !v.is_empty())
    }
}
