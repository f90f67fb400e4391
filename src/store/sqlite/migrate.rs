//! Numbered migrations, each applied once, in its own transaction.

use super::failure::{Failure, Result};
use rusqlite::Connection;

/// In order; the number of the last is the schema version that this program knows.
const MIGRATIONS: [&str; 5] = [
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
    include_str!("migrations/0004.sql"),
    include_str!("migrations/0005.sql"),
];

pub(super) const KNOWN: u32 = MIGRATIONS.len() as u32;

/// Schema version of the open database; 0 for an empty one.
pub(super) fn current(connection: &Connection) -> Result<u32> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Applies what is missing. Two processes that start together do not meet: each step looks again
/// once the writing lock is its own.
pub(super) fn apply(connection: &Connection) -> Result<()> {
    while current(connection)? < KNOWN {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let stepped = step(connection);
        connection.execute_batch(if stepped.is_ok() {
            "COMMIT"
        } else {
            "ROLLBACK"
        })?;
        stepped?;
    }
    Ok(())
}

fn step(connection: &Connection) -> Result<()> {
    let done = current(connection)?;
    let Some(sql) = MIGRATIONS.get(done as usize) else {
        return Ok(());
    };
    connection
        .execute_batch(sql)
        .map_err(|error| Failure::refused(format!("migration {}: {error}", done + 1)))?;
    connection.pragma_update(None, "user_version", done + 1)?;
    Ok(())
}

/// Applies what is missing on a connection of its own.
pub(super) fn apply_at(path: &std::path::Path) -> Result<()> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(60))?;
    apply(&connection)
}
