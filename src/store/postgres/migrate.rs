//! Numbered migrations, each applied once, in its own transaction, by one process at a time.
//!
//! **Invariant:** processes of two versions work on one store while they are exchanged one by one. A
//! migration that the version before can live with (it *expands*: a table, a column with a default,
//! an index) says so; one that takes away what that version uses (it *contracts*) comes a version
//! later, and says which version a program must have reached.

use super::failure::{Failure, Result};
use super::rows::one;
use deadpool_postgres::{Client, GenericClient};

struct Migration {
    sql: &'static str,
    /// The schema that a program must know at least to work on a store that has this migration.
    needs: u32,
}

/// In order; the number of the last is the schema version that this program knows.
const MIGRATIONS: [Migration; 6] = [
    Migration {
        sql: include_str!("migrations/0001.sql"),
        needs: 1,
    },
    Migration {
        sql: include_str!("migrations/0002.sql"),
        needs: 1,
    },
    Migration {
        sql: include_str!("migrations/0003.sql"),
        needs: 1,
    },
    Migration {
        sql: include_str!("migrations/0004.sql"),
        needs: 1,
    },
    Migration {
        sql: include_str!("migrations/0005.sql"),
        needs: 1,
    },
    Migration {
        sql: include_str!("migrations/0006.sql"),
        needs: 1,
    },
];

pub(super) const KNOWN: u32 = MIGRATIONS.len() as u32;

/// The schema of a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Schema {
    /// 0 for an empty one.
    pub version: u32,
    /// The schema that a program must know at least to work on it.
    pub needs: u32,
}

impl Schema {
    /// Whether this program may work on it, be it a newer one.
    pub fn is_for_us(self) -> bool {
        self.needs <= KNOWN
    }
}

/// The schema as it is.
pub(super) async fn current(c: &impl GenericClient) -> Result<Schema> {
    let exists = one(
        c,
        "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() \
         AND tablename = 'schema_version'",
        &[],
    )
    .await?;
    if exists.is_none() {
        return Ok(Schema::default());
    }
    // Not prepared: its table may have come into being since the connection was opened.
    let row = c
        .query_one(
            // Of a row without the column or a value in it, its own number.
            "SELECT coalesce(max(version), 0), \
             coalesce(max(coalesce((to_jsonb(v) ->> 'needs')::int, version)), 0) \
             FROM schema_version v",
            &[],
        )
        .await?;
    Ok(Schema {
        version: row.try_get::<_, i32>(0)?.cast_unsigned(),
        needs: row.try_get::<_, i32>(1)?.cast_unsigned(),
    })
}

/// Applies what is missing; `lock` is the number of the advisory lock that keeps processes that
/// start together from each other.
pub(super) async fn apply(client: &mut Client, lock: i64) -> Result<()> {
    loop {
        let tx = client.transaction().await?;
        tx.execute("SELECT pg_advisory_xact_lock($1)", &[&lock])
            .await?;
        let done = current(&tx).await?.version;
        let Some(Migration { sql, needs }) = MIGRATIONS.get(done as usize) else {
            return Ok(());
        };
        let number = done + 1;
        tx.batch_execute(
            "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY); \
             ALTER TABLE schema_version ADD COLUMN IF NOT EXISTS needs INTEGER",
        )
        .await?;
        tx.batch_execute(sql)
            .await
            .map_err(|error| match error.as_db_error() {
                Some(said) => Failure::refused(format!("migration {number}: {}", said.message())),
                None => error.into(),
            })?;
        tx.execute(
            "INSERT INTO schema_version (version, needs) VALUES ($1, $2)",
            &[&number.cast_signed(), &needs.cast_signed()],
        )
        .await?;
        tx.commit().await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_versions_can_live_together() {
        for (at, migration) in MIGRATIONS.iter().enumerate().skip(1) {
            let before = at as u32;
            assert!(
                migration.needs <= before,
                "migration {}: processes of the version before must be able to go on",
                at + 1
            );
        }
    }
}
