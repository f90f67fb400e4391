use super::{Reply, get, get_with, send};
use crate::{
    model::TombstoneReason,
    publish::{
        Anonymous, Consumer, Consumers, Quota,
        testing::{Shop, publishing, publishing_with, vacancy},
    },
};
use axum::{body::Body, http::Request};
use serde_json::json;
use std::sync::Arc;

fn three() -> Arc<Shop> {
    let shop = Arc::new(Shop::default());
    shop.publish(&vacancy(1, "ch-exemple", |_| {}));
    shop.publish(&vacancy(2, "ch-exemple", |v| {
        v["title"] = "Aide-soignante de jour".into();
        v["title_canonical"] = "Aide-soignant / Aide-soignante".into();
        v["occupation"] = json!({ "rome": "J1501", "rome_v3": "J1501", "family": "care" });
        v["contract"]["form"] = "cdd".into();
        v["working_time"] = json!({ "time": "part" });
        v["published"] = "2026-11-10T08:00:00Z".into();
        v["updated"] = "2026-11-10T08:00:00Z".into();
    }));
    shop.publish(&vacancy(3, "aide-domicile", |v| {
        v["title"] = "Auxiliaire de vie".into();
        v["title_canonical"] = "Auxiliaire de vie".into();
        v["employer"]["name"] = "Aide à domicile fictive".into();
        v["places"][0]["name"] = "Besançon".into();
        v["places"][0]["insee"] = "25056".into();
        v["places"][0]["department"] = "25".into();
        v["places"][0]["lat"] = 47.2378.into();
        v["places"][0]["lon"] = 6.0241.into();
        v["occupation"] = json!({ "rome": "K1304", "family": "care" });
        v["published"] = "2026-11-20T08:00:00Z".into();
        v["updated"] = "2026-11-20T08:00:00Z".into();
    }));
    shop
}

