//! `POST /api/v1/ingest/{connector}`: offers that a source sends, by key or signature.
//!
//! | body | does |
//! |---|---|
//! | one offer, or a list of offers, in the connector's format | adds and changes; says nothing of others |
//! | the same with `?snapshot=true` | everything the source has: absence counts as in a pull |
//! | anything, with `?changed` or where `push.notify` is set | asks for a run at once |
//! | what names an offer, where `push.offer` says how | asks for that offer at once, or else for a run |
//!
//! **Invariant:** a body is applied whole or not at all (without room in the outbox, the rest of it later),
//! and one request with one `Idempotency-Key` once.

use super::Hub;
use super::watched::Watched;
use crate::model::{ConnectorName, Stage};
use crate::pull::connector::Connector;
use crate::pull::connector::file::Push;
use crate::pull::named::Named;
use crate::pull::push::{PUSH_ONLY, Pushed};
use crate::pull::run::{Live, Outcome, Report, RunError, Source, run};
use crate::store::SnapshotKind;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::post};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Seconds after which a push that was sent away may come again.
const RETRY_AFTER: &str = "30";
/// Largest body.
const BODY: usize = 64 << 20;
/// Answers that are remembered for a connector, for repeated requests.
const REMEMBERED: u64 = 1024;
/// How often, and how long apart, a push asks again while a run of its connector is under way.
const PATIENCE: u32 = 50;
const TURN: Duration = Duration::from_millis(100);

pub fn router(hub: Arc<Hub>) -> Router {
    Router::new()
        .route("/api/v1/ingest/{connector}", post(ingest))
        .layer(DefaultBodyLimit::max(BODY))
        .with_state(hub)
}

async fn ingest(
    State(hub): State<Arc<Hub>>,
    Path(name): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let files = hub.files();
    let name: ConnectorName = name.as_str().into();
    let Some(connector) = files.connectors.get(&name) else {
        return refuse(StatusCode::NOT_FOUND, "there is no such connector");
    };
    let Some(push) = &connector.push else {
        return refuse(
            StatusCode::NOT_FOUND,
            "this connector takes no offers: give its file a [push] with key or hmac",
        );
    };
    match is_allowed(&hub, push, &headers, &body) {
        Ok(true) => {}
        Ok(false) => {
            return refuse(
                StatusCode::UNAUTHORIZED,
                "the key or the signature is missing or wrong",
            );
        }
        Err(why) => {
            tracing::error!(connector = %name, why, "the push secret cannot be read");
            return refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                "nothing was taken: the hub cannot read the key of this connector; its operator \
                 finds the reason in the hub's log, sets the secret that [push] names, and you send \
                 it again",
            );
        }
    }
    let once = Once::new(&name, &headers, &query, &body);
    if let Some(once) = &once {
        match once.remembered(&hub).await {
            Ok(Some(answer)) => return answer,
            Ok(None) => {}
            Err(error) => return failed(&name, &error),
        }
    }
    // A mere request of a run is noted whatever is on its way.
    if !asks(push, &query) && !hub.room().is_left().await {
        tracing::warn!(connector = %name, "a push was sent away: the broker takes no more messages");
        return later(
            "nothing was taken: what came before is still on its way within the hub; send the same \
             again in half a minute",
        );
    }
    let answer = match take(&hub, connector, push, &query, &body).await {
        Ok(answer) => answer,
        Err(error) => match error.downcast_ref::<RunError>() {
            Some(cut @ RunError::NoRoom { .. }) => {
                tracing::warn!(connector = %name, "{cut}");
                return later(
                    "the hub has no room for all of it now: send the same again in half a minute; what \
                     is taken already is not taken twice",
                );
            }
            _ => return failed(&name, &error),
        },
    };
    if let (Some(once), true) = (&once, answer.0.is_success())
        && let Err(error) = once.remember(&hub, answer.0, &answer.1).await
    {
        return failed(&name, &error);
    }
    if !answer.0.is_success() {
        return told(answer.0, &answer.1);
    }
    (answer.0, axum::Json(answer.1)).into_response()
}

/// Whether a request asks for a run at most, and brings no offers by itself.
fn asks(push: &Push, query: &HashMap<String, String>) -> bool {
    push.offer.is_none() && (push.notify || query.contains_key("changed"))
}

