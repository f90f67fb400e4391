//! Asking the API for vacancies: words, filters, orders, pages, one by its id.

use super::{get, send, three, titles};
use crate::{
    model::TombstoneReason,
    publish::testing::{publishing, vacancy},
};
use axum::{body::Body, http::Request};

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
