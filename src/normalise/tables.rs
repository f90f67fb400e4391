//! The compiled-in tables: facts and judgements that a recruiter can read and correct in CSV.
//!
//! `data/README.md` says where each comes from. A table is parsed once, on first use; lines that
//! begin with `#` are comments. A malformed row would be a defect of the build, so tests read every
//! table whole, and a running program leaves the row out.

use crate::model::Severity;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::LazyLock;

/// A map whose keys are this program's own tables. What is looked up may come from outside; what is
/// stored never does, so a fast hash without a secret is safe.
pub type Map<K, V> = HashMap<K, V, BuildHasherDefault<Fnv>>;

/// FNV-1a over 64 bits: short words are hashed in a few cycles.
#[derive(Clone, Copy, Debug)]
pub struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

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
    pub english: String,
}

static FINDINGS: LazyLock<Map<String, FindingRow>> = LazyLock::new(|| {
    rows::<FindingRow>(include_bytes!("data/findings.csv"))
        .into_iter()
        .map(|row| (row.rule.clone(), row))
        .collect()
});

/// What the table says of `rule`; a rule that it lacks explains itself by its name.
pub fn finding(rule: &str) -> Cow<'static, FindingRow> {
    debug_assert!(FINDINGS.contains_key(rule), "findings.csv lacks {rule}");
    FINDINGS.get(rule).map_or_else(
        || {
            Cow::Owned(FindingRow {
                rule: rule.to_owned(),
                severity: Severity::Info,
                article: String::new(),
                message: rule.to_owned(),
                english: rule.to_owned(),
            })
        },
        Cow::Borrowed,
    )
}

#[cfg(test)]
pub fn finding_rules() -> Vec<String> {
    FINDINGS.keys().cloned().collect()
}

#[cfg(test)]
mod tests {
    use crate::model::RULES;

    /// Every table with the number of the rules that it belongs to: a change of a table without a
    /// new number would leave stored postings as the old one made them.
    #[test]
    fn a_changed_table_has_a_new_number() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/normalise/data");
        let mut files: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end != "md"))
            .collect();
        files.sort();
        let mut digest = blake3::Hasher::new();
        for file in &files {
            digest.update(file.file_name().unwrap().as_encoded_bytes());
            digest.update(&std::fs::read(file).unwrap());
        }
        let now = format!("{RULES} {}", &digest.finalize().to_hex()[..16]);
        let known = include_str!("data/VERSIONS");
        let last = known.lines().rfind(|line| !line.starts_with('#'));
        assert_eq!(
            last,
            Some(now.as_str()),
            "a table changed: raise RULES in src/model/mod.rs and add this line to src/normalise/data/VERSIONS"
        );
        let numbers: Vec<u32> = known
            .lines()
            .filter_map(|line| line.split(' ').next()?.parse().ok())
            .collect();
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    }
}
