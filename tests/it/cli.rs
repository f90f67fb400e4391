//! The program as scripts use it: exit codes, `sync` alone and beside a daemon, a hold with its
//! alert, a decision that the daemon acts upon.

use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A hub of one CSV source in a folder of its own.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let alerts = place.path("alerts.jsonl");
        place.put(
            "passerelle.toml",
            &format!(
                "[server]\nlisten = \"127.0.0.1:0\"\n[alerts]\ncommand = \"cat >> '{0}'; echo >> '{0}'\"\n",
                alerts.display()
            ),
        );
        place.put("members/ch.toml", "id = \"ch\"\nname = \"CH d'Exemple\"\n");
        place.put(
            "connectors/ch.toml",
            "name = \"ch\"\nmember = \"ch\"\nuse = \"csv\"\n[with]\nbase_url = \"../offers.csv\"\n[guards]\nmiss_gap = \"0s\"\n",
        );
        place
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Synthetic offers, one a number.
    fn offers(&self, numbers: std::ops::Range<u32>) {
        let mut text = String::from("reference;titre;ville;code_postal;contrat;description\r\n");
        for number in numbers {
            text.push_str(&format!(
                "R{number};Infirmier de l'unité {number} (H/F);Vesoul;70000;CDI;Offre synthétique numéro {number}.\r\n"
            ));
        }
        self.put("offers.csv", &text);
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_passerelle"));
        command
            .arg("--config")
            .arg(self.path("passerelle.toml"))
            .args(arguments)
            .env_remove("PASSERELLE_CLOCK")
            .env_remove("RUST_LOG")
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn sync(&self, code: i32) -> Value {
        let output = self.run(&["sync", "--json", "--timeout", "60s"]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{error}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// Killed when the test ends, however it ends.
struct Daemon(Child);

impl Daemon {
    fn start(place: &Place) -> Self {
        let log = std::fs::File::create(place.path("daemon.log")).unwrap();
        let child = place.command(&["run"]).stderr(log).spawn().unwrap();
        let daemon = Self(child);
        until("the daemon runs", || {
            read(&place.path("daemon.log")).contains("\"running\"")
        });
        daemon
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "not in time: {what}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn exit_codes_and_problems_are_what_scripts_rely_on() {
    let place = Place::new();
    assert_eq!(place.run(&["cook"]).status.code(), Some(2));
    for usage in [
        &["sync", "nobody"][..],
        &["report", "nobody"],
        &["trace", "nonsense"],
        &["hide", "nope"],
        &["parked", "show", "x"],
        &["parked", "retry", "x"],
        &["parked", "discard", "x", "--why", "tried"],
    ] {
        let wrong = place.run(usage);
        let text = String::from_utf8_lossy(&wrong.stderr);
        assert_eq!(wrong.status.code(), Some(2), "{usage:?}: {text}");
        assert!(
            text.contains(usage[usage.len().min(3) - 1]),
            "{usage:?}: {text}"
        );
    }
    // An id that may well be one, of which nothing is known, is no mistake of the line.
    let unknown = "0b7c2c1e-5d0a-5b7e-9c55-3f1e6a0d2b11";
    assert_eq!(place.run(&["trace", unknown]).status.code(), Some(1));
    // The source is missing: done, but a person must look.
    let report = place.sync(3);
    assert_eq!(report["connectors"][0]["snapshot"], "failed");
    place.put(
        "passerelle.toml",
        "[server]\nport = 1\n[bus]\nurl = \"kafka\"\n",
    );
    let wrong = place.run(&["holds", "list"]);
    assert_eq!(wrong.status.code(), Some(1));
    let text = String::from_utf8_lossy(&wrong.stderr);
    assert!(
        text.contains("server.port") && text.contains("bus.url"),
        "{text}"
    );
}

#[test]
fn an_export_says_by_its_exit_code_whether_offers_are_blocked() {
    let place = Place::new();
    place.put(
        "offers.csv",
        "reference;titre;ville;code_postal;contrat;description\r\n",
    );
    place.sync(0);
    let export = |code: i32, says: &str| {
        let output = place.run(&["export", "linkedin"]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(error.contains(says), "{error}");
        output.stdout
    };
    let empty = export(0, "linkedin: 0 offers, 0 blocked");
    place.offers(1..13);
    place.sync(0);
    // No mandate for the channel: none goes out, and a person must look.
    let none = export(
        3,
        "linkedin: 0 offers, 12 blocked (`passerelle preflight linkedin`",
    );
    let jobs = |xml: &[u8]| String::from_utf8_lossy(xml).matches("<job>").count();
    assert_eq!((jobs(&empty), jobs(&none)), (0, 0));
    let preflight = place.run(&["preflight", "linkedin", "--json"]);
    assert_eq!(preflight.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&preflight.stdout).contains("mandate.missing"));
}

#[test]
fn two_syncs_in_a_row_report_nothing_changed() {
    let place = Place::new();
    place.offers(1..13);
    let first = place.sync(0);
    assert_eq!(first["connectors"][0]["new"], 12, "{first}");
    assert_eq!(first["vacancies"]["live"], 12, "{first}");
    let before = place.run(&["export", "linkedin"]).stdout;
    let second = place.sync(0);
    assert_eq!(second["connectors"][0]["new"], 0, "{second}");
    assert_eq!(second["vacancies"]["changed"], 0, "{second}");
    assert_eq!(place.run(&["export", "linkedin"]).stdout, before);
}

#[test]
fn beside_a_daemon_commands_ask_and_the_daemon_acts() {
    let place = Place::new();
    place.offers(1..13);
    let daemon = Daemon::start(&place);
    let report = place.sync(0);
    assert_eq!(report["connectors"][0]["pulled"], 12, "{report}");
    assert_eq!(report["vacancies"]["new"], 12, "{report}");

    // A second pipeline is refused, with the pid of the first.
    let second = place.run(&["run"]);
    assert_eq!(second.status.code(), Some(1));
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(text.contains(&daemon.0.id().to_string()), "{text}");

    // Ten of twelve vanish: held, told once, nothing closes.
    place.offers(1..3);
    let held = place.sync(3);
    assert_eq!(held["connectors"][0]["held"], 10, "{held}");
    assert_eq!(held["vacancies"]["live"], 12, "{held}");
    let alerts = place.path("alerts.jsonl");
    until("the hold is told", || read(&alerts).contains("\"raised\""));
    place.sync(3);

    let list = place.run(&["holds", "list", "--json"]);
    let hold: Value = serde_json::from_slice(&list.stdout).unwrap();
    assert!(String::from_utf8_lossy(&list.stdout).starts_with("{\"id\":"));
    let id = hold["id"].to_string();
    let released = place.run(&["holds", "release", &id, "--by", "test", "--why", "moved"]);
    assert_eq!(released.status.code(), Some(0));
    until("the release is applied", || {
        let report = place.run(&["connectors", "list", "--json"]);
        let row: Value = serde_json::from_slice(&report.stdout).unwrap();
        row["live"] == 2
    });
    until("the end of the hold is told", || {
        read(&alerts).contains("\"resolved\"")
    });
    assert_eq!(read(&alerts).matches("\"raised\"").count(), 1);
}

/// A synthetic extract of FINESS, in the form that is published.
const FINESS: &str = "finess;etalab;96;2026-09-10\n\
structureet;700000011;700000029;CH D'EXEMPLE;CENTRE HOSPITALIER D'EXEMPLE;;;1;R;DU LAC;;;550;70;HAUTE-SAONE;70000 VESOUL;;;355;Centre Hospitalier (C.H.);1102;Centres Hospitaliers;73282932000074;8610Z;03;ARS;;;2001-01-01;2001-01-01;2026-01-01;\n\
structureet;700000012;;MAUVAISE CLE;;;;;;;;;550;70;HAUTE-SAONE;70000 VESOUL;;;355;CH;1102;CH;;8610Z;03;ARS;;;2001-01-01;2001-01-01;2026-01-01;\n";

#[test]
fn a_loaded_register_reaches_the_offers_that_are_stored() {
    let place = Place::new();
    place.offers(1..3);
    place.sync(0);
    place.put("finess.csv", FINESS);
    let output = place.run(&["registers", "load", "finess.csv", "--json"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{error}");
    assert!(error.contains("finess.csv, line 3"), "{error}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["files"][0]["kept"], 1);
    assert_eq!(told["files"][0]["rejected"], 1);
    assert_eq!(told["replayed"], 2);
    place.sync(0);
    let path = place.run(&["doctor"]);
    let told = String::from_utf8_lossy(&path.stdout).into_owned();
    let path = told
        .split_whitespace()
        .map(|word| word.trim_end_matches(','))
        .find(|word| word.ends_with(".db"))
        .unwrap_or_else(|| panic!("{told}"));
    let store = rusqlite::Connection::open(place.path(path)).unwrap();
    let mut query = store
        .prepare("SELECT body FROM vacancy_body WHERE body IS NOT NULL")
        .unwrap();
    let bodies: Vec<Vec<u8>> = query
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(bodies.len(), 2);
    for body in bodies {
        let body = zstd::decode_all(&body[..]).unwrap();
        let vacancy: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(vacancy["employer"]["finess"], "700000011");
        assert_eq!(vacancy["employer"]["siret"], "73282932000074");
    }
    let again = place.run(&["registers", "load", "offers.csv"]);
    assert_eq!(again.status.code(), Some(1));
    let list = place.run(&["registers", "list"]);
    assert!(String::from_utf8_lossy(&list.stdout).contains("finess_sites"));
}
