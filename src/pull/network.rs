//! The operator's folders: connector files and member files, read together and checked against
//! each other. A file that is wrong is refused with its problems; the others go on, and on a
//! reload the last good form of a refused file does too.

mod faults;

use super::connector::{
    Catalogue, Connector, FileProblem, Level, NAME_AND_RIGHTS, OWN_NAME, load_file, taken,
    unreadable,
};
use super::said::Said;
use super::schedule::Schedule;
use crate::model::{ConnectorName, Member, MemberId, Network};
use faults::faults;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the folders say.
#[derive(Clone, Debug, Default)]
pub struct NetworkFiles {
    pub network: Arc<Network>,
    /// By name.
    pub connectors: BTreeMap<ConnectorName, Arc<Connector>>,
    /// Of the connectors that run by themselves.
    pub schedules: BTreeMap<ConnectorName, Schedule>,
    /// In order of file; an error refuses its file, a warning does not.
    pub problems: Vec<FileProblem>,
    /// Changes with a connector's file or preset.
    pub digests: BTreeMap<ConnectorName, String>,
    /// Changes with anything that the member files say.
    pub network_digest: String,
    connector_files: BTreeMap<PathBuf, ConnectorName>,
    member_files: BTreeMap<PathBuf, MemberId>,
}

impl NetworkFiles {
    /// Reads both folders; one that does not exist is empty.
    pub fn load(connectors: &Path, members: &Path, catalogue: &Catalogue) -> Self {
        Self::default().reload(connectors, members, catalogue)
    }

    /// Reads both folders again; what `self` made of a file that is now refused stays.
    #[must_use]
    pub fn reload(&self, connectors: &Path, members: &Path, catalogue: &Catalogue) -> Self {
        let mut files = Self::default();
        let mut network = Network::default();
        files.read_members(members, self, &mut network);
        files.read_connectors(connectors, catalogue, self, &mut network);
        // What decides is what the files say, not how they are laid out.
        let said = serde_json::to_vec(&network.members).unwrap_or_default();
        files.network_digest = blake3::hash(&said).to_hex().to_string();
        files.network = Arc::new(network);
        files
    }

    /// What is wrong with the file of the connector `name`, or with a file called so.
    pub fn problems_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a FileProblem> {
        let own = move |problem: &&FileProblem| {
            let path = Path::new(&problem.file);
            let known = self.connector_files.get(path);
            known.is_some_and(|n| n.as_str() == name)
                || path.file_stem().is_some_and(|stem| stem == name)
        };
        self.problems.iter().filter(own)
    }

    /// The file of the connector `name`.
    pub fn file_of(&self, name: &str) -> Option<&Path> {
        let mut files = self.connector_files.iter();
        let (path, _) = files.find(|(_, own)| own.as_str() == name)?;
        Some(path)
    }

    fn read_members(&mut self, folder: &Path, before: &Self, network: &mut Network) {
        let there = folder.exists();
        let paths = self.toml_files(folder).filter(|_| there);
        let Some(paths) = paths else {
            // That a folder cannot be read, or that its disk is away, says nothing of who is in it.
            self.member_files = before.member_files.clone();
            network.members = before.network.members.clone();
            network.unsure = true;
            if !there && !network.members.is_empty() {
                let message = (
                    "le dossier des structures n'est plus là : celles qu'on connaît restent",
                    "the folder of the members is gone: those that are known stay",
                );
                let remedy = (
                    "rétablissez-le, ou corrigez paths.members",
                    "bring it back, or mend paths.members",
                );
                self.error(folder, "", message, remedy);
            }
            return;
        };
        for path in paths {
            let mut member = self.read_member(&path);
            if let Some(read) = &member
                && let Some(other) = self.file_of_member(&read.member_id())
            {
                let (id, other) = (&read.id, other.display());
                let french = format!("l'identifiant `{id}` est déjà pris par {other}");
                let message = (french, format!("the id `{id}` is taken by {other}"));
                let remedy = (
                    "donnez à chaque structure son propre identifiant",
                    "give each member its own id",
                );
                self.error(&path, "id", message, remedy);
                member = None;
            }
            let last_good = || {
                let id = before.member_files.get(&path)?;
                let free = self.file_of_member(id).is_none();
                before.network.member(id).filter(|_| free).cloned()
            };
            match member.or_else(last_good) {
                Some(member) => {
                    self.member_files.insert(path, member.member_id());
                    network.members.insert(member.member_id(), member);
                }
                None => network.unsure = true,
            }
        }
        self.warn_of_twins(network);
    }

