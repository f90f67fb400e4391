//! Who may see the administration's pages: whoever has the key, or, where no key is set, who sits
//! at the machine itself. Its API answers to the key alone.

use super::{
    Publish,
    respond::{Problem, put},
};
use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::Engine as _;
use std::net::{IpAddr, SocketAddr};

/// Lets a request through that may be answered.
pub async fn guard(State(publish): State<Publish>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let refused = match publish.settings().admin_key {
        Some(wanted) => {
            // Hashes are compared in constant time.
            if key(headers).is_some_and(|key| blake3::hash(key.trim().as_bytes()) == wanted) {
                None
            } else {
                Some(
                    Problem::new(StatusCode::UNAUTHORIZED, None, "Unauthorized").detail(
                        "Donnez la clé d’administration comme mot de passe. Give the administration key as the password.",
                    ),
                )
            }
        }
        None if is_here(&request) => None,
        None => Some(
            Problem::new(StatusCode::FORBIDDEN, Some("no-admin-key"), "Forbidden").detail(
                "Cette page demande une clé : définissez server.admin_key. This page asks for a key: set server.admin_key in the settings.",
            ),
        ),
    };
    let Some(problem) = refused else {
        let mut response = next.run(request).await;
        put(response.headers_mut(), header::CACHE_CONTROL, "no-store");
        return response;
    };
    let mut response = problem.into_response();
    if response.status() == StatusCode::UNAUTHORIZED {
        put(
            response.headers_mut(),
            header::WWW_AUTHENTICATE,
            "Basic realm=\"Passerelle\", charset=\"UTF-8\"",
        );
    }
    response
}

/// Lets a request of the API through: only with `Authorization: Bearer KEY`.
pub async fn bearer(State(publish): State<Publish>, request: Request, next: Next) -> Response {
    let Some(wanted) = publish.settings().admin_key else {
        return Problem::new(StatusCode::FORBIDDEN, Some("no-admin-key"), "Forbidden")
            .detail("The hub is administered with a key: set server.admin_key in the settings.")
            .into_response();
    };
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, key)| blake3::hash(key.trim().as_bytes()));
    // Hashes are compared in constant time.
    if given == Some(wanted) {
        let mut response = next.run(request).await;
        put(response.headers_mut(), header::CACHE_CONTROL, "no-store");
        return response;
    }
    let mut response = Problem::new(StatusCode::UNAUTHORIZED, None, "Unauthorized")
        .detail("Send the hub's administration key: Authorization: Bearer KEY.")
        .into_response();
    put(response.headers_mut(), header::WWW_AUTHENTICATE, "Bearer");
    response
}

/// The key of `Authorization`, as a browser or a program sends it.
fn key(headers: &HeaderMap) -> Option<String> {
    let (scheme, value) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(value.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(value.trim())
        .ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':')
        .map(|(_, password)| password.to_owned())
}

/// Whether the request comes from this machine, for this machine, and through nobody: a proxy in
/// front would make every visitor a neighbour, and a page elsewhere may point its own name here.
fn is_here(request: &Request) -> bool {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let headers = request.headers();
    let forwarded = headers.keys().any(|name| {
        let name = name.as_str();
        name == "forwarded"
            || name == "via"
            || name.starts_with("x-forwarded-")
            || name == "x-real-ip"
    });
    let host = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .and_then(|host| format!("http://{host}").parse::<url::Url>().ok());
    let own_name = host.is_some_and(|url| match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    });
    let neighbour = |address: IpAddr| address.to_canonical().is_loopback();
    peer.is_some_and(|ConnectInfo(peer)| neighbour(peer.ip())) && !forwarded && own_name
}