fn titles(reply: &serde_json::Value) -> Vec<&str> {
    reply["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["title"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn filters_words_and_orders() {
    let publish = publishing(&three());
    for (query, expected) in [
        (
            "",
            vec![
                "Auxiliaire de vie",
                "Aide-soignante de jour",
                "Infirmier de nuit (F/H)",
            ],
        ),
        (
            "sort=updated",
            vec![
                "Auxiliaire de vie",
                "Infirmier de nuit (F/H)",
                "Aide-soignante de jour",
            ],
        ),
        (
            "sort=title",
            vec![
                "Aide-soignante de jour",
                "Auxiliaire de vie",
                "Infirmier de nuit (F/H)",
            ],
        ),
        ("q=ide+nuit+vesoul", vec!["Infirmier de nuit (F/H)"]),
        ("q=infirmiere", vec!["Infirmier de nuit (F/H)"]),
        ("q=infrimier", vec!["Infirmier de nuit (F/H)"]),
        (
            "q=aides+soignants+vesoul",
            vec!["Aide-soignante de jour", "Infirmier de nuit (F/H)"],
        ),
        ("q=as", vec!["Aide-soignante de jour"]),
        ("q=besancon", vec!["Auxiliaire de vie"]),
        ("q=astronaute", vec![]),
        (
            "family=care&member=ch-exemple",
            vec!["Aide-soignante de jour"],
        ),
        (
            "family=care,nursing&department=70",
            vec!["Aide-soignante de jour", "Infirmier de nuit (F/H)"],
        ),
        ("contract=cdd", vec!["Aide-soignante de jour"]),
        ("time=part", vec!["Aide-soignante de jour"]),
        ("rome=k1304", vec!["Auxiliaire de vie"]),
        ("commune=25056", vec!["Auxiliaire de vie"]),
        (
            "since=2026-11-11",
            vec!["Auxiliaire de vie", "Infirmier de nuit (F/H)"],
        ),
        ("since=2026-11-12T08:00:00Z&until=", vec![]),
    ] {
        let reply = get(&publish, &format!("/api/v1/vacancies?{query}")).await;
        if query.contains("until") {
            assert_eq!(reply.status, 400, "unknown parameters are named");
            continue;
        }
        let answer = reply.json();
        assert_eq!(titles(&answer), expected, "{query}");
        assert_eq!(answer["total"], expected.len(), "{query}");
    }
}

#[tokio::test]
async fn pages_are_complete_and_bound_to_their_question() {
    let publish = publishing(&three());
    for query in [
        "sort=published",
        "sort=title",
        "q=vesoul+besancon",
        "family=care",
    ] {
        let whole = get(&publish, &format!("/api/v1/vacancies?{query}"))
            .await
            .json();
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = get(
                &publish,
                &format!("/api/v1/vacancies?{query}&limit=1&cursor={cursor}"),
            )
            .await
            .json();
            seen.extend(page["items"].as_array().unwrap().clone());
            assert_eq!(page["total"], whole["total"]);
            match page["next_cursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(&seen, whole["items"].as_array().unwrap(), "{query}");
    }
    let page = get(&publish, "/api/v1/vacancies?limit=1").await.json();
    let cursor = page["next_cursor"].as_str().unwrap();
    for (query, says) in [
        (
            format!("limit=1&cursor={cursor}&sort=title"),
            "another filter",
        ),
        (format!("cursor={cursor}x"), "no cursor"),
        ("cursor=AAAA".into(), "no cursor"),
    ] {
        let reply = get(&publish, &format!("/api/v1/vacancies?{query}")).await;
        assert_eq!(reply.status, 400);
        assert!(reply.text().contains(says), "{}", reply.text());
    }
}

#[tokio::test]
async fn hostile_questions_get_clear_refusals() {
    let publish = publishing(&three());
    let long = format!("q={}", "a".repeat(10_000));
    let many = "family=nursing&".repeat(500);
    for query in [
        "limit=0",
        "limit=-1",
        "limit=1001",
        "limit=1e3",
        "limit=1&limit=2",
        "q=%00",
        "q=%ff",
        "q=%ed%a0%80",
        "since=2026-02-30",
        "since=yesterday",
        "family=x",
        "sort=%27+OR+1%3D1",
        "sort=distance",
        "radius_km=10",
        "radius_km=NaN&commune=70550",
        "radius_km=inf&commune=70550",
        "commune=../etc",
        "rome=J15",
        "page=2",
        "%3Cscript%3E=1",
        "time=full&time=never",
        "facets=yes",
        long.as_str(),
        many.as_str(),
    ] {
        let reply = get(&publish, &format!("/api/v1/vacancies?{query}")).await;
        assert_eq!(reply.status, 400, "{query}");
        assert_eq!(reply.header("content-type"), "application/problem+json");
        let problem = reply.json();
        assert_eq!(problem["status"], 400);
        assert!(!problem["errors"].as_array().unwrap().is_empty());
        assert!(reply.body.len() < 40_000, "{query}");
    }
    insta::assert_json_snapshot!(
        get(
            &publish,
            "/api/v1/vacancies?limit=0&colour=red&family=nurse"
        )
        .await
        .json()
    );
}

#[tokio::test]
async fn hostile_paths_and_headers_get_clear_answers() {
    let publish = publishing_with(&three(), |settings| {
        settings.admin_key = Some(blake3::hash(b"the-key"));
    });
    let id = vacancy(1, "", |_| {}).id;
    let key = ("authorization", "Bearer the-key");
    let deep = format!("/api{}", "/..".repeat(2000));
    for (path, status) in [
        ("/api/v1/vacancies/%ff", 400),
        ("/api/v1/vacancies/%00", 400),
        ("/api/v1/vacancies/%ed%a0%80", 400),
        ("/api/v1/webhooks/%ff", 400),
        ("/api/v1/webhooks/..%2f..%2fetc%2fpasswd", 404),
        ("/api/v1/%2e%2e/%2e%2e/etc/passwd", 404),
        ("/exports/%ff", 400),
        ("/exports/%ff/%ff.xml", 400),
        ("/exports/..%2f..%2fCargo.toml", 404),
        ("/exports/linkedin.xml%00.html", 404),
        ("/exports/linkedin/..%2f..%2fx.xml", 404),
        ("/sitemap-%ff.xml", 400),
        ("/sitemap-0.xml", 404),
        ("/sitemap-18446744073709551616.xml", 404),
        ("/api/v1/changes?cursor=%00", 400),
        ("/api/v1/changes/stream?cursor=%ff", 400),
        ("/api/v1/snapshot?x=1", 400),
        (deep.as_str(), 404),
    ] {
        let reply = get_with(&publish, path, &[key]).await;
        // The administration's key is nobody's for reading.
        let expected = if path.contains("webhooks") {
            status
        } else {
            401
        };
        assert_eq!(reply.status, expected, "{path} with a key");
        if path.contains("webhooks") {
            assert_eq!(reply.header("content-type"), "application/problem+json");
            continue;
        }
        let reply = get(&publish, path).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.text());
        assert_eq!(
            reply.header("content-type"),
            "application/problem+json",
            "{path}"
        );
        assert_eq!(reply.json()["status"], status, "{path}");
        assert!(reply.body.len() < 2_000, "{path}");
    }
    // Headers that mean nothing here change nothing.
    for (name, value) in [
        ("range", "bytes=999999999-"),
        ("range", "bytes=0-1"),
        ("if-none-match", "\"\u{e9}\", garbage, W/"),
        ("if-match", "\"x\""),
        ("accept", "text/nothing"),
        ("accept-encoding", "gzip;q=NaN, br;q=2, nothing"),
        ("x-forwarded-for", "\u{e9}, 1.2.3.4, ]["),
        ("content-length", "0"),
    ] {
        let path = format!("/api/v1/vacancies/{id}");
        let reply = get_with(&publish, &path, &[(name, value)]).await;
        assert_eq!(reply.status, 200, "{name}: {value}");
        let read: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        assert!(reply.headers.contains_key("content-encoding") || read["id"].is_string());
    }
}

#[tokio::test]
async fn only_what_reads_is_taken() {
    let publish = publishing(&three());
    for path in [
        "/api/v1/vacancies",
        "/api/v1/changes",
        "/api/v1/changes/stream",
        "/api/v1/snapshot",
        "/feeds/atom.xml",
        "/exports/linkedin.xml",
        "/sitemap.xml",
        "/api/openapi.json",
    ] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
            let request = Request::builder().method(method).uri(path);
            let reply = send(&publish, request.body(Body::from("x")).unwrap()).await;
            assert_eq!(reply.status, 405, "{method} {path}");
            assert_eq!(reply.header("allow"), "GET,HEAD", "{method} {path}");
            assert_eq!(reply.header("content-type"), "application/problem+json");
        }
        let preflight = Request::builder()
            .method("OPTIONS")
            .uri(path)
            .header("origin", "https://a.example")
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "authorization");
        let reply = send(&publish, preflight.body(Body::empty()).unwrap()).await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.header("access-control-allow-origin"), "*");
        assert!(
            reply
                .header("access-control-allow-headers")
                .contains("authorization")
        );
    }
}

