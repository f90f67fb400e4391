//! `/api/v1/changes`: the delta feed, in commit order, with tombstones.

use super::Params;
use crate::{
    publish::{
        PublicState, Publish, PublishError,
        consumers::{Asking, Caller, Part, part},
        respond::{Document, NDJSON, Problem, json},
    },
    store::{Change, ChangeOp, FLOOR},
};
use axum::{
    Extension,
    extract::{RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use std::time::Duration;

const LIMIT: usize = 100;
const MOST: usize = 1000;
/// Seconds that a long poll may ask for.
const LONGEST_WAIT: f64 = 55.0;

#[derive(Serialize)]
struct Answer<'a> {
    items: Vec<Item<'a>>,
    next_cursor: String,
    has_more: bool,
}

/// One change as consumers see it.
#[derive(Serialize)]
pub struct Item<'a> {
    pub seq: u64,
    pub op: &'static str,
    pub id: crate::model::VacancyId,
    pub version: u64,
    pub changed_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vacancy: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<crate::model::TombstoneReason>,
    /// The vacancy that it was merged into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub into: Option<crate::model::VacancyId>,
}

/// The public form of `change`.
pub fn item(change: &Change) -> Item<'_> {
    let (op, vacancy, reason, into) = match &change.op {
        ChangeOp::Upsert { body } => ("upsert", serde_json::from_slice(body).ok(), None, None),
        ChangeOp::Delete { reason, into } => ("delete", None, Some(*reason), *into),
    };
    Item {
        seq: change.seq,
        op,
        id: change.id,
        version: change.seq,
        changed_at: change.changed_at,
        vacancy,
        reason,
        into,
    }
}

pub async fn list(
    State(publish): State<Publish>,
    caller: Asking,
    RawQuery(query): RawQuery,
) -> Result<Document, Response> {
    let mut params = Params::new(query.as_deref());
    let limit = params.whole("limit", 1, MOST, LIMIT);
    let wait = params.number("wait", 0.0, LONGEST_WAIT);
    let part = part(&caller);
    let text = params.one("cursor");
    let after = begin(&publish, &mut params, text.as_deref(), part);
    params.finish().map_err(IntoResponse::into_response)?;
    let after = after.await.map_err(IntoResponse::into_response)?;
    let read = async || {
        publish
            .store()
            .changes(after, limit + 1)
            .await
            .map_err(|error| crate::publish::PublishError::from(error).into_response())
    };
    let mut changes = read().await?;
    if let Some(seconds) = wait.filter(|_| changes.is_empty()) {
        let news = publish.news(after, Duration::from_secs_f64(seconds));
        if news.await.map_err(IntoResponse::into_response)? {
            changes = read().await?;
        }
    }
    let has_more = changes.len() > limit;
    changes.truncate(limit);
    if let Some(Extension(Caller(consumer))) = &caller {
        changes = changes
            .into_iter()
            .map(|change| consumer.sees(change))
            .collect();
    }
    let last = changes.last().map_or(after, |change| change.seq);
    Ok(json(&Answer {
        items: changes.iter().map(item).collect(),
        next_cursor: publish.codec().changes(last, part),
        has_more,
    }))
}

/// Where a reader of `part` of the offers goes on that gives `cursor`; from the beginning without
/// one. A cursor that is none is noted in `params`.
pub fn begin<'p>(
    publish: &'p Publish,
    params: &mut Params,
    cursor: Option<&str>,
    part: Part,
) -> impl Future<Output = Result<u64, Refusal>> + use<'p> {
    let read = cursor.map(|text| {
        let read = publish.codec().read_changes(text);
        read.map_err(|refused| params.refuse("cursor", text, refused.message()))
    });
    async move {
        let Some(Ok((after, own))) = read else {
            return Ok(0);
        };
        // Nobody has told the reader of what the other part holds.
        if own != part || expired(publish, after).await? {
            return Err(Refusal::TooOld(Box::new(too_old(publish))));
        }
        Ok(after)
    }
}

/// Why a reader cannot go on.
pub enum Refusal {
    TooOld(Box<Problem>),
    Failed(PublishError),
}

impl From<PublishError> for Refusal {
    fn from(error: PublishError) -> Self {
        Self::Failed(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::TooOld(problem) => problem.into_response(),
            Self::Failed(error) => error.into_response(),
        }
    }
}

/// Whether something that a reader at `after` must hear of is no longer kept: tombstones dropped by
/// retention, or a store that was restored from before the cursor.
pub async fn expired(publish: &Publish, after: u64) -> Result<bool, PublishError> {
    let floor = floor(publish.store()).await?;
    Ok((after > 0 && after < floor) || after > publish.store().head().await?)
}

/// Below this change number something may be missing from the changes that are kept.
pub async fn floor(store: &dyn PublicState) -> Result<u64, crate::store::StoreError> {
    let floor = store.meta(FLOOR).await?;
    Ok(floor.and_then(|text| text.parse().ok()).unwrap_or(0))
}

fn too_old(publish: &Publish) -> Problem {
    let snapshot = publish.settings().url("/api/v1/snapshot");
    Problem::new(
        StatusCode::GONE,
        Some("cursor-expired"),
        "The cursor is too old",
    )
    .detail("What happened since is no longer kept, or your key has another filter now. Read the snapshot, then go on from the cursor in its header Passerelle-Cursor.")
    .with("snapshot", snapshot.clone())
    .link(format!("<{snapshot}>; rel=\"restart\"; type=\"{NDJSON}\""))
}
