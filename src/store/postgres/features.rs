//! Features of postings: bytes that dedupe made, kept beside the bodies that they are of.

use super::failure::Result;
use super::rows::{all, run, uuids};
use crate::model::PostingId;
use crate::store::{BodyDigest, KeptFeatures};
use bytes::Bytes;
use deadpool_postgres::GenericClient;
use std::collections::BTreeMap;
use tokio_postgres::Row;
use uuid::Uuid;

pub(super) async fn of(c: &impl GenericClient, ids: &[PostingId]) -> Result<Vec<KeptFeatures>> {
    let rows = all(
        c,
        "SELECT posting, digest, body FROM features WHERE posting = ANY($1)",
        &[&uuids(ids)],
    )
    .await?;
    let read = |row: &Row| {
        let digest: &[u8] = row.try_get(1)?;
        let digest = BodyDigest::try_from(digest).unwrap_or_default();
        let body: &[u8] = row.try_get(2)?;
        Ok((
            PostingId(row.try_get(0)?),
            digest,
            Bytes::copy_from_slice(body),
        ))
    };
    rows.iter().map(read).collect()
}

/// In the order of ids, as every commit locks rows.
pub(super) async fn put(c: &impl GenericClient, kept: &[KeptFeatures]) -> Result<()> {
    let last: BTreeMap<Uuid, (&BodyDigest, &Bytes)> = kept
        .iter()
        .map(|(id, digest, features)| (id.0, (digest, features)))
        .collect();
    if last.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = last.keys().copied().collect();
    let digests: Vec<&[u8]> = last.values().map(|(digest, _)| digest.as_slice()).collect();
    let bodies: Vec<&[u8]> = last.values().map(|(_, features)| &features[..]).collect();
    run(
        c,
        "INSERT INTO features AS f (posting, digest, body) \
         SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) \
         ON CONFLICT (posting) DO UPDATE SET digest = excluded.digest, body = excluded.body \
         WHERE f.digest <> excluded.digest OR f.body <> excluded.body",
        &[&ids, &digests, &bodies],
    )
    .await?;
    Ok(())
}

pub(super) async fn drop(c: &impl GenericClient, ids: &[Uuid]) -> Result<()> {
    if !ids.is_empty() {
        run(c, "DELETE FROM features WHERE posting = ANY($1)", &[&ids]).await?;
    }
    Ok(())
}
