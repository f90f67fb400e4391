//! Offers that a source sends to a running hub, over each store: the same answers, the same bytes.

use crate::services::{BROKER, Broker, broker};
use crate::store_contract::backend::Backend;
use crate::support::feeds::{Answer, Feeds};
use crate::support::hub::{Hub, Served, client};
use crate::support::offers;
use crate::support::proxy::Proxy;
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
    /// Over SQLite, or over PostgreSQL and RabbitMQ, both under the name of the test, so that no hub
    /// takes another's messages; `None` where these do not run.
    async fn start(test: &str, clustered: bool) -> Option<Self> {
        let servers = match clustered {
            true => Some((Backend::postgres(test).await?, broker(test)?)),
            false => None,
        };
        let subject = match &servers {
            Some((Backend::Postgres(schema), broker)) => Self::start_over(&[
                ("PASSERELLE__STORE__URL", &schema.url()),
                ("PASSERELLE__BUS__URL", &broker.url),
            ]),
            _ => Self::start_over(&[]),
        };
        Some(Self {
            _servers: servers,
            ..subject
        })
    }

    /// Over what these settings name.
    fn start_over(settings: &[(&str, &str)]) -> Self {
        let (mut hub, feeds) = (Hub::new(), Feeds::start());
        hub.envs = vec![
            ("PUSH_KEY".into(), "la-clef".into()),
            ("PUSH_SECRET".into(), "le-secret".into()),
        ];
        for (name, value) in settings {
            hub.envs.push(((*name).into(), (*value).into()));
        }
        hub.member("essai", offers::MEMBER);
        hub.connector("envoi", PUSHED);
        // A source that is asked, and that says by a webhook when.
        feeds.set("/jobs", Answer::json(&json!({ "jobs": [] })));
        let asked = offers::json_connector("ats", &feeds.url("/jobs"))
            + "\n[push]\nkey = { env = \"PUSH_KEY\" }\nnotify = true\n";
        hub.connector("ats", &asked);
        let node = hub.serve();
        Self {
            hub,
            feeds,
            node,
            _servers: None,
        }
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
    let embedded = Hubbed::start("ingest_alike", false).await.unwrap();
    let one = story(&embedded).await;
    assert_eq!(one.lines().count(), 1, "{one}");
    let _shared = BROKER.read().await;
    let Some(clustered) = Hubbed::start("ingest_alike", true).await else {
        return;
    };
    assert_eq!(story(&clustered).await, one);
}

