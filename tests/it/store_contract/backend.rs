//! A backend under test: a place that can be opened again, as after a crash.

use passerelle::store::{DynStore, SqliteOptions, SqliteStore};
use std::sync::Arc;

pub enum Backend {
    Sqlite(tempfile::TempDir),
}

impl Backend {
    pub fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    /// Opens the store; the same one each time.
    pub async fn open(&self) -> DynStore {
        match self {
            Self::Sqlite(folder) => {
                let options = SqliteOptions {
                    full_sync: false,
                    ..SqliteOptions::default()
                };
                let path = folder.path().join("passerelle.db");
                Arc::new(SqliteStore::open(path, &options).unwrap())
            }
        }
    }
}
