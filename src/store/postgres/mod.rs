//! The store of a cluster: PostgreSQL 13 or later, shared by any number of processes.
//!
//! Every method is a few statements over whole batches (arrays unnested by the server), in one
//! transaction where it writes. Rows are locked in the order of their ids everywhere, so commits
//! that meet wait for each other and never for good.
//!
//! **Invariant:** nothing rests on a notification or on a time-out of ours; locks belong to
//! sessions, and the server ends those with their connection.

mod blocks;
mod bodies;
mod compare;
mod failure;
mod features;
mod hints;
mod locks;
mod migrate;
mod operations;
mod outbox;
mod people;
mod postings;
mod public_tx;
mod registers;
mod rows;
mod runs;
mod store;
mod tls;
mod vacancies;

use super::{Result, StoreError};
use deadpool_postgres::{
    Client, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts, Transaction,
};
use failure::Failure;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

/// How the pool behaves.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// Connections of this process, besides the one that holds its locks.
    pub connections: usize,
    /// How long an operation waits for a free connection, and for a new one.
    pub wait: Duration,
    /// How long an answer of the server is waited for. A connection that stays silent longer is
    /// given up, and what was asked is worth another try. Longer than the hub-wide lock is waited
    /// for.
    pub patience: Duration,
    /// Applies missing migrations while opening.
    pub migrate: bool,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            connections: 16,
            wait: Duration::from_secs(30),
            patience: Duration::from_secs(180),
            migrate: true,
        }
    }
}

/// How the server finds out that a client's machine has vanished: within the minute too, not after
/// the two hours of most systems. Until then it keeps that client's locks.
const VANISHED: &str = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=5 \
     -c tcp_keepalives_count=4 -c tcp_user_timeout=45000";

/// [`super::Store`] over a PostgreSQL database.
pub struct PostgresStore {
    pool: Pool,
    patience: Duration,
    locks: Arc<locks::Locks>,
    listener: hints::Listener,
    /// Numbers of the hub-wide lock and of the migrations' lock.
    public_lock: i64,
    migration_lock: i64,
}

impl PostgresStore {
    /// Connects to the database of `url` (`postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE`), over
    /// TLS where it says `sslmode=require`.
    ///
    /// # Errors
    /// [`StoreError::Newer`] for a schema of a later program, [`StoreError::Transient`] while the
    /// server is away; what it says otherwise. No error holds the password.
    pub async fn open(url: &str, options: &PostgresOptions) -> Result<Self> {
        let (address, wishes) = tls::take(url);
        let mut config = Config::from_str(&address).map_err(|error| StoreError::Permanent {
            doing: "read store.url".into(),
            why: chain(&error),
        })?;
        // Shown in the server's list of sessions, unless the address says another name.
        if config.get_application_name().is_none() {
            config.application_name("passerelle");
        }
        config
            .connect_timeout(options.wait)
            // A server that vanished without a goodbye is found out within the minute.
            .keepalives_idle(Duration::from_secs(30))
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(4)
            .tcp_user_timeout(Duration::from_secs(45));
        if !wishes.wanted() {
            config.ssl_mode(SslMode::Disable);
        }
        let doing = format!("open {}", place(&config));
        let tls = tls::Tls::new(&wishes).map_err(|failure| failure.told(&doing))?;
        let trusted = tls.trusted.clone();
        let store = Self::connect(config, options, tls).map_err(|failure| failure.told(&doing))?;
        let opened = store.prepare(options.migrate).await;
        match opened.map_err(|failure| failure.trusting(&trusted).at_start().told(&doing))? {
            found if !found.is_for_us() => Err(StoreError::Newer {
                found: found.version,
                known: migrate::KNOWN,
            }),
            _ => Ok(store),
        }
    }

    fn connect(
        mut config: Config,
        options: &PostgresOptions,
        tls: tls::Tls,
    ) -> failure::Result<Self> {
        // Two stores in two schemas of one database do not share their locks.
        let scope = config.get_options().unwrap_or_default().to_owned();
        config.options(format!("{scope} {VANISHED}"));
        let manager = Manager::from_config(
            config.clone(),
            tls.clone(),
            ManagerConfig {
                recycling_method: RecyclingMethod::Fast,
            },
        );
        let wait = Some(options.wait);
        let pool = Pool::builder(manager)
            .max_size(options.connections.max(2))
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts {
                wait,
                create: wait,
                recycle: wait,
            })
            .build()
            .map_err(|error| Failure::refused(error.to_string()))?;
        Ok(Self {
            pool,
            patience: options.patience,
            public_lock: locks::number(&scope, "public", ""),
            migration_lock: locks::number(&scope, "migration", ""),
            listener: hints::Listener::new(config.clone(), tls.clone()),
            locks: Arc::new(locks::Locks::new(config, tls, scope, options.patience)),
        })
    }

    /// The schema found, before migrations if they are asked for.
    async fn prepare(&self, migrate: bool) -> failure::Result<migrate::Schema> {
        let mut client = self.pool.get().await?;
        let found = migrate::current(&client).await?;
        if migrate && found.version < migrate::KNOWN {
            migrate::apply(&mut client, self.migration_lock).await?;
        }
        Ok(found)
    }

    async fn client(&self) -> failure::Result<Client> {
        Ok(self.pool.get().await?)
    }

    /// Runs `work` in a transaction and commits it. An outcome that is lost with the connection is
    /// told as transient: whoever tries again finds what was done by its ids and revisions.
    async fn write<T>(
        &self,
        doing: &str,
        work: impl AsyncFnOnce(&Transaction<'_>) -> failure::Result<T>,
    ) -> Result<T> {
        let written: failure::Result<T> = async {
            let mut client = self.client().await?;
            let done = tokio::time::timeout(self.patience, async {
                let tx = client.transaction().await?;
                let value = work(&tx).await?;
                tx.commit().await?;
                Ok(value)
            });
            match done.await {
                Ok(done) => done,
                Err(_) => Err(self.given_up(client)),
            }
        }
        .await;
        written.map_err(|failure| failure.told(doing))
    }

    async fn read<T>(
        &self,
        doing: &str,
        work: impl AsyncFnOnce(&Client) -> failure::Result<T>,
    ) -> Result<T> {
        let read: failure::Result<T> = async {
            let client = self.client().await?;
            match tokio::time::timeout(self.patience, work(&client)).await {
                Ok(done) => done,
                Err(_) => Err(self.given_up(client)),
            }
        }
        .await;
        read.map_err(|failure| failure.told(doing))
    }

    /// Drops a connection that is silent: its answer may never come.
    fn given_up(&self, client: Client) -> Failure {
        drop(deadpool_postgres::Object::take(client));
        Failure::silent(self.patience)
    }
}

/// Host and database, never the password.
fn place(config: &Config) -> String {
    use tokio_postgres::config::Host;
    let host = config.get_hosts().first().map_or_else(
        || "localhost".to_owned(),
        |host| match host {
            Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            Host::Unix(path) => path.display().to_string(),
        },
    );
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let database = config.get_dbname().unwrap_or("passerelle");
    format!("postgres://{host}:{port}/{database}")
}

/// The error with its causes: the driver's own message is short.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
