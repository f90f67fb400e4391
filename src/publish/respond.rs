//! Answers: documents with strong ETags, and problems as RFC 9457 wants them.

use super::PublishError;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Serialize;
use std::error::Error;

pub const JSON: &str = "application/json";
pub const NDJSON: &str = "application/x-ndjson";
pub const HTML: &str = "text/html; charset=utf-8";

/// A whole answer in memory, with its validator.
#[derive(Clone, Debug)]
pub struct Document {
    pub content_type: String,
    pub body: Bytes,
    /// Strong: a hash of exactly these bytes, in quotes.
    pub etag: String,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Made anew for each answer.
    pub fleeting: bool,
}

impl Document {
    pub fn new(content_type: impl Into<String>, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let hash = blake3::hash(&body).to_hex();
        Self {
            content_type: content_type.into(),
            etag: format!("\"{}\"", &hash[..32]),
            body,
            headers: Vec::new(),
            fleeting: false,
        }
    }

    pub fn fleeting(mut self) -> Self {
        self.fleeting = true;
        self
    }

    pub fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }
}

impl IntoResponse for &Document {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body.clone()));
        let headers = response.headers_mut();
        put(headers, header::CONTENT_TYPE, &self.content_type);
        put(headers, header::ETAG, &self.etag);
        put(headers, header::CACHE_CONTROL, "no-cache");
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        response
    }
}

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        (&self).into_response()
    }
}

/// Sets a header whose value the program itself made; one that is not sendable is left out.
pub fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// JSON of a value that this program defines.
pub fn json<T: Serialize>(value: &T) -> Document {
    // Our own answer types have string keys and finite numbers: they cannot fail to serialise.
    Document::new(JSON, serde_json::to_vec(value).unwrap_or_default())
}

/// An error as `application/problem+json`. Boxed: it travels in `Result`s that mostly hold `Ok`.
#[derive(Clone, Debug)]
pub struct Problem(Box<Details>);

#[derive(Clone, Debug, Serialize)]
struct Details {
    /// `about:blank`, or an anchor of the API's own page.
    #[serde(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ParameterError>,
    #[serde(flatten)]
    extensions: serde_json::Map<String, serde_json::Value>,
    #[serde(skip)]
    link: Option<String>,
}

/// What is wrong with one parameter of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ParameterError {
    pub parameter: String,
    /// As it came, cut at 100 characters.
    pub value: String,
    pub message: String,
}

impl ParameterError {
    pub fn new(parameter: &str, value: &str, message: impl Into<String>) -> Self {
        Self {
            parameter: parameter.chars().take(40).collect(),
            value: value.chars().take(100).collect(),
            message: message.into(),
        }
    }
}

impl Problem {
    pub fn new(status: StatusCode, slug: Option<&str>, title: &str) -> Self {
        Self(Box::new(Details {
            kind: slug.map_or("about:blank".into(), |slug| format!("/api/#{slug}")),
            title: title.into(),
            status: status.as_u16(),
            detail: None,
            errors: Vec::new(),
            extensions: serde_json::Map::new(),
            link: None,
        }))
    }

    /// A problem whose type is registered elsewhere.
    pub fn of_type(status: StatusCode, kind: &str, title: &str) -> Self {
        let mut problem = Self::new(status, None, title);
        problem.0.kind = kind.into();
        problem
    }

    /// What is wrong, in one line.
    pub fn text(&self) -> String {
        let errors = self.0.errors.iter();
        let errors = errors.map(|e| format!("{}: {}", e.parameter, e.message));
        errors.collect::<Vec<_>>().join("; ")
    }

    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    pub fn with(mut self, key: &str, value: impl Into<serde_json::Value>) -> Self {
        self.0.extensions.insert(key.into(), value.into());
        self
    }

    /// The header `Link` of the answer.
    pub fn link(mut self, link: String) -> Self {
        self.0.link = Some(link);
        self
    }

    pub fn bad_request(errors: Vec<ParameterError>) -> Self {
        let slug = Some("bad-parameter");
        Self::new(StatusCode::BAD_REQUEST, slug, "A parameter cannot be used").of(errors)
    }

    /// A body that was read and cannot be used; each error says what was expected.
    pub fn unprocessable(errors: Vec<ParameterError>) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self::new(status, None, "The body cannot be used").of(errors)
    }

    fn of(mut self, errors: Vec<ParameterError>) -> Self {
        self.0.detail = errors
            .first()
            .map(|e| format!("{}: {}", e.parameter, e.message));
        self.0.errors = errors;
        self
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, None, "Not Found").detail(what)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        put(headers, header::CONTENT_TYPE, "application/problem+json");
        put(headers, header::CACHE_CONTROL, "no-store");
        if let Some(link) = &self.0.link {
            put(headers, header::LINK, link);
        }
        response
    }
}

/// An error and its causes, on one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

impl IntoResponse for PublishError {
    /// The log tells the causes, the answer does not: nothing internal leaks.
    fn into_response(self) -> Response {
        let transient = matches!(&self, Self::Store(error) if error.is_transient());
        tracing::error!(error = %chain(&self), "request failed");
        if transient {
            let mut response =
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, None, "Service Unavailable")
                    .into_response();
            put(response.headers_mut(), header::RETRY_AFTER, "5");
            return response;
        }
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            None,
            "Internal Server Error",
        )
        .into_response()
    }
}
