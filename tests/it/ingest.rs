//! Offers that a source sends to a running hub, over each store: the same answers, the same bytes.

use crate::services::{BROKER, Broker, broker};
use crate::store_contract::backend::Backend;
use crate::support::feeds::{Answer, Feeds};
use crate::support::hub::{Hub, Served, client};
use crate::support::offers;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::{Duration, Instant};

const PUSHED: &str = "name = \"envoi\"\nmember = \"essai\"\n[push]\nkey = { env = \"PUSH_KEY\" }\n\
    hmac = { env = \"PUSH_SECRET\" }\n[guards]\nmiss_gap = \"0s\"\n[fields]\nreference = \"ref\"\n\
    title = \"title\"\ndescription = \"text\"\nplace_city = \"city\"\nplace_postal_code = \"zip\"\n\
    apply_url = \"url\"\ncontract = { path = \"contract\", values = { CDI = \"cdi\" } }\n";

const KEY: (&str, &str) = ("x-passerelle-key", "la-clef");

/// A daemon over one store.
struct Hubbed {
    hub: Hub,
    feeds: Feeds,
    node: Served,
    _servers: Option<(Backend, Broker)>,
}

impl Hubbed {
    /// Over SQLite, or over PostgreSQL and RabbitMQ; `None` where these do not run.
    async fn start(clustered: bool) -> Option<Self> {
        let servers = match clustered {
            true => Some((Backend::postgres("ingest").await?, broker("ingest")?)),
            false => None,
        };
        let (mut hub, feeds) = (Hub::new(), Feeds::start());
        hub.envs = vec![
            ("PUSH_KEY".into(), "la-clef".into()),
            ("PUSH_SECRET".into(), "le-secret".into()),
        ];
        if let Some((Backend::Postgres(schema), broker)) = &servers {
            hub.envs
                .push(("PASSERELLE__STORE__URL".into(), schema.url()));
            hub.envs
                .push(("PASSERELLE__BUS__URL".into(), broker.url.clone()));
        }
        hub.member("essai", offers::MEMBER);
        hub.connector("envoi", PUSHED);
        // A source that is asked, and that says by a webhook when.
        feeds.set("/jobs", Answer::json(&json!({ "jobs": [] })));
        let asked = offers::json_connector("ats", &feeds.url("/jobs"))
            + "\n[push]\nkey = { env = \"PUSH_KEY\" }\nnotify = true\n";
        hub.connector("ats", &asked);
        let node = hub.serve();
        Some(Self {
            hub,
            feeds,
            node,
            _servers: servers,
        })
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> (u16, Value) {
        self.send(path, headers, body.to_string()).await
    }

    async fn send(&self, path: &str, headers: &[(&str, &str)], body: String) -> (u16, Value) {
        let url = format!("{}/api/v1/ingest/{path}", self.node.base);
        let mut request = client().post(url).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    async fn vacancies(&self) -> Vec<Value> {
        let page = self.node.json("/api/v1/vacancies?limit=100").await;
        page["items"].as_array().unwrap().clone()
    }

    /// Waits until the titles that are served are these.
    async fn shows(&self, what: &str, titles: &[&str]) {
        let until = Instant::now() + Duration::from_secs(120);
        loop {
            let mut shown: Vec<String> = self
                .vacancies()
                .await
                .iter()
                .map(|vacancy| vacancy["title"].as_str().unwrap().to_owned())
                .collect();
            shown.sort();
            if shown == titles {
                return;
            }
            assert!(Instant::now() < until, "{what}: {shown:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn order(&self, args: &[&str]) {
        let output = self.hub.run(args);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {errors}");
    }
}

fn offer(reference: &str, title: &str) -> Value {
    json!({
        "ref": reference, "title": title, "city": "Vesoul", "zip": "70000", "contract": "CDI",
        "text": format!("Annonce de synthèse {reference} : {title}, équipe accueillante et stable."),
        "url": format!("https://residence.example/{reference}"),
    })
}

fn signed(body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"le-secret").unwrap();
    mac.update(body.as_bytes());
    let bytes = mac.finalize().into_bytes();
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256={hex}")
}

/// Everything that a source may send, and what is served in the end.
async fn story(hub: &Hubbed) -> String {
    let (cook, nurse, aide) = (
        offer("A", "Cuisinier"),
        offer("B", "Infirmier"),
        offer("C", "Psychologue"),
    );
    // Strangers, and those who sign for another body.
    assert_eq!(hub.post("envoi", &[], &cook).await.0, 401);
    let stolen = signed(&nurse.to_string());
    let forged = [("x-passerelle-signature", stolen.as_str())];
    assert_eq!(hub.post("envoi", &forged, &cook).await.0, 401);

    // One by its signature, then a batch with a result for each.
    let signature = signed(&cook.to_string());
    let header = [("x-passerelle-signature", signature.as_str())];
    let (status, answer) = hub.post("envoi", &header, &cook).await;
    assert_eq!((status, &answer["new"]), (200, &json!(1)), "{answer}");
    let batch = json!([nurse, { "ref": "X" }, cook, 7, aide]);
    let (status, answer) = hub.post("envoi", &[KEY], &batch).await;
    let accepted: Vec<bool> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["accepted"].as_bool().unwrap())
        .collect();
    assert_eq!(
        (status, accepted),
        (200, vec![true, false, true, false, true])
    );
    assert_eq!(
        (&answer["new"], &answer["unchanged"], &answer["missing"]),
        (&json!(2), &json!(1), &json!(0)),
        "{answer}"
    );
    let all = ["Cuisinier", "Infirmier", "Psychologue"];
    hub.shows("after the batch", &all).await;

    // A repeated request gets its answer again and does nothing; its key serves no other.
    let once = [KEY, ("idempotency-key", "n-1")];
    let changed = json!([offer("C", "Psychologue de nuit")]);
    let first = hub.post("envoi", &once, &changed).await;
    assert_eq!(
        (first.0, &first.1["changed"]),
        (200, &json!(1)),
        "{}",
        first.1
    );
    assert_eq!(hub.post("envoi", &once, &changed).await, first);
    assert_eq!(hub.post("envoi", &once, &batch).await.0, 422);

    // Everything it has: the cook is missed, and missed again; half a body is nothing.
    let whole = json!({ "items": [nurse, offer("C", "Psychologue de nuit")] });
    let cut = whole.to_string();
    let cut = cut[..cut.len() / 2].to_owned();
    assert_eq!(hub.send("envoi?snapshot=true", &[KEY], cut).await.0, 422);
    for closed in [0, 1] {
        let (_, answer) = hub.post("envoi?snapshot=true", &[KEY], &whole).await;
        assert_eq!(
            (&answer["snapshot"], &answer["missing"], &answer["closed"]),
            (&json!("complete"), &json!(1), &json!(closed)),
            "{answer}"
        );
    }
    let left = ["Infirmier", "Psychologue de nuit"];
    hub.shows("after the snapshots", &left).await;
    // An empty one closes nothing yet.
    let (_, answer) = hub
        .post("envoi?snapshot=true", &[KEY], &json!({ "items": [] }))
        .await;
    assert_eq!(answer["closed"], 0, "{answer}");
    hub.post("envoi?snapshot=true", &[KEY], &whole).await;

    // "This job changed": the source is asked at once, and that one alone.
    hub.feeds.set(
        "/jobs",
        Answer::json(&json!({ "jobs": [offers::json_job(&offers::some(12)[11])] })),
    );
    let (status, answer) = hub
        .post("ats", &[KEY], &json!({ "event": "job.updated" }))
        .await;
    assert_eq!((status, &answer["requested"]), (202, &json!("ats")));
    let three = ["Comptable", "Infirmier", "Psychologue de nuit"];
    hub.shows("after the webhook", &three).await;

    // What a person took out does not come back by being sent again, changed or not.
    for (title, order) in [("Infirmier", "erase"), ("Psychologue de nuit", "hide")] {
        let shown = hub.vacancies().await;
        let vacancy = shown.iter().find(|v| v["title"] == title).unwrap();
        let id = vacancy["id"].as_str().unwrap();
        hub.order(&[order, id, "--by", "dpo", "--why", "demande"]);
    }
    hub.shows("after erase and hide", &["Comptable"]).await;
    for (title, sign) in [("Infirmier", "Lingère"), ("Infirmier diplômé", "Jardinier")] {
        let again = json!([
            offer("B", title),
            offer("C", &title.replace("Infirmier", "Psychologue")),
        ]);
        assert_eq!(hub.post("envoi", &[KEY], &again).await.0, 200);
        // One that is new is the sign that those before it are through.
        assert_eq!(hub.post("envoi", &[KEY], &offer(sign, sign)).await.0, 200);
        let mut titles = vec!["Comptable", sign];
        titles.sort_unstable();
        hub.shows("after the same again", &titles).await;
        let shown = hub.vacancies().await;
        let signal = shown.iter().find(|v| v["title"] == sign).unwrap();
        let id = signal["id"].as_str().unwrap();
        hub.order(&["hide", id, "--by", "essai", "--why", "signal"]);
        hub.shows("without the sign", &["Comptable"]).await;
    }
    hub.node.text("/api/v1/snapshot").await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_to_either_store_is_served_alike() {
    let embedded = Hubbed::start(false).await.unwrap();
    let one = story(&embedded).await;
    assert_eq!(one.lines().count(), 1, "{one}");
    let _shared = BROKER.read().await;
    let Some(clustered) = Hubbed::start(true).await else {
        return;
    };
    assert_eq!(story(&clustered).await, one);
}

/// Two deliveries of one webhook at a time, and two batches: nothing is lost or doubled.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_twice_at_a_time_is_taken_once() {
    let _shared = BROKER.read().await;
    for clustered in [false, true] {
        let Some(hub) = Hubbed::start(clustered).await else {
            continue;
        };
        let batch: Value = (0..20)
            .map(|n| offer(&format!("R{n}"), &format!("Poste {n}")))
            .collect();
        let send = || hub.post("envoi", &[KEY, ("idempotency-key", "same")], &batch);
        let answers = tokio::join!(send(), send(), send());
        for (status, answer) in [answers.0, answers.1, answers.2] {
            assert_eq!((status, &answer["pulled"]), (200, &json!(20)), "{answer}");
        }
        let (_, answer) = hub.post("envoi", &[KEY], &batch).await;
        assert_eq!(
            (&answer["new"], &answer["unchanged"]),
            (&json!(0), &json!(20)),
            "{answer}"
        );
    }
}
