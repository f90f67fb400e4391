//! The router: routes, and what every answer has in common.

use super::{Publish, api, consumers, export, feeds, gate, kit, portal, quota, respond, webhooks};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use std::time::Duration;
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    cors::{Any, CorsLayer},
    timeout::TimeoutLayer,
};

/// An answer takes at most that long to begin; a long poll is the longest.
const PATIENCE: Duration = Duration::from_secs(60);

/// All public routes; other routers (health, metrics, ingest) merge with it.
pub fn router(publish: Publish) -> Router {
    router_with(publish, Router::new())
}

/// As [`router`], with routes of `/api/v1` that the administration's key opens: they answer as all
/// others do, and come after the guard.
pub fn router_with(publish: Publish, administration: Router<Publish>) -> Router {
    let administration = administration.layer(middleware::from_fn_with_state(
        publish.clone(),
        gate::bearer,
    ));
    let open = Router::new()
        .merge(api::routes())
        .merge(feeds::routes())
        .merge(export::routes())
        .method_not_allowed_fallback(async || api::method_not_allowed())
        .layer(middleware::from_fn_with_state(
            publish.clone(),
            consumers::admit,
        ))
        .layer(
            CorsLayer::new()
                .allow_origin(Any)
                .allow_methods([Method::GET, Method::HEAD])
                .allow_headers([
                    header::IF_NONE_MATCH,
                    header::ACCEPT,
                    header::AUTHORIZATION,
                    HeaderName::from_static("last-event-id"),
                ])
                .expose_headers([
                    header::ETAG,
                    header::LINK,
                    header::RETRY_AFTER,
                    api::CURSOR,
                    api::COUNT,
                    quota::POLICY,
                    quota::LIMIT,
                ])
                .max_age(Duration::from_secs(86_400)),
        );
    Router::new()
        .merge(open)
        .merge(portal::routes())
        .merge(kit::routes(&publish))
        .merge(webhooks::routes(&publish))
        .merge(administration)
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn(conditional))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            PATIENCE,
        ))
        .layer(CatchPanicLayer::custom(|_| panicked()))
        .layer(middleware::map_response(problems))
        .layer(middleware::from_fn_with_state(
            publish.clone(),
            common_headers,
        ))
        .with_state(publish)
}

/// What the layers below refuse by themselves (a path that is no UTF-8, a body that is too long, an
/// answer that did not begin in time) is told in the same form as everything else.
async fn problems(response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let told = kind.is_some_and(|kind| {
        let kind = kind.as_bytes();
        kind.starts_with(b"application/problem+json") || kind.starts_with(b"text/html")
    });
    if !(status.is_client_error() || status.is_server_error()) || told {
        return response;
    }
    let title = status.canonical_reason().unwrap_or("Error");
    let mut problem = respond::Problem::new(status, None, title).into_response();
    for name in [header::ALLOW, header::RETRY_AFTER, header::WWW_AUTHENTICATE] {
        if let Some(value) = response.headers().get(&name) {
            problem.headers_mut().insert(name, value.clone());
        }
    }
    problem
}

fn panicked() -> Response {
    respond::Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        None,
        "Internal Server Error",
    )
    .into_response()
}

/// Suffixes that tell the ETags of one document's encodings apart.
const ENCODINGS: [&str; 3] = ["gzip", "br", "zstd"];

/// Answers 304 where the reader has the bytes, and gives each encoding an ETag of its own: a strong
/// one names exactly the bytes sent.
async fn conditional(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let known: Vec<String> = request
        .headers()
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| bare(tag.trim()))
        .collect();
    let mut response = next.run(request).await;
    if !reads || response.status() != StatusCode::OK {
        return response;
    }
    let Some(tag) = response
        .headers()
        .get(header::ETAG)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
    else {
        return response;
    };
    let headers = response.headers_mut();
    if let Some(encoding) = headers
        .get(header::CONTENT_ENCODING)
        .and_then(|value| value.to_str().ok())
        && let Some(inner) = tag.strip_suffix('"')
    {
        let own = format!("{inner}-{encoding}\"");
        respond::put(headers, header::ETAG, &own);
    }
    let mut varies = headers.get_all(header::VARY).iter();
    if !varies.any(|v| v.as_bytes().eq_ignore_ascii_case(b"accept-encoding")) {
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    if known.iter().any(|own| own == "*" || *own == tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
        for name in [
            header::CONTENT_TYPE,
            header::CONTENT_LENGTH,
            header::CONTENT_ENCODING,
        ] {
            response.headers_mut().remove(name);
        }
    }
    response
}

/// The tag without weakness and encoding: `If-None-Match` compares weakly.
fn bare(tag: &str) -> String {
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    let Some(inner) = tag.strip_suffix('"') else {
        return tag.to_owned();
    };
    let inner = ENCODINGS
        .iter()
        .find_map(|encoding| inner.strip_suffix(encoding)?.strip_suffix('-'))
        .unwrap_or(inner);
    format!("{inner}\"")
}

/// Headers of every answer. Nothing but the portal's own files may run or load in its pages.
async fn common_headers(State(_publish): State<Publish>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "strict-origin-when-cross-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let html = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    if html {
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(
                "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
            ),
        );
    }
    response
}
