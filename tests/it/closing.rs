//! A filled offer does not linger: what closes is gone from every door of a running hub.

use crate::services::{BROKER, broker};
use crate::store_contract::backend::Backend;
use crate::support::feeds::{Answer, Feeds};
use crate::support::hub::{Hub, Served, client};
use crate::support::offers;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const KEY: &str = "a-key-for-tests-only";

/// Every document that shows offers, as a reader may ask for it.
const DOCUMENTS: [&str; 17] = [
    "/",
    "/?q=infirmier",
    "/structures/essai",
    "/api/v1/vacancies?limit=1000",
    "/api/v1/vacancies?q=infirmier&limit=1000",
    "/api/v1/vacancies?commune=Vesoul&radius_km=10&facets=true",
    "/api/v1/snapshot",
    "/feeds/rss.xml",
    "/feeds/jobs.json",
    "/feeds/rss.xml?member=essai&family=nursing",
    "/sitemap.xml",
    "/sitemap.xml?member=essai",
    "/exports/linkedin.xml",
    "/exports/indeed/essai.xml",
    "/exports/indeed.xml",
    "/exports/csv.csv",
    "/api/v1/vacancies?sort=title&limit=1",
];

/// Asks until `done`; timing decides nothing, a hang ends after a minute.
async fn until(served: &Served, path: &str, done: impl Fn(u16, &str) -> bool) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let reply = served.get(path).await;
        let status = reply.status().as_u16();
        let text = reply.text().await.unwrap();
        if done(status, &text) {
            return text;
        }
        assert!(Instant::now() < deadline, "{path}: {status} {text:.2000}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_closes_is_gone_from_every_door() {
    let (mut hub, feeds) = (Hub::new(), Feeds::start());
    let drop_folder = hub.path("out");
    hub.envs.extend([
        ("PASSERELLE__SERVER__ADMIN_KEY".into(), KEY.into()),
        (
            "PASSERELLE__PATHS__EXPORTS".into(),
            drop_folder.display().to_string(),
        ),
    ]);
    let member = offers::MEMBER.replace(
        "linkedin = true",
        "linkedin = true\nindeed = true\ncsv = true",
    );
    hub.member("essai", &member);
    hub.connector(
        "essai",
        &offers::json_connector("essai", &feeds.url("/feed")),
    );
    let all = offers::some(4);
    feeds.set("/feed", Answer::json(&offers::json(&all)));
    feeds.set("/hook", Answer::new(204, "text/plain", ""));
    hub.sync();
    let served = hub.serve();
    let found = served.json("/api/v1/vacancies?q=infirmier").await;
    let id = found["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(found["items"][0]["sources"][0]["reference"], "R-001");
    let page = served.get(&format!("/offres/{id}")).await.headers()["location"]
        .to_str()
        .unwrap()
        .to_owned();

    // It is behind each of the doors, or its absence would prove nothing.
    for path in DOCUMENTS.iter().filter(|p| !p.ends_with("limit=1")) {
        let shown =
            |status, text: &str| status == 200 && (text.contains(&id) || text.contains("R-001"));
        until(&served, path, shown).await;
    }
    let file = drop_folder.join("linkedin.xml");
    let dropped = || std::fs::read_to_string(&file).unwrap_or_default();
    wait(|| dropped().contains(&id), "the dropped export").await;
    let made = client()
        .post(format!("{}/api/v1/webhooks", served.base))
        .header("authorization", format!("Bearer {KEY}"))
        .body(json!({ "url": feeds.url("/hook") }).to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(made.status(), 201);

    feeds.set("/feed", Answer::json(&offers::json(&all[1..])));
    for _ in 0..2 {
        let done = hub.run(&["sync", "essai"]);
        assert!(done.status.success(), "{done:?}");
    }

    for path in DOCUMENTS {
        let gone =
            |status, text: &str| status == 200 && !text.contains(&id) && !text.contains("R-001");
        until(&served, path, gone).await;
    }
    for path in [page.as_str(), &format!("/api/v1/vacancies/{id}")] {
        until(&served, path, |status, _| status == 410).await;
    }
    let tombstone = format!("<at:deleted-entry ref=\"urn:uuid:{id}\"");
    let once = |_, text: &str| text.contains(&tombstone) && text.matches(&id).count() == 1;
    until(&served, "/feeds/atom.xml", once).await;
    let changes = served.json("/api/v1/changes?limit=1000").await;
    let last = changes["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&last["op"], &last["id"], &last["reason"]),
        (&json!("delete"), &json!(id), &json!("filled"))
    );
    wait(
        || !dropped().is_empty() && !dropped().contains(&id),
        "the dropped export",
    )
    .await;
    wait(|| !feeds.asked("/hook").is_empty(), "the webhook").await;
    let told: Value = serde_json::from_str(&feeds.asked("/hook")[0].body).unwrap();
    assert_eq!(
        (&told["type"], &told["data"]),
        (&json!("vacancy.deleted"), &last)
    );
}

/// Over SQLite, and over PostgreSQL and RabbitMQ where these run.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_source_says_is_the_reason_that_readers_are_told() {
    said(None).await;
    let _shared = BROKER.read().await;
    if let (Some(backend), Some(broker)) = (Backend::postgres("reason").await, broker("reason"))
        && let Backend::Postgres(schema) = &backend
    {
        said(Some((schema.url(), broker.url.clone()))).await;
    }
}

async fn said(servers: Option<(String, String)>) {
    let (mut hub, feeds) = (Hub::new(), Feeds::start());
    if let Some((store, bus)) = servers {
        hub.envs.push(("PASSERELLE__STORE__URL".into(), store));
        hub.envs.push(("PASSERELLE__BUS__URL".into(), bus));
    }
    hub.member("essai", offers::MEMBER);
    let file = offers::json_connector("essai", &feeds.url("/feed")).replace(
        "apply_url = \"url\"",
        "apply_url = \"url\"\nstatus = { path = \"etat\", values = { Pourvue = \"closed\", \
         \"Annulée\" = \"withdrawn\" } }",
    );
    hub.connector("essai", &file);
    let document = offers::json(&offers::some(4));
    let served = hub.serve();
    let show = |document: &Value| {
        feeds.set("/feed", Answer::json(document));
        let done = hub.run(&["sync", "essai"]);
        assert!(done.status.success(), "{done:?}");
    };
    show(&document);
    let four = |_, text: &str| text.matches("\"R-00").count() >= 4;
    until(&served, "/api/v1/vacancies?fields=sources", four).await;

    let mut ended = document.clone();
    ended["jobs"][0]["etat"] = json!("Pourvue");
    ended["jobs"][1]["etat"] = json!("Annulée");
    show(&ended);
    let both = |_, text: &str| text.matches("\"delete\"").count() == 2;
    let changes = until(&served, "/api/v1/changes?limit=1000", both).await;
    let changes: Value = serde_json::from_str(&changes).unwrap();
    let items = changes["items"].as_array().unwrap().iter();
    let deleted = items.filter(|item| item["op"] == "delete");
    let mut reasons: Vec<&str> = deleted.map(|i| i["reason"].as_str().unwrap()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["filled", "withdrawn"]);

    // The very bytes of before: both are out again.
    show(&document);
    let none = |_, text: &str| text.contains("\"upsert\"") && !text.contains("\"delete\"");
    until(&served, "/api/v1/changes?limit=1000", none).await;
}

async fn wait(done: impl Fn() -> bool, what: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "{what} does not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
