//! The embedded store: one SQLite file beside its write-ahead log.
//!
//! One thread writes, a few connections read. One process runs the pipeline ([`PipelineLock`]);
//! any number of others may open the same file beside it to read, to decide and to request.
//!
//! **Invariant:** every method that writes is one job of the writer, hence one transaction.

mod compare;
mod failure;
mod features;
mod lock;
mod migrate;
mod operations;
mod outbox;
mod people;
mod postings;
mod public_tx;
mod readers;
mod registers;
mod restore;
mod rows;
mod runs;
mod store;
mod vacancies;
mod writer;

pub use lock::PipelineLock;

use super::{Result, StoreError};
use crate::model::{ConnectorName, MessageId};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How durable and how large.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// `true` synchronises at every commit: an acknowledged change survives a power cut. `false`
    /// leaves the last commits of a power cut to the system; a crash of the process loses nothing.
    pub full_sync: bool,
    /// Connections that read at the same time.
    pub readers: usize,
    /// Applies missing migrations while opening.
    pub migrate: bool,
    /// Most pages of 4096 bytes that the file may have: quotas, and tests of a full disk.
    pub max_pages: Option<u32>,
    /// How long a write waits for another process's write.
    pub busy_timeout: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            full_sync: true,
            readers: 4,
            migrate: true,
            max_pages: None,
            busy_timeout: Duration::from_secs(10),
        }
    }
}

/// [`super::Store`] over one SQLite file.
pub struct SqliteStore {
    inner: Arc<Inner>,
    /// Kept for as long as the store: a temporary store's folder.
    _folder: Option<tempfile::TempDir>,
}

struct Inner {
    writer: writer::Writer,
    readers: readers::Readers,
    public: Arc<tokio::sync::Mutex<()>>,
    leases: Arc<Mutex<outbox::Leases>>,
    connectors: Arc<Mutex<HashSet<ConnectorName>>>,
    /// Requests that this process took, by the version that it took.
    taken: Mutex<HashMap<ConnectorName, i64>>,
    path: PathBuf,
}

/// How long, and how long apart, a file is asked for that others have locked.
const PATIENCE: Duration = Duration::from_secs(5);
const TURN: Duration = Duration::from_millis(100);

impl SqliteStore {
    /// Opens the store at `path`, creating file and folder where they are missing.
    ///
    /// # Errors
    /// [`StoreError::Newer`] for a schema of a later program; otherwise what the system or SQLite
    /// says of the file.
    pub fn open(path: impl AsRef<Path>, options: &SqliteOptions) -> Result<Self> {
        let path = path.as_ref();
        let doing = format!("open {}", path.display());
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            std::fs::create_dir_all(folder).map_err(|error| StoreError::Permanent {
                doing: doing.clone(),
                why: error.to_string(),
            })?;
        }
        // Where another process makes the file at this instant, SQLite answers that it is busy without
        // waiting: the journal's mode is not changed under a reader.
        let begun = Instant::now();
        let connection = loop {
            match prepare(path, options, &doing) {
                Err(error) if error.is_transient() && begun.elapsed() < PATIENCE => {
                    std::thread::sleep(TURN);
                }
                prepared => break prepared?,
            }
        };
        let writer = writer::Writer::start(connection).map_err(|error| StoreError::Transient {
            doing,
            source: Some(Box::new(error)),
        })?;
        Ok(Self {
            inner: Arc::new(Inner {
                writer,
                readers: readers::Readers::new(path.to_owned(), options.readers),
                public: Arc::default(),
                leases: Arc::default(),
                connectors: Arc::default(),
                taken: Mutex::default(),
                path: path.to_owned(),
            }),
            _folder: None,
        })
    }

    /// A store in a folder of its own that goes with it: tests and trials.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn temporary() -> Result<Self> {
        let folder = tempfile::tempdir().map_err(|error| StoreError::Permanent {
            doing: "make a temporary folder".into(),
            why: error.to_string(),
        })?;
        let options = SqliteOptions {
            full_sync: false,
            ..SqliteOptions::default()
        };
        let mut store = Self::open(folder.path().join("passerelle.db"), &options)?;
        store._folder = Some(folder);
        Ok(store)
    }

    /// Puts the backup `from` in the place of the store at `path`, whose bytes are kept beside it
    /// under its name and `suffix`: that name is given back. Its pipeline must be at rest.
    ///
    /// # Errors
    /// A damaged or foreign file, or what the system says.
    pub fn restore(path: &Path, from: &Path, suffix: &str) -> Result<Option<PathBuf>> {
        restore::restore(path, from, suffix)
            .map_err(|failure| failure.told(&format!("restore {}", from.display())))
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }
}

/// A connection to a file of the schema that this program knows.
fn prepare(path: &Path, options: &SqliteOptions, doing: &str) -> Result<Connection> {
    let connection = connect(path, options).map_err(|failure| failure.told(doing))?;
    let found = migrate::current(&connection).map_err(|failure| failure.told(doing))?;
    if found > migrate::KNOWN {
        return Err(StoreError::Newer {
            found,
            known: migrate::KNOWN,
        });
    }
    if options.migrate {
        migrate::apply(&connection).map_err(|failure| failure.told(doing))?;
    }
    Ok(connection)
}

impl Inner {
    async fn write<T: Send + 'static>(
        &self,
        doing: &str,
        work: impl FnOnce(&Connection) -> failure::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer
            .write(work)
            .await
            .map_err(|failure| failure.told(doing))
    }

    /// Drops what `connector` staged for runs that are over. Others write between two pieces of it.
    async fn sweep(&self, doing: &str, connector: &ConnectorName) -> Result<()> {
        loop {
            let connector = connector.clone();
            let more = self.write(doing, move |c| runs::sweep(c, &connector));
            if !more.await? {
                return Ok(());
            }
        }
    }

    /// As [`Self::sweep`], behind a run that has ended: what is left goes when the next one starts.
    async fn tidy(&self, doing: &str, ended: Option<ConnectorName>) {
        if let Some(connector) = ended
            && let Err(error) = self.sweep(doing, &connector).await
        {
            tracing::warn!(%connector, %error, "staged records are left for the next run to drop");
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        doing: &str,
        work: impl FnOnce(&Connection) -> failure::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.readers
            .read(work)
            .await
            .map_err(|failure| failure.told(doing))
    }

    /// Ends leases, after the commit that settled them: until then nobody else may have them.
    fn release(&self, ids: &[MessageId]) {
        lock(&self.leases).release(ids.iter().copied());
    }
}

/// A panic elsewhere does not spoil these maps: each change to them is one call.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(path: &Path, options: &SqliteOptions) -> failure::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(options.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(128);
    // Else a cached statement is prepared anew for almost every value bound to it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(
        None,
        "synchronous",
        if options.full_sync { "FULL" } else { "NORMAL" },
    )?;
    // Erased texts do not survive in free pages; 16 MB of cache; the log is cut back after peaks.
    connection.execute_batch(
        "PRAGMA secure_delete = FAST; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY; \
         PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;",
    )?;
    if let Some(pages) = options.max_pages {
        connection.pragma_update(None, "max_page_count", pages)?;
    }
    Ok(connection)
}
