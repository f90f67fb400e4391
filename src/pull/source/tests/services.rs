//! Services on loopback that behave, and misbehave, as real ones do.

use super::{connector, pull, pull_after};
use crate::store::{ConnectorState, SnapshotKind};
use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Serves `router` on a free port of this machine.
pub async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn offers(range: std::ops::Range<u64>) -> Value {
    range
        .map(|n| json!({"id": n, "title": format!("Offre {n}")}))
        .collect()
}

fn source(base: &str, more: &str) -> String {
    format!(
        "name = \"x\"\n[records]\npath = \"jobs\"\ntotal = \"total\"\n[fields]\nreference = \"id\"\ntitle = \"title\"\n\
         [source]\nkind = \"json\"\nurl = \"{base}/jobs\"\n{more}"
    )
}

type Params = Query<HashMap<String, String>>;

fn number(params: &HashMap<String, String>, name: &str, default: u64) -> u64 {
    params
        .get(name)
        .and_then(|v| v.parse().ok())
        .unwrap_or(default)
}

#[tokio::test]
async fn every_paging_reaches_the_end() {
    let router = Router::new()
        .route(
            "/offset/jobs",
            get(|Query(p): Params| async move {
                let from = number(&p, "offset", 0);
                // Clamps what it is asked for, silently.
                axum::Json(json!({"total": 23, "jobs": offers(from..(from + 5).min(23))}))
            }),
        )
        .route(
            "/page/jobs",
            get(|Query(p): Params| async move {
                let page = number(&p, "page", 1);
                axum::Json(json!({"jobs": offers((page - 1) * 10..(page * 10).min(23))}))
            }),
        )
        .route(
            "/next/jobs",
            get(|Query(p): Params| async move {
                let from = number(&p, "from", 0);
                let next = (from + 10 < 23).then(|| format!("jobs?from={}", from + 10));
                axum::Json(
                    json!({"links": {"next": next}, "jobs": offers(from..(from + 10).min(23))}),
                )
            }),
        )
        .route(
            "/link/jobs",
            get(|Query(p): Params| async move {
                let from = number(&p, "from", 0);
                let mut headers = HeaderMap::new();
                if from + 10 < 23 {
                    let link = format!(
                        "</link/jobs?from=0>; rel=\"first\", </link/jobs?from={}>; rel=\"next\"",
                        from + 10
                    );
                    headers.insert(header::LINK, link.parse().expect("a header"));
                }
                (
                    headers,
                    axum::Json(json!({"jobs": offers(from..(from + 10).min(23))})),
                )
            }),
        )
        .route(
            "/cursor/jobs",
            post(|axum::Json(body): axum::Json<Value>| async move {
                let from: u64 = body["token"]
                    .as_str()
                    .and_then(|t| t.parse().ok())
                    .unwrap_or(0);
                assert_eq!(body["facets"], json!({}));
                let next = (from + 10 < 23).then(|| (from + 10).to_string());
                axum::Json(json!({"next": next, "jobs": offers(from..(from + 10).min(23))}))
            }),
        )
        .route(
            "/range/jobs",
            get(|Query(p): Params| async move {
                let range = p.get("range").cloned().unwrap_or_default();
                let (first, last) = range.split_once('-').expect("a range");
                let (first, last): (u64, u64) =
                    (first.parse().expect("first"), last.parse().expect("last"));
                let content = format!("items {first}-{}/23", last.min(22));
                (
                    StatusCode::PARTIAL_CONTENT,
                    [(header::CONTENT_RANGE, content)],
                    axum::Json(json!({"jobs": offers(first..(last + 1).min(23))})),
                )
            }),
        );
    let base = serve(router).await;
    for (path, paging) in [
        (
            "offset",
            "[source.paging]\nkind = \"offset\"\nsize = 100\nsize_param = \"limit\"",
        ),
        ("page", "[source.paging]\nkind = \"page\"\nsize = 10"),
        (
            "next",
            "[source.paging]\nkind = \"next_link\"\npath = \"links.next\"",
        ),
        ("link", "[source.paging]\nkind = \"link_header\""),
        (
            "cursor",
            "method = \"POST\"\nbody = { facets = {} }\n[source.paging]\nkind = \"cursor\"\nparam = \"token\"\npath = \"next\"\ncarrier = \"body\"",
        ),
        (
            "range",
            "[source.paging]\nkind = \"content_range\"\nsize = 10",
        ),
    ] {
        let (basket, end) = pull(&connector(&source(&format!("{base}/{path}"), paging))).await;
        assert_eq!(
            (end.snapshot, end.error),
            (SnapshotKind::Complete, None),
            "{path}"
        );
        assert_eq!(basket.records.len(), 23, "{path}");
    }
}