/// Applies the body, or asks for a run.
async fn take(
    hub: &Hub,
    connector: &Arc<Connector>,
    push: &Push,
    query: &HashMap<String, String>,
    body: &[u8],
) -> anyhow::Result<(StatusCode, Value)> {
    if push.notify || push.offer.is_some() || query.contains_key("changed") {
        return notified(hub, connector, body).await;
    }
    let whole = query
        .get("snapshot")
        .is_some_and(|value| !matches!(value.as_str(), "false" | "0"));
    let pushed = match Pushed::new(Arc::clone(connector), body, whole) {
        Ok(pushed) => pushed,
        Err(why) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return Ok((
                status,
                problem(
                    status,
                    &format!(
                        "nothing was taken: {why}; mend the body and send the whole of it again"
                    ),
                ),
            ));
        }
    };
    let results = pushed.results();
    let Some(report) = run_patiently(hub, Arc::new(pushed), "push").await? else {
        let status = StatusCode::CONFLICT;
        let why = "a run of this connector is under way: send it again in a moment";
        return Ok((status, problem(status, why)));
    };
    let mut answer = told_counts(&report);
    answer["results"] = json!(results);
    Ok((StatusCode::OK, answer))
}

/// Answers a message that says that something changed: by asking for the offers that it names, or
/// else for a run of the whole source.
async fn notified(
    hub: &Hub,
    connector: &Arc<Connector>,
    body: &[u8],
) -> anyhow::Result<(StatusCode, Value)> {
    if connector.source.url.as_str() == PUSH_ONLY {
        let why = "there is nothing to ask: this connector has no [source]";
        return Ok((StatusCode::CONFLICT, problem(StatusCode::CONFLICT, why)));
    }
    let live = Live {
        connector: Arc::clone(connector),
        env: hub.env.clone(),
    };
    if let Some(named) = Named::new(live, body)
        && hub.room().is_left().await
    {
        let references = named.references().to_vec();
        let report = run_patiently(hub, Arc::new(named), "webhook").await?;
        if let Some(report) = report.filter(|report| report.snapshot != SnapshotKind::Failed) {
            let mut answer = told_counts(&report);
            answer["offers"] = json!(references);
            return Ok((StatusCode::OK, answer));
        }
    }
    let names = [connector.name.clone()];
    hub.store.request_runs(&names, hub.clock.now()).await?;
    Ok((StatusCode::ACCEPTED, json!({ "requested": connector.name })))
}

/// Runs `source`, after the run of its connector that may be under way; `None` where that lasts. A sender
/// is not kept waiting for room: what there is none for is left to those who pull.
async fn run_patiently(
    hub: &Hub,
    source: Arc<dyn Source>,
    trigger: &str,
) -> anyhow::Result<Option<Report>> {
    let source = Arc::new(Watched {
        inner: source,
        on_records: Arc::new(|_, _| {}),
        forget_validators: false,
        room: hub.room().within(Duration::ZERO),
    });
    for _ in 0..=PATIENCE {
        match run(&*hub.store, source.clone(), &hub.clock, trigger).await? {
            Outcome::Ran(report) => {
                hub.bus.wake(Stage::Normalise);
                return Ok(Some(report));
            }
            Outcome::Busy => tokio::time::sleep(TURN).await,
        }
    }
    Ok(None)
}

fn told_counts(report: &Report) -> Value {
    let counts = report.counts;
    json!({
        "run": report.run,
        "snapshot": super::metrics::snapshot(Some(report.snapshot)),
        "pulled": counts.pulled, "rejected": counts.rejected, "new": counts.new,
        "changed": counts.changed, "unchanged": counts.unchanged,
        "missing": counts.missing, "closed": counts.closed, "held": counts.held,
    })
}

