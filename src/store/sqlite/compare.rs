//! What a run staged, beside what is known.

use super::failure::Result;
use super::rows::{STATE, all, one, state, state_columns};
use super::runs::verdict;
use crate::model::{PostingState, RunId};
use crate::store::{Compared, StagedRow, codec};
use bytes::Bytes;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};

/// No reference is empty: all of them come after this one.
const FIRST: &str = "";

pub(super) fn compare(
    c: &Connection,
    id: RunId,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Compared>> {
    all(
        c,
        concat!(
            "SELECT ",
            state_columns!(),
            ", s.reference, s.hash, s.verdict FROM staging s LEFT JOIN posting p \
             ON p.connector = (SELECT connector FROM run WHERE id = ?1) \
             AND p.reference = s.reference \
             WHERE s.run = ?1 AND s.reference > ?2 ORDER BY s.reference LIMIT ?3"
        ),
        params![id.0, after.unwrap_or(FIRST), most(limit)],
        |row| {
            let known = row.get_ref(0)? != ValueRef::Null;
            Ok(Compared {
                known: known.then(|| state(row)).transpose()?,
                row: StagedRow {
                    reference: row.get(STATE)?,
                    hash: row.get(STATE + 1)?,
                    verdict: verdict(row.get(STATE + 2)?)?,
                },
            })
        },
    )
}

pub(super) fn absent(
    c: &Connection,
    id: RunId,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<PostingState>> {
    all(
        c,
        concat!(
            "SELECT ",
            state_columns!(),
            " FROM posting p WHERE p.connector = (SELECT connector FROM run WHERE id = ?1) \
             AND p.reference > ?2 AND p.closed_at IS NULL AND NOT EXISTS \
             (SELECT 1 FROM staging s WHERE s.run = ?1 AND s.reference = p.reference) \
             ORDER BY p.reference LIMIT ?3"
        ),
        params![id.0, after.unwrap_or(FIRST), most(limit)],
        state,
    )
}

pub(super) fn payloads(
    c: &Connection,
    id: RunId,
    references: &[String],
) -> Result<Vec<(String, Bytes)>> {
    let mut found = Vec::with_capacity(references.len());
    for reference in references {
        let frame = one(
            c,
            "SELECT coalesce(s.payload, p.body) FROM staging s \
             LEFT JOIN payload p ON p.hash = s.hash WHERE s.run = ?1 AND s.reference = ?2",
            params![id.0, reference],
            |row| Ok(row.get::<_, Option<Vec<u8>>>(0)?),
        )?;
        if let Some(Some(frame)) = frame {
            let payload = codec::unpack("staging.payload", &frame)?;
            found.push((reference.clone(), Bytes::from(payload)));
        }
    }
    Ok(found)
}

fn most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