#[tokio::test]
async fn paging_that_does_not_add_up_is_partial() {
    let router = Router::new()
        // The same page for ever.
        .route(
            "/loop/jobs",
            get(|| async { axum::Json(json!({"jobs": offers(0..10)})) }),
        )
        // The total changes mid-way, and one offer slips between two pages.
        .route(
            "/shift/jobs",
            get(|Query(p): Params| async move {
                let from = number(&p, "offset", 0);
                let total = if from == 0 { 20 } else { 19 };
                axum::Json(
                    json!({"total": total, "jobs": offers(if from == 0 { 0..10 } else { 11..20 })}),
                )
            }),
        )
        // The second page is an error.
        .route(
            "/error/jobs",
            get(|Query(p): Params| async move {
                if number(&p, "offset", 0) == 0 {
                    axum::Json(json!({"total": 20, "jobs": offers(0..10)})).into_response()
                } else {
                    StatusCode::BAD_GATEWAY.into_response()
                }
            }),
        )
        .route(
            "/short/jobs",
            get(|| async { axum::Json(json!({"total": 20, "jobs": offers(0..10)})) }),
        );
    let base = serve(router).await;
    let offset = "[source.paging]\nkind = \"offset\"\nsize = 10";
    for (path, paging, read) in [
        ("loop", "[source.paging]\nkind = \"page\"\nsize = 10", 10),
        ("shift", offset, 19),
        ("error", offset, 10),
        ("short", "", 10),
    ] {
        let (basket, end) = pull(&connector(&source(&format!("{base}/{path}"), paging))).await;
        assert_eq!(end.snapshot, SnapshotKind::Partial, "{path}");
        assert!(end.error.is_some(), "{path}");
        assert_eq!(basket.records.len(), read, "{path}");
    }
}

#[tokio::test]
async fn answers_that_are_no_feed_fail() {
    let router = Router::new()
        .route(
            "/500/jobs",
            get(|| async {
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "<html><h1>Oups</h1></html>",
                )
            }),
        )
        .route(
            "/login/jobs",
            get(|| async {
                axum::response::Html("<!doctype html><html><form>Connexion</form></html>")
            }),
        )
        .route(
            "/dead/jobs",
            get(|| async { axum::Json(json!({"error": "unknown company"})) }),
        )
        .route(
            "/metadata/jobs",
            get(|| async {
                (
                    StatusCode::FOUND,
                    [(header::LOCATION, "http://169.254.169.254/latest/meta-data")],
                )
            }),
        )
        .route(
            "/round/jobs",
            get(|| async { (StatusCode::FOUND, [(header::LOCATION, "/round/jobs")]) }),
        )
        .route(
            "/empty/jobs",
            get(|| async { axum::Json(json!({"total": 0, "jobs": []})) }),
        )
        .route("/nothing/jobs", get(|| async { "" }));
    let base = serve(router).await;
    for (path, kind, says) in [
        ("500", SnapshotKind::Failed, "HTTP 500: Oups"),
        ("login", SnapshotKind::Failed, "HTML"),
        ("dead", SnapshotKind::Failed, "no list"),
        ("metadata", SnapshotKind::Failed, "private address"),
        ("round", SnapshotKind::Failed, "redirected"),
        ("gone", SnapshotKind::Failed, "404"),
        ("empty", SnapshotKind::Empty, ""),
        ("nothing", SnapshotKind::Empty, ""),
    ] {
        let (basket, end) = pull(&connector(&source(&format!("{base}/{path}"), ""))).await;
        assert_eq!(end.snapshot, kind, "{path}: {:?}", end.error);
        assert!(end.error.unwrap_or_default().contains(says), "{path}");
        assert!(basket.records.is_empty(), "{path}");
    }
    let (_, end) = pull(&connector(&source("http://127.0.0.1:1", ""))).await;
    assert_eq!(end.snapshot, SnapshotKind::Failed);
    let (_, end) = pull(&connector(&source("http://10.0.0.1", ""))).await;
    assert!(end.error.unwrap_or_default().contains("allow_hosts"));
}

/// Declares a length, sends half of it and closes.
async fn closing_half_way() -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0u8; 2048];
            let _ = socket.read(&mut request).await;
            let whole = json!({"jobs": offers(0..50)}).to_string();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", whole.len());
            let _ = socket.write_all(head.as_bytes()).await;
            let _ = socket.write_all(&whole.as_bytes()[..whole.len() / 2]).await;
            let _ = socket.shutdown().await;
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn a_transfer_that_breaks_is_partial() {
    let router = Router::new().route(
        "/stall/jobs",
        get(|| async {
            let start = futures::stream::iter(vec![Ok::<_, std::io::Error>(
                "{\"jobs\": [{\"id\": 1, \"title\": \"a\"}, ".to_owned(),
            )]);
            Body::from_stream(futures::StreamExt::chain(start, futures::stream::pending()))
        }),
    );
    let base = serve(router).await;
    let (basket, end) = pull(&connector(&source(&closing_half_way().await, ""))).await;
    assert_eq!(end.snapshot, SnapshotKind::Partial);
    assert!(!basket.records.is_empty());
    let stalled = source(&format!("{base}/stall"), "[limits]\nidle_seconds = 1\n");
    let (basket, end) = pull(&connector(&stalled)).await;
    assert_eq!(end.snapshot, SnapshotKind::Partial);
    assert!(end.error.unwrap_or_default().contains("stopped sending"));
    assert_eq!(basket.records.len(), 1);
}

