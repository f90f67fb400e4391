//! Connector and member files, as they were read last: all problems at once, each with its file. A
//! file that is wrong is refused by itself; the others go on.

use crate::model::{ConnectorName, Member, MemberId, Network, RULES};
use crate::pull::connector::{Catalogue, Connector, FileProblem, Level, load_file};
use crate::pull::schedule::Schedule;
use crate::settings::Settings;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the folders say.
#[derive(Clone, Debug, Default)]
pub struct Files {
    pub network: Arc<Network>,
    /// By name.
    pub connectors: Vec<Arc<Connector>>,
    /// Of the connectors that have one.
    pub schedules: BTreeMap<ConnectorName, Schedule>,
    /// What was refused or is doubtful.
    pub problems: Vec<FileProblem>,
    /// Change with what a connector's records mean, or how they are read.
    pub digests: BTreeMap<ConnectorName, String>,
    /// Changes with anything that the members' files say.
    pub network_digest: String,
    /// File of each connector.
    pub paths: BTreeMap<ConnectorName, PathBuf>,
}

impl Files {
    pub fn load(settings: &Settings) -> Self {
        let mut files = Self::default();
        let catalogue = files.catalogue(settings);
        let mut network = Network::default();
        files.members(&settings.members(), &mut network);
        files.connectors(&settings.paths.connectors, &catalogue, &mut network);
        files.network_digest = digest(format!("{network:?}").as_bytes());
        files.network = Arc::new(network);
        files
    }

    pub fn has(&self, name: &ConnectorName) -> bool {
        self.find(name.as_str()).is_some()
    }

    pub fn find(&self, name: &str) -> Option<&Arc<Connector>> {
        self.connectors.iter().find(|c| c.name.as_str() == name)
    }

    /// Those for which a file was refused.
    pub fn errors(&self) -> impl Iterator<Item = &FileProblem> {
        self.problems.iter().filter(|p| p.level == Level::Error)
    }

    fn catalogue(&mut self, settings: &Settings) -> Catalogue {
        let Some(folder) = &settings.paths.catalogue else {
            return Catalogue::embedded();
        };
        Catalogue::with_folder(folder).unwrap_or_else(|error| {
            self.refuse(
                folder,
                None,
                "",
                crate::telemetry::chain(&error),
                "check paths.catalogue",
            );
            Catalogue::embedded()
        })
    }

