//! Sending: one task an endpoint, from its cursor on, in order, with the standard's schedule.

use super::{Attempt, Disabled, Endpoint, LOG, Progress, sign};
use crate::{
    fetch::{FetchError, Fetcher, Limits, Method, Request},
    publish::{
        Publish, PublishError,
        api::{Item, item},
        respond::chain,
    },
    store::{Change, ChangeOp},
};
use jiff::Timestamp;
use serde::Serialize;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Waits before the attempts of one message; after the last the endpoint is disabled.
const SCHEDULE: [Duration; 10] = [
    Duration::ZERO,
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(5 * 3600),
    Duration::from_secs(10 * 3600),
    Duration::from_secs(14 * 3600),
    Duration::from_secs(20 * 3600),
    Duration::from_secs(24 * 3600),
];
/// Longest that a `Retry-After` is granted.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// For an answer's headers; its body is not waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// The standard's limit; a longer message goes without the vacancy, which the API has.
const LONGEST_BODY: usize = 20_000;
/// Between two looks at the store, when nothing is to be sent.
const IDLE: Duration = Duration::from_millis(200);
const LOOK: Duration = Duration::from_millis(500);
const BATCH: usize = 50;

/// Delivers to all endpoints until it is stopped. One process of a hub does this.
pub struct Webhooks {
    publish: Publish,
    fetcher: Fetcher,
}

impl Webhooks {
    /// `fetcher` must not retry by itself.
    pub fn new(publish: Publish, fetcher: Fetcher) -> Self {
        Self { publish, fetcher }
    }

