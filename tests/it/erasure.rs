//! Erasing a person's offer (law 6), and what else belongs to keeping a store: backup, restore, the
//! report for a member.

use crate::services::{BROKER, broker};
use crate::store_contract::backend::{Backend, Schema};
use crate::support::feeds::{Answer, Feeds};
use crate::support::hub::Hub;
use crate::support::offers::{self, Offer};
use passerelle::model::TombstoneReason;
use passerelle::store::{ChangeOp, Store};
use std::io::Read as _;
use std::path::{Path, PathBuf};

const NAME: &str = "Hélène Quérard-Lambda";

fn bench() -> (Hub, Feeds, Vec<Offer>) {
    let (hub, feeds) = (Hub::new(), Feeds::start());
    let mut all = offers::some(8);
    let text = all[2]
        .text
        .replace("<p>", &format!("<p>Contact : {NAME}. "));
    all[2].text = text;
    hub.member("essai", offers::MEMBER);
    hub.connector(
        "essai",
        &offers::json_connector("essai", &feeds.url("/feed")),
    );
    feeds.set("/feed", Answer::json(&offers::json(&all)));
    assert_eq!(hub.sync().json["vacancies"]["live"], 8);
    (hub, feeds, all)
}

fn erase(hub: &Hub, args: &[&str]) -> (Option<i32>, String) {
    let args: Vec<&str> = ["erase"].iter().chain(args).copied().collect();
    let output = hub.run(&args);
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// Every stored byte that can be read: payloads and bodies unpacked, and the file itself.
async fn remains(hub: &Hub) -> String {
    let store = hub.store();
    let ids = store.posting_ids(None).await.unwrap();
    let mut text = String::new();
    for pulled in store.load_pulled(&ids).await.unwrap() {
        let payload = pulled.payload.unwrap_or_default();
        text.push_str(&String::from_utf8_lossy(&payload));
    }
    for stored in store.load_normalised(&ids).await.unwrap() {
        text.push_str(&format!("{:?}", stored.posting));
        let vacancy = store.vacancy(stored.state.id.vacancy()).await.unwrap();
        text.push_str(&format!("{vacancy:?}"));
    }
    for suffix in ["", "-wal"] {
        let file = std::fs::read(hub.path(&format!("data/passerelle.db{suffix}")));
        text.push_str(&String::from_utf8_lossy(&file.unwrap_or_default()));
    }
    text
}

/// All bytes below `folder`, as they stand and unpacked: the store packs texts with zstd.
fn everything(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(everything(&path));
            continue;
        }
        // A file of the index may go at any moment.
        let Ok(bytes) = std::fs::read(&path) else {
            continue;
        };
        let unpacked = unpacked(&bytes);
        found.push((path.clone(), bytes));
        found.push((path, unpacked));
    }
    found
}

/// What the packed texts within `bytes` say.
fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut unpacked = Vec::new();
    for at in memchr::memmem::find_iter(bytes, b"\x28\xb5\x2f\xfd") {
        if let Ok(frame) = zstd::stream::read::Decoder::new(&bytes[at..]) {
            // What follows the frame, or another page within it, ends the reading.
            let _ = frame.single_frame().read_to_end(&mut unpacked);
        }
    }
    unpacked
}

