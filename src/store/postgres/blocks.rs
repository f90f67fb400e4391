//! Blocking keys: which postings share one, and which keys are too common to say anything.

use super::failure::Result;
use super::outbox;
use super::rows::{all, limit, run, uuids};
use crate::model::PostingId;
use crate::store::prepared::{Blocks, rechecks};
use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Replaces the blocking keys of postings, touching only what differs.
pub(super) async fn set_keys(
    c: &impl GenericClient,
    ids: &[Uuid],
    wanted: &BTreeMap<Uuid, BTreeSet<i64>>,
) -> Result<()> {
    let rows = all(
        c,
        "SELECT posting, key FROM block_key WHERE posting = ANY($1)",
        &[&ids],
    )
    .await?;
    let mut stored = BTreeSet::new();
    for row in &rows {
        stored.insert((row.try_get::<_, Uuid>(0)?, row.try_get::<_, i64>(1)?));
    }
    let wanted: BTreeSet<(Uuid, i64)> = wanted
        .iter()
        .flat_map(|(id, keys)| keys.iter().map(|key| (*id, *key)))
        .collect();
    let (old, old_keys): (Vec<Uuid>, Vec<i64>) = stored.difference(&wanted).copied().unzip();
    if !old.is_empty() {
        run(
            c,
            "DELETE FROM block_key k USING unnest($1::uuid[], $2::bigint[]) AS t (posting, key) \
             WHERE k.posting = t.posting AND k.key = t.key",
            &[&old, &old_keys],
        )
        .await?;
        run(
            c,
            "UPDATE generic_key SET dirty = true WHERE key IN (SELECT key FROM generic_key \
             WHERE key = ANY($1) AND NOT dirty ORDER BY key FOR UPDATE)",
            &[&old_keys],
        )
        .await?;
    }
    let (new, new_keys): (Vec<Uuid>, Vec<i64>) = wanted.difference(&stored).copied().unzip();
    if !new.is_empty() {
        run(
            c,
            "INSERT INTO block_key (posting, key) SELECT * FROM unnest($1::uuid[], $2::bigint[]) \
             ON CONFLICT DO NOTHING",
            &[&new, &new_keys],
        )
        .await?;
    }
    Ok(())
}

pub(super) async fn candidates(
    c: &impl GenericClient,
    ids: &[PostingId],
    cap: usize,
) -> Result<(Vec<(PostingId, PostingId)>, Blocks)> {
    let rows = all(
        c,
        "SELECT k.key, b.posting FROM \
         (SELECT DISTINCT key FROM block_key WHERE posting = ANY($1)) k CROSS JOIN LATERAL \
         (SELECT posting FROM block_key WHERE key = k.key LIMIT $2) b",
        &[&uuids(ids), &limit(cap).saturating_add(1)],
    )
    .await?;
    let mut blocks: BTreeMap<i64, Vec<PostingId>> = BTreeMap::new();
    for row in &rows {
        let block = blocks.entry(row.try_get(0)?).or_default();
        block.push(PostingId(row.try_get(1)?));
    }
    let asked: BTreeSet<PostingId> = ids.iter().copied().collect();
    let mut pairs = BTreeSet::new();
    // A key that is too common says nothing, whoever came first.
    for block in blocks.values().filter(|block| block.len() <= cap) {
        for id in block.iter().filter(|id| asked.contains(id)) {
            let others = block.iter().filter(|other| *other != id);
            pairs.extend(others.map(|other| (*id, *other)));
        }
    }
    let generic = blocks.iter().map(|(key, block)| (*key, block.len() > cap));
    let met = Blocks {
        cap,
        generic: generic.collect(),
    };
    Ok((pairs.into_iter().collect(), met))
}

/// Keys that have become generic, or no longer are: remembered, and their postings rechecked. Runs
/// under the hub-wide lock, so that no two commits judge the same key at once.
pub(super) async fn settle_generic(
    c: &impl GenericClient,
    blocks: &Blocks,
    at: Timestamp,
) -> Result<()> {
    if blocks.cap == 0 {
        return Ok(());
    }
    let known: BTreeSet<i64> = all(c, "SELECT key FROM generic_key", &[])
        .await?
        .iter()
        .map(|row| Ok(row.try_get(0)?))
        .collect::<Result<_>>()?;
    let limit = limit(blocks.cap).saturating_add(1);
    // The marks go in a statement of their own: the count then sees what their makers committed.
    let dirty = all(
        c,
        "UPDATE generic_key SET dirty = false WHERE key IN \
         (SELECT key FROM generic_key WHERE dirty ORDER BY key FOR UPDATE) RETURNING key",
        &[],
    )
    .await?
    .iter()
    .map(|row| Ok(row.try_get(0)?))
    .collect::<Result<Vec<i64>>>()?;
    let recounted = all(
        c,
        "SELECT key, (SELECT count(*) FROM \
         (SELECT 1 FROM block_key b WHERE b.key = t.key LIMIT $2) few) \
         FROM unnest($1::bigint[]) AS t (key)",
        &[&dirty, &limit],
    )
    .await?
    .iter()
    .map(|row| Ok((row.try_get(0)?, row.try_get::<_, i64>(1)? >= limit)))
    .collect::<Result<BTreeMap<i64, bool>>>()?;
    let crossed = blocks.crossed(&known, &recounted);
    if crossed.is_empty() {
        return Ok(());
    }
    let keys: Vec<i64> = crossed.iter().map(|(key, _)| *key).collect();
    let side = |wanted: bool| {
        let keys = crossed.iter().filter(|(_, generic)| *generic == wanted);
        keys.map(|(key, _)| *key).collect::<Vec<i64>>()
    };
    let (up, down) = (side(true), side(false));
    run(
        c,
        "INSERT INTO generic_key (key) SELECT unnest($1::bigint[]) ON CONFLICT DO NOTHING",
        &[&up],
    )
    .await?;
    run(c, "DELETE FROM generic_key WHERE key = ANY($1)", &[&down]).await?;
    let members = all(
        c,
        "SELECT DISTINCT posting FROM block_key WHERE key = ANY($1)",
        &[&keys],
    )
    .await?
    .iter()
    .map(|row| Ok(PostingId(row.try_get(0)?)))
    .collect::<Result<BTreeSet<_>>>()?;
    outbox::put(c, &rechecks(members, at)).await
}