#[tokio::test]
async fn unchanged_is_told_by_validators_and_by_bytes() {
    let router = Router::new()
        .route(
            "/etag/jobs",
            get(|headers: HeaderMap| async move {
                if headers
                    .get(header::IF_NONE_MATCH)
                    .is_some_and(|v| v == "\"v1\"")
                {
                    return StatusCode::NOT_MODIFIED.into_response();
                }
                (
                    [(header::ETAG, "\"v1\"")],
                    axum::Json(json!({"jobs": offers(0..3)})),
                )
                    .into_response()
            }),
        )
        .route(
            "/plain/jobs",
            get(|| async { axum::Json(json!({"jobs": offers(0..3)})) }),
        );
    let base = serve(router).await;
    for path in ["etag", "plain"] {
        let connector_of = |more: &str| connector(&source(&format!("{base}/{path}"), more));
        let (_, first) = pull(&connector_of("")).await;
        assert_eq!(first.snapshot, SnapshotKind::Complete, "{path}");
        let (_, second) = pull_after(&connector_of(""), &first.state).await;
        assert_eq!(
            second.snapshot,
            SnapshotKind::Unchanged,
            "{path}: {:?}",
            second.error
        );
        // Another request is another document, whatever its validators were.
        let (basket, third) =
            pull_after(&connector_of("query = { lang = \"fr\" }"), &first.state).await;
        assert_eq!(third.snapshot, SnapshotKind::Complete, "{path}");
        assert_eq!(basket.records.len(), 3);
    }
    // Nothing to confirm: the first read is unconditional.
    let (_, end) = pull_after(
        &connector(&source(&format!("{base}/etag"), "")),
        &ConnectorState {
            etag: Some("\"v1\"".to_owned()),
            ..ConnectorState::default()
        },
    )
    .await;
    assert_eq!(end.snapshot, SnapshotKind::Complete);
}