#[tokio::test]
async fn one_vacancy_by_every_id_that_it_had() {
    let shop = three();
    let publish = publishing(&shop);
    let live = vacancy(1, "ch-exemple", |_| {});
    let reply = get(&publish, &format!("/api/v1/vacancies/{}", live.id)).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body, crate::model::canonical_json(&live).unwrap());

    // Of a posting that belongs to it, and of a vacancy that was merged into it.
    let posting = vacancy(77, "", |_| {}).id;
    shop.aliases.lock().unwrap().insert(posting, live.id);
    let merged = vacancy(2, "", |_| {}).id;
    shop.close(merged, TombstoneReason::Merged, Some(live.id));
    for id in [posting, merged] {
        let reply = get(&publish, &format!("/api/v1/vacancies/{id}")).await;
        assert_eq!(reply.status, 301);
        assert_eq!(
            reply.header("location"),
            format!("/api/v1/vacancies/{}", live.id)
        );
    }

    shop.close(live.id, TombstoneReason::Filled, None);
    let reply = get(&publish, &format!("/api/v1/vacancies/{}", live.id)).await;
    assert_eq!(
        (
            reply.status.as_u16(),
            reply.json()["reason"].as_str().unwrap()
        ),
        (410, "filled")
    );
    assert_eq!(
        get(&publish, &format!("/api/v1/vacancies/{merged}"))
            .await
            .status,
        410
    );

    let unknown = uuid::Uuid::from_u128(9);
    assert_eq!(
        get(&publish, &format!("/api/v1/vacancies/{unknown}"))
            .await
            .status,
        404
    );
    assert_eq!(get(&publish, "/api/v1/vacancies/1%27").await.status, 400);
    assert_eq!(get(&publish, "/api/v1/nothing").await.status, 404);
    let post = Request::post("/api/v1/vacancies")
        .body(Body::empty())
        .unwrap();
    let reply = send(&publish, post).await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("allow")),
        (405, "GET,HEAD")
    );
}