/// Whether the key or the signature is right.
fn is_allowed(hub: &Hub, push: &Push, headers: &HeaderMap, body: &[u8]) -> Result<bool, String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(key) = &push.key {
        let key = key.resolve(&hub.env.secrets).map_err(|e| e.to_string())?;
        let given = text("x-passerelle-key").or_else(|| {
            let value = text(header::AUTHORIZATION.as_str())?;
            value.strip_prefix("Bearer ").map(str::trim)
        });
        // Hashes are compared in constant time.
        if !key.is_empty()
            && given.is_some_and(|g| blake3::hash(g.as_bytes()) == blake3::hash(key.as_bytes()))
        {
            return Ok(true);
        }
    }
    if let Some(secret) = &push.hmac {
        let secret = secret
            .resolve(&hub.env.secrets)
            .map_err(|e| e.to_string())?;
        let given = text(&push.signature_header)
            .and_then(|value| hex(value.trim().strip_prefix("sha256=").unwrap_or(value.trim())));
        if let (false, Some(given)) = (secret.is_empty(), given) {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
                .map_err(|error| error.to_string())?;
            mac.update(body);
            return Ok(mac.verify_slice(&given).is_ok());
        }
    }
    Ok(false)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || text.len() % 2 == 1 {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

/// A request that names itself, so that a repetition gets the same answer and does nothing.
struct Once {
    slot: String,
    key: String,
    body: String,
}

impl Once {
    fn new(
        name: &ConnectorName,
        headers: &HeaderMap,
        query: &HashMap<String, String>,
        body: &[u8],
    ) -> Option<Self> {
        let key = headers.get("idempotency-key")?.to_str().ok()?.to_owned();
        let hash = blake3::hash(key.as_bytes());
        let mut number = [0; 8];
        number.copy_from_slice(&hash.as_bytes()[..8]);
        let mut sent = blake3::Hasher::new();
        sent.update(body);
        let mut options: Vec<_> = query.iter().collect();
        options.sort();
        sent.update(format!("{options:?}").as_bytes());
        Some(Self {
            slot: format!("ingest.{name}.{}", u64::from_le_bytes(number) % REMEMBERED),
            key: hash.to_hex().to_string(),
            body: sent.finalize().to_hex().to_string(),
        })
    }

    async fn remembered(&self, hub: &Hub) -> anyhow::Result<Option<Response>> {
        let Some(text) = hub.store.meta(&self.slot).await? else {
            return Ok(None);
        };
        let known: Value = serde_json::from_str(&text)?;
        if known["key"] != self.key.as_str() {
            return Ok(None);
        }
        if known["body"] != self.body.as_str() {
            return Ok(Some(refuse(
                StatusCode::UNPROCESSABLE_ENTITY,
                "nothing was taken: this Idempotency-Key was used for another request; give each \
                 request a key of its own, and only a repetition the same",
            )));
        }
        let status = known["status"].as_u64().and_then(|s| u16::try_from(s).ok());
        let status = status.and_then(|s| StatusCode::from_u16(s).ok());
        let answer = axum::Json(known["answer"].clone());
        Ok(Some(
            (status.unwrap_or(StatusCode::OK), answer).into_response(),
        ))
    }

    async fn remember(&self, hub: &Hub, status: StatusCode, answer: &Value) -> anyhow::Result<()> {
        let text = json!({
            "key": self.key, "body": self.body, "status": status.as_u16(), "answer": answer,
        });
        Ok(hub.store.set_meta(&self.slot, &text.to_string()).await?)
    }
}

fn problem(status: StatusCode, detail: &str) -> Value {
    json!({
        "type": "about:blank", "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(), "detail": detail,
    })
}

/// Nothing is wrong with what was sent, but the hub's broker takes no more.
fn later(detail: &str) -> Response {
    let after = [(header::RETRY_AFTER, RETRY_AFTER)];
    (after, refuse(StatusCode::SERVICE_UNAVAILABLE, detail)).into_response()
}

fn refuse(status: StatusCode, detail: &str) -> Response {
    told(status, &problem(status, detail))
}

fn told(status: StatusCode, problem: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, kind, problem.to_string()).into_response()
}

fn failed(name: &ConnectorName, error: &anyhow::Error) -> Response {
    tracing::error!(connector = %name, error = format!("{error:#}"), "a pushed body could not be applied");
    refuse(
        StatusCode::SERVICE_UNAVAILABLE,
        "nothing of it is lost or half done, but the store does not answer: send it again in a \
         moment with the same Idempotency-Key; if this lasts, the hub's log says why",
    )
}

#[cfg(test)]
mod tests;
