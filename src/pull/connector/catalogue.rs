//! The presets: those of the binary, and the operator's own, which win by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where presets are looked up.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// Name → (where it came from, text).
    presets: BTreeMap<String, (String, String)>,
}

/// A catalogue folder that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the catalogue folder {path} cannot be read")]
pub struct CatalogueError {
    pub path: PathBuf,
    #[source]
    pub source: std::io::Error,
}

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        /// Name and text of every preset in the binary.
        const EMBEDDED: &[(&str, &str)] = &[
            $(($name, include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"), "/connectors/catalogue/", $name, ".toml"
            )))),*
        ];
    };
}

embedded![
    "apec",
    "ashby",
    "atom",
    "bamboohr",
    "beetween",
    "careers-jsonld",
    "choisir-service-public",
    "cleverconnect",
    "csv",
    "digitalrecruiters-export",
    "digitalrecruiters-public",
    "factorial",
    "flatchr",
    "france-travail",
    "greenhouse",
    "hellowork",
    "hellowork-buddi",
    "hr-xml",
    "icims",
    "indeed-xml",
    "jobaffinity",
    "jobteaser",
    "jooble",
    "json-feed",
    "kelio",
    "la-poste",
    "leboncoin",
    "lever",
    "linkedin-xml",
    "nicoka",
    "oracle-recruiting-cloud",
    "pass",
    "personio",
    "recruitee",
    "rss",
    "smartrecruiters",
    "successfactors",
    "taleez",
    "talentplug",
    "talentsoft",
    "talentsoft-export",
    "talentsoft-rss",
    "talentsoft-xml",
    "teamtailor",
    "teamtailor-public",
    "teamtailor-rss",
    "welcomekit",
    "welcomekit-embed",
    "workable",
    "workable-api",
    "workable-v3",
    "workday",
    "xlsx",
];

impl Catalogue {
    /// The presets of the binary.
    pub fn embedded() -> Self {
        Self {
            presets: EMBEDDED
                .iter()
                .map(|(name, text)| {
                    (
                        (*name).to_owned(),
                        (format!("preset {name}"), (*text).to_owned()),
                    )
                })
                .collect(),
        }
    }

    /// The presets of the binary, and on top those of `folder`. A folder that does not exist adds
    /// nothing.
    ///
    /// # Errors
    /// The folder or a file of it cannot be read.
    pub fn with_folder(folder: &Path) -> Result<Self, CatalogueError> {
        let mut catalogue = Self::embedded();
        let fail = |source| CatalogueError {
            path: folder.to_owned(),
            source,
        };
        if !folder.exists() {
            return Ok(catalogue);
        }
        for entry in std::fs::read_dir(folder).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            if path.extension().is_some_and(|e| e == "toml")
                && let Some(name) = path.file_stem().and_then(|s| s.to_str())
            {
                let text = std::fs::read_to_string(&path).map_err(fail)?;
                catalogue
                    .presets
                    .insert(name.to_owned(), (path.display().to_string(), text));
            }
        }
        Ok(catalogue)
    }

    /// Where a preset came from, and its text.
    pub fn get(&self, name: &str) -> Option<(&str, &str)> {
        self.presets
            .get(name)
            .map(|(origin, text)| (origin.as_str(), text.as_str()))
    }

    /// Sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.presets.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_embedded() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("connectors/catalogue");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .expect("the folder is part of the repository")
            .filter_map(|entry| entry.ok()?.path().file_stem()?.to_str().map(str::to_owned))
            .collect();
        files.sort();
        let embedded: Vec<String> = Catalogue::embedded().names().map(str::to_owned).collect();
        assert_eq!(files, embedded);
    }
}