#[tokio::test]
async fn a_field_that_no_vacancy_has_is_refused_with_those_there_are() {
    let publish = publishing(&three());
    let one = format!("/api/v1/vacancies/{}", vacancy(1, "", |_| {}).id);
    for path in ["/api/v1/vacancies", &one] {
        let reply = get(&publish, &format!("{path}?fields=id,titel")).await;
        assert_eq!(reply.status, 400, "{path}");
        let error = reply.json()["errors"][0].clone();
        assert_eq!(error["value"], "titel");
        assert!(error["message"].as_str().unwrap().contains("title,"));
        let every = "title,places,sources,member,visibility,apply,description";
        let reply = get(&publish, &format!("{path}?fields={every}")).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    }
}

#[tokio::test]
async fn facets_count_what_another_choice_would_give() {
    let publish = publishing(&three());
    let reply = get(
        &publish,
        "/api/v1/vacancies?facets=true&family=care&fields=title",
    )
    .await;
    insta::assert_json_snapshot!(reply.json());
}

#[tokio::test]
async fn changes_and_snapshot_agree_byte_by_byte() {
    let shop = three();
    let publish = publishing(&shop);
    let first = get(&publish, "/api/v1/changes?limit=2").await.json();
    assert_eq!(first["has_more"], true);
    shop.close(vacancy(3, "", |_| {}).id, TombstoneReason::Filled, None);
    let cursor = first["next_cursor"].as_str().unwrap();
    let reply = get(&publish, &format!("/api/v1/changes?cursor={cursor}")).await;
    insta::assert_json_snapshot!(reply.json());

    let snapshot = get(&publish, "/api/v1/snapshot").await;
    assert_eq!(snapshot.header("content-type"), "application/x-ndjson");
    let text = snapshot.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines.is_sorted());
    let all = get(&publish, "/api/v1/changes").await.text();
    for line in lines {
        assert!(all.contains(&format!("\"vacancy\":{line}")));
    }
    let resume = snapshot.header("passerelle-cursor");
    let after = get(&publish, &format!("/api/v1/changes?cursor={resume}"))
        .await
        .json();
    assert_eq!(after["items"], json!([]));
    assert_eq!(after["next_cursor"], resume);
}

