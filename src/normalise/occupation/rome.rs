//! ROME 4.60 and its version-3 parents.

use super::super::fold::key;
use super::super::tables::{self, Map};
use super::words;
use crate::model::Family;
use std::sync::{LazyLock, OnceLock};

#[derive(Clone, Debug, serde::Deserialize)]
pub struct Entry {
    pub code: String,
    pub label: String,
    /// The version-3 code that it specialises; its own where it is one.
    pub parent: String,
    /// Unknown outside of health and social care.
    #[serde(deserialize_with = "flag")]
    pub regulated: Option<bool>,
    /// Stems of the label, made on first use.
    #[serde(skip)]
    stems: OnceLock<Vec<String>>,
}

impl Entry {
    fn stems(&self) -> &[String] {
        self.stems.get_or_init(|| {
            let tokens = words::tokens(&self.label);
            tokens.into_iter().map(|token| token.stem).collect()
        })
    }
}

fn flag<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let text: String = serde::Deserialize::deserialize(deserializer)?;
    Ok(match text.as_str() {
        "1" => Some(true),
        "0" => Some(false),
        _ => None,
    })
}

#[derive(serde::Deserialize)]
struct FamilyRow {
    prefix: String,
    family: Family,
}

static ENTRIES: LazyLock<Map<String, Entry>> = LazyLock::new(|| {
    tables::rows::<Entry>(include_bytes!("../data/rome.csv"))
        .into_iter()
        .map(|entry| (entry.code.clone(), entry))
        .collect()
});

static FAMILIES: LazyLock<Map<String, Family>> = LazyLock::new(|| {
    tables::rows::<FamilyRow>(include_bytes!("../data/families.csv"))
        .into_iter()
        .map(|row| (row.prefix, row.family))
        .collect()
});

pub fn entry(code: &str) -> Option<&'static Entry> {
    ENTRIES.get(code)
}

pub fn entries() -> impl Iterator<Item = &'static Entry> {
    ENTRIES.values()
}

/// The family of a code, by its longest known prefix; every other occupation is `other`.
pub fn family(code: &str) -> Option<Family> {
    for length in (3..=code.len()).rev() {
        if let Some(family) = code.get(..length).and_then(|prefix| FAMILIES.get(prefix)) {
            return Some(*family);
        }
    }
    Some(Family::Other)
}

/// A source's code in today's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folded {
    pub rome: Option<String>,
    pub rome_v3: String,
    /// The code is also a parent: a title may be finer.
    pub coarse: bool,
}

/// Codes whose number changed its meaning, by the label that went with the old one.
const RENUMBERED: [(&str, &str, &str); 2] = [
    // Version 3 "Accompagnement médicosocial" is today's AES, under "assistance auprès d'adultes".
    ("K1301", "accompagnement medicosocial", "K1302"),
    ("K1301", "accompagnateur medicosocial", "K1302"),
];

/// The reading of a source's code. The label tells the version: a code with its version-4 label is
/// exact; with another label it is version 3, of which only the parent is sure.
pub fn fold(code: &str, label: Option<&str>) -> Option<Folded> {
    let entry = entry(code)?;
    let label = label.map(key).unwrap_or_default();
    if let Some((.., parent)) = RENUMBERED
        .iter()
        .find(|(known, old, _)| *known == code && label.starts_with(old))
    {
        return Some(Folded {
            rome: None,
            rome_v3: (*parent).to_owned(),
            coarse: true,
        });
    }
    let is_parent = entry.parent == entry.code;
    let same = !label.is_empty() && {
        let wanted = entry.stems();
        let given = words::tokens(&label);
        let common = given
            .iter()
            .filter(|token| wanted.contains(&token.stem))
            .count();
        common * 4 >= given.len().max(1) * 3
    };
    Some(Folded {
        rome: (!is_parent || same).then(|| entry.code.clone()),
        rome_v3: entry.parent.clone(),
        coarse: is_parent,
    })
}
