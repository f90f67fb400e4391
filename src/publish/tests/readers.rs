//! Who reads: consumers with a key and a part of their own, and addresses without one.

use super::{Reply, get, get_with, send, three, titles};
use crate::publish::{
    Anonymous, Consumer, Consumers, Quota,
    testing::{publishing_with, vacancy},
};
use axum::{body::Body, http::Request};
use serde_json::json;
use std::sync::Arc;

#[tokio::test]
async fn a_consumer_has_its_own_part_at_its_own_pace() {
    let shop = three();
    let quota = Quota {
        requests: 8,
        seconds: 3600,
    };
    let left = |reply: &Reply| -> u32 {
        let text = reply.header("ratelimit");
        let rest = text.strip_prefix("\"consumer\";r=").unwrap_or_default();
        rest.split(';').next().unwrap().parse().unwrap()
    };
    let consumer =
        |id: &str, key: &str, quota, filter: &str| Consumer::new(id, key, quota, filter).unwrap();
    let publish = publishing_with(&shop, |settings| {
        settings.consumers = Consumers::new(vec![
            consumer(
                "cpts",
                "the-key-of-the-cpts",
                Some(quota),
                "department=70&family=nursing",
            ),
            consumer("near", "another-key", None, "commune=25056&radius_km=10"),
        ]);
    });
    let key = ("authorization", "Bearer the-key-of-the-cpts");
    let ask = async |path: &str| get_with(&publish, path, &[key]).await;

    // Search, facets and cursors: as if there were nothing else.
    let reply = ask("/api/v1/vacancies?facets=true").await;
    assert_eq!(titles(&reply.json()), ["Infirmier de nuit (F/H)"]);
    assert_eq!(reply.json()["facets"]["family"], json!({ "nursing": 1 }));
    assert_eq!(reply.header("ratelimit-policy"), "\"consumer\";q=8;w=3600");
    assert_eq!(left(&reply), 7);
    let vary: Vec<_> = reply.headers.get_all("vary").iter().collect();
    assert!(vary.iter().any(|v| *v == "authorization"), "{vary:?}");
    let reply = ask("/api/v1/vacancies?family=care").await;
    assert_eq!(reply.json()["total"], 0);

    // Delta and snapshot agree; what it may not see is gone for it.
    let changes = ask("/api/v1/changes").await.json();
    let ops: Vec<_> = changes["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| &i["op"])
        .collect();
    assert_eq!(ops, ["upsert", "delete", "delete"]);
    assert!(!changes.to_string().contains("Auxiliaire"));
    let snapshot = ask("/api/v1/snapshot").await.text();
    assert_eq!(snapshot.lines().count(), 1);
    let everybody = get(&publish, "/api/v1/snapshot").await.text();
    assert_eq!(everybody.lines().count(), 3);
    assert!(everybody.contains(&snapshot));
    let other = vacancy(3, "", |_| {}).id;
    assert_eq!(ask(&format!("/api/v1/vacancies/{other}")).await.status, 404);
    assert_eq!(
        get(&publish, &format!("/api/v1/vacancies/{other}"))
            .await
            .status,
        200
    );

    // A cursor of one part of the offers is of no use for another: nobody has told of the rest.
    let own = changes["next_cursor"].as_str().unwrap();
    let path = format!("/api/v1/changes?cursor={own}");
    assert_eq!(get(&publish, &path).await.status, 410);
    let near = [("authorization", "Bearer another-key")];
    assert_eq!(get_with(&publish, &path, &near).await.status, 410);
    let fresh = get_with(&publish, "/api/v1/snapshot", &near).await;
    let cursor = fresh.header("passerelle-cursor");
    let path = format!("/api/v1/changes?cursor={cursor}");
    assert_eq!(get_with(&publish, &path, &near).await.status, 200);

    // The quota: eight requests, whatever they were.
    for expected in [2, 1, 0] {
        let reply = ask("/api/v1/members").await;
        assert_eq!(reply.status, 200);
        assert_eq!(left(&reply), expected);
    }
    let reply = ask("/api/v1/members").await;
    assert_eq!(reply.status, 429);
    assert_eq!(reply.header("content-type"), "application/problem+json");
    assert_eq!(left(&reply), 0);
    let wait: u32 = reply.header("retry-after").parse().unwrap();
    assert!((1..=3600).contains(&wait), "{wait}");
    assert!(reply.header("ratelimit").ends_with(&format!(";t={wait}")));
    assert_eq!(
        reply.json()["type"],
        "https://iana.org/assignments/http-problem-types#quota-exceeded"
    );
    assert_eq!(reply.json()["violated-policies"], json!(["consumer"]));

    // Another's key, no key, a wrong one.
    let near = [("authorization", "bearer another-key")];
    let reply = get_with(&publish, "/api/v1/vacancies", &near).await;
    assert_eq!(titles(&reply.json()), ["Auxiliaire de vie"]);
    assert_eq!(reply.header("ratelimit"), "");
    assert_eq!(get(&publish, "/api/v1/vacancies").await.json()["total"], 3);
    for wrong in [
        "Bearer the-key-of-the-cpt",
        "Basic dTpw",
        "Bearer",
        "Bearer ",
    ] {
        let reply = get_with(&publish, "/api/v1/vacancies", &[("authorization", wrong)]).await;
        assert_eq!(reply.status, 401, "{wrong}");
        assert_eq!(reply.header("www-authenticate"), "Bearer");
    }
    assert!(
        Consumer::new("x", "k", None, "famly=care")
            .unwrap_err()
            .contains("famly")
    );
    assert!(Consumer::new("x", "k", None, "q=ide").is_err());
}

#[tokio::test]
async fn an_address_without_a_key_is_counted_and_told() {
    use axum::extract::ConnectInfo;
    use std::net::SocketAddr;
    let quota = Quota {
        requests: 3,
        seconds: 3600,
    };
    let publish = publishing_with(&three(), |settings| {
        let proxies = crate::fetch::AllowList::parse(&["127.0.0.1"]).unwrap();
        settings.anonymous = Arc::new(Anonymous::new(Some(quota), proxies));
        settings.consumers =
            Consumers::new(vec![Consumer::new("a", "the-key-of-a", None, "").unwrap()]);
    });
    let ask = async |from: &str, path: &str, headers: &[(&str, &str)]| {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let peer: SocketAddr = from.parse().unwrap();
        let request = request.extension(ConnectInfo(peer));
        send(&publish, request.body(Body::empty()).unwrap()).await
    };
    let reader = "198.51.100.1:4711";
    for (path, left) in [
        ("/api/v1/vacancies", 2),
        ("/feeds/atom.xml", 1),
        ("/exports/csv.csv", 0),
    ] {
        let reply = ask(reader, path, &[]).await;
        assert_ne!(reply.status, 429, "{path}");
        assert_eq!(
            reply.header("ratelimit-policy"),
            "\"address\";q=3;w=3600",
            "{path}"
        );
        let told = reply.header("ratelimit");
        assert!(
            told.starts_with(&format!("\"address\";r={left};t=")),
            "{told}"
        );
    }
    let spent = ask(reader, "/api/v1/vacancies", &[]).await;
    assert_eq!(spent.status, 429);
    assert_eq!(spent.header("content-type"), "application/problem+json");
    assert!(spent.header("retry-after").parse::<u32>().unwrap() > 0);
    assert_eq!(spent.json()["violated-policies"], json!(["address"]));
    // Candidates are not counted, other readers and those with a key neither.
    assert_eq!(ask(reader, "/", &[]).await.status, 200);
    let other = ask("198.51.100.2:1", "/api/v1/vacancies", &[]).await;
    assert_eq!(other.status, 200);
    let key = [("authorization", "Bearer the-key-of-a")];
    assert_eq!(ask(reader, "/api/v1/vacancies", &key).await.status, 200);
    // Who guesses keys is.
    let guess = [("authorization", "Bearer the-key-of-b")];
    assert_eq!(ask(reader, "/api/v1/vacancies", &guess).await.status, 429);
    // Behind the proxy, the reader is whom it names.
    let proxy = "127.0.0.1:1";
    let named = [("x-forwarded-for", "198.51.100.1")];
    assert_eq!(ask(proxy, "/api/v1/vacancies", &named).await.status, 429);
    let named = [("x-forwarded-for", "198.51.100.3")];
    assert_eq!(ask(proxy, "/api/v1/vacancies", &named).await.status, 200);
}
