//! What every route makes of paths, methods and headers.

use super::{get, get_with, send, three};
use crate::publish::testing::{publishing, publishing_with, vacancy};
use axum::{body::Body, http::Request};

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