/// Waits until no file of the hub's folders tells what was erased: its index, kept exports and drop
/// folder follow a moment later.
async fn folders_forget(hub: &Hub) {
    let folders = ["data", "exports"];
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let told = folders.map(|folder| telling(&hub.path(folder))).concat();
        if told.is_empty() {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{told:?}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

/// The tables of a PostgreSQL store in which the name stands, as they are read, and the server's
/// files of them and of what belongs to them, as they lie there.
async fn tables_telling(schema: &Schema) -> Vec<String> {
    let (client, connection) = tokio_postgres::connect(&schema.url(), tokio_postgres::NoTls)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute("CHECKPOINT").await.unwrap();
    let mut telling = Vec::new();
    let tables = client
        .query(
            "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1",
            &[],
        )
        .await
        .unwrap();
    assert!(tables.len() > 15);
    for table in tables {
        let table: String = table.get(0);
        let copy = format!("COPY {table} TO STDOUT (FORMAT binary)");
        let rows = client.copy_out(copy.as_str()).await.unwrap();
        let rows = futures::TryStreamExt::try_collect::<Vec<_>>(rows);
        let rows: Vec<u8> = rows.await.unwrap().concat();
        if tells(&rows) || tells(&unpacked(&rows)) {
            telling.push(table);
        }
    }
    let files = client
        .query(
            "SELECT coalesce(main.relname, c.relname)::text || ': ' || c.relname, \
             pg_read_binary_file(pg_relation_filepath(c.oid)) \
             FROM pg_class c LEFT JOIN pg_class main ON main.reltoastrelid = c.oid \
             WHERE coalesce(main.relnamespace, c.relnamespace) = current_schema()::regnamespace \
             AND c.relkind IN ('r', 't', 'i') ORDER BY 1",
            &[],
        )
        .await
        .unwrap();
    for file in files {
        let (name, bytes): (String, Vec<u8>) = (file.get(0), file.get(1));
        if tells(&bytes) || tells(&unpacked(&bytes)) {
            telling.push(name);
        }
    }
    drop(client);
    let _ = connection.await;
    telling
}

/// Whether the name stands there, in any of its forms, or the word beside it.
fn tells(bytes: &[u8]) -> bool {
    let forms: [&[u8]; 6] = [
        b"orglubin",
        "Quérard".as_bytes(),
        b"Qu\\u00e9rard",
        b"Qu\xe9rard",
        b"querard",
        b"Querard",
    ];
    forms
        .iter()
        .any(|form| memchr::memmem::find(bytes, form).is_some())
}

/// The files in which the name stands.
fn telling(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = everything(folder)
        .into_iter()
        .filter(|(_, bytes)| tells(bytes))
        .map(|(path, _)| path)
        .collect();
    files.dedup();
    files
}

/// A hub in which the name stands wherever it can: in titles, texts and dates, in an aggregator's
/// copy, in records that were refused and in decisions.
fn full_bench() -> (Hub, Feeds, Vec<Offer>) {
    let (mut hub, feeds) = (Hub::new(), Feeds::start());
    hub.envs
        .push(("PASSERELLE__PATHS__EXPORTS".into(), "exports".into()));
    let mut all = offers::some(8);
    // The name is masked before anything is public; the other word is not.
    let told = format!("<p>Contact : {NAME}, au pavillon Zorglubine. ");
    let named = |text: &str| text.replace("<p>", &told);
    for at in [2, 3, 4] {
        all[at].text = named(&all[at].text);
    }
    all[2].title = format!("{} auprès de {NAME}", all[2].title);
    // Refused: without a title.
    all[3].title.clear();
    all[4].date = NAME.into();
    hub.member("essai", offers::MEMBER);
    let own = offers::json_connector("essai", &feeds.url("/feed"));
    hub.connector("essai", &own);
    let copy = own
        .replace(
            "name = \"essai\"\nmember = \"essai\"\n",
            "name = \"copie\"\n",
        )
        .replace(
            "[values.contract]",
            "employer_name = { template = \"Résidence d'essai\" }\n\n[values.contract]",
        );
    hub.connector("copie", &copy);
    feeds.set("/feed", Answer::json(&offers::json(&all)));
    (hub, feeds, all)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_of_what_is_erased_stays_in_the_folder() {
    let (hub, feeds, mut all) = full_bench();
    let served = hub.serve();
    hub.sync();
    // Index, drop folder and last good exports are there.
    for path in [
        "/exports/linkedin.xml",
        "/exports/jsonld.jsonl",
        "/?q=infirmier",
    ] {
        served.text(path).await;
    }
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !hub.path("exports/jsonld.jsonl").exists() {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    drop(served);
    let vacancies = hub.vacancies().await;
    let id = |title: &str| {
        let one = vacancies
            .iter()
            .find(|v| v["title"].as_str().unwrap().contains(title));
        one.unwrap()["id"].as_str().unwrap().to_owned()
    };
    let (one, other) = (id("Psychologue"), id("Infirmier"));
    let why = format!("vu avec {NAME}");
    let decided = hub.run(&["duplicates", "different", &one, &other, "--why", &why]);
    assert!(decided.status.success(), "{decided:?}");
    hub.sync();
    let before = telling(&hub.path("data"));
    assert!(
        before.iter().any(|path| path.ends_with("passerelle.db")),
        "{before:?}"
    );

    let (code, text) = erase(&hub, &["--text", "quérard", "--why", &why]);
    assert_eq!(code, Some(2), "the reason would keep it: {text}");
    let (code, text) = erase(&hub, &["--text", "helene quérard"]);
    assert_eq!(code, Some(0), "{text}");
    for reference in ["R-003", "R-004", "R-005"] {
        assert!(text.matches(reference).count() >= 2, "{reference}: {text}");
    }
    assert_eq!(telling(&hub.path("data")), Vec::<PathBuf>::new());
    assert_eq!(telling(&hub.path("exports")), Vec::<PathBuf>::new());

    // The source shows all of it again, as before and changed: nothing comes back.
    for _ in 0..2 {
        hub.sync();
        hub.run(&["replay"]);
        hub.sync();
        assert_eq!(telling(&hub.path("data")), Vec::<PathBuf>::new());
        all[2].text.push_str("<p>Plus.</p>");
        all[3].text.push_str("<p>Plus.</p>");
        feeds.set("/feed", Answer::json(&offers::json(&all)));
    }
    let served = hub.serve();
    served.text("/?q=infirmier").await;
    let gone = served.get(&format!("/api/v1/vacancies/{one}")).await;
    assert_eq!(gone.status(), 410);
    drop(served);
    assert_eq!(telling(&hub.path("data")), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_daemon_too_and_its_log_names_nobody() {
    let (hub, _feeds, _) = full_bench();
    let served = hub.serve_logged("daemon.log", "debug,passerelle=trace");
    hub.sync();
    for path in [
        "/exports/linkedin.xml",
        "/exports/jsonld.jsonl",
        "/?q=querard",
        "/api/v1/vacancies?q=Quérard",
    ] {
        served.text(path).await;
    }
    let (code, text) = erase(&hub, &["--text", "Quérard"]);
    assert_eq!(code, Some(0), "{text}");
    folders_forget(&hub).await;
    // A pull while it runs: the log beside the store does not have it for a while either.
    hub.sync();
    assert_eq!(telling(&hub.path("data")), Vec::<PathBuf>::new());
    drop(served);
    let log = std::fs::read_to_string(hub.path("daemon.log")).unwrap();
    assert!(!log.is_empty());
    let named: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("érard") || line.contains("\\u00e9rard"))
        .collect();
    assert_eq!(named, Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_in_any_table_or_file_of_a_server() {
    let _shared = BROKER.read().await;
    let Some(broker) = broker("erasure") else {
        return;
    };
    let Some(backend) = Backend::postgres_alone("erasure").await else {
        return;
    };
    let Backend::Postgres(schema) = &backend else {
        return;
    };
    let (mut hub, feeds, mut all) = full_bench();
    hub.envs
        .push(("PASSERELLE__STORE__URL".into(), schema.url()));
    hub.envs
        .push(("PASSERELLE__BUS__URL".into(), broker.url.clone()));
    let served = hub.serve();
    hub.sync();
    let list = served.json("/api/v1/vacancies?limit=100").await;
    let id = |title: &str| {
        let items = list["items"].as_array().unwrap().iter();
        let mut named = items.filter(|v| v["title"].as_str().unwrap().contains(title));
        let one = named.next_back().unwrap();
        one["id"].as_str().unwrap().to_owned()
    };
    let why = format!("vu avec {NAME}");
    let (one, other) = (id("Psychologue"), id("Infirmier"));
    let decided = hub.run(&["duplicates", "different", &one, &other, "--why", &why]);
    assert!(decided.status.success(), "{decided:?}");
    hub.sync();
    for path in ["/exports/linkedin.xml", "/exports/jsonld.jsonl", "/?q=nuit"] {
        served.text(path).await;
    }
    let before = tables_telling(schema).await;
    for table in [
        "payload",
        "normalised",
        "vacancy_body",
        "reject",
        "decision",
    ] {
        assert!(before.iter().any(|told| told == table), "{before:?}");
    }

    let (code, text) = erase(&hub, &["--text", "helene quérard"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(tables_telling(schema).await, Vec::<String>::new());
    // The source shows all of it again, as before and changed.
    for _ in 0..2 {
        hub.sync();
        hub.run(&["replay"]);
        hub.sync();
        assert_eq!(tables_telling(schema).await, Vec::<String>::new());
        all[2].text.push_str("<p>Plus.</p>");
        all[3].text.push_str("<p>Plus.</p>");
        feeds.set("/feed", Answer::json(&offers::json(&all)));
    }
    let gone = served.get(&format!("/api/v1/vacancies/{one}")).await;
    assert_eq!(gone.status(), 410);
    folders_forget(&hub).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_is_gone_everywhere_and_does_not_come_back() {
    let (hub, feeds, mut all) = bench();
    assert!(remains(&hub).await.contains("Quérard"));
    let (code, text) = erase(&hub, &["--text", "helene  QUERARD", "--dry-run"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("R-003") && text.contains("1 postings would be erased"));
    assert_eq!(hub.published().await.len(), 8);

    let (code, text) = erase(&hub, &["--text", "Hélène Quérard"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(hub.published().await.len(), 7);
    let changes = hub.changes().await;
    let last = changes.last().unwrap();
    assert!(
        matches!(
            last.op,
            ChangeOp::Delete {
                reason: TombstoneReason::Erased,
                ..
            }
        ),
        "{last:?}"
    );
    let gone = remains(&hub).await;
    assert!(!gone.contains("Quérard") && !gone.contains("Qu\\u00e9rard"));

    // The source still has it, unchanged and changed: it stays away, and nothing is kept of it.
    for round in 0..2 {
        let sync = hub.sync();
        assert_eq!(sync.count("essai", "pulled"), 8);
        assert_eq!(sync.count("essai", "missing"), 0);
        assert_eq!(hub.published().await.len(), 7, "round {round}");
        assert!(!remains(&hub).await.contains("Quérard"));
        all[2].text.push_str("<p>Poste à pourvoir.</p>");
        feeds.set("/feed", Answer::json(&offers::json(&all)));
    }
    // New rules over stored data do not bring it back either.
    hub.run(&["replay"]);
    hub.sync();
    assert_eq!(hub.published().await.len(), 7);
    assert!(!remains(&hub).await.contains("Quérard"));
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_by_id_beside_a_daemon() {
    let (hub, feeds, _) = bench();
    let served = hub.serve();
    let all = served.json("/api/v1/vacancies?limit=100").await;
    let one = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item.to_string().contains("Psychologue"))
        .unwrap();
    let id = one["id"].as_str().unwrap();
    let (code, text) = erase(&hub, &[id, "--by", "dpo", "--why", "demande", "--json"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.starts_with("{\"id\":"), "{text}");
    let answer = served.get(&format!("/api/v1/vacancies/{id}")).await;
    assert_eq!(answer.status(), 410);
    assert!(answer.text().await.unwrap().contains("erased"));
    assert_eq!(served.get(&format!("/offres/{id}")).await.status(), 410);
    let list = served.text("/api/v1/snapshot").await;
    assert!(!list.contains(id));
    drop(feeds);

    for wrong in [
        vec!["not-an-id"],
        vec!["00000000-0000-5000-8000-000000000000"],
        vec!["--text", "é"],
    ] {
        let (code, text) = erase(&hub, &wrong);
        assert_eq!(code, Some(1), "{wrong:?}: {text}");
    }
    assert_eq!(erase(&hub, &[]).0, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_comes_back_and_old_cursors_do_not_lose_anything() {
    let (hub, feeds, all) = bench();
    let before = hub.published().await;
    let output = hub.run(&["backup", "copy.db"]);
    assert!(output.status.success(), "{output:?}");

    // Life goes on: half of the offers change; a reader has followed.
    let mut changed = all.clone();
    for offer in &mut changed[..4] {
        offer.title.push_str(" de nuit");
    }
    feeds.set("/feed", Answer::json(&offers::json(&changed)));
    hub.sync();
    let cursor = {
        let served = hub.serve();
        let refused = hub.run(&["restore", "copy.db"]);
        assert_eq!(refused.status.code(), Some(1), "the daemon is running");
        let page = served.json("/api/v1/changes?limit=1000").await;
        page["next_cursor"].as_str().unwrap().to_owned()
    };
    assert_ne!(hub.published().await, before);

    let output = hub.run(&["restore", "copy.db"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(hub.published().await, before);
    // As many changes again as the reader has seen: its cursor must not seem to be up to date.
    hub.sync();
    let served = hub.serve();
    let answer = served
        .get(&format!("/api/v1/changes?cursor={cursor}"))
        .await;
    assert_eq!(answer.status(), 410);
    let snapshot = served.get("/api/v1/snapshot").await;
    let fresh = snapshot.headers()["passerelle-cursor"]
        .to_str()
        .unwrap()
        .to_owned();
    let page = served
        .json(&format!("/api/v1/changes?cursor={fresh}"))
        .await;
    assert_eq!(page["items"].as_array().unwrap().len(), 0);
    drop(served);

    for wrong in ["passerelle.toml", "nowhere.db"] {
        let output = hub.run(&["restore", wrong]);
        assert_eq!(output.status.code(), Some(1), "{wrong}");
    }
    assert_eq!(
        hub.published().await.len(),
        8,
        "a failed restore changes nothing"
    );
}

#[test]
fn a_member_is_told_what_to_mend() {
    let hub = Hub::new();
    let feeds = Feeds::start();
    let mut all = offers::some(3);
    all[1].title.clear();
    all[2].text = "<p>Trop court.</p>".into();
    hub.member("essai", offers::MEMBER);
    hub.connector(
        "essai",
        &offers::json_connector("essai", &feeds.url("/feed")),
    );
    feeds.set("/feed", Answer::json(&offers::json(&all)));
    hub.sync();
    let output = hub.run(&["report", "essai"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("En ligne : 2"), "{text}");
    assert!(
        text.contains("LinkedIn") && text.contains("1 prêtes, 1 à corriger"),
        "{text}"
    );
    assert!(text.contains("essai / R-002"), "{text}");
    let output = hub.run(&["report", "essai", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["id"], "essai");
    assert_eq!(
        report["channels"][0]["blocked"].as_array().unwrap().len(),
        1
    );
    assert_eq!(hub.run(&["report", "nobody"]).status.code(), Some(2));
}
