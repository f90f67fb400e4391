//! Folders of connector and member files, right and wrong.

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
