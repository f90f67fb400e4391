//! `/api/v1/snapshot`: every live vacancy, one a line, with the cursor to go on from.

use super::Params;
use crate::publish::{
    Publish, PublishError,
    consumers::{Asking, Caller, Consumer, Part},
    respond::{Document, NDJSON},
};
use axum::{
    Extension,
    extract::{RawQuery, State},
    http::HeaderName,
    response::{IntoResponse, Response},
};
use std::sync::Arc;

const SHELF: &str = "snapshot";
pub const CURSOR: HeaderName = HeaderName::from_static("passerelle-cursor");
/// How many lines there are: a reader whose library takes half an answer for a whole one must not
/// take the rest for closed.
pub const COUNT: HeaderName = HeaderName::from_static("passerelle-count");

pub async fn all(
    State(publish): State<Publish>,
    caller: Asking,
    RawQuery(query): RawQuery,
) -> Result<Response, Response> {
    Params::new(query.as_deref())
        .finish()
        .map_err(IntoResponse::into_response)?;
    let consumer = caller.map(|Extension(Caller(consumer))| consumer);
    let document = render(&publish, consumer.as_deref())
        .await
        .map_err(IntoResponse::into_response)?;
    Ok((&*document).into_response())
}

async fn render(
    publish: &Publish,
    consumer: Option<&Consumer>,
) -> Result<Arc<Document>, PublishError> {
    let part = consumer.map_or(Part::WHOLE, Consumer::part);
    let shelf = match consumer {
        Some(consumer) => format!("{SHELF} {} {}", consumer.id, part.0),
        None => SHELF.into(),
    };
    publish
        .rendered(shelf, async || {
            let (head, mut vacancies) = publish.store().snapshot().await?;
            if let Some(consumer) = consumer {
                vacancies.retain(|vacancy| consumer.admits_json(&vacancy.body));
            }
            let size = vacancies.iter().map(|v| v.body.len() + 1).sum();
            let mut body = Vec::with_capacity(size);
            for vacancy in &vacancies {
                body.extend_from_slice(&vacancy.body);
                body.push(b'\n');
            }
            Ok(Document::new(NDJSON, body)
                .with(CURSOR, &publish.codec().changes(head, part))
                .with(COUNT, &vacancies.len().to_string()))
        })
        .await
}
