//! The operator's folders: connector files and member files, read together and checked against
//! each other. A file that is wrong is refused with its problems; the others go on, and on a
//! reload the last good form of a refused file does too.

use super::connector::{
    Catalogue, Connector, FileProblem, Level, NAME_AND_RIGHTS, OWN_NAME, load_file, taken,
    unreadable,
};
use super::said::Said;
use super::schedule::Schedule;
use crate::model::{ConnectorName, Mandate, Member, MemberId, Network};
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
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
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
        let mut paths: Vec<PathBuf> = entries
            .filter_map(|entry| entry.ok().map(|e| e.path()))
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

/// What the words of a member file get wrong: (key, what, remedy).
fn faults(member: &Member) -> Vec<(String, Said, Said)> {
    let mut faults = Vec::new();
    let mut fault = |key: &str, message: (String, String), remedy: (&str, &str)| {
        faults.push((key.to_owned(), message.into(), remedy.into()));
    };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if member.id.is_empty() || !member.id.chars().all(plain) {
        let id = &member.id;
        let message = (
            format!("`{id}` n'est pas un identifiant"),
            format!("`{id}` is no id"),
        );
        fault(
            "id",
            message,
            (
                "minuscules sans accent, chiffres et traits d'union",
                "use lower-case letters, digits and hyphens",
            ),
        );
    }
    if member.name.trim().is_empty() {
        fault(
            "name",
            ("le nom est vide".to_owned(), "the name is empty".to_owned()),
            (
                "écrivez le nom que les candidats connaissent",
                "write the name that candidates know",
            ),
        );
    }
    let sites = &member.establishments;
    let sirets = member.siret.iter().map(|s| ("siret", s));
    let site_sirets = sites.iter().flat_map(|e| &e.siret);
    for (key, siret) in sirets.chain(site_sirets.map(|s| ("establishments.siret", s))) {
        if siret.len() != 14 || !siret.bytes().all(|b| b.is_ascii_digit()) {
            fault(
                key,
                (
                    format!("`{siret}` n'est pas un SIRET"),
                    format!("`{siret}` is no SIRET"),
                ),
                (
                    "écrivez ses 14 chiffres sans espaces",
                    "write its 14 digits without spaces",
                ),
            );
        }
    }
    let finess = member.finess.iter().map(|s| ("finess", s));
    let site_finess = sites.iter().flat_map(|e| &e.finess);
    for (key, number) in finess.chain(site_finess.map(|s| ("establishments.finess", s))) {
        if number.len() != 9 || !number.bytes().all(|b| b.is_ascii_alphanumeric()) {
            fault(
                key,
                (
                    format!("`{number}` n'est pas un numéro FINESS"),
                    format!("`{number}` is no FINESS number"),
                ),
                ("écrivez ses 9 caractères", "write its 9 characters"),
            );
        }
    }
    let company = member.linkedin.company_id.as_deref();
    if company.is_some_and(|id| id.is_empty() || !id.bytes().all(|b| b.is_ascii_digit())) {
        let remedy = (
            "écrivez le nombre qui se lit dans l'adresse d'administration de la page",
            "write the number in the address of the page's administration",
        );
        fault(
            "linkedin.company_id",
            (
                "l'identifiant de la page n'est pas un nombre".to_owned(),
                "the company id is no number".to_owned(),
            ),
            remedy,
        );
    }
    let address = |text: &str| {
        let parts = text.split_once('@');
        parts.is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
            && !text.contains(char::is_whitespace)
    };
    if let Some(email) = member.poster_email.as_deref().filter(|e| !address(e)) {
        let remedy = (
            "écrivez l'adresse sous laquelle les offres de la page sont publiées",
            "write the address under which the page's offers are posted",
        );
        fault(
            "poster_email",
            (
                format!("`{email}` n'est pas une adresse électronique"),
                format!("`{email}` is no e-mail address"),
            ),
            remedy,
        );
    }
    for role in &member.privacy.role_addresses {
        if !address(role) {
            let remedy = (
                "écrivez une adresse, ou *@domaine",
                "write an address, or *@domain",
            );
            fault(
                "privacy.role_addresses",
                (
                    format!("`{role}` n'est pas une adresse électronique"),
                    format!("`{role}` is no e-mail address"),
                ),
                remedy,
            );
        }
    }
    for (channel, mandate) in &member.mandates {
        let known = channel.0.chars().all(|c| plain(c) || c == '_') && !channel.0.is_empty();
        if !known || matches!(mandate, Mandate::Until(_)) && mandate.ends().is_none() {
            let key = format!("mandates.{}", channel.0);
            let remedy = (
                "écrivez `portal` ou le nom d'un profil d'export, et une vraie date",
                "use `portal` or the name of an export profile, and a real date",
            );
            fault(
                &key,
                (
                    "ce mandat ne peut pas être lu".to_owned(),
                    "this mandate cannot be read".to_owned(),
                ),
                remedy,
            );
        }
    }
    faults
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
mod tests {
    use super::*;
    use tempfile::TempDir;

    const CONNECTOR: &str = "name = \"NAME\"\nmember = \"tilleuls\"\nuse = \"csv\"\n\
         schedule = \"0 6 * * 1-5\"\n[with]\nbase_url = \"https://ats.example/jobs.csv\"\n";

    struct Folders(TempDir);

    impl Folders {
        fn new() -> Self {
            let folders = Self(tempfile::tempdir().unwrap());
            folders.member("tilleuls", "id = \"tilleuls\"\nname = \"Les Tilleuls\"\n");
            folders.connector("ats", &CONNECTOR.replace("NAME", "ats"));
            folders
        }

        fn write(&self, folder: &str, name: &str, text: &str) {
            let folder = self.0.path().join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(format!("{name}.toml")), text).unwrap();
        }

        fn member(&self, name: &str, text: &str) {
            self.write("members", name, text);
        }

        fn connector(&self, name: &str, text: &str) {
            self.write("connectors", name, text);
        }

        fn reload(&self, before: &NetworkFiles) -> NetworkFiles {
            let (connectors, members) = ("connectors", "members");
            let at = |name| self.0.path().join(name);
            before.reload(&at(connectors), &at(members), &Catalogue::embedded())
        }

        fn load(&self) -> NetworkFiles {
            self.reload(&NetworkFiles::default())
        }
    }

    /// Problems without the temporary folder: `file:line: key`.
    fn problems(files: &NetworkFiles) -> Vec<String> {
        let short = |p: &FileProblem| {
            let file = Path::new(&p.file).file_name().unwrap().to_string_lossy();
            let line = p.line.map(|l| l.to_string()).unwrap_or_default();
            format!("{file}:{line}: {}", p.key)
        };
        files.problems.iter().map(short).collect()
    }

    #[test]
    fn folders_make_a_network() {
        let files = Folders::new().load();
        assert_eq!(problems(&files), Vec::<String>::new());
        assert_eq!(files.connectors.len(), 1);
        assert_eq!(files.schedules.len(), 1);
        let member = files.network.connectors.get(&"ats".into());
        assert_eq!(member, Some(&Some("tilleuls".into())));
    }

    #[test]
    fn folders_that_are_not_there_are_empty() {
        let nowhere = Path::new("/nonexistent/passerelle");
        let files = NetworkFiles::load(nowhere, nowhere, &Catalogue::embedded());
        assert!(files.problems.is_empty() && files.connectors.is_empty());
    }

    #[test]
    fn a_broken_file_is_refused_and_the_others_go_on() {
        let folders = Folders::new();
        folders.connector("bad", "name = \"bad\nuse =");
        folders.connector(
            "schedule",
            &CONNECTOR.replace("NAME", "schedule").replace("1-5", "1-9"),
        );
        folders.connector(
            "stranger",
            &CONNECTOR
                .replace("NAME", "stranger")
                .replace("tilleuls", "saules"),
        );
        folders.connector("twin", &CONNECTOR.replace("NAME", "ats"));
        folders.member(
            "wrong",
            "id = \"Wrong\"\nname = \"\"\nsiret = [\"123\"]\nfiness = [\"7\"]\n\
             poster_email = \"x\"\n[linkedin]\ncompany_id = \"acme\"\n",
        );
        folders.member("twin", "id = \"tilleuls\"\nname = \"Autre\"\n");
        folders.member("unknown", "id = \"u\"\nname = \"U\"\nphone = \"1\"\n");
        let files = folders.load();
        let found = problems(&files);
        for wanted in [
            "schedule.toml:4: schedule",
            "stranger.toml:2: member",
            "twin.toml:1: name",
            "twin.toml:1: id",
            "unknown.toml:3: ",
            "wrong.toml:1: id",
            "wrong.toml:2: name",
            "wrong.toml:3: siret",
            "wrong.toml:4: finess",
            "wrong.toml:5: poster_email",
            "wrong.toml:7: linkedin.company_id",
        ] {
            assert!(
                found.iter().any(|p| p == wanted),
                "{wanted} not in {found:#?}"
            );
        }
        assert!(found.iter().any(|p| p.starts_with("bad.toml:")));
        assert_eq!(files.connectors.keys().collect::<Vec<_>>(), [&"ats".into()]);
        assert_eq!(files.problems_of("stranger").count(), 1);
    }

    /// A file that nobody can read may be that of any member.
    #[test]
    fn who_is_a_member_is_unsure_while_a_file_cannot_be_read() {
        let folders = Folders::new();
        folders.member("saules", "id = ");
        let files = folders.load();
        assert!(files.network.unsure && files.network.members.len() == 1);
        folders.member("saules", "id = \"saules\"\nname = \"Les Saules\"\n");
        let files = folders.reload(&files);
        assert!(!files.network.unsure && files.network.members.len() == 2);
        // Its last good form is known.
        folders.member("saules", "id = ");
        let files = folders.reload(&files);
        assert!(!files.network.unsure && files.network.members.len() == 2);
        // A folder that is none, as a disk that fails: everybody stays.
        let place = folders.0.path().join("members");
        std::fs::remove_dir_all(&place).unwrap();
        std::fs::write(&place, "").unwrap();
        let files = folders.reload(&files);
        assert!(files.network.unsure && files.network.members.len() == 2);
        assert_eq!(files.problems.len(), 1);
        assert_eq!(files.connectors.len(), 1, "its member is known");
        // Nor is a disk that is not mounted a decision; a folder without files is one.
        std::fs::remove_file(&place).unwrap();
        let files = folders.reload(&files);
        assert!(files.network.unsure && files.network.members.len() == 2);
        assert_eq!(files.problems.len(), 1);
        std::fs::create_dir(&place).unwrap();
        let files = folders.reload(&files);
        assert!(!files.network.unsure && files.network.members.is_empty());
    }

    #[test]
    fn two_members_with_one_name_are_warned_of() {
        let folders = Folders::new();
        folders.member(
            "saules",
            "id = \"saules\"\nname = \"Les Saules\"\naliases = [\"les tilleuls\"]\n",
        );
        let files = folders.load();
        assert_eq!(files.problems.len(), 1);
        assert_eq!(files.problems[0].level, Level::Warning);
        assert_eq!(files.network.members.len(), 2);
    }

    #[test]
    fn on_reload_the_last_good_form_goes_on() {
        let folders = Folders::new();
        let before = folders.load();
        folders.connector("ats", "name = ");
        folders.member("tilleuls", "id = 3");
        let after = folders.reload(&before);
        assert_eq!(problems(&after).len(), 2);
        assert_eq!(after.connectors.len(), 1);
        assert_eq!(after.schedules.len(), 1);
        assert_eq!(after.digests, before.digests);
        assert_eq!(after.network_digest, before.network_digest);
        folders.connector(
            "ats",
            &CONNECTOR.replace("NAME", "ats").replace("0 6", "0 7"),
        );
        folders.member("tilleuls", "id = \"tilleuls\"\nname = \"Nouveau nom\"\n");
        let mended = folders.reload(&after);
        assert!(mended.problems.is_empty());
        assert_ne!(mended.digests, before.digests);
        assert_ne!(mended.network_digest, before.network_digest);
    }
}