    pub async fn follow(self, stop: CancellationToken) {
        let mut tasks: HashMap<String, (CancellationToken, JoinHandle<()>)> = HashMap::new();
        if let Err(error) = self.seal().await {
            tracing::warn!(error = %chain(&error), "webhook secrets are not sealed yet");
        }
        while !stop.is_cancelled() {
            match self.publish.endpoints().await {
                Ok(endpoints) => {
                    let due = endpoints.iter().filter(|e| e.disabled.is_none());
                    let due: Vec<&str> = due.map(|e| e.id.as_str()).collect();
                    tasks.retain(|id, (stop, task)| {
                        let keep = due.contains(&id.as_str()) && !task.is_finished();
                        if !keep {
                            stop.cancel();
                        }
                        keep
                    });
                    for id in due {
                        if !tasks.contains_key(id) {
                            let stop = stop.child_token();
                            let courier = Courier {
                                publish: self.publish.clone(),
                                fetcher: self.fetcher.clone(),
                                id: id.to_owned(),
                                stop: stop.clone(),
                            };
                            tasks.insert(id.to_owned(), (stop, tokio::spawn(courier.run())));
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "webhook endpoints cannot be read");
                }
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        for (_, (stop, task)) in tasks {
            stop.cancel();
            let _ = task.await;
        }
    }
}

impl Webhooks {
    /// Seals the secrets of endpoints that were made before there was a key for it.
    async fn seal(&self) -> Result<(), PublishError> {
        let seal = self.publish.settings().seal.as_ref();
        for mut endpoint in self.publish.endpoints().await? {
            if endpoint.seal(seal) {
                let key = Endpoint::note(&endpoint.id);
                self.publish.put_note(key, &endpoint).await?;
            }
        }
        Ok(())
    }
}

/// Who delivers to one endpoint.
struct Courier {
    publish: Publish,
    fetcher: Fetcher,
    id: String,
    stop: CancellationToken,
}

impl Courier {
    async fn run(self) {
        while !self.stop.is_cancelled() {
            let pause = match self.batch().await {
                Ok(Some(0)) => IDLE,
                Ok(Some(_)) => continue,
                // Gone or disabled.
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(endpoint = self.id, error = %chain(&error), "webhook waits for the store");
                    Duration::from_secs(2)
                }
            };
            self.sleep(pause).await;
        }
    }

    async fn sleep(&self, pause: Duration) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }

    /// Sends what is behind the cursor, up to one batch. `None` once the endpoint takes no more.
    async fn batch(&self) -> Result<Option<usize>, PublishError> {
        let store = self.publish.store();
        let Some(endpoint) = self.live().await? else {
            return Ok(None);
        };
        let sink = Endpoint::sink(&self.id);
        let mut after = store.cursor(&sink).await?;
        if store.head().await? <= after {
            return Ok(Some(0));
        }
        let changes = store.changes(after, BATCH).await?;
        if changes.is_empty() {
            return Ok(Some(0));
        }
        let mut log = Vec::new();
        let mut sent = 0;
        for change in &changes {
            let outcome = self.message(&endpoint, change, &mut log).await?;
            match outcome {
                Outcome::Delivered => {
                    // A replay may have set the cursor meanwhile, or another process that has the
                    // right now may have moved it: both count more than this delivery.
                    if self.live().await?.as_ref() != Some(&endpoint)
                        || !store.advance_cursor(&sink, after, change.seq).await?
                    {
                        break;
                    }
                    after = change.seq;
                    sent += 1;
                }
                // A person changed the endpoint, the program ends, or something newer has come of this
                // vacancy: begin anew from the cursor. The waits of the schedule go on.
                Outcome::Interrupted => break,
                Outcome::Disabled => {
                    self.write_log(log).await?;
                    return Ok(None);
                }
            }
        }
        self.write_log(log).await?;
        Ok(Some(sent.max(1)))
    }

    /// The endpoint as it is now, unless it is gone or disabled.
    async fn live(&self) -> Result<Option<Endpoint>, PublishError> {
        let endpoint = self.publish.endpoint(&self.id).await?;
        Ok(endpoint.filter(|e| e.disabled.is_none()))
    }

    /// One message, with as many attempts as it takes.
    async fn message(
        &self,
        endpoint: &Endpoint,
        change: &Change,
        log: &mut Vec<Attempt>,
    ) -> Result<Outcome, PublishError> {
        let key = Endpoint::progress_note(&self.id);
        let mut progress: Progress = self.publish.noted(&key).await?.unwrap_or_default();
        let id = format!("chg_{}", change.seq);
        let body = body(&self.publish, change);
        if let Some(due) = progress.due {
            let wait = left(due, self.publish.clock().now());
            if !self.wait(endpoint, wait).await? {
                return Ok(Outcome::Interrupted);
            }
        }
        loop {
            if !self.is_current(change).await? {
                return Ok(Outcome::Interrupted);
            }
            let (status, error, asked) = self.attempt(endpoint, &id, &body).await;
            progress.attempts += 1;
            let now = self.publish.clock().now();
            log.push(Attempt {
                message: id.clone(),
                seq: change.seq,
                at: now,
                attempt: progress.attempts,
                outcome: if error.is_none() {
                    "delivered"
                } else {
                    "failed"
                }
                .into(),
                status,
                error: error.clone(),
            });
            let Some(error) = error else {
                if progress.attempts > 1 {
                    self.publish.put_note(key, &Progress::default()).await?;
                }
                return Ok(Outcome::Delivered);
            };
            let next = SCHEDULE.get(progress.attempts as usize);
            let (reason, wait) = match (status, next) {
                (Some(410), _) => (Some("gone"), Duration::ZERO),
                (_, None) => (Some("failing"), Duration::ZERO),
                (_, Some(wait)) => (None, (*wait).max(asked.unwrap_or_default()).min(LONGEST)),
            };
            if let Some(reason) = reason {
                self.disable(reason, now, &error).await?;
                return Ok(Outcome::Disabled);
            }
            progress.due = now.checked_add(wait).ok();
            progress.error = Some(error);
            self.publish.put_note(key.clone(), &progress).await?;
            self.write_log(std::mem::take(log)).await?;
            if !self.wait(endpoint, wait).await? {
                return Ok(Outcome::Interrupted);
            }
        }
    }

    /// Whether `change` is still what is kept: a newer one of the same vacancy, an erasure above all,
    /// takes its place, and what it held is then not to be sent any more.
    async fn is_current(&self, change: &Change) -> Result<bool, PublishError> {
        let before = change.seq.saturating_sub(1);
        let next = self.publish.store().changes(before, 1).await?;
        Ok(next.first() == Some(change))
    }

    /// Waits, unless someone changes the endpoint meanwhile.
    async fn wait(&self, endpoint: &Endpoint, wait: Duration) -> Result<bool, PublishError> {
        let end = Instant::now() + wait;
        while let Some(left) = end
            .checked_duration_since(Instant::now())
            .filter(|l| !l.is_zero())
        {
            self.sleep(left.min(Duration::from_secs(1))).await;
            if self.stop.is_cancelled() || self.live().await?.as_ref() != Some(endpoint) {
                return Ok(false);
            }
        }
        Ok(!self.stop.is_cancelled())
    }

    /// One attempt: the status, what went wrong, and the wait that the target asked for.
    async fn attempt(
        &self,
        endpoint: &Endpoint,
        id: &str,
        body: &[u8],
    ) -> (Option<u16>, Option<String>, Option<Duration>) {
        let now = self.publish.clock().now();
        let timestamp = now.as_second();
        let seal = self.publish.settings().seal.as_ref();
        let Some(secrets) = endpoint.signing(seal, now) else {
            let why = "its secret was sealed with another key than server.secrets_key: rotate it";
            return (None, Some(why.into()), None);
        };
        let header = |name: &str, value: String| (name.to_owned(), value);
        let request = Request {
            method: Method::Post,
            url: endpoint.url.clone(),
            headers: vec![
                header("content-type", "application/json".into()),
                header("webhook-id", id.into()),
                header("webhook-timestamp", timestamp.to_string()),
                header(
                    "webhook-signature",
                    sign::header(secrets.iter().map(String::as_str), id, timestamp, body),
                ),
            ],
            body: Some(body.to_vec()),
            rate: Some(0.0),
            limits: Some(Limits {
                redirects: 0,
                total: PATIENCE,
                idle: PATIENCE,
                ..Limits::default()
            }),
            ..Request::default()
        };
        match self.fetcher.open(&request).await {
            Ok(answer) if (200..300).contains(&answer.status) => (Some(answer.status), None, None),
            Ok(answer) => (
                Some(answer.status),
                Some(format!("answered HTTP {}", answer.status)),
                None,
            ),
            Err(error) => {
                let asked = match &error {
                    FetchError::Status { retry_after, .. } => *retry_after,
                    _ => None,
                };
                (error.status(), Some(error.chain()), asked)
            }
        }
    }

    async fn disable(&self, reason: &str, at: Timestamp, error: &str) -> Result<(), PublishError> {
        tracing::warn!(
            endpoint = self.id,
            reason,
            error,
            "webhook is disabled: mend the target, then enable it again"
        );
        if let Some(mut endpoint) = self.publish.endpoint(&self.id).await? {
            endpoint.disabled = Some(Disabled {
                at,
                reason: reason.into(),
            });
            let key = Endpoint::note(&self.id);
            self.publish.put_note(key, &endpoint).await?;
        }
        let key = Endpoint::progress_note(&self.id);
        self.publish.put_note(key, &Progress::default()).await
    }

    async fn write_log(&self, new: Vec<Attempt>) -> Result<(), PublishError> {
        if new.is_empty() {
            return Ok(());
        }
        let key = Endpoint::log_note(&self.id);
        let mut log: Vec<Attempt> = self.publish.noted(&key).await?.unwrap_or_default();
        log.extend(new);
        log.drain(..log.len().saturating_sub(LOG));
        self.publish.put_note(key, &log).await
    }
}

/// The wait that is left until `due`: never more than any was, whatever became of the clock.
fn left(due: Timestamp, now: Timestamp) -> Duration {
    let wait = Duration::try_from(due.duration_since(now)).unwrap_or_default();
    wait.min(LONGEST)
}

enum Outcome {
    Delivered,
    Interrupted,
    Disabled,
}

#[derive(Serialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: Timestamp,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    #[serde(flatten)]
    item: Item<'a>,
    /// Where the vacancy is, when the message would be too long with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

/// The bytes that are sent and signed: the same in every attempt.
fn body(publish: &Publish, change: &Change) -> Vec<u8> {
    let mut message = Message {
        kind: match change.op {
            ChangeOp::Upsert { .. } => "vacancy.upserted",
            ChangeOp::Delete { .. } => "vacancy.deleted",
        },
        timestamp: change.changed_at,
        data: Data {
            item: item(change),
            url: None,
        },
    };
    let whole = serde_json::to_vec(&message).unwrap_or_default();
    if whole.len() < LONGEST_BODY {
        return whole;
    }
    message.data.item.vacancy = None;
    message.data.url = Some(
        publish
            .settings()
            .url(&format!("/api/v1/vacancies/{}", change.id)),
    );
    serde_json::to_vec(&message).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_clock_makes_an_attempt_wait_longer_than_any_does() {
        let now: Timestamp = "2026-11-02T08:00:00Z".parse().unwrap();
        let minute = Duration::from_secs(60);
        assert_eq!(left(now + minute, now), minute);
        assert_eq!(left(now - minute, now), Duration::ZERO);
        assert_eq!(left(now + 365 * LONGEST, now), LONGEST);
    }
}
