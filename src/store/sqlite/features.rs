//! Features of postings: bytes that dedupe made, kept beside the bodies that they are of.

use super::failure::Result;
use super::rows::{one, run};
use crate::model::PostingId;
use crate::store::prepared::distinct;
use crate::store::{BodyDigest, KeptFeatures};
use bytes::Bytes;
use rusqlite::{Connection, params};

pub(super) fn of(c: &Connection, ids: &[PostingId]) -> Result<Vec<KeptFeatures>> {
    let mut found = Vec::with_capacity(ids.len());
    for id in distinct(ids) {
        let kept = one(
            c,
            "SELECT digest, body FROM features WHERE posting = ?1",
            [id.0.as_bytes()],
            |row| Ok((id, row.get(0)?, Bytes::from(row.get::<_, Vec<u8>>(1)?))),
        )?;
        found.extend(kept);
    }
    Ok(found)
}

pub(super) fn put(
    c: &Connection,
    id: PostingId,
    digest: &BodyDigest,
    features: &[u8],
) -> Result<()> {
    run(
        c,
        "INSERT INTO features (posting, digest, body) VALUES (?1, ?2, ?3) \
         ON CONFLICT (posting) DO UPDATE SET digest = excluded.digest, body = excluded.body \
         WHERE digest <> excluded.digest OR body <> excluded.body",
        params![id.0.as_bytes(), digest, features],
    )?;
    Ok(())
}

pub(super) fn drop(c: &Connection, id: PostingId) -> Result<()> {
    run(
        c,
        "DELETE FROM features WHERE posting = ?1",
        [id.0.as_bytes()],
    )?;
    Ok(())
}
