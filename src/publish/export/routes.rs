//! `/exports/{profile}.{ext}` and `/exports/{profile}/{member}.{ext}`.

use super::{ExportError, Profile};
use crate::{
    model::MemberId,
    publish::{
        Publish, PublishError,
        api::Params,
        consumers::{Asking, Caller, Consumer, Part},
        respond::{Document, Problem, put},
    },
};
use axum::{
    Extension, Router,
    extract::{Path, RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use std::sync::Arc;

pub fn routes() -> Router<Publish> {
    Router::new()
        .route("/exports/{file}", get(consolidated))
        .route("/exports/{profile}/{file}", get(of_member))
}

async fn consolidated(
    State(publish): State<Publish>,
    Path(file): Path<String>,
    RawQuery(query): RawQuery,
    caller: Asking,
) -> Result<Response, Response> {
    let (name, extension) = split(&file).map_err(IntoResponse::into_response)?;
    answer(&publish, name, extension, None, query, caller).await
}

async fn of_member(
    State(publish): State<Publish>,
    Path((profile, file)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    caller: Asking,
) -> Result<Response, Response> {
    let (member, extension) = split(&file).map_err(IntoResponse::into_response)?;
    let member = Some(MemberId::from(member));
    answer(&publish, &profile, extension, member, query, caller).await
}

fn split(file: &str) -> Result<(&str, &str), Problem> {
    file.rsplit_once('.').ok_or_else(missing)
}

fn missing() -> Problem {
    Problem::not_found("there is no such export")
}

async fn answer(
    publish: &Publish,
    name: &str,
    extension: &str,
    member: Option<MemberId>,
    query: Option<String>,
    caller: Asking,
) -> Result<Response, Response> {
    // A consumer whose filter admits everything gets what everybody gets.
    let consumer = caller.map(|Extension(Caller(consumer))| consumer);
    let consumer = consumer.filter(|consumer| consumer.part() != Part::WHOLE);
    let known = publish
        .profiles()
        .get(name)
        .is_some_and(|profile: &Profile| profile.extension() == extension);
    if !known {
        return Err(missing().into_response());
    }
    Params::new(query.as_deref())
        .finish()
        .map_err(IntoResponse::into_response)?;
    match render(publish, name, member, consumer).await {
        Ok(document) => Ok((&*document).into_response()),
        Err(PublishError::Export(
            ExportError::UnknownMember(_) | ExportError::UnknownProfile { .. },
        )) => Err(missing().into_response()),
        Err(PublishError::Export(error @ ExportError::Held { .. })) => {
            tracing::warn!("{error}");
            let mut response = Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                Some("export-held"),
                "The export waits for a decision",
            )
            .into_response();
            put(response.headers_mut(), header::RETRY_AFTER, "3600");
            Err(response)
        }
        Err(error) => Err(error.into_response()),
    }
}

async fn render(
    publish: &Publish,
    name: &str,
    member: Option<MemberId>,
    consumer: Option<Arc<Consumer>>,
) -> Result<Arc<Document>, PublishError> {
    let part = consumer.as_ref().map_or(Part::WHOLE, |own| own.part());
    let key = format!(
        "export {name} {} {}",
        member.as_ref().map_or("", MemberId::as_str),
        part.0
    );
    publish
        .rendered(key, async || {
            let export = match consumer {
                Some(consumer) => publish.export_for(name, member.as_ref(), consumer).await?,
                None => publish.export(name, member.as_ref()).await?,
            };
            let fleeting = export.held.is_some() || export.tells_movements();
            let document = Document::new(export.content_type, export.bytes);
            // A person may let the newest one through at any moment, or note a deposit.
            Ok(match fleeting {
                true => document.fleeting(),
                false => document,
            })
        })
        .await
}