    fn read_connectors(
        &mut self,
        folder: &Path,
        catalogue: &Catalogue,
        before: &Self,
        network: &mut Network,
    ) {
        for path in self.toml_files(folder).unwrap_or_default() {
            let loaded = load_file(&path, catalogue);
            self.problems.extend(loaded.problems);
            if let Some(refused) = &loaded.refused {
                self.check(&path, refused, network);
            }
            let digest = digest(&path, loaded.connector.as_ref(), catalogue);
            let fresh = loaded.connector.and_then(|connector| {
                let schedule = self.check(&path, &connector, network)?;
                Some((Arc::new(connector), schedule, digest))
            });
            let last_good = || {
                let name = before.connector_files.get(&path)?;
                let connector = before.connectors.get(name)?.clone();
                let known = |member: &MemberId| network.members.contains_key(member);
                if self.connectors.contains_key(name) || !connector.member.iter().all(known) {
                    return None;
                }
                let schedule = before.schedules.get(name).cloned();
                Some((connector, schedule, before.digests.get(name)?.clone()))
            };
            let Some((connector, schedule, digest)) = fresh.or_else(last_good) else {
                continue;
            };
            let name = connector.name.clone();
            network
                .connectors
                .insert(name.clone(), connector.member.clone());
            self.schedules.extend(schedule.map(|s| (name.clone(), s)));
            self.digests.insert(name.clone(), digest);
            self.connector_files.insert(path, name.clone());
            self.connectors.insert(name, connector);
        }
    }

    /// Checks a connector against the other files. `None` refuses it; otherwise its schedule.
    fn check(
        &mut self,
        path: &Path,
        connector: &Connector,
        network: &Network,
    ) -> Option<Option<Schedule>> {
        let mut fine = true;
        let name = &connector.name;
        let other = self
            .connector_files
            .iter()
            .find(|(_, other)| *other == name);
        if let Some((other, _)) = other {
            let message = taken(name, &other.display().to_string());
            self.error(path, "name", message, OWN_NAME);
            fine = false;
        }
        if let Some(member) = &connector.member
            && network.member(member).is_none()
        {
            let known: Vec<&str> = network.members.keys().map(MemberId::as_str).collect();
            let remedy = if known.is_empty() {
                (
                    "écrivez d'abord le fichier de la structure, dans le dossier des structures",
                    "write its member file first, in the members' folder",
                )
                    .into()
            } else {
                let known = known.join(", ");
                Said::from((
                    format!("écrivez le fichier de la structure, ou prenez l'une de {known}"),
                    format!("write its member file, or use one of {known}"),
                ))
            };
            let french =
                format!("il n'y a pas de structure `{member}`, ou son fichier a été refusé");
            let english = format!("there is no member `{member}`, or its file was refused");
            let message = (french, english);
            self.error(path, "member", message, remedy);
            fine = false;
        }
        // A text that is no schedule was refused with the file.
        let schedule = connector.schedule.as_deref().map(str::parse::<Schedule>);
        let schedule = schedule.and_then(Result::ok).map(|s| s.with_jitter(name));
        fine.then_some(schedule)
    }

