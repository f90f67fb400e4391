//! A few connections that read, on blocking threads: the runtime's own never wait for a disk.

use super::failure::{Failure, Result};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

#[derive(Clone)]
pub(super) struct Readers {
    path: PathBuf,
    free: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

/// A connection of its own, given back when it is dropped outside a transaction.
pub(super) struct Reader {
    connection: Option<Connection>,
    free: Arc<Mutex<Vec<Connection>>>,
    _permit: OwnedSemaphorePermit,
}

impl Readers {
    pub fn new(path: PathBuf, size: usize) -> Self {
        Self {
            path,
            free: Arc::default(),
            permits: Arc::new(Semaphore::new(size.max(1))),
        }
    }

    /// Runs `work` on a free connection.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.take().await?.read(work).await.1
    }

    /// A connection for several reads in a row.
    pub async fn take(&self) -> Result<Reader> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| Failure::Away("the store is closed".into()))?;
        let spare = self
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let connection = match spare {
            Some(connection) => connection,
            None => open(self.path.clone()).await?,
        };
        Ok(Reader {
            connection: Some(connection),
            free: Arc::clone(&self.free),
            _permit: permit,
        })
    }
}

impl Reader {
    /// Runs `work` on a blocking thread and comes back with its result.
    pub async fn read<T: Send + 'static>(
        self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> (Option<Self>, Result<T>) {
        let ran = tokio::task::spawn_blocking(move || {
            let result = match &self.connection {
                Some(connection) => work(connection),
                None => Err(Failure::Away("the connection was lost".into())),
            };
            (self, result)
        })
        .await;
        match ran {
            Ok((mut reader, result)) => {
                if result.is_err() {
                    reader.rest();
                }
                (Some(reader), result)
            }
            // A panic: its connection is dropped with it.
            Err(error) => (None, Err(Failure::refused(error.to_string()))),
        }
    }

    /// Ends an open transaction; a connection that cannot is not used again.
    fn rest(&mut self) {
        self.connection = self.connection.take().filter(|connection| {
            connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok()
        });
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.rest();
        if let Some(connection) = self.connection.take() {
            self.free
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
        }
    }
}

async fn open(path: PathBuf) -> Result<Connection> {
    tokio::task::spawn_blocking(move || {
        let connection = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.execute_batch(
            "PRAGMA query_only = ON; PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY;",
        )?;
        Ok(connection)
    })
    .await
    .map_err(|error| Failure::refused(error.to_string()))?
}
