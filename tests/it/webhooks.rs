//! Webhooks from end to end: subscribed over HTTP, signed, retried, disabled, replayed.

use crate::services::{BROKER, broker};
use crate::store_contract::backend::Backend;
use crate::support::feeds::{Answer, Feeds, Request, Sent};
use crate::support::hub::{Hub, Served, client};
use crate::support::offers;
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use passerelle::model::ConnectorName;
use serde_json::{Value, json};
use sha2::Sha256;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const KEY: &str = "a-key-for-tests-only";

struct Bench {
    hub: Hub,
    feeds: Feeds,
}

impl Bench {
    fn new() -> Self {
        Self::over(Vec::new())
    }

    /// With more of an environment.
    fn over(envs: Vec<(String, String)>) -> Self {
        let (mut hub, feeds) = (Hub::new(), Feeds::start());
        hub.envs = envs;
        hub.envs
            .push(("PASSERELLE__SERVER__ADMIN_KEY".into(), KEY.into()));
        hub.member("essai", offers::MEMBER);
        hub.connector(
            "essai",
            &offers::json_connector("essai", &feeds.url("/feed")),
        );
        let bench = Self { hub, feeds };
        bench.offer(3);
        bench.hub.sync();
        bench
    }

    fn offer(&self, count: usize) {
        let all = offers::some(count);
        self.feeds.set("/feed", Answer::json(&offers::json(&all)));
    }

    fn target(&self, status: u16) {
        self.feeds
            .set("/hook", Answer::new(status, "text/plain", ""));
    }

    /// Requests that the target got, once there are so many.
    async fn told(&self, path: &str, count: usize) -> Vec<Request> {
        until(|| self.feeds.asked(path), |asked| asked.len() >= count).await
    }
}

