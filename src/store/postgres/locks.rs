//! Advisory locks: what runs once in a cluster.
//!
//! One session of each process, apart from the pool, holds its locks: the right to run connectors,
//! and a lock of the process's own number, by which others see that it lives. When the session is
//! lost its locks are lost too, and their holders are told ([`Right::lost`]). Until they have heard,
//! a run is fenced by its status, and a sink by its cursor.

use super::failure::{Failure, Result};
use super::tls::Tls;
use crate::model::ConnectorName;
use crate::store::Right;
use std::collections::HashSet;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// The number of a lock: distinct for each subject of each store.
pub(super) fn number(scope: &str, kind: &str, name: &str) -> i64 {
    let mut hasher = blake3::Hasher::new();
    for part in ["passerelle", scope, kind, name] {
        hasher.update(part.as_bytes());
        hasher.update(&[0]);
    }
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    i64::from_le_bytes(bytes)
}

/// How often the session is asked whether it lives, and how long its answer may take: a server that
/// has lost sight of this machine gives its locks to others within the minute.
const BEAT: Duration = Duration::from_secs(10);

/// A connection with the task that drives it, which would wait for the answers of a silent server.
struct Session {
    client: Arc<Client>,
    /// Cancelled with the connection's end, whatever ends it.
    lost: CancellationToken,
    _driver: AbortOnDropHandle<()>,
}

/// Ends when the server does not answer any more.
async fn silence(client: &Client, beat: Duration) {
    loop {
        tokio::time::sleep(beat).await;
        if !matches!(timeout(beat, client.simple_query("")).await, Ok(Ok(_))) {
            return;
        }
    }
}

pub(super) struct Locks {
    config: Config,
    tls: Tls,
    scope: String,
    /// See [`super::PostgresOptions::patience`].
    patience: Duration,
    /// This process's own number.
    pub process: i64,
    session: Mutex<Option<Session>>,
    /// Advisory locks nest within a session: the process keeps its workers apart itself.
    held: StdMutex<HashSet<ConnectorName>>,
}

impl Locks {
    pub fn new(config: Config, tls: Tls, scope: String, patience: Duration) -> Self {
        let own = uuid::Uuid::now_v7().to_string();
        Self {
            process: number(&scope, "process", &own),
            config,
            tls,
            scope,
            patience,
            session: Mutex::new(None),
            held: StdMutex::default(),
        }
    }

    /// Makes sure that others see this process alive.
    pub async fn alive(&self) -> Result<()> {
        let mut session = self.session.lock().await;
        self.open(&mut session).await.map(|_| ())
    }

    /// The right to run `connector`, or `None` while anyone has it.
    pub async fn connector(self: &Arc<Self>, connector: &ConnectorName) -> Result<Option<Held>> {
        if !self.mark(connector) {
            return Ok(None);
        }
        // From here on the mark goes with the guard, however this ends.
        let mut guard = Held {
            locks: Arc::clone(self),
            connector: connector.clone(),
            locked: false,
            lost: CancellationToken::new(),
        };
        let mut session = self.session.lock().await;
        let opened = self.open(&mut session).await?;
        guard.lost = opened.lost.clone();
        let client = Arc::clone(&opened.client);
        let number = self.connector_number(connector);
        let params: &[&(dyn ToSql + Sync)] = &[&number];
        // Before the answer: who stops waiting for it gives back what may have been taken.
        guard.locked = true;
        let asked = client.query_one("SELECT pg_try_advisory_lock($1)", params);
        let Ok(row) = timeout(self.patience, asked).await else {
            *session = None;
            return Err(Failure::silent(self.patience));
        };
        guard.locked = row?.try_get(0)?;
        Ok(guard.locked.then_some(guard))
    }

    fn mark(&self, connector: &ConnectorName) -> bool {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(connector.clone())
    }

    fn unmark(&self, connector: &ConnectorName) {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(connector);
    }

    fn connector_number(&self, connector: &ConnectorName) -> i64 {
        number(&self.scope, "connector", connector.as_str())
    }

    /// The session, opened anew when it was lost.
    async fn open<'a>(&self, session: &'a mut Option<Session>) -> Result<&'a Session> {
        let gone = |s: &Session| s.lost.is_cancelled() || s.client.is_closed();
        if session.as_ref().is_none_or(gone) {
            let opened = async {
                let (client, connection) = self.config.connect(self.tls.clone()).await?;
                let (client, lost) = (Arc::new(client), CancellationToken::new());
                let (asking, told) = (Arc::clone(&client), lost.clone().drop_guard());
                let beat = BEAT.min(self.patience);
                let driver = tokio::spawn(async move {
                    let _told = told;
                    tokio::select! {
                        ended = connection => if let Err(error) = ended {
                            tracing::warn!(%error, "the session that holds the locks was lost");
                        },
                        () = silence(&asking, beat) => {
                            tracing::warn!("the session that holds the locks is silent; it is given up");
                        }
                    }
                });
                let driver = AbortOnDropHandle::new(driver);
                client
                    .execute("SELECT pg_advisory_lock($1)", &[&self.process])
                    .await?;
                Ok::<Session, tokio_postgres::Error>(Session {
                    client,
                    lost,
                    _driver: driver,
                })
            };
            let opened = timeout(self.patience, opened).await;
            *session = Some(opened.map_err(|_| Failure::silent(self.patience))??);
        }
        session
            .as_ref()
            .ok_or_else(|| Failure::Away("the session of the locks was lost".into()))
    }

    /// Gives back what was taken in the session that `lost` tells of; a lost one has given it back.
    async fn release(&self, connector: &ConnectorName, lost: &CancellationToken) {
        let mut session = self.session.lock().await;
        if let (false, Some(Session { client, .. })) = (lost.is_cancelled(), session.as_ref()) {
            let number = self.connector_number(connector);
            let params: &[&(dyn ToSql + Sync)] = &[&number];
            // A session that is silent gives them back with its end.
            let asked = client.execute("SELECT pg_advisory_unlock($1)", params);
            if timeout(self.patience, asked).await.is_err() {
                *session = None;
            }
        }
        self.unmark(connector);
    }
}

/// One connector's lock, given back when it is dropped.
pub(super) struct Held {
    locks: Arc<Locks>,
    connector: ConnectorName,
    locked: bool,
    lost: CancellationToken,
}

impl Right for Held {
    fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let (locks, connector) = (Arc::clone(&self.locks), self.connector.clone());
        let lost = self.lost.clone();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if self.locked => {
                runtime.spawn(async move { locks.release(&connector, &lost).await });
            }
            // Nothing to give back, or no runtime: then the session ends with the process.
            _ => locks.unmark(&connector),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_distinct_and_stable() {
        let one = number("public", "connector", "a");
        assert_eq!(one, number("public", "connector", "a"));
        assert_ne!(one, number("other", "connector", "a"));
        assert_ne!(one, number("public", "process", "a"));
        assert_ne!(number("s", "ab", "c"), number("s", "a", "bc"));
    }
}
