//! France Travail "Offres d'emploi v2" as it behaves: client credentials, ranges with
//! `Content-Range`, 206, 200 and 204, its limits and its error texts.

use super::job_systems::Credentials;
use super::{Shared, authorised, token};
use crate::demo::wire::france_travail::{LAST_START, Listed, WIDTH, offers};
use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub fn routes() -> Router<Shared> {
    Router::new()
        .route(
            "/francetravail/connexion/oauth2/access_token",
            post(access_token),
        )
        .route(
            "/francetravail/partenaire/offresdemploi/v2/offres/search",
            get(search),
        )
        .route(
            "/francetravail/partenaire/offresdemploi/v2/offres/{id}",
            get(one),
        )
}

async fn access_token(
    Query(query): Query<BTreeMap<String, String>>,
    Form(credentials): Form<Credentials>,
) -> Response {
    let realm = query.get("realm").map(String::as_str);
    if realm != Some("/partenaire") || !credentials.are_good() {
        return (
            StatusCode::BAD_REQUEST,
            Json(json!({ "error": "invalid_client", "error_description": "Client authentication failed" })),
        )
            .into_response();
    }
    Json(json!({
        "access_token": token("francetravail"),
        "token_type": "Bearer",
        "expires_in": 1499,
        "scope": "api_offresdemploiv2 o2dsoffre",
    }))
    .into_response()
}

/// The range `p-d`, or the service's own words of refusal.
fn range(text: Option<&String>) -> Result<(usize, usize), &'static str> {
    const FORM: &str = "Format du paramètre « range » incorrect. <entier>-<entier> attendu.";
    let Some(text) = text else {
        return Ok((0, WIDTH - 1));
    };
    let (first, last) = text.split_once('-').ok_or(FORM)?;
    let first: usize = first.trim().parse().map_err(|_| FORM)?;
    let last: usize = last.trim().parse().map_err(|_| FORM)?;
    if first > LAST_START {
        return Err("La position de début doit être inférieure ou égale à 3000.");
    }
    if last < first || last - first >= WIDTH {
        return Err("La plage de résultats demandée est trop importante.");
    }
    Ok((first, last))
}

/// An instant in the one form that the filters accept: no fraction of a second.
fn instant(text: Option<&String>) -> Result<Option<Timestamp>, &'static str> {
    const FORM: &str = "Format de date incorrect. yyyy-MM-dd'T'HH:mm:ss'Z' attendu.";
    let Some(text) = text else {
        return Ok(None);
    };
    if text.len() != 20 || !text.ends_with('Z') {
        return Err(FORM);
    }
    text.parse().map(Some).map_err(|_| FORM)
}

fn refused(message: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "message": message }))).into_response()
}

async fn search(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    if !authorised(&headers, &format!("Bearer {}", token("francetravail"))) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let (first, last) = match range(query.get("range")) {
        Ok(range) => range,
        Err(message) => return refused(message),
    };
    let window = instant(query.get("minCreationDate"))
        .and_then(|from| Ok((from, instant(query.get("maxCreationDate"))?)));
    let (from, until) = match window {
        Ok(window) => window,
        Err(message) => return refused(message),
    };
    let listed = |name: &str, value: &str| {
        query
            .get(name)
            .is_none_or(|list| list.split(',').any(|item| item.trim() == value))
    };
    let found: Vec<Listed> = offers(&shared.world())
        .into_iter()
        .filter(|one| listed("departement", &one.department))
        .filter(|one| listed("origineOffre", &one.origin.to_string()))
        .filter(|one| listed("codeROME", &one.rome))
        .filter(|one| from.is_none_or(|from| one.created >= from))
        .filter(|one| until.is_none_or(|until| one.created <= until))
        .collect();
    answer(&found, first, last)
}

fn answer(found: &[Listed], first: usize, last: usize) -> Response {
    let total = found.len();
    let page: Vec<&Value> = found
        .iter()
        .skip(first)
        .take(last - first + 1)
        .map(|one| &one.offer)
        .collect();
    if page.is_empty() {
        return (
            StatusCode::NO_CONTENT,
            [(header::CONTENT_RANGE, format!("*/{total}"))],
        )
            .into_response();
    }
    let status = if page.len() == total {
        StatusCode::OK
    } else {
        StatusCode::PARTIAL_CONTENT
    };
    let shown = format!("offres {first}-{}/{total}", first + page.len() - 1);
    let mut contracts: BTreeMap<&str, u32> = BTreeMap::new();
    for one in found {
        *contracts
            .entry(one.offer["typeContrat"].as_str().unwrap_or(""))
            .or_default() += 1;
    }
    let facets: Vec<Value> = contracts
        .iter()
        .filter(|(code, _)| !code.is_empty())
        .map(|(code, count)| json!({ "valeurPossible": code, "nbResultats": count }))
        .collect();
    (
        status,
        [
            (header::CONTENT_RANGE, shown),
            (
                header::CONTENT_TYPE,
                "application/json;charset=UTF-8".to_owned(),
            ),
        ],
        json!({
            "resultats": page,
            "filtresPossibles": [{ "filtre": "typeContrat", "agregation": facets }],
        })
        .to_string(),
    )
        .into_response()
}

async fn one(State(shared): State<Shared>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    if !authorised(&headers, &format!("Bearer {}", token("francetravail"))) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    // An unknown offer is "no content", not "not found".
    offers(&shared.world())
        .into_iter()
        .find(|one| one.offer["id"] == id.as_str())
        .map_or_else(
            || StatusCode::NO_CONTENT.into_response(),
            |one| Json(one.offer).into_response(),
        )
}
