//! What a run staged, beside what is known. References are ordered by their index, so that a page
//! costs its own rows.

use super::failure::Result;
use super::rows::{STATE, all, from_text, limit, state, state_columns, to_text};
use super::runs::verdict;
use crate::model::{PostingState, RunId};
use crate::store::{Compared, StagedRow, codec};
use bytes::Bytes;
use deadpool_postgres::GenericClient;
use std::borrow::Cow;

/// No reference is empty: all of them come after this one.
fn start(after: Option<&str>) -> Cow<'_, str> {
    to_text(after.unwrap_or_default())
}

pub(super) async fn compare(
    c: &impl GenericClient,
    id: RunId,
    after: Option<&str>,
    most: usize,
) -> Result<Vec<Compared>> {
    let rows = all(
        c,
        concat!(
            "SELECT ",
            state_columns!(),
            ", s.reference, s.hash, s.verdict FROM staging s LEFT JOIN posting p \
             ON p.connector = (SELECT connector FROM run WHERE id = $1) \
             AND p.reference = s.reference \
             WHERE s.run = $1 AND s.reference > $2 ORDER BY s.reference LIMIT $3"
        ),
        &[&id.0, &start(after), &limit(most)],
    )
    .await?;
    rows.iter()
        .map(|row| {
            let known = row.try_get::<_, Option<uuid::Uuid>>(0)?.is_some();
            Ok(Compared {
                known: known.then(|| state(row)).transpose()?,
                row: StagedRow {
                    reference: from_text(row.try_get(STATE)?),
                    hash: row.try_get(STATE + 1)?,
                    verdict: verdict(row.try_get(STATE + 2)?)?,
                },
            })
        })
        .collect()
}

pub(super) async fn absent(
    c: &impl GenericClient,
    id: RunId,
    after: Option<&str>,
    most: usize,
) -> Result<Vec<PostingState>> {
    let rows = all(
        c,
        concat!(
            "SELECT ",
            state_columns!(),
            " FROM posting p WHERE p.connector = (SELECT connector FROM run WHERE id = $1) \
             AND p.reference > $2 AND p.closed_at IS NULL AND NOT EXISTS \
             (SELECT 1 FROM staging s WHERE s.run = $1 AND s.reference = p.reference) \
             ORDER BY p.reference LIMIT $3"
        ),
        &[&id.0, &start(after), &limit(most)],
    )
    .await?;
    rows.iter().map(state).collect()
}

pub(super) async fn payloads(
    c: &impl GenericClient,
    id: RunId,
    references: &[String],
) -> Result<Vec<(String, Bytes)>> {
    let references: Vec<Cow<'_, str>> = references.iter().map(|r| to_text(r)).collect();
    let rows = all(
        c,
        "SELECT s.reference, coalesce(s.payload, p.body) FROM staging s \
         LEFT JOIN payload p ON p.hash = s.hash \
         WHERE s.run = $1 AND s.reference = ANY($2) ORDER BY s.reference",
        &[&id.0, &references],
    )
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(frame) = row.try_get::<_, Option<&[u8]>>(1)? {
            let payload = codec::unpack("staging.payload", frame)?;
            found.push((from_text(row.try_get(0)?), Bytes::from(payload)));
        }
    }
    Ok(found)
}
