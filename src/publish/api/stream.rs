//! `/api/v1/changes/stream`: the delta feed as server-sent events, for readers that stay.

use super::Params;
use super::changes::{begin, item};
use crate::publish::{
    Publish, PublishError,
    consumers::{Asking, Caller, Consumer, Part, part},
    respond::{Problem, chain},
};
use crate::store::Change;
use axum::{
    Extension,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};
use tokio::sync::OwnedSemaphorePermit;

/// A reader that hears of nothing looks anew after this long.
const QUIET: Duration = Duration::from_secs(60);
const BATCH: usize = 100;

/// One open stream; its place is given back when the reader goes.
struct Reader {
    publish: Publish,
    consumer: Option<Arc<Consumer>>,
    after: u64,
    waiting: VecDeque<Event>,
    _place: OwnedSemaphorePermit,
}

/// From `cursor`, or from the header `Last-Event-ID` of a reader that comes back; without either,
/// from the beginning. The id of each event is the cursor behind it.
pub async fn stream(
    State(publish): State<Publish>,
    caller: Asking,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let mut params = Params::new(query.as_deref());
    let asked = params.one("cursor");
    let seen = headers.get("last-event-id").and_then(|v| v.to_str().ok());
    let text = seen.map(str::to_owned).or(asked);
    let after = begin(&publish, &mut params, text.as_deref(), part(&caller));
    params.finish().map_err(IntoResponse::into_response)?;
    let after = after.await.map_err(IntoResponse::into_response)?;
    let Ok(place) = publish.room_for_streams().try_acquire_owned() else {
        return Err(
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, None, "Too many streams")
                .detail("Read /api/v1/changes with `wait` instead, or come back later.")
                .into_response(),
        );
    };
    let reader = Reader {
        publish,
        consumer: caller.map(|Extension(Caller(consumer))| consumer),
        after,
        waiting: VecDeque::new(),
        _place: place,
    };
    let events = futures::stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    Ok(Sse::new(events)
        .keep_alive(KeepAlive::default())
        .into_response())
}

impl Reader {
    /// The next change; `None` when the process is on its way out or the store cannot be read: the
    /// reader then comes back with the last id.
    async fn next(&mut self) -> Option<Event> {
        let part = self.consumer.as_deref().map_or(Part::WHOLE, Consumer::part);
        while self.waiting.is_empty() {
            let changes = match self.changes().await {
                Ok(changes) => changes,
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "a stream of changes ends");
                    return None;
                }
            };
            if self.publish.is_stopping() {
                return None;
            }
            for change in changes {
                let change = match &self.consumer {
                    Some(consumer) => consumer.sees(change),
                    None => change,
                };
                let item = item(&change);
                let event = Event::default()
                    .event(item.op)
                    .id(self.publish.codec().changes(change.seq, part))
                    .json_data(&item);
                match event {
                    Ok(event) => self.waiting.push_back(event),
                    Err(error) => tracing::error!(vacancy = %change.id, %error, "not streamed"),
                }
                self.after = change.seq;
            }
        }
        self.waiting.pop_front()
    }

    /// The next changes, once there are any.
    async fn changes(&self) -> Result<Vec<Change>, PublishError> {
        if !self.publish.news(self.after, QUIET).await? {
            return Ok(Vec::new());
        }
        Ok(self.publish.store().changes(self.after, BATCH).await?)
    }
}
