//! `/demo`: what there is, and the handles that change it.

use super::{ServerError, Shared};
use crate::demo::world::{Change, Unknown};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/demo", get(list))
        .route("/demo/close/{reference}", post(close))
        .route("/demo/reopen/{reference}", post(reopen))
        .route("/demo/change/{reference}", post(change))
        .route("/demo/add/{like}", post(add))
}

/// The openings as a table that a person can read: reference, state, copy, member, title.
async fn list(State(shared): State<Shared>) -> Response {
    let mut text = String::from(
        "Synthetic network: nothing here exists.\n\
         POST /demo/close/REF[?everywhere=true]  /demo/reopen/REF  /demo/change/REF[?title=…]  /demo/add/REF (one more like it)\n\n",
    );
    for opening in &shared.world().openings {
        text.push_str(&format!(
            "{:<14} {:<6} {:<4} {:<26} {}\n",
            opening.reference(),
            if opening.closed { "closed" } else { "open" },
            if opening.echo.is_some() { "copy" } else { "" },
            opening.member,
            opening.title
        ));
    }
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

#[derive(Deserialize)]
struct CloseArgs {
    #[serde(default)]
    everywhere: bool,
}

async fn close(
    State(shared): State<Shared>,
    Path(reference): Path<String>,
    Query(args): Query<CloseArgs>,
) -> Result<Response, Failed> {
    done(
        &shared,
        Change::Close {
            reference,
            everywhere: args.everywhere,
        },
    )
}

async fn reopen(
    State(shared): State<Shared>,
    Path(reference): Path<String>,
) -> Result<Response, Failed> {
    done(&shared, Change::Reopen { reference })
}

#[derive(Deserialize)]
struct EditArgs {
    title: Option<String>,
}

async fn change(
    State(shared): State<Shared>,
    Path(reference): Path<String>,
    Query(args): Query<EditArgs>,
) -> Result<Response, Failed> {
    let at = shared.0.clock.now();
    done(
        &shared,
        Change::Edit {
            reference,
            title: args.title,
            at,
        },
    )
}

async fn add(State(shared): State<Shared>, Path(like): Path<String>) -> Result<Response, Failed> {
    let at = shared.0.clock.now();
    done(&shared, Change::Add { like, at })
}

fn done(shared: &Shared, change: Change) -> Result<Response, Failed> {
    let mut world = shared.world();
    let reference = world.apply(change).map_err(Failed::Unknown)?;
    shared.keep(&world).map_err(Failed::Kept)?;
    let opening = world
        .openings
        .iter()
        .find(|opening| opening.reference() == reference);
    Ok(Json(json!({
        "reference": reference,
        "title": opening.map(|opening| &opening.title),
        "open": opening.is_some_and(|opening| !opening.closed),
    }))
    .into_response())
}

enum Failed {
    Unknown(Unknown),
    Kept(ServerError),
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        match self {
            Self::Unknown(error) => (StatusCode::NOT_FOUND, format!("{error}\n")).into_response(),
            Self::Kept(error) => {
                (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response()
            }
        }
    }
}