#[tokio::test]
async fn tokens_are_fetched_renewed_and_kept_from_strangers() {
    #[derive(Clone)]
    struct Service {
        tokens: Arc<AtomicU64>,
        stranger: String,
    }
    async fn token(State(service): State<Service>, body: String) -> Response {
        assert!(
            body.contains("client_id=the-id") && body.contains("client_secret=the-secret"),
            "{body}"
        );
        assert!(body.contains("scope=a+b"));
        let n = service.tokens.fetch_add(1, Ordering::SeqCst) + 1;
        axum::Json(json!({"access_token": format!("t{n}"), "expires_in": 3600})).into_response()
    }
    async fn jobs(
        State(service): State<Service>,
        Query(p): Params,
        headers: HeaderMap,
    ) -> Response {
        let token = headers
            .get(header::AUTHORIZATION)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        let page = number(&p, "page", 1);
        // The first token is withdrawn after the first page.
        let good = if page == 1 { "Bearer t1" } else { "Bearer t2" };
        if token != good {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        let next = match page {
            1 => "jobs?page=2".to_owned(),
            _ => format!("{}/other", service.stranger),
        };
        axum::Json(json!({"next": next, "jobs": offers(page * 10..page * 10 + 3)})).into_response()
    }
    let stranger = serve(Router::new().route(
        "/other",
        get(|headers: HeaderMap| async move {
            assert!(headers.get(header::AUTHORIZATION).is_none() && headers.get("x-key").is_none());
            axum::Json(json!({"jobs": offers(90..91)}))
        }),
    ))
    .await;
    let service = Service {
        tokens: Arc::default(),
        stranger,
    };
    let base = serve(
        Router::new()
            .route("/token", post(token))
            .route("/jobs", get(jobs))
            .with_state(service.clone()),
    )
    .await;
    let more = format!(
        "headers = {{ X-Key = {{ env = \"SECRET\" }} }}\n[source.paging]\nkind = \"next_link\"\npath = \"next\"\n[source.auth]\nkind = \"oauth2\"\ntoken_url = \"{base}/token\"\n\
         client_id = {{ env = \"ID\" }}\nclient_secret = {{ env = \"SECRET\" }}\nscope = \"a b\"\n"
    );
    let (basket, end) = pull(&connector(&source(&base, &more))).await;
    assert_eq!((end.snapshot, end.error), (SnapshotKind::Complete, None));
    assert_eq!(basket.records.len(), 7);
    assert_eq!(service.tokens.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn details_are_fetched_and_their_failures_are_one_records() {
    let router = Router::new()
        .route(
            "/jobs",
            get(|| async { axum::Json(json!({"total": 4, "jobs": offers(0..4)})) }),
        )
        .route(
            "/detail/{id}",
            get(
                |axum::extract::Path(id): axum::extract::Path<u64>| async move {
                    match id {
                        2 => StatusCode::NOT_FOUND.into_response(),
                        3 => StatusCode::FORBIDDEN.into_response(),
                        _ => axum::Json(json!({"ad": {"text": format!("texte {id}")}}))
                            .into_response(),
                    }
                },
            ),
        );
    let base = serve(router).await;
    let more = format!("[source.detail]\nurl = \"{base}/detail/{{{{ id }}}}\"\n");
    let (basket, end) = pull(&connector(&source(&base, &more))).await;
    assert_eq!((end.snapshot, end.error), (SnapshotKind::Complete, None));
    assert_eq!(basket.records.len(), 2);
    assert_eq!(
        basket.records[1],
        json!({"id": 1, "title": "Offre 1", "ad": {"text": "texte 1"}})
    );
    // The one that is gone is no longer listed; the one that is forbidden is refused, not missing.
    assert_eq!(basket.broken.len(), 1);
    assert_eq!(basket.broken[0].0.as_deref(), Some("3"));
}

#[tokio::test]
async fn busy_services_are_waited_for() {
    let tries = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&tries);
    let router = Router::new().route(
        "/jobs",
        get(move || {
            let n = seen.fetch_add(1, Ordering::SeqCst);
            async move {
                match n {
                    0 => (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")])
                        .into_response(),
                    1 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
                    _ => axum::Json(json!({"jobs": offers(0..2)})).into_response(),
                }
            }
        }),
    );
    let base = serve(router).await;
    let start = std::time::Instant::now();
    let (basket, end) = pull(&connector(&source(&base, ""))).await;
    assert_eq!(end.snapshot, SnapshotKind::Complete);
    assert_eq!(basket.records.len(), 2);
    assert_eq!(tries.load(Ordering::SeqCst), 3);
    assert!(start.elapsed() >= Duration::from_secs(1));
}

fn references(basket: &super::Basket) -> Vec<i64> {
    let ids = basket.records.iter().map(|record| record["id"].as_i64());
    ids.map(|id| id.expect("a number")).collect()
}

#[tokio::test]
async fn filters_windows_and_repeated_keys() {
    let router = Router::new().route(
        "/jobs",
        get(|| async {
            axum::Json(json!({"total": 4, "jobs": [
            {"id": 1, "title": "a", "dep": "70"}, {"id": 2, "title": "b", "dep": "25"},
            {"id": 1, "title": "a", "dep": "70"}, {"id": 3, "title": "c"}]}))
        }),
    );
    let base = serve(router).await;
    let text =
        source(&base, "").replace("path = \"jobs\"", "path = \"jobs\"\nkeep = \"dep == '70'\"");
    let (basket, end) = pull(&connector(&text)).await;
    // What one document repeats is handed on: the run counts it, and says so.
    assert_eq!(references(&basket), [1, 1]);
    assert_eq!(end.snapshot, SnapshotKind::Complete);
    let text =
        source(&base, "").replace("path = \"jobs\"", "path = \"jobs\"\nsemantics = \"window\"");
    let (basket, end) = pull(&connector(&text)).await;
    assert_eq!(references(&basket), [1, 2, 1, 3]);
    assert_eq!((end.snapshot, end.error), (SnapshotKind::Partial, None));
}

#[tokio::test]
async fn secrets_do_not_reach_error_texts() {
    let base = serve(Router::new()).await;
    let text = format!(
        "name = \"x\"\n[records]\npath = \"jobs\"\n[fields]\nreference = \"id\"\ntitle = \"title\"\n\
         [source]\nkind = \"json\"\nurl = \"{base}/feed/${{env:SECRET}}/json\"\nquery = {{ key = {{ env = \"SECRET\" }} }}\n"
    );
    let (_, end) = pull(&connector(&text)).await;
    let error = end.error.unwrap_or_default();
    assert!(
        error.contains("404") && !error.contains("the-secret"),
        "{error}"
    );
    let missing = text.replace("env:SECRET", "env:NOT_THERE");
    let (_, end) = pull(&connector(&missing)).await;
    assert_eq!(end.snapshot, SnapshotKind::Failed);
    assert!(end.error.unwrap_or_default().contains("NOT_THERE"));
}
