//! `/api/v1/vacancies`: search, and one vacancy by any id that it ever had.

use super::{Params, params};
use crate::{
    model::{TombstoneReason, Vacancy, VacancyId, VacancyStatus},
    publish::{
        Publish, PublishError,
        consumers::{Asking, Caller},
        index::{Dimension, Facets, Page, Search},
        labels,
        respond::{Document, JSON, ParameterError, Problem, json},
    },
};
use axum::{
    Extension,
    extract::{Path, RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::value::RawValue;
use std::{collections::BTreeSet, sync::LazyLock};

/// Vacancies of a page: by default, and at most.
const LIMIT: usize = 20;
const MOST: usize = 1000;

#[derive(Serialize)]
struct Answer<'a> {
    items: Vec<Item<'a>>,
    total: usize,
    next_cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    facets: Option<&'a Facets>,
}

/// A vacancy whole, as the very bytes of `/changes`, or only the fields asked for.
#[derive(Serialize)]
#[serde(untagged)]
enum Item<'a> {
    Whole(&'a RawValue),
    Some(serde_json::Map<String, serde_json::Value>),
}

pub async fn list(
    State(publish): State<Publish>,
    caller: Asking,
    RawQuery(query): RawQuery,
) -> Result<Document, Response> {
    let mut params = Params::new(query.as_deref());
    let mut filter = params::filter(&mut params);
    if let Some(Extension(Caller(consumer))) = &caller {
        consumer.narrow(&mut filter);
    }
    let sort = params::sort(&mut params, &filter);
    let limit = params.whole("limit", 1, MOST, LIMIT);
    let fields = fields(&mut params);
    let facets = params.flag("facets");
    let question = params::fingerprint(&filter, sort);
    let after = params.one("cursor").and_then(|text| {
        publish
            .codec()
            .read_page(&text, question)
            .map_err(|refused| params.refuse("cursor", &text, refused.message()))
            .ok()
    });
    params.finish().map_err(IntoResponse::into_response)?;

    let search = Search {
        filter,
        sort,
        after,
        skip: 0,
        limit,
        facets: if facets { &Dimension::ALL } else { &[] },
    };
    let page = publish
        .search(search)
        .await
        .map_err(IntoResponse::into_response)?;
    Ok(answer(&publish, &page, question, &fields, facets))
}

fn answer(
    publish: &Publish,
    page: &Page,
    question: u64,
    fields: &[String],
    facets: bool,
) -> Document {
    let items = page
        .hits
        .iter()
        .filter_map(|doc| {
            if fields.is_empty() {
                serde_json::from_slice::<&RawValue>(&doc.body)
                    .ok()
                    .map(Item::Whole)
            } else {
                sparse(&doc.body, fields).map(Item::Some)
            }
        })
        .collect();
    json(&Answer {
        items,
        total: page.total,
        next_cursor: page
            .next
            .as_ref()
            .map(|mark| publish.codec().page(question, mark)),
        facets: facets.then_some(&page.facets),
    })
}

/// The fields that are asked for; one that no vacancy has is refused.
fn fields(params: &mut Params) -> Vec<String> {
    /// Of the schema that the API shows.
    static KNOWN: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let schema = schemars::schema_for!(Vacancy);
        let fields = schema.get("properties").and_then(|p| p.as_object());
        fields
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect()
    });
    let asked = params.list("fields");
    for field in &asked {
        if !KNOWN.contains(field) {
            let known: Vec<&str> = KNOWN.iter().map(String::as_str).collect();
            let why = format!("no field of a vacancy; these are: {}", known.join(", "));
            params.refuse("fields", field, &why);
        }
    }
    asked
}

/// The top-level fields asked for, the id always.
fn sparse(body: &[u8], fields: &[String]) -> Option<serde_json::Map<String, serde_json::Value>> {
    let mut map: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).ok()?;
    map.retain(|name, _| name == "id" || fields.contains(name));
    Some(map)
}