    fn read_member(&mut self, path: &Path) -> Option<Member> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                self.error(path, "", unreadable(&error), NAME_AND_RIGHTS);
                return None;
            }
        };
        let member: Member = match toml::from_str(&text) {
            Ok(member) => member,
            Err(error) => {
                let line = error.span().map(|span| line_at(&text, span.start));
                let message = refused(error.message());
                self.push(path, Level::Error, line, "", message, Said::default());
                return None;
            }
        };
        let faults = faults(&member);
        let fine = faults.is_empty();
        for (key, message, remedy) in faults {
            let line = line_of(&text, &key);
            self.push(path, Level::Error, line, &key, message, remedy);
        }
        fine.then_some(member)
    }

    /// Names and numbers that two members share: recognition could not tell them apart.
    fn warn_of_twins(&mut self, network: &Network) {
        let mut owners: BTreeMap<String, MemberId> = BTreeMap::new();
        for (path, id) in self.member_files.clone() {
            let Some(member) = network.member(&id) else {
                continue;
            };
            let own = [&member.name].into_iter().chain(&member.aliases);
            let numbers = member.siret.iter().chain(&member.finess);
            let sites = member.establishments.iter();
            let site_numbers = sites.flat_map(|e| e.siret.iter().chain(&e.finess));
            for word in own.chain(numbers).chain(site_numbers) {
                let word = word.trim().to_lowercase();
                match owners.get(&word) {
                    Some(other) if *other != id => {
                        let french = format!("`{word}` désigne aussi la structure `{other}`");
                        let english = format!("`{word}` also stands for the member `{other}`");
                        let message = (french, english).into();
                        let remedy = (
                            "une offre qui le montre pourrait être à l'une ou à l'autre ; laissez-le à une seule",
                            "an offer that shows it cannot be told apart; leave it to one",
                        );
                        self.push(&path, Level::Warning, None, "", message, remedy.into());
                    }
                    Some(_) => {}
                    None => {
                        owners.insert(word, id.clone());
                    }
                }
            }
        }
    }

    fn file_of_member(&self, id: &MemberId) -> Option<&Path> {
        let found = self.member_files.iter().find(|(_, other)| *other == id);
        found.map(|(path, _)| path.as_path())
    }

    /// The TOML files of a folder, sorted by name; hidden ones and editors' leftovers left out. `None`
    /// where it cannot be read.
    fn toml_files(&mut self, folder: &Path) -> Option<Vec<PathBuf>> {
        // Half a listing would take away whoever is in the other half.
        let listed = std::fs::read_dir(folder).and_then(|entries| {
            let paths = entries.map(|entry| Ok(entry?.path()));
            paths.collect::<std::io::Result<Vec<_>>>()
        });
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some(Vec::new()),
            Err(error) => {
                let french = format!("le dossier ne peut pas être lu : {error}");
                let message = (french, format!("the folder cannot be read: {error}"));
                self.error(
                    folder,
                    "",
                    message,
                    ("vérifiez ses droits d'accès", "check its rights"),
                );
                return None;
            }
        };
        // A file that cannot be looked at is one: reading it says what is wrong.
        let mut paths: Vec<PathBuf> = listed
            .into_iter()
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.ends_with(".toml") && !name.starts_with('.') && !path.is_dir()
            })
            .collect();
        paths.sort_unstable();
        Some(paths)
    }

    fn error(&mut self, path: &Path, key: &str, message: impl Into<Said>, remedy: impl Into<Said>) {
        let line = std::fs::read_to_string(path).ok();
        let line = line.and_then(|text| line_of(&text, key));
        self.push(path, Level::Error, line, key, message.into(), remedy.into());
    }

    fn push(
        &mut self,
        path: &Path,
        level: Level,
        line: Option<usize>,
        key: &str,
        message: Said,
        remedy: Said,
    ) {
        self.problems.push(FileProblem {
            level,
            file: path.display().to_string(),
            line,
            key: key.to_owned(),
            message,
            remedy,
        });
    }
}

/// What the reader of the file says, of which the usual ones are translated.
fn refused(english: &str) -> Said {
    let french = [
        ("unknown field ", "mot inconnu ici : "),
        ("missing field ", "il manque "),
        ("unknown variant ", "valeur inconnue : "),
        ("duplicate field ", "mot écrit deux fois : "),
        ("duplicate key", "mot écrit deux fois"),
        ("invalid type: ", "ce n'est pas la bonne sorte de valeur : "),
        ("invalid length ", "mauvais nombre de valeurs : "),
    ]
    .into_iter()
    .find_map(|(said, french)| {
        let rest = english.strip_prefix(said)?;
        let rest = rest
            .replace("expected one of", "au choix")
            .replace("expected", "il faut");
        Some(format!("{french}{rest}"))
    });
    let french = french.unwrap_or_else(|| format!("le fichier ne peut pas être lu : {english}"));
    (french, english).into()
}

/// A digest of what a connector is made of: its file and its preset.
fn digest(path: &Path, connector: Option<&Connector>, catalogue: &Catalogue) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&std::fs::read(path).unwrap_or_default());
    let preset = connector.and_then(|c| c.preset.as_deref());
    if let Some((_, text)) = preset.and_then(|name| catalogue.get(name)) {
        hasher.update(&[0]);
        hasher.update(text.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|b| **b == b'\n').count() + 1
}

/// The first line that sets the last word of `key`.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let word = key.rsplit('.').next().filter(|word| !word.is_empty())?;
    let sets = |line: &str| {
        let rest = line.trim_start().strip_prefix(word);
        rest.is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    text.lines().position(sets).map(|at| at + 1)
}

#[cfg(test)]
mod tests;
