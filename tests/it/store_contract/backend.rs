//! A backend under test: a place that can be opened again, as after a crash.

use passerelle::model::ConnectorName;
use passerelle::store::{
    DynStore, Guard, PostgresOptions, PostgresStore, SqliteOptions, SqliteStore,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub enum Backend {
    Sqlite(tempfile::TempDir),
    Postgres(Schema),
}

/// A schema of its own on the test server, dropped at the end.
pub struct Schema {
    server: String,
    name: String,
    /// Where the database was made that the schema has for itself.
    maker: Option<String>,
}

impl Backend {
    pub fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    /// `None`, said on standard error, where no server runs.
    pub async fn postgres(test: &str) -> Option<Self> {
        let Ok(server) = std::env::var("PASSERELLE_TEST_POSTGRES") else {
            return crate::services::skip(test, "no PostgreSQL; `.ci/test` starts one");
        };
        Some(Self::postgres_at(server).await)
    }

    /// The same on another server.
    pub async fn postgres_at(server: String) -> Self {
        let name = next_name();
        order(&server, &format!("CREATE SCHEMA {name}")).await;
        let maker = None;
        Self::Postgres(Schema {
            server,
            name,
            maker,
        })
    }

    /// The same in a database of its own, for what looks at, or waits for, all of its sessions.
    pub async fn postgres_alone(test: &str) -> Option<Self> {
        let Self::Postgres(mut schema) = Self::postgres(test).await? else {
            return None;
        };
        let name = schema.name.clone();
        schema.order(&format!("CREATE DATABASE {name}")).await;
        schema.order(&format!("DROP SCHEMA {name}")).await;
        let mut own = url::Url::parse(&schema.server).unwrap();
        own.set_path(&name);
        schema.maker = Some(std::mem::replace(&mut schema.server, own.into()));
        order(&schema.server, &format!("CREATE SCHEMA {name}")).await;
        Some(Self::Postgres(schema))
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
            Self::Postgres(schema) => {
                let options = PostgresOptions {
                    connections: 8,
                    ..PostgresOptions::default()
                };
                Arc::new(PostgresStore::open(&schema.url(), &options).await.unwrap())
            }
        }
    }
}

impl Backend {
    /// Runs `sql` on what the stores of this backend have written, behind their backs.
    pub async fn order(&self, sql: &str) {
        match self {
            Self::Sqlite(folder) => {
                let path = folder.path().join("passerelle.db");
                let file = rusqlite::Connection::open(path).unwrap();
                file.execute_batch(sql).unwrap();
            }
            Self::Postgres(schema) => schema.order(sql).await,
        }
    }
}

impl Backend {
    /// Cuts every session of this backend's stores until `store` has the right of that name: whoever
    /// had it pauses before it asks again.
    pub async fn take_over(&self, store: &DynStore, name: &ConnectorName) -> Guard {
        let began = Instant::now();
        loop {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "it is never lost"
            );
            self.order(
                "SET application_name = 'test'; \
                 SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE application_name = current_schema()",
            )
            .await;
            if let Ok(Some(taken)) = store.lock_connector(name).await {
                return taken;
            }
        }
    }
}

fn next_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("t{}_{next}", std::process::id())
}

impl Schema {
    /// The address of a store in this schema.
    pub fn url(&self) -> String {
        let mark = if self.server.contains('?') { '&' } else { '?' };
        let Self { server, name, .. } = self;
        format!("{server}{mark}options=-csearch_path%3D{name}&application_name={name}")
    }

    /// Runs `sql` in this schema, outside of any store.
    pub async fn order(&self, sql: &str) {
        order(&self.url(), sql).await;
    }
}

async fn order(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
    drop(client);
    let _ = connection.await;
}

impl Drop for Schema {
    fn drop(&mut self) {
        let name = &self.name;
        let (server, drop) = match self.maker.take() {
            Some(maker) => (maker, format!("DROP DATABASE {name} WITH (FORCE)")),
            None => (self.server.clone(), format!("DROP SCHEMA {name} CASCADE")),
        };
        // A test that failed leaves its schema to be looked at.
        if std::thread::panicking() {
            return;
        }
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(order(&server, &drop));
        });
        let _ = dropped.join();
    }
}