/// Two deliveries of one webhook at a time, and two batches: nothing is lost or doubled.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_twice_at_a_time_is_taken_once() {
    let _shared = BROKER.read().await;
    for clustered in [false, true] {
        let Some(hub) = Hubbed::start("ingest_twice", clustered).await else {
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

/// Of a source with a list and an address for each offer, told of changes by webhooks.
const NAMED: &str = "\n[source.one]\nurl = \"LIST/{{ reference }}\"\npath = \"job\"\n\
    [push]\nkey = { env = \"PUSH_KEY\" }\nhmac = { env = \"PUSH_SECRET\" }\noffer = \"data.job.id\"\n";

fn named_connector(feeds: &Feeds) -> String {
    let status = "[fields]\nstatus = { path = \"state\", values = { open = \"open\", filled = \"closed\" } }\n";
    let named = NAMED.replace("LIST", &feeds.url("/list"));
    offers::json_connector("cible", &feeds.url("/list")).replace("[fields]\n", status) + &named
}

/// What a webhook that names an offer does: that one is asked for, and no other is spoken of.
async fn named_story(hub: &Hubbed) {
    let feeds = &hub.feeds;
    let mut offers = offers::some(6);
    let list = |offers: &[offers::Offer]| Answer::json(&offers::json(offers));
    let alone = |offer: &offers::Offer, state: &str| {
        let mut job = offers::json_job(offer);
        job["state"] = json!(state);
        feeds.set(
            &format!("/list/{}", offer.reference),
            Answer::json(&json!({ "job": job })),
        );
    };
    let lists = || feeds.asked("/list").len();
    let titles = |offers: &[offers::Offer]| -> Vec<String> {
        let mut titles: Vec<_> = offers
            .iter()
            .map(|o| o.title.replace(" (H/F)", ""))
            .collect();
        titles.sort();
        titles
    };
    let shows = async |what: &str, titles: Vec<String>| {
        let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
        hub.shows(what, &titles).await;
    };
    let read_whole = async |before: usize| {
        let until = Instant::now() + Duration::from_secs(60);
        while lists() == before {
            assert!(Instant::now() < until, "the source was not read");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let names =
        |reference: &str| json!({ "event": "job.updated", "data": { "job": { "id": reference } } });

    // A message that names none has the whole source read.
    feeds.set("/list", list(&offers));
    let (status, answer) = hub.post("cible", &[KEY], &json!({ "event": "ping" })).await;
    assert_eq!((status, &answer["requested"]), (202, &json!("cible")));
    shows("after the first message", titles(&offers)).await;

    // One that names an offer has that one read, whatever the list would say: signed, once a key.
    feeds.set("/list", Answer::json(&json!({ "jobs": [] })));
    let before = lists();
    offers[1].title = "Aide-soignant de nuit (H/F)".into();
    alone(&offers[1], "open");
    let body = names("R-002");
    let forged = [("x-passerelle-signature", "sha256=00")];
    assert_eq!(hub.post("cible", &forged, &body).await.0, 401);
    assert!(feeds.asked("/list/R-002").is_empty());
    let signature = signed(&body.to_string());
    let once = [
        ("x-passerelle-signature", signature.as_str()),
        ("idempotency-key", "delivery-1"),
    ];
    let first = hub.post("cible", &once, &body).await;
    let answer = &first.1;
    assert_eq!(
        (first.0, &answer["offers"]),
        (200, &json!(["R-002"])),
        "{answer}"
    );
    for (counter, count) in [
        ("pulled", 1),
        ("changed", 1),
        ("missing", 0),
        ("closed", 0),
        ("held", 0),
    ] {
        assert_eq!(answer[counter], count, "{counter}: {answer}");
    }
    assert_eq!(hub.post("cible", &once, &body).await, first);
    assert_eq!(
        feeds.asked("/list/R-002").len(),
        1,
        "a repetition asks nothing"
    );
    let (_, answer) = hub.post("cible", &[KEY], &body).await;
    assert_eq!(
        (&answer["changed"], &answer["unchanged"]),
        (&json!(0), &json!(1))
    );
    shows("after one changed", titles(&offers)).await;

    // A new one, and one that its own page says is filled: at once, and alone.
    offers.push(offers::some(7).remove(6));
    alone(&offers[6], "open");
    let (_, answer) = hub.post("cible", &[KEY], &names("R-007")).await;
    assert_eq!(
        (&answer["new"], &answer["closed"]),
        (&json!(1), &json!(0)),
        "{answer}"
    );
    alone(&offers[0], "filled");
    let (_, answer) = hub.post("cible", &[KEY], &names("R-001")).await;
    assert_eq!(
        (&answer["new"], &answer["closed"]),
        (&json!(0), &json!(1)),
        "{answer}"
    );
    let filled = offers.remove(0);
    shows("after one came and one was filled", titles(&offers)).await;
    assert_eq!(lists(), before, "the list was asked for");

    // What cannot be had by itself is the whole source's matter, and closes nothing by itself:
    // gone, another offer's record, no answer to speak of, a reference that leads elsewhere.
    let other = Answer::json(&json!({ "job": offers::json_job(&offers[3]) }));
    feeds.set("/list/R-003", Answer::new(404, "text/plain", "gone"));
    feeds.set("/list/R-004", other);
    feeds.set(
        "/list/R-005",
        Answer::new(500, "text/html", "<h1>Erreur</h1>").header("Retry-After", "0"),
    );
    feeds.set(
        "/secret",
        Answer::json(&json!({ "job": offers::json_job(&filled) })),
    );
    feeds.set("/list", list(&offers));
    for reference in ["R-003", "R-004", "R-005", "../secret", ".."] {
        let before = lists();
        let (status, answer) = hub.post("cible", &[KEY], &names(reference)).await;
        assert_eq!(
            (status, &answer["requested"]),
            (202, &json!("cible")),
            "{reference}: {answer}"
        );
        read_whole(before).await;
    }
    assert!(feeds.asked("/secret").is_empty());
    shows("after what could not be had", titles(&offers)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_names_an_offer_has_it_asked_for_alone() {
    let _shared = BROKER.read().await;
    for clustered in [false, true] {
        let Some(hub) = Hubbed::start("ingest_named", clustered).await else {
            continue;
        };
        hub.hub.connector("cible", &named_connector(&hub.feeds));
        // A file that is added is known within seconds.
        let until = Instant::now() + Duration::from_secs(60);
        while hub.post("cible", &[], &json!({})).await.0 == 404 {
            assert!(Instant::now() < until, "the connector is not known");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        named_story(&hub).await;
    }
}

/// The broker is away at run: offers are taken and sources asked as far as the outbox has room; then
/// senders are told to come again, and all goes on once the broker is back.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_broker_is_away_the_outbox_fills_to_its_limit() {
    let _shared = BROKER.read().await;
    let (Some(backend), Some(broker)) = (Backend::postgres("limit").await, broker("limit")) else {
        return;
    };
    let Backend::Postgres(schema) = &backend else {
        return;
    };
    let (_, after) = broker.url.split_once('@').unwrap();
    let (server, _) = after.split_once('/').unwrap();
    let proxy = Proxy::start(server.to_owned());
    let url = broker
        .url
        .replace(server, &format!("127.0.0.1:{}", proxy.port));
    let (store, bus) = (schema.url(), url);
    let subject = Hubbed::start_over(&[
        ("PASSERELLE__STORE__URL", store.as_str()),
        ("PASSERELLE__BUS__URL", bus.as_str()),
    ]);
    proxy.go_down();
    let began = Instant::now();
    while subject.node.get("/readyz").await.status().is_success() {
        assert!(began.elapsed() < Duration::from_secs(120), "it stays ready");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let first = offer("a", "Aide-soignant");
    let (status, _) = subject.post("envoi", &[KEY], &json!([first])).await;
    assert_eq!(status, 200, "there is room");
    let fill = "INSERT INTO outbox (id, stage, kind, key, observation, rules, payload, time) \
         SELECT gen_random_uuid(), 'publish', 'fr.passerelle.vacancy.changed.v1', \
         gen_random_uuid()::text, 1, 1, '', 0 FROM generate_series(1, 100000)";
    schema.order(fill).await;
    let second = offer("b", "Cuisinier");
    let sent = client()
        .post(format!("{}/api/v1/ingest/envoi", subject.node.base))
        .header(KEY.0, KEY.1)
        .body(json!([second]).to_string());
    let refused = sent.send().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "30");
    // A request of a run is noted all the same; the source is not asked before there is room.
    let asked = subject.feeds.asked("/jobs").len();
    let (status, _) = subject.post("ats?changed", &[KEY], &json!({})).await;
    assert_eq!(status, 202);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(subject.feeds.asked("/jobs").len(), asked);
    schema
        .order("DELETE FROM outbox WHERE stage = 'publish'")
        .await;
    let began = Instant::now();
    while subject.feeds.asked("/jobs").len() == asked {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "it is not asked"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (status, _) = subject.post("envoi", &[KEY], &json!([second])).await;
    assert_eq!(status, 200);
    proxy.come_up();
    subject
        .shows("the broker is back", &["Aide-soignant", "Cuisinier"])
        .await;
}
