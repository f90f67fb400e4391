//! Wide bodies of postings: the payload that was pulled, and the normalised form made from it.

use super::blocks::set_keys;
use super::failure::Result;
use super::postings::{lock_rows, rounds};
use super::rows::{STATE, all, run, state, state_columns, uuids};
use super::{features, outbox};
use crate::model::{Posting, PostingId, Revision, StoredPosting};
use crate::store::prepared::{PackedOutput, distinct};
use crate::store::{BodyDigest, Inbox, KeptFeatures, Pulled, codec};
use deadpool_postgres::GenericClient;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tokio_postgres::Row;
use uuid::Uuid;

/// `rows` in the order of `ids`, without repetitions; what has no row is absent.
fn in_order(rows: Vec<Row>, ids: &[PostingId]) -> Result<Vec<Row>> {
    let mut by_id = HashMap::with_capacity(rows.len());
    for row in rows {
        by_id.insert(PostingId(row.try_get(0)?), row);
    }
    Ok(distinct(ids).filter_map(|id| by_id.remove(&id)).collect())
}

fn revision(column: &'static str, row: &Row, at: usize) -> Result<Option<Revision>> {
    let rules: Option<i32> = row.try_get(at + 1)?;
    let rules = rules.map(|rules| i64::from(rules.cast_unsigned()));
    Ok(codec::revision(column, row.try_get(at)?, rules)?)
}

pub(super) async fn pulled(c: &impl GenericClient, ids: &[PostingId]) -> Result<Vec<Pulled>> {
    let rows = all(
        c,
        concat!(
            "SELECT ",
            state_columns!(),
            ", p.made_observation, p.made_rules, b.body \
             FROM posting p LEFT JOIN payload b ON b.hash = p.hash WHERE p.id = ANY($1)"
        ),
        &[&uuids(ids)],
    )
    .await?;
    let rows = in_order(rows, ids)?;
    unpacked(rows, |row| {
        let frame: Option<&[u8]> = row.try_get(STATE + 2)?;
        Ok(Pulled {
            state: state(row)?,
            payload: frame
                .map(|frame| codec::unpack("payload.body", frame))
                .transpose()?
                .map(Into::into),
            made_from: revision("posting.made", row, STATE)?,
        })
    })
    .await
}

pub(super) async fn normalised(
    c: &impl GenericClient,
    ids: &[PostingId],
) -> Result<Vec<StoredPosting>> {
    let rows = all(
        c,
        concat!(
            "SELECT ",
            state_columns!(),
            ", p.made_observation, p.made_rules, p.deduped_observation, p.deduped_rules, b.body \
             FROM posting p JOIN normalised b ON b.posting = p.id WHERE p.id = ANY($1)"
        ),
        &[&uuids(ids)],
    )
    .await?;
    let rows = in_order(rows, ids)?;
    unpacked(rows, |row| {
        Ok(StoredPosting {
            state: state(row)?,
            posting: codec::from_packed_json("normalised.body", row.try_get(STATE + 4)?)?,
            made_from: revision("posting.made", row, STATE)?.unwrap_or_default(),
            deduped: revision("posting.deduped", row, STATE + 2)?,
        })
    })
    .await
}

pub(super) async fn digests(
    c: &impl GenericClient,
    ids: &[PostingId],
) -> Result<Vec<(PostingId, BodyDigest)>> {
    let rows = all(
        c,
        "SELECT id, made_digest FROM posting WHERE id = ANY($1) AND length(made_digest) = 16",
        &[&uuids(ids)],
    )
    .await?;
    let read = |row: &Row| {
        let bytes: &[u8] = row.try_get(1)?;
        let digest = BodyDigest::try_from(bytes).unwrap_or_default();
        Ok((PostingId(row.try_get(0)?), digest))
    };
    rows.iter().map(read).collect()
}

/// Bodies with the digests that they were stored under.
pub(super) async fn alone(
    c: &impl GenericClient,
    ids: &[PostingId],
) -> Result<Vec<(Posting, BodyDigest)>> {
    let rows = all(
        c,
        "SELECT b.body, p.made_digest FROM posting p JOIN normalised b ON b.posting = p.id \
         WHERE p.id = ANY($1) AND length(p.made_digest) = 16",
        &[&uuids(ids)],
    )
    .await?;
    unpacked(rows, |row| {
        let digest: &[u8] = row.try_get(1)?;
        Ok((
            codec::from_packed_json("normalised.body", row.try_get(0)?)?,
            BodyDigest::try_from(digest).unwrap_or_default(),
        ))
    })
    .await
}

