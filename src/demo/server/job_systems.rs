//! The ten members' systems, each under a path of its own.

use super::{CLIENT, SECRET, Shared, authorised, document, token};
use crate::demo::wire;
use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const JSON: &str = "application/json; charset=utf-8";
const XML: &str = "application/xml; charset=utf-8";

pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/talentsoft/api/token", post(talentsoft_token))
        .route(
            "/talentsoft/api/{version}/offersummaries",
            get(talentsoft_list),
        )
        .route(
            "/talentsoft/api/{version}/offers/getoffer",
            get(talentsoft_detail),
        )
        .route(
            "/digitalrecruiters/export/job-ads/{token}",
            get(digital_recruiters),
        )
        .route(
            "/smartrecruiters/v1/companies/{company}/postings",
            get(smart_list),
        )
        .route(
            "/smartrecruiters/v1/companies/{company}/postings/{id}",
            get(smart_detail),
        )
        .route("/teamtailor/v1/jobs", get(teamtailor))
        .route("/recruitee/api/offers/", get(recruitee))
        .route("/recruitee/api/offers", get(recruitee))
        .route("/cleverconnect/flux.xml", get(clever_connect))
        .route("/apec/export.xml", get(apec))
        .route("/indeed/flux.xml", get(indeed))
        .route("/departement/offres.csv", get(csv_export))
        .route("/hellowork/flux.xml", get(hello_work))
}

/// What a client-credentials request carries.
#[derive(Deserialize)]
pub struct Credentials {
    #[serde(default)]
    grant_type: String,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    client_secret: String,
}

impl Credentials {
    pub fn are_good(&self) -> bool {
        self.grant_type == "client_credentials"
            && self.client_id == CLIENT
            && self.client_secret == SECRET
    }
}

async fn talentsoft_token(Form(credentials): Form<Credentials>) -> Response {
    if !credentials.are_good() {
        return (
            StatusCode::BAD_REQUEST,
            Json(json!({ "error": "invalid_client" })),
        )
            .into_response();
    }
    Json(json!({
        "access_token": token("talentsoft"),
        "token_type": "bearer",
        "expires_in": 3599,
    }))
    .into_response()
}

/// The query's number `name`, or `default`.
fn number(query: &BTreeMap<String, String>, name: &str, default: usize) -> usize {
    query
        .get(name)
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

fn refused() -> Response {
    (
        StatusCode::UNAUTHORIZED,
        Json(json!({ "Message": "Authorization has been denied for this request." })),
    )
        .into_response()
}

async fn talentsoft_list(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    if !authorised(&headers, &format!("Bearer {}", token("talentsoft"))) {
        return refused();
    }
    let base = format!("{}/talentsoft", shared.0.base);
    // The service counts from 1 in its answers and in its parameter alike; both 0 and 1 start.
    let start = number(&query, "start", 0);
    let count = number(&query, "count", 20);
    Json(wire::talentsoft::page(&shared.world(), &base, start, count)).into_response()
}

async fn talentsoft_detail(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    if !authorised(&headers, &format!("Bearer {}", token("talentsoft"))) {
        return refused();
    }
    let reference = query.get("reference").map_or("", String::as_str);
    found(wire::talentsoft::detail(&shared.world(), reference))
}

fn found(value: Option<Value>) -> Response {
    match value {
        Some(value) => Json(value).into_response(),
        None => (
            StatusCode::NOT_FOUND,
            Json(json!({ "message": "Not found" })),
        )
            .into_response(),
    }
}

async fn digital_recruiters(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path(given): Path<String>,
) -> Response {
    if given != SECRET {
        return StatusCode::NOT_FOUND.into_response();
    }
    let body = wire::digital_recruiters(&shared.world()).to_string();
    document(&headers, JSON, body.into_bytes())
}

async fn smart_list(
    State(shared): State<Shared>,
    Path(company): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    // Ten a page unless asked otherwise, so that a careless client sees only part.
    let limit = number(&query, "limit", 10);
    let offset = number(&query, "offset", 0);
    Json(wire::smart_recruiters::page(
        &shared.world(),
        &company,
        offset,
        limit,
    ))
    .into_response()
}

async fn smart_detail(
    State(shared): State<Shared>,
    Path((company, id)): Path<(String, String)>,
) -> Response {
    found(wire::smart_recruiters::detail(
        &shared.world(),
        &company,
        &id,
    ))
}

async fn teamtailor(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    if !authorised(&headers, &format!("Token token={SECRET}")) {
        return (
            StatusCode::UNAUTHORIZED,
            Json(json!({ "errors": [{ "status": "401", "title": "Unauthorized" }] })),
        )
            .into_response();
    }
    if !headers.contains_key("x-api-version") {
        return (
            StatusCode::NOT_ACCEPTABLE,
            Json(json!({ "errors": [{ "status": "406", "title": "X-Api-Version is missing" }] })),
        )
            .into_response();
    }
    let base = format!("{}/teamtailor", shared.0.base);
    let page = number(&query, "page[number]", 1);
    let size = number(&query, "page[size]", 10);
    let body = wire::teamtailor::page(&shared.world(), &base, page, size).to_string();
    (
        [
            ("content-type", "application/vnd.api+json"),
            ("x-rate-limit-limit", "50"),
            ("x-rate-limit-remaining", "49"),
        ],
        body,
    )
        .into_response()
}

async fn recruitee(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let body = wire::recruitee(&shared.world()).to_string();
    document(&headers, JSON, body.into_bytes())
}

async fn clever_connect(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let body = wire::clever_connect(&shared.world());
    document(&headers, XML, body.into_bytes())
}

async fn apec(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let body = wire::apec(&shared.world());
    document(&headers, XML, body.into_bytes())
}

async fn indeed(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let body = wire::indeed(&shared.world());
    document(&headers, XML, body.into_bytes())
}

async fn csv_export(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let body = wire::csv_export(&shared.world());
    document(&headers, "text/csv", body)
}

async fn hello_work(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let body = wire::hello_work(&shared.world());
    document(&headers, XML, body.into_bytes())
}
