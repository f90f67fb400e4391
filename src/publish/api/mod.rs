//! API v1: read-only, public, for machines.

mod changes;
mod cursor;
mod network;
mod openapi;
mod params;
mod snapshot;
mod stream;
mod vacancies;

pub(super) use changes::{Item, expired, floor, item};
pub(super) use cursor::{Codec, Refused};
pub use params::Params;
pub(super) use params::{MOST_Q, filter, fingerprint};
pub(super) use snapshot::{COUNT, CURSOR};
pub(super) use vacancies::{Found, find, moved};

use super::{Publish, respond::Problem};
use axum::{
    Router,
    http::{StatusCode, Uri},
    routing::get,
};

/// The routes below `/api`.
pub fn routes() -> Router<Publish> {
    Router::new()
        .route("/api/v1/vacancies", get(vacancies::list))
        .route("/api/v1/vacancies/{id}", get(vacancies::one))
        .route("/api/v1/changes", get(changes::list))
        .route("/api/v1/changes/stream", get(stream::stream))
        .route("/api/v1/snapshot", get(snapshot::all))
        .route("/api/v1/members", get(network::members))
        .route("/api/v1/vocabularies", get(network::vocabularies))
        .route("/api/openapi.json", get(openapi::document))
        .route("/api", get(async || moved("/api/")))
        .route("/api/", get(openapi::page))
        .route("/api/{*rest}", get(unknown))
}

async fn unknown(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    Problem::not_found(&format!("there is no {path} here"))
}

pub(super) fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, None, "Method Not Allowed")
}
