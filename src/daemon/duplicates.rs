//! `/api/v1/duplicates`: what people are asked about duplicates, and what they answer. The same as
//! `passerelle duplicates list`, `explain`, `same`, `different` and `unsure`, for a page of review.

use super::Hub;
use crate::admin::decisions::{self, DecisionError};
use crate::admin::duplicates::{self, ExplainError, World};
use crate::model::{DecisionKind, Stage, VacancyId};
use crate::publish::{ParameterError, Params, Problem, Publish, PublishError};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing::get};
use serde_json::{Map, Value};
use std::sync::Arc;

const MOST_BYTES: usize = 64 * 1024;
/// Questions of one answer: at most, and unless asked otherwise.
const MOST: usize = 1_000;
const USUAL: usize = 100;
/// Characters of a name and of a reason.
const MOST_NAME: usize = 200;
const MOST_WHY: usize = 2_000;
/// Who decides where nobody is named, as on the command line.
const NOBODY: &str = "operator";

const ANSWERS: [(&str, DecisionKind); 3] = [
    ("same", DecisionKind::Same),
    ("different", DecisionKind::Different),
    ("unsure", DecisionKind::Unsure),
];

/// The routes; whoever merges them asks for the administration's key.
pub fn routes(hub: Arc<Hub>) -> Router<Publish> {
    Router::new()
        .route("/api/v1/duplicates", get(list))
        .route(
            "/api/v1/duplicates/{one}/{other}",
            get(explain).post(decide),
        )
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .with_state(hub)
}

/// What a request gets that is not answered; boxed as [`Problem`] is.
enum Refused {
    Problem(Problem),
    Failed(PublishError),
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => problem.into_response(),
            Self::Failed(error) => error.into_response(),
        }
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<crate::store::StoreError> for Refused {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Failed(error.into())
    }
}

type Answer = Result<Response, Refused>;

async fn list(State(hub): State<Arc<Hub>>, RawQuery(query): RawQuery) -> Answer {
    let mut params = Params::new(query.as_deref());
    let all = params.flag("all");
    let limit = params.whole("limit", 1, MOST, USUAL);
    params.finish()?;
    let world = World::read(&*hub.store).await?;
    let review = tokio::task::spawn_blocking(move || world.review(all)).await;
    let mut review = review.map_err(|error| Refused::Failed(PublishError::Task(error)))?;
    review.items.truncate(limit);
    Ok(Json(review).into_response())
}

