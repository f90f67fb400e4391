//! `/api/v1/webhooks`: for who holds the hub's administration key.

use super::{Attempt, Disabled, Endpoint, MOST, Progress, Secret, sign};
use crate::{
    fetch::AllowList,
    publish::{
        Publish, PublishError,
        api::expired,
        consumers::Part,
        gate,
        respond::{ParameterError, Problem, put},
    },
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::{Timestamp, ToSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::net::IpAddr;
use uuid::Uuid;

const MOST_BYTES: usize = 64 * 1024;
/// How long the old secret signs beside a new one.
const ROTATION_HOURS: i64 = 24;

pub fn routes(publish: &Publish) -> Router<Publish> {
    Router::new()
        .route("/api/v1/webhooks", get(list).post(create))
        .route(
            "/api/v1/webhooks/{id}",
            get(one).patch(change).delete(remove),
        )
        .route("/api/v1/webhooks/{id}/rotate", post(rotate))
        .route("/api/v1/webhooks/{id}/deliveries", get(deliveries))
        .route("/api/v1/webhooks/{id}/replay", post(replay))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .layer(middleware::from_fn_with_state(
            publish.clone(),
            gate::bearer,
        ))
}

/// An endpoint as its administrator sees it: without secrets.
#[derive(Serialize, JsonSchema)]
pub struct View {
    id: String,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    created: Timestamp,
    /// `active` or `disabled`.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled: Option<Disabled>,
    /// The change number up to which everything is delivered.
    delivered: u64,
    /// Attempts made of the next message, when it is due again, and why it failed.
    next: Progress,
    /// Only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

async fn view(publish: &Publish, endpoint: Endpoint) -> Result<View, PublishError> {
    let next = publish
        .noted(&Endpoint::progress_note(&endpoint.id))
        .await?;
    Ok(View {
        delivered: publish
            .store()
            .cursor(&Endpoint::sink(&endpoint.id))
            .await?,
        next: next.unwrap_or_default(),
        status: if endpoint.disabled.is_some() {
            "disabled"
        } else {
            "active"
        },
        id: endpoint.id,
        url: endpoint.url,
        description: endpoint.description,
        created: endpoint.created,
        disabled: endpoint.disabled,
        secret: None,
    })
}

type Answer = Result<Response, Refused>;

/// An answer that ends a request early.
struct Refused(Box<Response>);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        *self.0
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem.into_response()))
    }
}

fn failed(error: PublishError) -> Refused {
    Refused(Box::new(error.into_response()))
}

/// The body of a request; an empty one counts as `{}`.
fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refused> {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            Some("bad-parameter"),
            "The body cannot be used",
        )
        .detail(error.to_string())
        .into()
    })
}

fn refuse(name: &str, value: &str, message: &str) -> Refused {
    Problem::bad_request(vec![ParameterError::new(name, value, message)]).into()
}

async fn known(publish: &Publish, id: &str) -> Result<Endpoint, Refused> {
    let endpoint = publish.endpoint(id).await.map_err(failed)?;
    endpoint.ok_or_else(|| Problem::not_found("there is no such webhook").into())
}

/// https, or plain http to a host that the settings name.
fn target(publish: &Publish, text: &str) -> Result<String, Refused> {
    let refused = |why: &str| Err(refuse("url", text, why));
    let Ok(url) = url::Url::parse(text) else {
        return refused("not an absolute address");
    };
    match url.scheme() {
        "https" => {}
        "http" if is_own(publish, &url) => {}
        _ => return refused("write https://…; http only to a host of fetch.allow_hosts"),
    }
    if url.host_str().is_none() || !url.username().is_empty() || url.password().is_some() {
        return refused("name a host, and no user or password");
    }
    Ok(url.into())
}

/// Whether the settings name the host: the operator's own network.
fn is_own(publish: &Publish, url: &url::Url) -> bool {
    let Ok(hosts) = AllowList::parse(&publish.settings().own_hosts) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let address = host.parse().unwrap_or(IpAddr::from([0, 0, 0, 0]));
    hosts.names(host, address, url.port_or_known_default().unwrap_or(0))
}

