//! `/api/v1/members` and `/api/v1/vocabularies`: what filters may name.

use super::Params;
use crate::publish::{
    Publish,
    index::vocabulary,
    respond::{Document, json},
};
use axum::{
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// A member as the public may know it.
#[derive(Serialize, JsonSchema)]
pub struct Member {
    pub id: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website: Option<String>,
    /// Live vacancies.
    pub vacancies: usize,
}

#[derive(Serialize)]
struct Members {
    items: Vec<Member>,
}

pub async fn members(
    State(publish): State<Publish>,
    RawQuery(query): RawQuery,
) -> Result<Document, Response> {
    Params::new(query.as_deref())
        .finish()
        .map_err(IntoResponse::into_response)?;
    let counts = publish
        .vacancies_by_member()
        .await
        .map_err(IntoResponse::into_response)?;
    let items = publish
        .network()
        .members
        .values()
        .map(|member| Member {
            id: member.id.clone(),
            name: member.name.clone(),
            kind: member.kind.clone(),
            website: member.website.clone(),
            vacancies: counts.get(&member.id).copied().unwrap_or(0),
        })
        .collect();
    Ok(json(&Members { items }))
}

/// Vocabulary → word → French label.
pub async fn vocabularies(RawQuery(query): RawQuery) -> Result<Document, Response> {
    Params::new(query.as_deref())
        .finish()
        .map_err(IntoResponse::into_response)?;
    let all: BTreeMap<&str, BTreeMap<String, &str>> = vocabulary()
        .into_iter()
        .map(|(dimension, words)| (dimension.name(), words.into_iter().collect()))
        .collect();
    Ok(json(&all))
}
