//! Numbered migrations, each applied once, in its own transaction, by one process at a time.

use super::failure::{Failure, Result};
use super::rows::one;
use deadpool_postgres::{Client, GenericClient};

/// In order; the number of the last is the schema version that this program knows.
const MIGRATIONS: [&str; 2] = [
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
];

pub(super) const KNOWN: u32 = MIGRATIONS.len() as u32;

/// Schema version of the database; 0 for an empty one.
pub(super) async fn current(c: &impl GenericClient) -> Result<u32> {
    let exists = one(
        c,
        "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() \
         AND tablename = 'schema_version'",
        &[],
    )
    .await?;
    if exists.is_none() {
        return Ok(0);
    }
    // Not prepared: its table may have come into being since the connection was opened.
    let row = c
        .query_one("SELECT coalesce(max(version), 0) FROM schema_version", &[])
        .await?;
    Ok(row.try_get::<_, i32>(0)?.cast_unsigned())
}

/// Applies what is missing; `lock` is the number of the advisory lock that keeps processes that
/// start together from each other.
pub(super) async fn apply(client: &mut Client, lock: i64) -> Result<()> {
    loop {
        let tx = client.transaction().await?;
        tx.execute("SELECT pg_advisory_xact_lock($1)", &[&lock])
            .await?;
        let done = current(&tx).await?;
        let Some(sql) = MIGRATIONS.get(done as usize) else {
            return Ok(());
        };
        let number = done + 1;
        tx.batch_execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY)")
            .await?;
        tx.batch_execute(sql)
            .await
            .map_err(|error| match error.as_db_error() {
                Some(said) => Failure::refused(format!("migration {number}: {}", said.message())),
                None => error.into(),
            })?;
        tx.execute(
            "INSERT INTO schema_version (version) VALUES ($1)",
            &[&number.cast_signed()],
        )
        .await?;
        tx.commit().await?;
    }
}