async fn explain(
    State(hub): State<Arc<Hub>>,
    Path((one, other)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Answer {
    Params::new(query.as_deref()).finish()?;
    let (one, other) = (id(&one)?, id(&other)?);
    match duplicates::explain(&*hub.store, one, other).await {
        Ok(explained) => Ok(Json(explained).into_response()),
        Err(error @ ExplainError::Unknown(_)) => Err(Problem::not_found(&error.to_string()).into()),
        Err(ExplainError::One(..)) => Err(one_of_two(other).into()),
        Err(ExplainError::Store(error)) => Err(error.into()),
    }
}

async fn decide(
    State(hub): State<Arc<Hub>>,
    Path((one, other)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Answer {
    Params::new(query.as_deref()).finish()?;
    let (one, other) = (id(&one)?, id(&other)?);
    let said = Said::read(&body)?;
    let now = hub.clock.now();
    let made = decisions::decide(
        &*hub.store,
        said.kind,
        one,
        Some(other),
        &said.by,
        &said.why,
        now,
    );
    match made.await {
        Ok(decision) => {
            hub.bus.wake(Stage::Dedupe);
            Ok(Json(decision).into_response())
        }
        Err(error @ DecisionError::Unknown(_)) => {
            Err(Problem::not_found(&error.to_string()).into())
        }
        Err(DecisionError::NeedsTwo) => Err(one_of_two(other).into()),
        Err(DecisionError::Store(error)) => Err(error.into()),
    }
}

/// The id of a vacancy or posting; what is none names nothing.
fn id(text: &str) -> Result<VacancyId, Problem> {
    text.parse().map_err(|_| {
        let text: String = text.chars().take(100).collect();
        Problem::not_found(&format!(
            "there is no offer {text}: give the id of a vacancy or of one of its postings"
        ))
    })
}

fn one_of_two(id: VacancyId) -> Problem {
    Problem::unprocessable(vec![ParameterError::new(
        "other",
        &id.to_string(),
        "the same offer twice: give the ids of two",
    )])
}

/// An answer to a question.
#[derive(Debug, PartialEq)]
struct Said {
    kind: DecisionKind,
    by: String,
    why: String,
}

impl Said {
    /// # Errors
    /// Everything that is wrong with the body, with what was expected.
    fn read(body: &[u8]) -> Result<Self, Problem> {
        let words = ANSWERS.map(|(word, _)| word).join(", ");
        let mut fields: Map<String, Value> = serde_json::from_slice(body).map_err(|error| {
            Problem::unprocessable(vec![ParameterError::new(
                "body",
                "",
                format!("{error}: expected a JSON object with `answer` (one of: {words}) and, if you like, `by` and `why`"),
            )])
        })?;
        let mut errors = Vec::new();
        let answer = fields.remove("answer").unwrap_or_default();
        let kind = ANSWERS
            .iter()
            .find(|(word, _)| answer == *word)
            .map(|(_, kind)| *kind);
        if kind.is_none() {
            let value = shown(&answer);
            errors.push(ParameterError::new(
                "answer",
                &value,
                format!("expected one of: {words}"),
            ));
        }
        let mut text = |name: &str, most: usize| match fields.remove(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) if is_text(&text, most) => text.trim().to_owned(),
            Some(other) => {
                errors.push(ParameterError::new(
                    name,
                    &shown(&other),
                    format!(
                        "expected a text of {most} characters at most, without control characters"
                    ),
                ));
                String::new()
            }
        };
        let (by, why) = (text("by", MOST_NAME), text("why", MOST_WHY));
        for (name, value) in &fields {
            errors.push(ParameterError::new(
                name,
                &shown(value),
                "unknown: expected `answer`, `by` and `why`",
            ));
        }
        match kind {
            Some(kind) if errors.is_empty() => Ok(Self {
                kind,
                by: if by.is_empty() { NOBODY.into() } else { by },
                why,
            }),
            _ => Err(Problem::unprocessable(errors)),
        }
    }
}

/// A value as the answer repeats it: a text without quotes, nothing for what was absent.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn is_text(text: &str, most: usize) -> bool {
    text.chars().count() <= most
        && !text
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_or_says_what_was_expected() {
        let read = |text: &str| Said::read(text.as_bytes());
        let said = read(r#"{"answer":"same","by":" Jeanne ","why":"même poste"}"#).unwrap();
        assert_eq!(
            (said.kind, said.by.as_str(), said.why.as_str()),
            (DecisionKind::Same, "Jeanne", "même poste")
        );
        let said = read(r#"{"answer":"unsure","by":""}"#).unwrap();
        assert_eq!(
            (said.kind, said.by.as_str()),
            (DecisionKind::Unsure, NOBODY)
        );
        let long = format!(
            r#"{{"answer":"same","by":"{}"}}"#,
            "a".repeat(MOST_NAME + 1)
        );
        for (body, expected) in [
            ("", "expected a JSON object"),
            ("[]", "expected a JSON object"),
            ("{}", "answer: expected one of: same, different, unsure"),
            (r#"{"answer":"yes"}"#, "one of: same, different, unsure"),
            (r#"{"answer":["same"]}"#, "one of: same, different, unsure"),
            (r#"{"answer":"same","by":7}"#, "by: expected a text of 200"),
            (
                r#"{"answer":"same","why":"a\u0000"}"#,
                "why: expected a text of 2000",
            ),
            (r#"{"answer":"same","because":"x"}"#, "because: unknown"),
            (long.as_str(), "by: expected a text of 200"),
        ] {
            let told = read(body).unwrap_err().text();
            assert!(told.contains(expected), "{body}: {told}");
        }
    }
}
