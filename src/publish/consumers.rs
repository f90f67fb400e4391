//! Consumers with a key: each sees the offers that its own filter admits, at its own pace.
//!
//! A key is optional, since what is published is public; it gives a program a part of the offers
//! without a query of its own, and a quota that says how much it may ask. **Invariants:** keys are
//! known by their hash alone, and compared in constant time; what a consumer's filter keeps out
//! reaches it by no route of the API.

use super::{
    Publish,
    api::{Params, filter},
    index::Filter,
    respond::{Problem, put},
};
use crate::{
    model::TombstoneReason,
    store::{Change, ChangeOp},
};
use axum::{
    extract::{Request, State},
    http::{HeaderName, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::sync::{Arc, Mutex};

/// The problem type of a spent quota, as IANA registers it.
const EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
pub const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// How many requests in how many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    pub requests: u32,
    pub seconds: u32,
}

/// One program that reads with a key.
#[derive(Debug)]
pub struct Consumer {
    pub id: String,
    key: blake3::Hash,
    quota: Option<Quota>,
    filter: Filter,
    /// Begin of the present window (Unix seconds), and the requests in it.
    window: Mutex<(i64, u32)>,
}

impl Consumer {
    /// `query` is a filter as the API takes it: `department=70&family=nursing`.
    ///
    /// # Errors
    /// What is wrong with the filter.
    pub fn new(id: &str, key: &str, quota: Option<Quota>, query: &str) -> Result<Self, String> {
        let mut params = Params::new(Some(query));
        let filter = filter(&mut params);
        if !filter.q.is_empty() {
            params.refuse(
                "q",
                &filter.q,
                "words are for searching: a consumer's filter has none",
            );
        }
        params.finish().map_err(|problem| problem.text())?;
        Ok(Self {
            id: id.to_owned(),
            key: blake3::hash(key.trim().as_bytes()),
            quota,
            filter,
            window: Mutex::default(),
        })
    }

    /// `change` as this consumer may see it: what its filter keeps out is gone for it, whether it
    /// was there before or not.
    pub fn sees(&self, mut change: Change) -> Change {
        if let ChangeOp::Upsert { body } = &change.op
            && !self.admits(body)
        {
            change.op = ChangeOp::Delete {
                reason: TombstoneReason::Hidden,
                into: None,
            };
        }
        change
    }

    /// Whether its filter admits the vacancy with this JSON.
    pub fn admits(&self, body: &[u8]) -> bool {
        serde_json::from_slice(body).is_ok_and(|vacancy| self.filter.holds(&vacancy))
    }

    /// The search of `filter` within what it may see.
    pub fn narrow(&self, filter: &mut Filter) {
        if self.filter != Filter::default() {
            filter.within = Some(Box::new(self.filter.clone()));
        }
    }

    /// Counts one request at `now` (Unix seconds): what is left, and the seconds until it is whole
    /// again. `Err` when nothing was left.
    fn spend(&self, quota: Quota, now: i64) -> Result<(u32, i64), i64> {
        let mut window = self.window.lock().unwrap_or_else(|e| e.into_inner());
        let length = i64::from(quota.seconds);
        let begin = now - now.rem_euclid(length);
        if window.0 != begin {
            *window = (begin, 0);
        }
        let reset = begin + length - now;
        if window.1 >= quota.requests {
            return Err(reset);
        }
        window.1 += 1;
        Ok((quota.requests - window.1, reset))
    }
}

/// All consumers of a hub.
#[derive(Clone, Debug, Default)]
pub struct Consumers(Arc<Vec<Arc<Consumer>>>);

impl Consumers {
    pub fn new(consumers: Vec<Consumer>) -> Self {
        Self(Arc::new(consumers.into_iter().map(Arc::new).collect()))
    }

    /// The consumer with `key`. Each is compared, each in constant time, so that the time taken
    /// tells nothing.
    fn with_key(&self, key: &str) -> Option<Arc<Consumer>> {
        let given = blake3::hash(key.trim().as_bytes());
        let mut found = None;
        for consumer in self.0.iter() {
            if consumer.key == given {
                found = Some(Arc::clone(consumer));
            }
        }
        found
    }
}

/// Who asks, where a key was given: an extension of the request.
#[derive(Clone, Debug)]
pub struct Caller(pub Arc<Consumer>);

/// Lets requests without a key through; with one, counts them and notes who asks.
pub async fn admit(State(publish): State<Publish>, mut request: Request, next: Next) -> Response {
    let Some(given) = request.headers().get(header::AUTHORIZATION) else {
        return next.run(request).await;
    };
    let key = given.to_str().ok().and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key)
    });
    let consumer = key.and_then(|key| publish.settings().consumers.with_key(key));
    let Some(consumer) = consumer else {
        let mut response = Problem::new(
            StatusCode::UNAUTHORIZED,
            Some("unknown-key"),
            "Unauthorized",
        )
        .detail("No consumer has this key. The public offers are read without any.")
        .into_response();
        put(response.headers_mut(), header::WWW_AUTHENTICATE, "Bearer");
        return response;
    };
    let quota = consumer.quota;
    let now = publish.clock().now().as_second();
    let spent = quota.map(|quota| consumer.spend(quota, now));
    request.extensions_mut().insert(Caller(consumer));
    let mut response = match spent {
        Some(Err(reset)) => {
            let mut response = Problem::of_type(
                StatusCode::TOO_MANY_REQUESTS,
                EXCEEDED,
                "Request cannot be satisfied as assigned quota has been exceeded",
            )
            .with("violated-policies", serde_json::json!(["consumer"]))
            .into_response();
            put(
                response.headers_mut(),
                header::RETRY_AFTER,
                &reset.to_string(),
            );
            response
        }
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    if let (Some(quota), Some(spent)) = (quota, spent) {
        let (left, reset) = spent.unwrap_or_else(|reset| (0, reset));
        let policy = format!("\"consumer\";q={};w={}", quota.requests, quota.seconds);
        put(headers, POLICY, &policy);
        put(headers, LIMIT, &format!("\"consumer\";r={left};t={reset}"));
    }
    // What it got is its own: no cache on the way may give it to another.
    headers.append(
        header::VARY,
        header::HeaderValue::from_static("authorization"),
    );
    response
}
