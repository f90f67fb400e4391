//! The commands of an admin who adds a source, as processes: `detect`, `new`, `preview`, then a run.

use super::support::feeds::{Answer, Feeds};
use super::support::hub::Hub;
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Output, Stdio};

const LIST: &str = "/api/offers/";

/// A careers site of Recruitee, on loopback.
fn recruitee(offers: u32) -> Answer {
    let offers: Vec<Value> = (1..=offers)
        .map(|n| {
            json!({
                "id": n, "guid": format!("g{n}"), "slug": format!("aide-soignant-{n}"),
                "title": format!("Aide-soignant {n}"), "status": "published",
                "description": "<p>Accompagnement des résidents.</p>", "requirements": "<p>DEAS</p>",
                "city": "Vesoul", "postal_code": "70000", "country_code": "FR",
                "location": "Vesoul, France", "locations": [],
                "employment_type_code": "fulltime_permanent",
                "published_at": "2026-10-30 08:00:00 UTC", "created_at": "2026-10-30 08:00:00 UTC",
                "careers_url": format!("https://clinique.example/o/{n}"),
                "careers_apply_url": format!("https://clinique.example/o/{n}/c/new"),
            })
        })
        .collect();
    Answer::json(&json!({ "offers": offers }))
}

fn answered(hub: &Hub, args: &[&str], answers: &str) -> Output {
    let mut child = hub
        .command(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(answers.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_source_is_found_written_shown_and_pulled() {
    let feeds = Feeds::start();
    feeds.set(LIST, recruitee(3));
    let hub = Hub::new();
    hub.member("ch", "id = \"ch\"\nname = \"Clinique d'Exemple\"\n");
    let url = feeds.url(LIST);

    let found = hub.run(&["connectors", "detect", &url, "--json"]);
    let error = String::from_utf8_lossy(&found.stderr);
    assert_eq!(found.status.code(), Some(0), "{error}");
    let found = &lines(&found)[0];
    assert_eq!(found["preset"], "recruitee", "{found}");
    assert_eq!(
        (&found["proven"], &found["records"]),
        (&json!(true), &json!(3))
    );

    // The same by questions; the file is the one that the folder is read from.
    // What cannot be is asked again.
    let answers = format!("{url}\nclinique\nclinic\nch\nchaque matin\n@hourly\n\n");
    let made = answered(&hub, &["connectors", "new"], &answers);
    let error = String::from_utf8_lossy(&made.stderr);
    assert_eq!(made.status.code(), Some(0), "{error}");
    for said in ["connus : ch", "\"chaque matin\" n'est pas un horaire"] {
        assert!(error.contains(said), "{said}: {error}");
    }
    assert!(error.contains("connectors preview"), "{error}");
    let text = std::fs::read_to_string(hub.path("connectors/clinique.toml")).unwrap();
    assert!(text.lines().count() < 30, "{text}");
    let checked = hub.run(&["connectors", "check", "--json"]);
    assert_eq!(
        checked.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&checked.stdout)
    );

    let shown = hub.run(&["connectors", "preview", "clinique", "--json"]);
    assert_eq!(shown.status.code(), Some(0));
    let shown = lines(&shown);
    assert_eq!(shown.len(), 4);
    assert_eq!(shown[0]["posting"]["title"], "Aide-soignant 1");
    assert_eq!(shown[0]["posting"]["member"], "ch");
    let summary = &shown[3]["summary"];
    assert_eq!(
        (&summary["snapshot"], &summary["mapped"]),
        (&json!("complete"), &json!(3))
    );
    assert!(
        !hub.path("data").join("passerelle.db").exists(),
        "a preview saves nothing"
    );

    let pulled = hub.run(&["sync", "--json"]);
    assert_eq!(
        pulled.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&pulled.stderr)
    );
    assert_eq!(lines(&pulled)[0]["connectors"][0]["new"], 3);
    // An admin knows an offer as the source does.
    let traced = hub.run(&["trace", "clinique/2"]);
    let traced = String::from_utf8_lossy(&traced.stdout).into_owned();
    assert!(traced.contains("Aide-soignant 2"), "{traced}");
    // What the next run would do, of what is stored now.
    feeds.set(LIST, recruitee(2));
    let shown = lines(&hub.run(&[
        "connectors",
        "preview",
        "clinique",
        "--json",
        "--limit",
        "0",
    ]));
    let would = &shown[0]["summary"]["would"];
    assert_eq!(
        (&would["unchanged"], &would["missing"]),
        (&json!(2), &json!(1)),
        "{would}"
    );
}

#[test]
fn an_admin_who_stops_half_way_has_no_half_a_file() {
    let feeds = Feeds::start();
    feeds.set(LIST, recruitee(1));
    feeds.set(
        "/accueil",
        Answer::new(200, "text/html", "<html><h1>Bienvenue</h1></html>"),
    );
    let hub = Hub::new();
    let files = || std::fs::read_dir(hub.path("connectors")).unwrap().count();

    let declined = format!("{}\nclinique\n\n\nnon\n", feeds.url(LIST));
    let declined = answered(&hub, &["connectors", "new"], &declined);
    assert_eq!((declined.status.code(), files()), (Some(3), 0));

    let short = format!("{}\nclinique\n", feeds.url(LIST));
    let short = answered(&hub, &["connectors", "new"], &short);
    assert_eq!((short.status.code(), files()), (Some(1), 0));
    assert!(String::from_utf8_lossy(&short.stderr).contains("before the last question"));

    let nothing = format!("{}\nclinique\n\n\n", feeds.url("/accueil"));
    let nothing = answered(&hub, &["connectors", "new"], &nothing);
    assert_eq!((nothing.status.code(), files()), (Some(3), 0));

    // A file that is there already is not touched.
    hub.connector("clinique", "name = \"clinique\"\n");
    let again = format!("{}\nclinique\n\n\n\n", feeds.url(LIST));
    let again = answered(&hub, &["connectors", "new"], &again);
    assert_eq!(again.status.code(), Some(1));
    let text = std::fs::read_to_string(hub.path("connectors/clinique.toml")).unwrap();
    assert_eq!(text, "name = \"clinique\"\n");

    let unknown = hub.run(&["connectors", "detect", &feeds.url("/accueil"), "--json"]);
    assert_eq!(unknown.status.code(), Some(3));
    assert_eq!(lines(&unknown)[0]["id"], "unknown");
}