pub async fn one(
    State(publish): State<Publish>,
    Path(id): Path<String>,
    caller: Asking,
    RawQuery(query): RawQuery,
) -> Result<Response, Response> {
    let mut params = Params::new(query.as_deref());
    let fields = fields(&mut params);
    let provenance = params.flag("provenance");
    params.finish().map_err(IntoResponse::into_response)?;
    let id: VacancyId = id.parse().map_err(|_| {
        Problem::bad_request(vec![ParameterError::new(
            "id",
            &id,
            "not an id of this hub (a UUID)",
        )])
        .into_response()
    })?;
    let unknown = || Problem::not_found("no vacancy has or had this id").into_response();
    let hidden = |body: &[u8]| {
        let consumer = caller.as_ref().map(|Extension(Caller(consumer))| consumer);
        consumer.is_some_and(|consumer| !consumer.admits_json(body))
    };
    match find(&publish, id)
        .await
        .map_err(IntoResponse::into_response)?
    {
        Found::Live { body, .. } if hidden(&body) => Err(unknown()),
        Found::Live { id: own, body } if own == id && provenance => {
            let read = explained(&publish, own, &body, &fields).await;
            read.map_err(IntoResponse::into_response)
        }
        Found::Live { id: own, body } if own == id => {
            let document = match fields.is_empty() {
                true => Document::new(JSON, body),
                false => json(&sparse(&body, &fields)),
            };
            Ok(document.into_response())
        }
        Found::Live { id: own, .. } => Ok(moved(&format!("/api/v1/vacancies/{own}"))),
        Found::Gone { reason } => Err(gone(reason).into_response()),
        Found::Unknown => Err(unknown()),
    }
}

/// The vacancy with the source, rule and confidence of each of its public fields. Raw values stay
/// inside: a source may have written a person's name there (law 6).
async fn explained(
    publish: &Publish,
    id: VacancyId,
    body: &[u8],
    fields: &[String],
) -> Result<Response, PublishError> {
    let unreadable = |error: serde_json::Error| PublishError::Index(error.into());
    let mut vacancy: serde_json::Value = serde_json::from_slice(body).map_err(unreadable)?;
    let stored = publish.store().vacancy(id).await?;
    let stored = stored.and_then(|stored| stored.provenance);
    let mut provenance: serde_json::Map<String, serde_json::Value> = match stored {
        Some(bytes) => serde_json::from_slice(&bytes).map_err(unreadable)?,
        None => serde_json::Map::new(),
    };
    provenance.retain(|pointer, _| vacancy.pointer(pointer).is_some());
    for entry in provenance.values_mut().filter_map(|e| e.as_object_mut()) {
        entry.remove("raw");
    }
    if let Some(map) = vacancy.as_object_mut() {
        map.retain(|name, _| fields.is_empty() || name == "id" || fields.contains(name));
        map.insert("provenance".into(), provenance.into());
    }
    Ok(json(&vacancy).into_response())
}

/// What an id means to the public.
pub enum Found {
    /// Live, under this id (another one than asked for when it moved).
    Live {
        id: VacancyId,
        body: bytes::Bytes,
    },
    Gone {
        reason: TombstoneReason,
    },
    /// Never public, or not ours.
    Unknown,
}

/// Redirects followed at most from one vacancy to the one that it was merged into.
const HOPS: usize = 8;

/// Looks `id` up as a vacancy, as a former vacancy, and as a posting.
pub async fn find(publish: &Publish, id: VacancyId) -> Result<Found, PublishError> {
    let mut at = id;
    for _ in 0..HOPS {
        let Some(stored) = publish.store().vacancy(at).await? else {
            return Ok(Found::Unknown);
        };
        return Ok(match stored.status {
            VacancyStatus::Live => match stored.body {
                Some(body) => Found::Live {
                    id: stored.id,
                    body,
                },
                None => Found::Unknown,
            },
            VacancyStatus::Merged { into } if into != at => {
                at = into;
                continue;
            }
            VacancyStatus::Closed { reason, .. } if stored.seq > 0 => Found::Gone { reason },
            VacancyStatus::Private if stored.seq > 0 => Found::Gone {
                reason: TombstoneReason::Hidden,
            },
            _ => Found::Unknown,
        });
    }
    tracing::warn!(vacancy = %id, "merged vacancies point at each other");
    Ok(Found::Unknown)
}

fn gone(reason: TombstoneReason) -> Problem {
    Problem::new(StatusCode::GONE, Some("gone"), "Gone")
        .detail(labels::tombstone(reason))
        .with("reason", labels::code(&reason))
}

/// A permanent redirect within the hub.
pub fn moved(to: &str) -> Response {
    (
        StatusCode::MOVED_PERMANENTLY,
        [(header::LOCATION, to.to_owned())],
    )
        .into_response()
}
