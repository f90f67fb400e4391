//! Statements and rows: small helpers, and the columns that several readers share.

use super::failure::Result;
use crate::model::{ConnectorName, PostingId, PostingState};
use crate::store::codec;
use deadpool_postgres::GenericClient;
use std::borrow::Cow;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Every row of `sql`, prepared once a connection.
pub(super) async fn all(c: &impl GenericClient, sql: &str, params: Params<'_>) -> Result<Vec<Row>> {
    let statement = c.prepare_cached(sql).await?;
    Ok(c.query(&statement, params).await?)
}

/// The first row of `sql`, if any.
pub(super) async fn one(
    c: &impl GenericClient,
    sql: &str,
    params: Params<'_>,
) -> Result<Option<Row>> {
    Ok(all(c, sql, params).await?.into_iter().next())
}

/// Runs `sql` and says how many rows it touched.
pub(super) async fn run(c: &impl GenericClient, sql: &str, params: Params<'_>) -> Result<u64> {
    let statement = c.prepare_cached(sql).await?;
    Ok(c.execute(&statement, params).await?)
}

pub(super) fn uuids(ids: &[PostingId]) -> Vec<Uuid> {
    ids.iter().map(|id| id.0).collect()
}

pub(super) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// PostgreSQL's text has no NUL, a source's reference may: it is escaped, and comes back.
pub(super) fn to_text(text: &str) -> Cow<'_, str> {
    if text.contains(['\0', '\u{1}']) {
        Cow::Owned(text.replace('\u{1}', "\u{1}1").replace('\0', "\u{1}0"))
    } else {
        Cow::Borrowed(text)
    }
}

pub(super) fn from_text(text: String) -> String {
    if text.contains('\u{1}') {
        text.replace("\u{1}0", "\0").replace("\u{1}1", "\u{1}")
    } else {
        text
    }
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

pub(super) fn state(row: &Row) -> Result<PostingState> {
    let reason: Option<&str> = row.try_get(7)?;
    let misses: i32 = row.try_get(8)?;
    let last_miss: Option<i64> = row.try_get(9)?;
    Ok(PostingState {
        id: PostingId(row.try_get(0)?),
        connector: ConnectorName(row.try_get(1)?),
        reference: from_text(row.try_get(2)?),
        hash: row.try_get(3)?,
        observation: codec::uint("posting.observation", row.try_get(4)?)?,
        first_seen: codec::instant("posting.first_seen", row.try_get(5)?)?,
        closed: codec::closed(row.try_get(6)?, reason)?,
        misses: misses.cast_unsigned(),
        last_miss: last_miss
            .map(|at| codec::instant("posting.last_miss", at))
            .transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_comes_back() {
        for text in ["plain", "\0", "a\0b\u{1}c", "\u{1}0", "\u{1}1\0", ""] {
            let stored = to_text(text).into_owned();
            assert!(!stored.contains('\0'));
            assert_eq!(from_text(stored), text);
        }
    }
}
