//! `/healthz`, `/readyz`, `/metrics`.

use super::metrics;
use super::room::Room;
use crate::bus::rabbit::{BusHealth, RabbitBus};
use crate::model::Clock;
use crate::store::DynStore;
use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

#[derive(Clone)]
pub struct Health {
    pub store: DynStore,
    pub clock: Clock,
    /// The broker's side of the bus, in a cluster.
    pub rabbit: Option<Arc<RabbitBus>>,
    pub room: Room,
    /// Cancelled once the process drains: it is alive, but wants no new work.
    pub stop: CancellationToken,
}

pub fn router(health: Health) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .with_state(health)
}

/// The process is alive: nothing else is asked.
async fn healthz() -> Json<serde_json::Value> {
    Json(json!({ "status": "ok" }))
}

/// Work may be sent here: the store and the broker answer, the schema is this program's, no
/// shutdown is under way.
async fn readyz(State(health): State<Health>) -> Response {
    let unready = |why: String| {
        let body = Json(json!({ "status": "unready", "why": why }));
        (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
    };
    if health.stop.is_cancelled() {
        return unready("the process is stopping".into());
    }
    match health.rabbit.as_deref().map(RabbitBus::health) {
        Some(BusHealth::Away(why)) => {
            let pulls = match health.room.is_left().await {
                true => "",
                false => "; the outbox is full, and pulls wait",
            };
            return unready(format!("no connection to RabbitMQ: {why}{pulls}"));
        }
        Some(BusHealth::Blocked) => {
            return unready("RabbitMQ takes no messages (memory or disk alarm)".into());
        }
        Some(BusHealth::Ready) | None => {}
    }
    match health.store.migrate(false).await {
        Ok((current, known)) if current < known => unready(format!(
            "the store has schema {current}, this program wants {known}: run `passerelle migrate`"
        )),
        Ok(_) => Json(json!({ "status": "ready" })).into_response(),
        Err(error) => unready(crate::telemetry::chain(&error)),
    }
}

async fn scrape(State(health): State<Health>) -> Response {
    match metrics::render(&health.store, &health.clock).await {
        Ok(text) => (
            [(
                header::CONTENT_TYPE,
                "text/plain; version=0.0.4; charset=utf-8",
            )],
            text,
        )
            .into_response(),
        Err(error) => (
            StatusCode::SERVICE_UNAVAILABLE,
            crate::telemetry::chain(&error),
        )
            .into_response(),
    }
}