#[tokio::test]
async fn old_cursors_expire_and_forged_ones_are_refused() {
    let shop = three();
    let publish = publishing(&shop);
    let old = get(&publish, "/api/v1/changes?limit=1").await.json();
    let old = old["next_cursor"].as_str().unwrap();
    assert_eq!(
        get(&publish, &format!("/api/v1/changes?cursor={old}"))
            .await
            .status,
        200
    );
    shop.meta
        .lock()
        .unwrap()
        .insert("changes.floor".into(), "2".into());
    let reply = get(&publish, &format!("/api/v1/changes?cursor={old}")).await;
    assert_eq!(reply.status, 410);
    assert!(reply.header("link").contains("/api/v1/snapshot"));
    // A cursor from before the store was restored.
    let ahead = publish
        .codec()
        .changes(999, crate::publish::consumers::Part::WHOLE);
    assert_eq!(
        get(&publish, &format!("/api/v1/changes?cursor={ahead}"))
            .await
            .status,
        410
    );
    for bad in ["0", "12", "%20", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let reply = get(&publish, &format!("/api/v1/changes?cursor={bad}")).await;
        assert_eq!(reply.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn etags_encodings_head_and_cors() {
    let publish = publishing(&three());
    let path = "/api/v1/snapshot";
    let plain = get(&publish, path).await;
    let tag = plain.header("etag").to_owned();
    for encoding in ["gzip", "br", "zstd"] {
        let packed = get_with(&publish, path, &[("accept-encoding", encoding)]).await;
        assert_eq!(packed.header("content-encoding"), encoding);
        let own = packed.header("etag").to_owned();
        assert_ne!(own, tag);
        let again = get_with(
            &publish,
            path,
            &[("accept-encoding", encoding), ("if-none-match", &own)],
        )
        .await;
        assert_eq!(again.status, 304);
        assert!(again.body.is_empty());
        assert!(again.header("vary").contains("accept-encoding"));
    }
    for known in [&tag, "*", &format!("W/{tag}, \"x\"")] {
        assert_eq!(
            get_with(&publish, path, &[("if-none-match", known)])
                .await
                .status,
            304
        );
    }
    assert_eq!(
        get_with(&publish, path, &[("if-none-match", "\"x\"")])
            .await
            .status,
        200
    );

    let head = send(&publish, Request::head(path).body(Body::empty()).unwrap()).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!(head.header("etag"), tag);
    assert_eq!(head.header("content-length"), plain.body.len().to_string());

    let cors = get_with(&publish, path, &[("origin", "https://a.example")]).await;
    assert_eq!(cors.header("access-control-allow-origin"), "*");
    assert!(
        cors.header("access-control-expose-headers")
            .contains("passerelle-cursor")
    );
}

#[tokio::test]
async fn changes_are_streamed_and_go_on_where_the_reader_was() {
    use axum::{body::Body, http::Request};
    use futures::StreamExt;
    use tower::ServiceExt;
    let shop = Arc::new(Shop::default());
    let publish = publishing(&shop);
    let open = async |id: Option<&str>| {
        let mut request = Request::get("/api/v1/changes/stream");
        if let Some(id) = id {
            request = request.header("last-event-id", id);
        }
        let request = request.body(Body::empty()).unwrap();
        let reply = crate::publish::router(publish.clone()).oneshot(request);
        let reply = reply.await.unwrap();
        (
            reply.status().as_u16(),
            reply.into_body().into_data_stream(),
        )
    };
    shop.publish(&vacancy(1, "ch-exemple", |_| {}));
    let (status, mut events) = open(None).await;
    assert_eq!(status, 200);
    let first = String::from_utf8(events.next().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(
        first.contains("event: upsert") && first.contains("data: {\"seq\":1"),
        "{first}"
    );
    // It stays open, and tells what comes.
    let id = vacancy(1, "", |_| {}).id;
    shop.close(id, crate::model::TombstoneReason::Filled, None);
    let second = String::from_utf8(events.next().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(
        second.contains("event: delete") && second.contains("filled"),
        "{second}"
    );
    drop(events);

    let last = second.lines().find_map(|l| l.strip_prefix("id: ")).unwrap();
    shop.publish(&vacancy(2, "ch-exemple", |_| {}));
    let (_, mut events) = open(Some(last)).await;
    let third = String::from_utf8(events.next().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(third.contains("data: {\"seq\":3"), "{third}");
    assert_eq!(open(Some("zzz")).await.0, 400);
}

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