fn wanted_secret(given: Option<String>) -> Result<String, Refused> {
    match given {
        None => Ok(sign::secret()),
        Some(secret) if sign::key(&secret).is_some() => Ok(secret),
        Some(_) => Err(refuse(
            "secret",
            "",
            "write whsec_ and 24 to 64 bytes in base64, or leave it out",
        )),
    }
}

async fn list(State(publish): State<Publish>) -> Answer {
    let mut items = Vec::new();
    for endpoint in publish.endpoints().await.map_err(failed)? {
        items.push(view(&publish, endpoint).await.map_err(failed)?);
    }
    Ok(Json(serde_json::json!({ "items": items })).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    url: String,
    description: Option<String>,
    secret: Option<String>,
    /// A cursor of `/api/v1/changes`, such as the snapshot's; from now on without one.
    cursor: Option<String>,
}

async fn create(State(publish): State<Publish>, body: Bytes) -> Answer {
    let new: New = read(&body)?;
    let url = target(&publish, &new.url)?;
    let secret = wanted_secret(new.secret)?;
    let from = match &new.cursor {
        None => publish.store().head().await.map_err(|e| failed(e.into()))?,
        Some(text) => cursor(&publish, text).await?,
    };
    if publish.endpoints().await.map_err(failed)?.len() >= MOST {
        return Err(
            Problem::new(StatusCode::CONFLICT, None, "Too many webhooks")
                .detail("Remove one that is no longer used.")
                .into(),
        );
    }
    let mut endpoint = Endpoint {
        id: Uuid::now_v7().to_string(),
        url,
        description: new.description.map(|d| d.chars().take(200).collect()),
        created: publish.clock().now(),
        secrets: vec![Secret {
            key: secret.clone(),
            until: None,
        }],
        disabled: None,
        version: 0,
    };
    let sink = Endpoint::sink(&endpoint.id);
    let store = publish.store();
    store
        .set_cursor(&sink, from)
        .await
        .map_err(|e| failed(e.into()))?;
    save(&publish, &mut endpoint).await?;
    let mut view = view(&publish, endpoint).await.map_err(failed)?;
    let place = format!("/api/v1/webhooks/{}", view.id);
    view.secret = Some(secret);
    let mut response = (StatusCode::CREATED, Json(view)).into_response();
    put(response.headers_mut(), header::LOCATION, &place);
    Ok(response)
}

async fn cursor(publish: &Publish, text: &str) -> Result<u64, Refused> {
    match publish.codec().read_changes(text) {
        Ok((seq, Part::WHOLE)) if expired(publish, seq).await.map_err(failed)? => Err(refuse(
            "cursor",
            text,
            "what happened since is no longer kept: read /api/v1/snapshot and take the cursor of its header Passerelle-Cursor",
        )),
        Ok((seq, Part::WHOLE)) => Ok(seq),
        Ok(_) => Err(refuse(
            "cursor",
            text,
            "this cursor was given to a consumer's key: webhooks tell of every offer, take one that was read without a key",
        )),
        Err(refused) => Err(refuse("cursor", text, refused.message())),
    }
}

async fn save(publish: &Publish, endpoint: &mut Endpoint) -> Result<(), Refused> {
    endpoint.seal(publish.settings().seal.as_ref());
    let key = Endpoint::note(&endpoint.id);
    publish.put_note(key, endpoint).await.map_err(failed)
}

async fn one(State(publish): State<Publish>, Path(id): Path<String>) -> Answer {
    let endpoint = known(&publish, &id).await?;
    Ok(Json(view(&publish, endpoint).await.map_err(failed)?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changed {
    url: Option<String>,
    description: Option<String>,
    enabled: Option<bool>,
}

async fn change(State(publish): State<Publish>, Path(id): Path<String>, body: Bytes) -> Answer {
    let changed: Changed = read(&body)?;
    let mut endpoint = known(&publish, &id).await?;
    if let Some(url) = changed.url {
        endpoint.url = target(&publish, &url)?;
    }
    if let Some(description) = changed.description {
        endpoint.description = Some(description.chars().take(200).collect());
    }
    match changed.enabled {
        Some(true) => endpoint.disabled = None,
        Some(false) => {
            endpoint.disabled = Some(Disabled {
                at: publish.clock().now(),
                reason: "operator".into(),
            });
        }
        None => {}
    }
    touch(&publish, endpoint).await
}

/// Saves what a person changed; the next message is tried at once.
async fn touch(publish: &Publish, mut endpoint: Endpoint) -> Answer {
    endpoint.version += 1;
    let key = Endpoint::progress_note(&endpoint.id);
    let fresh = publish.put_note(key, &Progress::default()).await;
    fresh.map_err(failed)?;
    save(publish, &mut endpoint).await?;
    Ok(Json(view(publish, endpoint).await.map_err(failed)?).into_response())
}

async fn remove(State(publish): State<Publish>, Path(id): Path<String>) -> Answer {
    known(&publish, &id).await?;
    let notes = [
        Endpoint::note(&id),
        Endpoint::progress_note(&id),
        Endpoint::log_note(&id),
    ];
    let removed = publish
        .store()
        .write_notes(notes.map(|key| (key, None)).into());
    removed.await.map_err(|e| failed(e.into()))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    secret: Option<String>,
}

/// A new secret; the old one signs beside it for a day.
async fn rotate(State(publish): State<Publish>, Path(id): Path<String>, body: Bytes) -> Answer {
    let rotation: Rotation = read(&body)?;
    let mut endpoint = known(&publish, &id).await?;
    let secret = wanted_secret(rotation.secret)?;
    let now = publish.clock().now();
    endpoint
        .secrets
        .retain(|s| s.until.is_none_or(|until| now < until));
    for old in &mut endpoint.secrets {
        old.until.get_or_insert(now + ROTATION_HOURS.hours());
    }
    let new = Secret {
        key: secret.clone(),
        until: None,
    };
    endpoint.secrets.insert(0, new);
    endpoint.secrets.truncate(2);
    endpoint.version += 1;
    save(&publish, &mut endpoint).await?;
    let mut view = view(&publish, endpoint).await.map_err(failed)?;
    view.secret = Some(secret);
    Ok(Json(view).into_response())
}

/// The newest attempts, newest first.
async fn deliveries(State(publish): State<Publish>, Path(id): Path<String>) -> Answer {
    known(&publish, &id).await?;
    let log = publish
        .noted::<Vec<Attempt>>(&Endpoint::log_note(&id))
        .await;
    let mut items = log.map_err(failed)?.unwrap_or_default();
    items.reverse();
    Ok(Json(serde_json::json!({ "items": items })).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Replay {
    /// Everything behind this cursor of `/api/v1/changes` is sent again …
    cursor: Option<String>,
    /// … or everything from this message on.
    message: Option<String>,
}

async fn replay(State(publish): State<Publish>, Path(id): Path<String>, body: Bytes) -> Answer {
    let replay: Replay = read(&body)?;
    let endpoint = known(&publish, &id).await?;
    let from = match (&replay.cursor, &replay.message) {
        (Some(text), None) => cursor(&publish, text).await?,
        (None, Some(message)) => message
            .strip_prefix("chg_")
            .and_then(|seq| seq.parse::<u64>().ok())
            .map(|seq| seq.saturating_sub(1))
            .ok_or_else(|| {
                refuse(
                    "message",
                    message,
                    "not the id of a message: chg_ and a number",
                )
            })?,
        _ => return Err(refuse("cursor", "", "give either `cursor` or `message`")),
    };
    // Told first: who is delivering now leaves the cursor alone from here on.
    let answer = touch(&publish, endpoint.clone()).await?;
    let store = publish.store();
    let head = store.head().await.map_err(|e| failed(e.into()))?;
    let sink = Endpoint::sink(&id);
    let moved = store.set_cursor(&sink, from.min(head));
    moved.await.map_err(|e| failed(e.into()))?;
    Ok(answer)
}
