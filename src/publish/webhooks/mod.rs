//! Webhooks (Standard Webhooks): each change of public state, sent to whoever asked for it.
//!
//! Every endpoint has a cursor and a task of its own, so that one that hangs delays nobody. What
//! they are and how far they are is kept as notes of the store; deliveries are in order and at
//! least once, and `webhook-id` is the same in every attempt. **Invariants:** targets are checked as
//! fetches are (no private address, no redirect); a secret is shown once, when it is made.

mod deliver;
mod routes;
mod seal;
mod sign;

pub use deliver::Webhooks;
pub use routes::{View, routes};
pub use seal::Seal;

use super::{Publish, PublishError};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Attempts that the delivery log keeps of each endpoint.
const LOG: usize = 100;
/// Endpoints of one hub at most.
const MOST: usize = 100;

/// One subscriber.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Endpoint {
    id: String,
    url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    created: Timestamp,
    /// The newest first; an older one signs too until its end.
    secrets: Vec<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    disabled: Option<Disabled>,
    /// Grows with each change by a person: whoever waits for a retry looks again.
    #[serde(default)]
    version: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Secret {
    /// Sealed where the settings have a key for it.
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Disabled {
    at: Timestamp,
    /// `gone` (410), `failing` (no attempt of the schedule succeeded) or `operator`.
    reason: String,
}

/// How the message at the head of the queue fares.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// Attempts made of it.
    #[serde(default)]
    attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// One line of the delivery log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    message: String,
    seq: u64,
    at: Timestamp,
    attempt: u32,
    /// `delivered` or `failed`.
    outcome: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Endpoint {
    fn note(id: &str) -> String {
        format!("webhook/{id}")
    }

    fn progress_note(id: &str) -> String {
        format!("webhook.progress/{id}")
    }

    fn log_note(id: &str) -> String {
        format!("webhook.log/{id}")
    }

    /// The sink whose cursor says how far it is.
    fn sink(id: &str) -> String {
        format!("webhook/{id}")
    }

    /// The secrets that sign at `now`; `None` where one was sealed with another key.
    fn signing(&self, seal: Option<&Seal>, now: Timestamp) -> Option<Vec<String>> {
        let valid = move |s: &&Secret| s.until.is_none_or(|until| now < until);
        let secrets = self.secrets.iter().filter(valid);
        secrets
            .map(|s| seal::open(seal, &self.id, &s.key))
            .collect()
    }

    /// Seals what still lies in clear; whether there was any.
    fn seal(&mut self, seal: Option<&Seal>) -> bool {
        let mut sealed = false;
        for secret in &mut self.secrets {
            let before = secret.key.clone();
            secret.key = seal::close(seal, &self.id, before.clone());
            sealed |= secret.key != before;
        }
        sealed
    }
}

impl Publish {
    async fn endpoints(&self) -> Result<Vec<Endpoint>, PublishError> {
        let notes = self.store().notes("webhook/").await?;
        let read = |(_, text): (String, String)| serde_json::from_str(&text).ok();
        Ok(notes.into_iter().filter_map(read).collect())
    }

    async fn endpoint(&self, id: &str) -> Result<Option<Endpoint>, PublishError> {
        self.noted(&Endpoint::note(id)).await
    }

    /// The note `key`, if it is there and can be read.
    async fn noted<T: serde::de::DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<Option<T>, PublishError> {
        let text = self.store().meta(key).await?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    async fn put_note<T: Serialize>(&self, key: String, value: &T) -> Result<(), PublishError> {
        let text = serde_json::to_string(value).map_err(|e| PublishError::Index(e.into()))?;
        Ok(self.store().write_notes(vec![(key, Some(text))]).await?)
    }
}