    fn members(&mut self, folder: &Path, network: &mut Network) {
        for path in self.toml_files(folder, "paths.members") {
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) => {
                    self.refuse(&path, None, "", error, "check its rights");
                    continue;
                }
            };
            let member: Member = match toml::from_str(&text) {
                Ok(member) => member,
                Err(error) => {
                    let line = error.span().map(|span| line_of(&text, span.start));
                    let remedy = "see `passerelle schema member`";
                    self.refuse(&path, line, "", error.message(), remedy);
                    continue;
                }
            };
            if !is_name(&member.id) {
                let message = format!("{:?} is no id", member.id);
                let remedy = "lower-case letters, digits and hyphens";
                self.refuse(&path, None, "id", message, remedy);
                continue;
            }
            self.numbers(&path, &member);
            let id = member.member_id();
            if network.members.contains_key(&id) {
                let message = format!("the id {id} is taken by another file");
                self.refuse(&path, None, "id", message, "give each member its own id");
                continue;
            }
            network.members.insert(id, member);
        }
    }

    /// Doubtful numbers are said, and kept: they only recognise a member less often.
    fn numbers(&mut self, path: &Path, member: &Member) {
        let places = &member.establishments;
        let siret = member
            .siret
            .iter()
            .chain(places.iter().filter_map(|p| p.siret.as_ref()));
        for number in siret {
            if number.len() != 14 || !number.bytes().all(|b| b.is_ascii_digit()) {
                self.warn(path, "siret", format!("{number:?} has not 14 digits"));
            }
        }
        let finess = member
            .finess
            .iter()
            .chain(places.iter().filter_map(|p| p.finess.as_ref()));
        for number in finess {
            if number.len() != 9 || !number.bytes().all(|b| b.is_ascii_alphanumeric()) {
                self.warn(path, "finess", format!("{number:?} has not 9 characters"));
            }
        }
    }

    fn connectors(&mut self, folder: &Path, catalogue: &Catalogue, network: &mut Network) {
        for path in self.toml_files(folder, "paths.connectors") {
            let loaded = load_file(&path, catalogue);
            self.problems.extend(loaded.problems);
            let Some(connector) = loaded.connector else {
                continue;
            };
            let name = connector.name.clone();
            if let Some(other) = self.paths.get(&name) {
                let message = format!("the name {name} is taken by {}", other.display());
                self.refuse(
                    &path,
                    None,
                    "name",
                    message,
                    "give each connector its own name",
                );
                continue;
            }
            if let Some(member) = connector.member.as_ref()
                && !network.members.contains_key(member)
            {
                let remedy = format!("write a member file, there are {}", names(network));
                let message = format!("there is no member {member}");
                self.refuse(&path, None, "member", message, &remedy);
                continue;
            }
            if let Some(text) = &connector.schedule {
                match text.parse::<Schedule>() {
                    Ok(schedule) => {
                        self.schedules
                            .insert(name.clone(), schedule.with_jitter(&name));
                    }
                    Err(error) => {
                        let remedy = "such as \"0 6 * * 1-5\" or \"every 30m\"";
                        self.refuse(&path, None, "schedule", error, remedy);
                        continue;
                    }
                }
            }
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let preset = connector
                .preset
                .as_deref()
                .and_then(|name| catalogue.get(name));
            let preset = preset.map_or("", |(_, text)| text);
            let bytes = format!("{RULES}\0{text}\0{preset}");
            self.digests.insert(name.clone(), digest(bytes.as_bytes()));
            self.paths.insert(name.clone(), path);
            network.connectors.insert(name, connector.member.clone());
            self.connectors.push(Arc::new(connector));
        }
        self.connectors.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// The `.toml` files of `folder`, sorted. A folder that is not there has none.
    fn toml_files(&mut self, folder: &Path, key: &str) -> Vec<PathBuf> {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                self.refuse(folder, None, "", error, &format!("check {key}"));
                return Vec::new();
            }
        };
        let mut paths: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|ext| ext == "toml") && path.is_file())
            .collect();
        paths.sort();
        paths
    }

    fn refuse(
        &mut self,
        path: &Path,
        line: Option<usize>,
        key: &str,
        message: impl std::fmt::Display,
        remedy: &str,
    ) {
        self.problems.push(FileProblem {
            level: Level::Error,
            file: path.display().to_string(),
            line,
            key: key.to_owned(),
            message: message.to_string(),
            remedy: remedy.to_owned(),
        });
    }

    fn warn(&mut self, path: &Path, key: &str, message: String) {
        self.problems.push(FileProblem {
            level: Level::Warning,
            file: path.display().to_string(),
            line: None,
            key: key.to_owned(),
            message,
            remedy: String::new(),
        });
    }
}

fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())]
        .iter()
        .filter(|b| **b == b'\n')
        .count()
        + 1
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn names(network: &Network) -> String {
    let names: Vec<&str> = network
        .members
        .keys()
        .map(MemberId::as_str)
        .take(12)
        .collect();
    if names.is_empty() {
        "none yet".into()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_file_is_refused_and_the_others_go_on() {
        let root = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put(
            "members/a.toml",
            "id = \"a\"\nname = \"A\"\nsiret = [\"123\"]",
        );
        put("members/b.toml", "id = \"b\"\nname = \"B\"\ncolour = 1");
        put("members/c.toml", "id = \"a\"\nname = \"C\"");
        let csv = "use = \"csv\"\n[with]\nbase_url = \"offers.csv\"\n";
        put(
            "connectors/a.toml",
            &format!("name = \"a\"\nmember = \"a\"\nschedule = \"0 6 * * *\"\n{csv}"),
        );
        put(
            "connectors/b.toml",
            &format!("name = \"b\"\nmember = \"nobody\"\n{csv}"),
        );
        put("connectors/c.toml", &format!("name = \"a\"\n{csv}"));
        let mut settings = Settings::default();
        settings.paths.connectors = root.path().join("connectors");
        let files = Files::load(&settings);
        let short: Vec<String> = files
            .problems
            .iter()
            .map(|p| {
                let file = Path::new(&p.file).strip_prefix(root.path());
                let file = file.unwrap_or(Path::new(&p.file)).display();
                format!("{file} {}: {}", p.key, p.message)
                    .replace(&root.path().display().to_string(), "")
            })
            .collect();
        assert_eq!(files.connectors.len(), 1, "{short:?}");
        assert_eq!(files.network.members.len(), 1);
        assert!(files.schedules.contains_key(&ConnectorName::from("a")));
        for wanted in [
            "members/a.toml siret",
            "members/b.toml",
            "members/c.toml id",
            "connectors/b.toml member",
            "connectors/c.toml name",
        ] {
            assert!(
                short.iter().any(|p| p.starts_with(wanted)),
                "{wanted}: {short:?}"
            );
        }
    }
}
