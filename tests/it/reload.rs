//! Connector files that are added, broken, mended and removed under a running daemon.

use crate::support::feeds::{Answer, Feeds};
use crate::support::hub::{Hub, Served, client};
use crate::support::offers::{self, Offer};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A source that is read when it is first seen, and at each word of a webhook.
fn connector(feeds: &Feeds, name: &str) -> String {
    offers::json_connector(name, &feeds.url(&format!("/{name}"))).replacen(
        "member = ",
        "schedule = \"* * * * *\"\nmember = ",
        1,
    ) + "\n[push]\nkey = { env = \"CLEF\" }\nnotify = true\n"
}

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !done().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn titles(node: &Served) -> Vec<String> {
    let page = node.json("/api/v1/vacancies?limit=100").await;
    let title = |vacancy: &Value| vacancy["title"].as_str().unwrap().to_owned();
    page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(title)
        .collect()
}

async fn webhook(node: &Served, name: &str) -> u16 {
    let url = format!("{}/api/v1/ingest/{name}", node.base);
    let asked = client().post(url).header("x-passerelle-key", "clef");
    asked.body("{}").send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_take_effect_broken_ones_do_not_and_a_removed_one_asks() {
    let (mut hub, feeds) = (Hub::new(), Feeds::start());
    hub.envs.push(("CLEF".into(), "clef".into()));
    hub.member("essai", offers::MEMBER);
    let all = offers::some(10);
    let (mut first, second): (Vec<Offer>, Vec<Offer>) = (all[..6].to_vec(), all[6..].to_vec());
    feeds.set("/un", Answer::json(&offers::json(&first)));
    feeds.set("/deux", Answer::json(&offers::json(&second)));
    hub.connector("un", &connector(&feeds, "un"));
    let node = hub.serve_logged("log", "info");
    let log = || std::fs::read_to_string(hub.path("log")).unwrap_or_default();
    until("the first source is read", async || {
        titles(&node).await.len() == 6
    })
    .await;

    // Added: known and read without a restart.
    hub.connector("deux", &connector(&feeds, "deux"));
    until("the second source is read", async || {
        titles(&node).await.len() == 10
    })
    .await;

    // Broken: refused with its reason, and its last good form goes on.
    hub.connector(
        "un",
        "name = \"un\"\nschedule = \"jamais\"\n[source]\nkind = ",
    );
    until("the refusal is told", async || log().contains("un.toml:4")).await;
    first[0].title = "Infirmier de nuit (H/F)".into();
    feeds.set("/un", Answer::json(&offers::json(&first)));
    assert_eq!(webhook(&node, "un").await, 202);
    until("the last good form goes on", async || {
        titles(&node)
            .await
            .contains(&"Infirmier de nuit".to_owned())
    })
    .await;
    // A file that is broken is none that was removed: nothing is asked.
    assert!(hub.lines(&["holds", "list", "--json"]).is_empty());
    // Mended, it is taken as it is now.
    let mended = connector(&feeds, "un").replace(
        "title = \"title\"",
        "title = { template = \"{{ title }} remplaçant\" }",
    );
    hub.connector("un", &mended);
    until("the mended file is taken", async || {
        let titles = titles(&node).await;
        titles.iter().any(|title| title.contains("remplaçant"))
    })
    .await;

    // Removed: its offers stay, and a person is asked.
    std::fs::remove_file(hub.path("connectors/deux.toml")).unwrap();
    let mut holds = Vec::new();
    until("the removal is asked about", async || {
        holds = hub.lines(&["holds", "list", "--json"]);
        !holds.is_empty()
    })
    .await;
    assert_eq!(
        (
            holds.len(),
            &holds[0]["connector"],
            &holds[0]["guard"],
            &holds[0]["postings"]
        ),
        (1, &json!("deux"), &json!("removed"), &json!(4)),
        "{holds:?}"
    );
    assert_eq!(titles(&node).await.len(), 10);
    assert_eq!(webhook(&node, "deux").await, 404);
    let id = holds[0]["id"].to_string();
    let released = hub.run(&[
        "holds",
        "release",
        &id,
        "--by",
        "agnes",
        "--why",
        "contrat fini",
    ]);
    assert!(released.status.success());
    until("the released offers close", async || {
        titles(&node).await.len() == 6
    })
    .await;
    let hold = hub.lines(&["holds", "show", &id, "--json"]).remove(0);
    assert_eq!(
        (&hold["status"], &hold["decided"][1], &hold["decided"][2]),
        (&json!("applied"), &json!("agnes"), &json!("contrat fini"))
    );
}
