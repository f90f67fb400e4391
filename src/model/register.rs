//! Public registers of employers, as the operator loaded them: FINESS and Sirene.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One published extract; loading it anew replaces what was loaded of it before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Register {
    /// FINESS, `structureet`: establishments, the sites where people work.
    FinessSites,
    /// FINESS, `structureej`: the legal entities that run them.
    FinessEntities,
    /// Sirene, `StockEtablissement`.
    SireneSites,
    /// Sirene, `StockUniteLegale`.
    SireneUnits,
}

impl Register {
    pub fn name(self) -> &'static str {
        match self {
            Self::FinessSites => "finess_sites",
            Self::FinessEntities => "finess_entities",
            Self::SireneSites => "sirene_sites",
            Self::SireneUnits => "sirene_units",
        }
    }
}

/// What a register says of one employer or of one of its sites.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterEntry {
    pub register: Register,
    /// FINESS, SIRET or SIREN, as the register has it.
    pub number: String,
    /// As the register writes it; empty for a site that has no name of its own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_names: Vec<String>,
    /// Number of the legal entity of a site: FINESS or SIREN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// SIRET of a FINESS site, SIREN of a FINESS entity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sirene: Option<String>,
    /// INSEE code of the commune.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insee: Option<String>,
    /// Label of the kind of establishment: "Centre Hospitalier (C.H.)".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
}

/// A loaded register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterState {
    pub register: Register,
    pub entries: u64,
    pub loaded: Timestamp,
}
