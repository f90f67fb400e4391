//! The connector, member and settings files of the demo, written for the address of its server.

use super::server::SECRET;
use std::io;
use std::path::{Path, PathBuf};

/// Name and text of every file of one folder of `connectors/demo/`.
macro_rules! embedded {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$((
            concat!($name, ".toml"),
            include_str!(concat!("../../connectors/demo/", $folder, "/", $name, ".toml")),
        )),+]
    };
}

type Files = &'static [(&'static str, &'static str)];

const CONNECTORS: Files = embedded!("connectors":
    "ahvl", "aide-et-campagne", "centres-vallees", "claire-fontaine", "colline", "france-travail",
    "ghms", "grand-chene", "mille-etangs", "relais-interim", "trois-rivieres",
);

const MEMBERS: Files = embedded!("members":
    "ah-val-de-lanterne", "aide-et-campagne", "association-grand-chene",
    "centres-de-sante-vallees", "clinique-de-la-colline", "departement-mille-etangs",
    "fondation-claire-fontaine", "gh-monts-de-saone", "mutuelle-trois-rivieres",
    "relais-interim-sante",
);

/// Where the files of one demo stand.
#[derive(Clone, Debug)]
pub struct Folder {
    pub root: PathBuf,
}

#[derive(Debug, thiserror::Error)]
#[error("the demo's file {} cannot be written", path.display())]
pub struct WriteError {
    pub path: PathBuf,
    #[source]
    source: io::Error,
}

impl Folder {
    pub fn connectors(&self) -> PathBuf {
        self.root.join("connectors")
    }

    pub fn members(&self) -> PathBuf {
        self.root.join("members")
    }

    /// What the demo's server remembers from one start to the next.
    pub fn story(&self) -> PathBuf {
        self.root.join("demo.json")
    }

    /// The settings with which another command works on the same demo.
    pub fn settings(&self) -> PathBuf {
        self.root.join("passerelle.toml")
    }

    /// Writes everything that reads the demo's server at `base`.
    ///
    /// # Errors
    /// A file or folder that cannot be written.
    pub fn write(&self, base: &str) -> Result<(), WriteError> {
        let secret = self.root.join("secret");
        put(&secret, SECRET)?;
        let shown = secret.display().to_string();
        for (name, text) in CONNECTORS {
            let text = text
                .replace("{{demo}}", base)
                .replace("{{secret}}", &shown.replace('\\', "\\\\"));
            put(&self.connectors().join(name), &text)?;
        }
        for (name, text) in MEMBERS {
            put(&self.members().join(name), text)?;
        }
        let host = base.trim_start_matches("http://");
        let settings = format!(
            "# Written by `passerelle demo`: the settings of a synthetic network.\n\
             [paths]\nconnectors = \"connectors\"\nmembers = \"members\"\ndata = \"data\"\n\n\
             [fetch]\nallow_hosts = [\"{host}\"]\n\n\
             [territory]\nname = \"Territoire de démonstration\"\ndepartments = [\"70\", \"25\", \"90\"]\n\
             notice = \"{NOTICE}\"\n"
        );
        put(&self.settings(), &settings)
    }
}

/// Said on every page, in every feed and export, by every command.
const NOTICE: &str = "Démonstration : employeurs, offres et adresses sont inventés. Demonstration: everything is synthetic.";

fn put(path: &Path, text: &str) -> Result<(), WriteError> {
    let failed = |source| WriteError {
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    // Unchanged files keep their time: a daemon that watches them is not woken for nothing.
    if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    std::fs::write(path, text).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::tables::tables;
    use crate::model::Member;
    use std::collections::BTreeSet;

    #[test]
    fn every_file_of_the_folders_is_embedded() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("connectors/demo");
        for (folder, files) in [("connectors", CONNECTORS), ("members", MEMBERS)] {
            let on_disk: BTreeSet<String> = std::fs::read_dir(root.join(folder))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            let embedded: BTreeSet<String> =
                files.iter().map(|(name, _)| (*name).to_owned()).collect();
            assert_eq!(on_disk, embedded);
        }
    }

    #[test]
    fn member_files_agree_with_what_the_ads_say() {
        let tables = tables();
        for (name, text) in MEMBERS {
            let member: Member = toml::from_str(text).unwrap();
            assert_eq!(format!("{}.toml", member.id), *name);
            let voice = &tables.network[&member.id];
            assert_eq!(member.name, voice.name);
            for site in voice.sites.values() {
                assert!(
                    member
                        .establishments
                        .iter()
                        .any(|one| one.name == site.name),
                    "{name}: {}",
                    site.name
                );
            }
        }
    }

    #[test]
    fn the_folder_is_complete_and_names_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Folder {
            root: folder.path().to_owned(),
        };
        folder.write("http://127.0.0.1:4321").unwrap();
        let text = std::fs::read_to_string(folder.connectors().join("ghms.toml")).unwrap();
        assert!(text.contains("http://127.0.0.1:4321/talentsoft"));
        assert!(!text.contains("{{"));
        assert!(folder.settings().is_file());
    }
}
