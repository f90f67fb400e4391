//! Reading rows: small helpers and the columns that several tables' readers share.

use super::failure::Result;
use crate::model::{ConnectorName, PostingId, PostingState};
use crate::store::codec;
use rusqlite::{Connection, Params, Row};
use uuid::Uuid;

/// Every row of `sql`; the statement is prepared once a connection.
pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// The first row of `sql`, if any.
pub(super) fn one<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(read).transpose()
}

/// Runs `sql` and says how many rows it touched.
pub(super) fn run(connection: &Connection, sql: &str, params: impl Params) -> Result<usize> {
    Ok(connection.prepare_cached(sql)?.execute(params)?)
}

/// A UUID column.
pub(super) fn uuid(row: &Row<'_>, column: usize) -> Result<Uuid> {
    Ok(Uuid::from_bytes(row.get(column)?))
}

/// What [`state`] reads, in its order.
macro_rules! state_columns {
    () => {
        "p.id, p.connector, p.reference, p.hash, p.observation, p.first_seen, \
         p.closed_at, p.close_reason, p.misses, p.last_miss"
    };
}
pub(super) use state_columns;
/// Number of [`state_columns`].
pub(super) const STATE: usize = 10;

pub(super) fn state(row: &Row<'_>) -> Result<PostingState> {
    let reason: Option<String> = row.get(7)?;
    let last_miss: Option<i64> = row.get(9)?;
    Ok(PostingState {
        id: PostingId(uuid(row, 0)?),
        connector: ConnectorName(row.get(1)?),
        reference: row.get(2)?,
        hash: row.get(3)?,
        observation: codec::uint("posting.observation", row.get(4)?)?,
        first_seen: codec::instant("posting.first_seen", row.get(5)?)?,
        closed: codec::closed(row.get(6)?, reason.as_deref())?,
        misses: row.get(8)?,
        last_miss: last_miss
            .map(|at| codec::instant("posting.last_miss", at))
            .transpose()?,
    })
}