/// Looks until `enough`; a test that hangs ends after a minute.
async fn until<T>(look: impl Fn() -> T, enough: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let found = look();
        if enough(&found) {
            return found;
        }
        assert!(Instant::now() < deadline, "it does not come");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn call(served: &Served, method: &str, path: &str, body: Value) -> (u16, Value) {
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let reply = client()
        .request(method, format!("{}/api/v1/webhooks{path}", served.base))
        .header("authorization", format!("Bearer {KEY}"))
        .body(if body.is_null() {
            String::new()
        } else {
            body.to_string()
        })
        .send()
        .await
        .unwrap();
    let status = reply.status().as_u16();
    let text = reply.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// Whether one of the signatures is that of `secret`, by the standard's own words.
fn verifies(request: &Request, secret: &str) -> bool {
    let key = STANDARD
        .decode(secret.strip_prefix("whsec_").unwrap())
        .unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    let (id, at) = (
        &request.headers["webhook-id"],
        &request.headers["webhook-timestamp"],
    );
    mac.update(format!("{id}.{at}.{}", request.body).as_bytes());
    let own = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    request.headers["webhook-signature"]
        .split(' ')
        .any(|one| one == own)
}

fn events(requests: &[Request]) -> Vec<Value> {
    let parse = |r: &Request| serde_json::from_str(&r.body).unwrap();
    requests.iter().map(parse).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_told_signed_and_in_order() {
    let bench = Bench::new();
    bench.target(200);
    let served = bench.hub.serve();
    let new = json!({ "url": bench.feeds.url("/hook"), "description": "essai" });
    let (status, made) = call(&served, "POST", "", new).await;
    assert_eq!(status, 201, "{made}");
    let (id, secret) = (
        made["id"].as_str().unwrap(),
        made["secret"].as_str().unwrap(),
    );
    let (_, shown) = call(&served, "GET", &format!("/{id}"), Value::Null).await;
    assert!(shown["secret"].is_null() && shown["status"] == "active");

    // From now on: what was public before is not told.
    bench.offer(5);
    let _ = bench.hub.run(&["sync"]);
    let told = bench.told("/hook", 2).await;
    let public = served.json("/api/v1/changes?limit=1000").await;
    let newest: Vec<Value> = public["items"].as_array().unwrap()[3..].to_vec();
    let data: Vec<Value> = events(&told).iter().map(|e| e["data"].clone()).collect();
    assert_eq!(data, newest, "the same items as the delta feed");
    for request in &told {
        assert!(verifies(request, secret));
        assert!(!verifies(request, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
        assert_eq!(
            events(std::slice::from_ref(request))[0]["type"],
            "vacancy.upserted"
        );
    }

    // Both secrets sign for a day.
    let (_, turned) = call(&served, "POST", &format!("/{id}/rotate"), Value::Null).await;
    let (_, answer) = call(
        &served,
        "POST",
        &format!("/{id}/replay"),
        json!({ "message": told[1].headers["webhook-id"] }),
    )
    .await;
    assert_eq!(answer["id"], id);
    let again = bench.told("/hook", 3).await;
    assert_eq!(
        again[2].headers["webhook-id"],
        told[1].headers["webhook-id"]
    );
    assert_eq!(again[2].body, told[1].body);
    assert!(verifies(&again[2], secret));
    assert!(verifies(&again[2], turned["secret"].as_str().unwrap()));

    let log = async || {
        let (_, log) = call(&served, "GET", &format!("/{id}/deliveries"), Value::Null).await;
        log["items"].as_array().unwrap().clone()
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    while log().await.len() < 3 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let log = log().await;
    assert_eq!(log.len(), 3);
    assert!(
        log.iter()
            .all(|line| line["outcome"] == "delivered" && line["status"] == 200)
    );
    let (status, _) = call(&served, "DELETE", &format!("/{id}"), Value::Null).await;
    assert_eq!(status, 204);
    let (status, _) = call(&served, "GET", &format!("/{id}"), Value::Null).await;
    assert_eq!(status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_target_delays_nobody_and_410_ends_it() {
    let bench = Bench::new();
    bench.target(302);
    bench.feeds.set("/gone", Answer::new(410, "text/plain", ""));
    bench.feeds.set("/good", Answer::new(204, "text/plain", ""));
    let served = bench.hub.serve();
    let mut ids = Vec::new();
    for path in ["/hook", "/gone", "/good"] {
        let cursor = served.json("/api/v1/changes?limit=1").await["next_cursor"].clone();
        let new = json!({ "url": bench.feeds.url(path), "cursor": cursor });
        let (status, made) = call(&served, "POST", "", new).await;
        assert_eq!(status, 201, "{made}");
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    bench.told("/good", 2).await;
    // A redirect is a failure, not a way; the same message is tried again.
    let tried = bench.told("/hook", 2).await;
    assert_eq!(
        tried[0].headers["webhook-id"],
        tried[1].headers["webhook-id"]
    );
    assert_eq!(tried[0].body, tried[1].body);
    let status_of = async |id: &str| {
        let (_, shown) = call(&served, "GET", &format!("/{id}"), Value::Null).await;
        (shown["status"].clone(), shown["disabled"]["reason"].clone())
    };
    assert_eq!(status_of(&ids[0]).await.0, "active");
    let deadline = Instant::now() + Duration::from_secs(30);
    while status_of(&ids[1]).await.0 != "disabled" && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(status_of(&ids[1]).await, (json!("disabled"), json!("gone")));
    assert_eq!(bench.feeds.asked("/gone").len(), 1);

    // Mended and enabled: it goes on where it was.
    bench.feeds.set("/gone", Answer::new(200, "text/plain", ""));
    call(
        &served,
        "PATCH",
        &format!("/{}", ids[1]),
        json!({ "enabled": true }),
    )
    .await;
    bench.told("/gone", 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_that_hang_delay_nobody() {
    let bench = Bench::new();
    // One takes connections and says nothing, one says 200 and never ends its body.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}/", silent.local_addr().unwrap());
    let endless = Answer::new(200, "text/plain", vec![b'x'; 100_000]);
    bench.feeds.set("/endless", endless.sent(Sent::Stall(10)));
    bench.feeds.set("/good", Answer::new(204, "text/plain", ""));
    let served = bench.hub.serve();
    let cursor = served.json("/api/v1/changes?limit=1").await["next_cursor"].clone();
    for url in [
        silent,
        bench.feeds.url("/endless"),
        bench.feeds.url("/good"),
    ] {
        let new = json!({ "url": url, "cursor": cursor });
        let (status, made) = call(&served, "POST", "", new).await;
        assert_eq!(status, 201, "{made}");
    }
    let told = bench.told("/good", 2).await;
    // What answered 2xx has the message: nobody waits for the rest of its words.
    let slow = bench.told("/endless", 2).await;
    let bodies = |all: &[Request]| all.iter().map(|r| r.body.clone()).collect::<Vec<_>>();
    assert_eq!(bodies(&slow[..2]), bodies(&told[..2]));
    // Readers do not wait either.
    assert_eq!(served.get("/api/v1/vacancies").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_with_the_key_and_only_to_sound_targets() {
    let bench = Bench::new();
    let served = bench.hub.serve();
    assert_eq!(served.get("/api/v1/webhooks").await.status(), 401);
    for (body, what) in [
        (json!({ "url": "file:///etc/passwd" }), "url"),
        (json!({ "url": "/etc/passwd" }), "url"),
        (json!({ "url": "http://exemple.example/x" }), "url"),
        (json!({ "url": "https://u:p@exemple.example/" }), "url"),
        (
            json!({ "url": "https://exemple.example/", "secret": "whsec_x" }),
            "secret",
        ),
        (
            json!({ "url": "https://exemple.example/", "cursor": "zzz" }),
            "cursor",
        ),
    ] {
        let (status, problem) = call(&served, "POST", "", body).await;
        assert_eq!(
            (status, &problem["errors"][0]["parameter"]),
            (400, &json!(what))
        );
    }
    let (status, _) = call(&served, "POST", "", json!({ "colour": 1 })).await;
    assert_eq!(status, 400);

    // A public-looking name or a private address of the operator: refused when it is called.
    let (_, made) = call(
        &served,
        "POST",
        "",
        json!({ "url": "https://169.254.169.254/x" }),
    )
    .await;
    let id = made["id"].as_str().unwrap();
    let cursor = served.json("/api/v1/changes?limit=1").await["next_cursor"].clone();
    call(
        &served,
        "POST",
        &format!("/{id}/replay"),
        json!({ "cursor": cursor }),
    )
    .await;
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let (_, shown) = call(&served, "GET", &format!("/{id}"), Value::Null).await;
        let error = shown["next"]["error"].as_str().unwrap_or_default();
        if error.contains("private address") {
            break;
        }
        assert!(Instant::now() < deadline, "{shown}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_between_two_attempts_is_not_sent_again() {
    const WORD: &str = "Zorglub";
    let bench = Bench::new();
    // The first attempt is answered once the erasure is through: the next one comes after it.
    let (erased, answers) = mpsc::channel::<()>();
    let (answers, open) = (Mutex::new(answers), AtomicBool::new(false));
    bench.feeds.route("/hook", move |_| {
        if open.load(Ordering::SeqCst) {
            return Answer::new(204, "text/plain", "");
        }
        let _ = answers.lock().unwrap().recv();
        open.store(true, Ordering::SeqCst);
        Answer::new(503, "text/plain", "")
    });
    let served = bench.hub.serve();
    let new = json!({ "url": bench.feeds.url("/hook") });
    let (status, made) = call(&served, "POST", "", new).await;
    assert_eq!(status, 201, "{made}");

    let mut all = offers::some(3);
    all[0].text.push_str(&format!("<p>Demandez {WORD}.</p>"));
    let show = |all: &[offers::Offer]| {
        bench.feeds.set("/feed", Answer::json(&offers::json(all)));
        let output = bench.hub.run(&["sync"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    };
    show(&all);
    let first = bench.told("/hook", 1).await;
    assert!(first[0].body.contains(WORD), "{}", first[0].body);
    let output = bench.hub.run(&["erase", "--text", WORD]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    drop(erased);
    all[1].text.push_str("<p>Poste de jour.</p>");
    show(&all);

    let told = bench.told("/hook", 3).await;
    for request in &told[1..] {
        assert!(!request.body.contains(WORD), "{}", request.body);
    }
    let events = events(&told);
    assert_eq!(events[1]["data"]["reason"], "erased", "{}", events[1]);
    assert_eq!(events[1]["data"]["id"], events[0]["data"]["id"]);
    assert_eq!(events[2]["type"], "vacancy.upserted", "{}", events[2]);
}

/// The session that holds the right to deliver is lost, and nothing else is: the process stops, another
/// may deliver, and once that has ended the first goes on.
#[tokio::test(flavor = "multi_thread")]
async fn who_loses_the_right_to_deliver_stops_and_takes_it_again() {
    let _shared = BROKER.read().await;
    let (Some(broker), Some(backend)) = (broker("hooks"), Backend::postgres("hooks").await) else {
        return;
    };
    let Backend::Postgres(schema) = &backend else {
        return;
    };
    let bench = Bench::over(vec![
        ("PASSERELLE__STORE__URL".into(), schema.url()),
        ("PASSERELLE__BUS__URL".into(), broker.url.clone()),
    ]);
    bench.target(200);
    let served = bench.hub.serve();
    let new = json!({ "url": bench.feeds.url("/hook") });
    let (status, made) = call(&served, "POST", "", new).await;
    assert_eq!(status, 201, "{made}");
    let show = async |count: usize| {
        bench.offer(count);
        let deadline = Instant::now() + Duration::from_secs(120);
        // Its sessions may have been cut this moment: asked again, it is pulled again.
        while served.json("/api/v1/vacancies").await["total"] != json!(count) {
            assert!(Instant::now() < deadline, "it is not published");
            let _ = bench.hub.run(&["sync", "--timeout", "20s"]);
        }
    };
    show(4).await;
    bench.told("/hook", 1).await;

    let other = backend.open().await;
    let name = ConnectorName::from("/webhooks");
    let taken = backend.take_over(&other, &name).await;
    show(5).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let told = bench.feeds.asked("/hook").len();
    assert_eq!(told, 1, "it delivers without the right");
    drop(taken);
    let told = bench.told("/hook", 2).await;
    let sequences: Vec<Value> = events(&told)
        .iter()
        .map(|e| e["data"]["seq"].clone())
        .collect();
    assert_eq!(sequences, [json!(4), json!(5)]);
}