/// Reads wide rows on a blocking thread: decompressing and parsing are no work for the runtime's.
pub(super) async fn unpacked<T: Send + 'static>(
    rows: Vec<Row>,
    read: impl Fn(&Row) -> Result<T> + Send + 'static,
) -> Result<Vec<T>> {
    tokio::task::spawn_blocking(move || rows.iter().map(read).collect())
        .await
        .unwrap_or_else(|error| Err(super::failure::Failure::refused(error.to_string())))
}

pub(super) async fn commit_normalised(
    c: &impl GenericClient,
    outputs: Vec<PackedOutput>,
    inbox: &Inbox,
) -> Result<()> {
    for round in rounds(outputs, |packed| packed.output.posting.id.0) {
        commit_round(c, round).await?;
    }
    outbox::settle_inbox(c, inbox).await
}

/// What is stored of a posting's normalised form.
struct Made {
    from: Option<Revision>,
    digest: Option<Vec<u8>>,
}

async fn commit_round(c: &impl GenericClient, round: Vec<PackedOutput>) -> Result<()> {
    let ids: Vec<Uuid> = round.iter().map(|p| p.output.posting.id.0).collect();
    let mut stored = HashMap::new();
    for row in lock_rows(c, &ids).await? {
        let made = Made {
            from: revision("posting.made", &row, STATE)?,
            digest: row.try_get(STATE + 2)?,
        };
        stored.insert(row.try_get::<_, Uuid>(0)?, made);
    }
    let mut ids = Vec::new();
    let mut observations = Vec::new();
    let mut rules = Vec::new();
    let mut digests: Vec<Vec<u8>> = Vec::new();
    let mut expires = Vec::new();
    let mut changed = Vec::new();
    let mut bodies = Vec::new();
    let mut keys: BTreeMap<Uuid, BTreeSet<i64>> = BTreeMap::new();
    let mut kept: Vec<KeptFeatures> = Vec::new();
    let mut bare = Vec::new();
    let mut events = Vec::new();
    for packed in round {
        let PackedOutput {
            output,
            body,
            digest,
        } = packed;
        let id = output.posting.id.0;
        // Unknown, or made from something newer: nothing of it counts.
        let Some(made) = stored
            .get(&id)
            .filter(|made| made.from.is_none_or(|from| from <= output.revision))
        else {
            continue;
        };
        if made.digest.as_deref() != Some(&digest[..]) {
            changed.push(id);
            bodies.push(body);
        }
        ids.push(id);
        observations.push(codec::int(output.revision.observation));
        rules.push(output.revision.rules.cast_signed());
        digests.push(digest.to_vec());
        expires.push(output.posting.offer.expires.map(codec::micros));
        keys.insert(
            id,
            output.keys.iter().map(|key| key.cast_signed()).collect(),
        );
        match output.features {
            Some(features) => kept.push((output.posting.id, digest, features)),
            None => bare.push(id),
        }
        events.extend(output.events);
    }
    // The source's expiry counts while its observation is the newest.
    run(
        c,
        "UPDATE posting p SET made_observation = t.observation, made_rules = t.rules, \
         made_digest = t.digest, \
         expires = CASE WHEN p.observation <= t.observation THEN t.expires ELSE p.expires END \
         FROM unnest($1::uuid[], $2::bigint[], $3::int[], $4::bytea[], $5::bigint[]) \
         AS t (id, observation, rules, digest, expires) WHERE p.id = t.id",
        &[&ids, &observations, &rules, &digests, &expires],
    )
    .await?;
    run(
        c,
        "INSERT INTO normalised (posting, body) SELECT * FROM unnest($1::uuid[], $2::bytea[]) \
         ON CONFLICT (posting) DO UPDATE SET body = excluded.body",
        &[&changed, &bodies],
    )
    .await?;
    set_keys(c, &ids, &keys).await?;
    features::put(c, &kept).await?;
    features::drop(c, &bare).await?;
    outbox::put(c, &events).await
}
