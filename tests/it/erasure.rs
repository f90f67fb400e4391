//! Erasing a person's offer (law 6), and what else belongs to keeping a store: backup, restore, the
//! report for a member.

use crate::support::feeds::{Answer, Feeds};
use crate::support::hub::Hub;
use crate::support::offers::{self, Offer};
use passerelle::model::TombstoneReason;
use passerelle::store::{ChangeOp, Store};

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
