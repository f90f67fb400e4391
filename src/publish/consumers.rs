//! Consumers with a key: each sees the offers that its own filter admits, at its own pace.
//!
//! A key is optional, since what is published is public; it gives a program a part of the offers
//! without a query of its own, and a quota that says how much it may ask. **Invariants:** keys are
//! known by their hash alone, and compared in constant time; what a consumer's filter keeps out
//! reaches it by no route of the API.

use super::{
    Publish,
    api::{Params, filter, fingerprint},
    index::{Filter, Sort},
    quota::{Quota, Window},
    respond::{Problem, put},
};
use crate::{
    model::{TombstoneReason, Vacancy},
    store::{Change, ChangeOp},
};
use axum::{
    Extension,
    extract::{ConnectInfo, Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, RwLock},
};

/// One program that reads with a key.
#[derive(Debug)]
pub struct Consumer {
    pub id: String,
    key: blake3::Hash,
    quota: Option<Quota>,
    filter: Filter,
    window: Window,
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
            window: Window::default(),
        })
    }

    /// `change` as this consumer may see it: what its filter keeps out is gone for it, whether it
    /// was there before or not.
    pub fn sees(&self, mut change: Change) -> Change {
        if let ChangeOp::Upsert { body } = &change.op
            && !self.admits_json(body)
        {
            change.op = ChangeOp::Delete {
                reason: TombstoneReason::Hidden,
                into: None,
            };
        }
        change
    }

    /// Whether its filter admits `vacancy`.
    pub fn admits(&self, vacancy: &Vacancy) -> bool {
        self.filter.holds(vacancy)
    }

    /// The same, of a vacancy's JSON.
    pub fn admits_json(&self, body: &[u8]) -> bool {
        serde_json::from_slice(body).is_ok_and(|vacancy| self.admits(&vacancy))
    }

    /// The search of `filter` within what it may see.
    pub fn narrow(&self, filter: &mut Filter) {
        if self.filter != Filter::default() {
            filter.within = Some(Box::new(self.filter.clone()));
        }
    }

    /// Names the part of the offers that it sees: cursors of one part are not those of another.
    pub fn part(&self) -> Part {
        if self.filter == Filter::default() {
            Part::WHOLE
        } else {
            Part(fingerprint(&self.filter, Sort::Published))
        }
    }

    /// Whether it is the same consumer with the same rights.
    fn is_as(&self, other: &Self) -> bool {
        (&self.id, self.key, self.quota, &self.filter)
            == (&other.id, other.key, other.quota, &other.filter)
    }

    /// Whether two consumers cannot be told apart.
    pub fn has_key_of(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

/// A part of the offers, by the filter that makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part(pub u64);

impl Part {
    pub const WHOLE: Self = Self(0);
}

/// All consumers of a hub; a copy of this handle sees the same ones.
#[derive(Clone, Debug, Default)]
pub struct Consumers(Arc<RwLock<Vec<Arc<Consumer>>>>);

impl Consumers {
    pub fn new(consumers: Vec<Consumer>) -> Self {
        let all = Self::default();
        all.replace(consumers.into_iter().map(Arc::new).collect());
        all
    }

    /// From now on these. One that is as before keeps what it has spent. Gives whether anything is
    /// another.
    pub fn replace(&self, consumers: Vec<Arc<Consumer>>) -> bool {
        let mut held = self.0.write().unwrap_or_else(|e| e.into_inner());
        let known = |new: Arc<Consumer>| {
            let old = held.iter().find(|old| old.is_as(&new));
            old.cloned().unwrap_or(new)
        };
        let now: Vec<_> = consumers.into_iter().map(known).collect();
        let same = |(a, b): (&Arc<Consumer>, &Arc<Consumer>)| Arc::ptr_eq(a, b);
        let changed = now.len() != held.len() || !now.iter().zip(held.iter()).all(same);
        *held = now;
        changed
    }

    /// The consumer with `key`. Each is compared, each in constant time, so that the time taken
    /// tells nothing.
    pub fn with_key(&self, key: &str) -> Option<Arc<Consumer>> {
        let given = blake3::hash(key.trim().as_bytes());
        let mut found = None;
        let held = self.0.read().unwrap_or_else(|e| e.into_inner());
        for consumer in held.iter() {
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

/// The consumer that asks, where one does.
pub type Asking = Option<Extension<Caller>>;

/// The part of the offers that whoever asks may see.
pub fn part(caller: &Asking) -> Part {
    let consumer = caller.as_ref().map(|Extension(Caller(consumer))| consumer);
    consumer.map_or(Part::WHOLE, |consumer| consumer.part())
}

/// The policies that are named in `RateLimit`.
const CONSUMER: &str = "consumer";
const ADDRESS: &str = "address";

/// Counts the request for the consumer whose key it has, without a key for the address that it came
/// from, and notes who asks.
pub async fn admit(State(publish): State<Publish>, mut request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).cloned();
    let consumer = given.as_ref().and_then(|value| {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        let key = scheme.eq_ignore_ascii_case("bearer").then_some(key)?;
        publish.settings().consumers.with_key(key)
    });
    let (policy, spent) = match &consumer {
        Some(consumer) => {
            let spent = consumer.quota.map(|q| (q, consumer.window.spend(q)));
            (CONSUMER, spent)
        }
        // Who guesses keys is counted too.
        None => {
            let limit = &publish.settings().anonymous;
            let peer = peer(&request);
            let spent = peer.and_then(|peer| limit.spend(peer, request.headers()));
            (ADDRESS, spent)
        }
    };
    let mut response = match (spent, &consumer) {
        (Some((_, spent)), _) if spent.is_refused() => spent.refusal(policy),
        (_, None) if given.is_some() => unknown_key(),
        (_, None) => next.run(request).await,
        (_, Some(consumer)) => {
            let caller = Caller(Arc::clone(consumer));
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
    };
    let headers = response.headers_mut();
    if let Some((quota, spent)) = spent {
        spent.tell(policy, quota, headers);
    }
    if given.is_some() {
        // What it got is its own: no cache on the way may give it to another.
        headers.append(
            header::VARY,
            header::HeaderValue::from_static("authorization"),
        );
    }
    response
}

/// Who is at the other end; nobody where the request came by no socket.
fn peer(request: &Request) -> Option<IpAddr> {
    let connection = request.extensions().get::<ConnectInfo<SocketAddr>>();
    connection.map(|ConnectInfo(address)| address.ip())
}

fn unknown_key() -> Response {
    let mut response = Problem::new(
        StatusCode::UNAUTHORIZED,
        Some("unknown-key"),
        "Unauthorized",
    )
    .detail("No consumer has this key. The public offers are read without any.")
    .into_response();
    put(response.headers_mut(), header::WWW_AUTHENTICATE, "Bearer");
    response
}
