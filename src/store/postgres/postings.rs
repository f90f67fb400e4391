//! Postings: narrow state, payloads, normalised bodies with their blocking keys.

use super::failure::Result;
use super::outbox;
use super::rows::{STATE, all, from_text, limit, run, state, state_columns, to_text, uuids};
use crate::model::{
    CloseReason, ConnectorName, Event, EventKind, PostingId, PostingState, RULES, Revision, RunId,
    StoredPosting,
};
use crate::store::prepared::{Blocks, PackedOutput, distinct, rechecks};
use crate::store::{BodyDigest, Inbox, PostingChange, Pulled, codec};
use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tokio_postgres::Row;
use uuid::Uuid;

pub(super) async fn states(
    c: &impl GenericClient,
    connector: &ConnectorName,
) -> Result<Vec<PostingState>> {
    let rows = all(
        c,
        concat!(
            "SELECT ",
            state_columns!(),
            " FROM posting p WHERE p.connector = $1 ORDER BY p.reference COLLATE \"C\""
        ),
        &[&connector.as_str()],
    )
    .await?;
    rows.iter().map(state).collect()
}

/// `items` in rounds in which no id occurs twice, each in the order of its ids: one statement can
/// touch a row once only, and rows are locked in one order everywhere.
fn rounds<T>(items: Vec<T>, id: impl Fn(&T) -> Uuid) -> Vec<Vec<T>> {
    let mut rounds: Vec<BTreeMap<Uuid, T>> = Vec::new();
    let mut met: HashMap<Uuid, usize> = HashMap::new();
    for item in items {
        let key = id(&item);
        let round = met.entry(key).and_modify(|n| *n += 1).or_insert(0);
        if rounds.len() <= *round {
            rounds.push(BTreeMap::new());
        }
        if let Some(round) = rounds.get_mut(*round) {
            round.insert(key, item);
        }
    }
    rounds
        .into_iter()
        .map(|round| round.into_values().collect())
        .collect()
}

/// Writes states that are newer than the stored ones, takes their payloads over from the staging of
/// `run`, and puts their events into the outbox.
pub(super) async fn apply(
    c: &impl GenericClient,
    id: Option<RunId>,
    batch: Vec<PostingChange>,
) -> Result<()> {
    // Events keep the order of the batch, whatever the order of rounds and rows.
    let mut order: HashMap<(Uuid, u64), usize> = HashMap::new();
    for (n, change) in batch.iter().enumerate() {
        order.insert((change.state.id.0, change.state.observation), n);
    }
    let mut events: BTreeMap<usize, Vec<Event>> = BTreeMap::new();
    for round in rounds(batch, |change| change.state.id.0) {
        let written = upsert(c, &round).await?;
        if written.is_empty() {
            continue;
        }
        let written: BTreeSet<Uuid> = written.into_iter().collect();
        let mut references = Vec::new();
        let mut hashes = Vec::new();
        for change in round {
            let s = &change.state;
            if !written.contains(&s.id.0) {
                continue;
            }
            references.push(to_text(&s.reference).into_owned());
            hashes.push(s.hash.clone());
            let n = order.get(&(s.id.0, s.observation)).copied().unwrap_or(0);
            events.entry(n).or_default().extend(change.events);
        }
        if let Some(id) = id {
            run(
                c,
                "INSERT INTO payload (hash, body) SELECT DISTINCT ON (s.hash) s.hash, s.payload \
                 FROM unnest($2::text[], $3::text[]) AS t (reference, hash) \
                 JOIN staging s ON s.run = $1 AND s.reference = t.reference AND s.hash = t.hash \
                 WHERE s.payload IS NOT NULL ORDER BY s.hash ON CONFLICT (hash) DO NOTHING",
                &[&id.0, &references, &hashes],
            )
            .await?;
        }
    }
    let events: Vec<Event> = events.into_values().flatten().collect();
    outbox::put(c, &events).await
}

/// The ids of the rows that were written.
async fn upsert(c: &impl GenericClient, round: &[PostingChange]) -> Result<Vec<Uuid>> {
    let states = || round.iter().map(|change| &change.state);
    let ids: Vec<Uuid> = states().map(|s| s.id.0).collect();
    let connectors: Vec<&str> = states().map(|s| s.connector.as_str()).collect();
    let references: Vec<_> = states()
        .map(|s| to_text(&s.reference).into_owned())
        .collect();
    let hashes: Vec<&str> = states().map(|s| s.hash.as_str()).collect();
    let observations: Vec<i64> = states().map(|s| codec::int(s.observation)).collect();
    let first_seen: Vec<i64> = states().map(|s| codec::micros(s.first_seen)).collect();
    let closed = states()
        .map(codec::closed_columns)
        .collect::<codec::Result<Vec<_>>>()?;
    let (closed_at, reasons): (Vec<Option<i64>>, Vec<Option<String>>) = closed.into_iter().unzip();
    let misses: Vec<i32> = states().map(|s| s.misses.cast_signed()).collect();
    let last_miss: Vec<Option<i64>> = states().map(|s| s.last_miss.map(codec::micros)).collect();
    let rows = all(
        c,
        "INSERT INTO posting AS p (id, connector, reference, hash, observation, first_seen, \
         closed_at, close_reason, misses, last_miss) \
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], \
         $6::bigint[], $7::bigint[], $8::text[], $9::int[], $10::bigint[]) \
         ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, observation = excluded.observation, \
         first_seen = least(p.first_seen, excluded.first_seen), closed_at = excluded.closed_at, \
         close_reason = excluded.close_reason, misses = excluded.misses, \
         last_miss = excluded.last_miss, expires = NULL \
         WHERE excluded.observation > p.observation RETURNING p.id",
        &[
            &ids,
            &connectors,
            &references,
            &hashes,
            &observations,
            &first_seen,
            &closed_at,
            &reasons,
            &misses,
            &last_miss,
        ],
    )
    .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Locks rows in the order of their ids, as every commit does.
async fn lock_rows(c: &impl GenericClient, ids: &[Uuid]) -> Result<Vec<Row>> {
    all(
        c,
        concat!(
            "SELECT ",
            state_columns!(),
            ", p.made_observation, p.made_rules, p.made_digest FROM posting p \
             WHERE p.id = ANY($1) ORDER BY p.id FOR UPDATE"
        ),
        &[&ids],
    )
    .await
}

/// New miss counts, of postings that are still in the observation that was counted.
pub(super) async fn set_misses(
    c: &impl GenericClient,
    misses: &[PostingState],
    seen: &[PostingId],
) -> Result<()> {
    if misses.is_empty() && seen.is_empty() {
        return Ok(());
    }
    let mut all_ids = uuids(seen);
    let ids: Vec<Uuid> = misses.iter().map(|s| s.id.0).collect();
    all_ids.extend(&ids);
    lock_rows(c, &all_ids).await?;
    let counts: Vec<i32> = misses.iter().map(|s| s.misses.cast_signed()).collect();
    let last: Vec<Option<i64>> = misses
        .iter()
        .map(|s| s.last_miss.map(codec::micros))
        .collect();
    let observations: Vec<i64> = misses.iter().map(|s| codec::int(s.observation)).collect();
    run(
        c,
        "UPDATE posting p SET misses = t.misses, last_miss = t.last_miss \
         FROM unnest($1::uuid[], $2::int[], $3::bigint[], $4::bigint[]) \
         AS t (id, misses, last_miss, observation) \
         WHERE p.id = t.id AND p.observation = t.observation",
        &[&ids, &counts, &last, &observations],
    )
    .await?;
    run(
        c,
        "UPDATE posting SET misses = 0, last_miss = NULL WHERE id = ANY($1) AND misses > 0",
        &[&uuids(seen)],
    )
    .await?;
    Ok(())
}

pub(super) async fn close(
    c: &impl GenericClient,
    postings: &[(PostingId, CloseReason)],
    at: Timestamp,
) -> Result<u64> {
    let mut reasons: BTreeMap<Uuid, CloseReason> = BTreeMap::new();
    for (id, reason) in postings {
        reasons.entry(id.0).or_insert(*reason);
    }
    let ids: Vec<Uuid> = reasons.keys().copied().collect();
    let mut changes = Vec::new();
    for row in lock_rows(c, &ids).await? {
        let mut found = state(&row)?;
        let Some(reason) = reasons.get(&found.id.0).filter(|_| found.is_live()) else {
            continue;
        };
        found.observation += 1;
        found.closed = Some((at, *reason));
        found.misses = 0;
        found.last_miss = None;
        let revision = Revision {
            observation: found.observation,
            rules: RULES,
        };
        let mut event = Event::new(EventKind::PostingPulled, found.id, revision, at);
        event.payload.clone_from(&found.hash);
        changes.push(PostingChange {
            state: found,
            events: vec![event],
        });
    }
    let closed = changes.len() as u64;
    apply(c, None, changes).await?;
    Ok(closed)
}

/// See [`crate::store::Store::erase`].
pub(super) async fn erase(
    c: &impl GenericClient,
    ids: &BTreeSet<PostingId>,
    at: Timestamp,
) -> Result<u64> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let mut changes = Vec::new();
    for row in lock_rows(c, &ids).await? {
        let mut found = state(&row)?;
        let (name, reference) = (found.connector.as_str(), to_text(&found.reference));
        for sql in [
            "DELETE FROM reject WHERE connector = $1 AND reference = $2",
            "DELETE FROM staging WHERE reference = $2 \
             AND run IN (SELECT id FROM run WHERE connector = $1)",
        ] {
            run(c, sql, &[&name, &reference]).await?;
        }
        run(
            c,
            "DELETE FROM meta WHERE starts_with(key, 'export.sent/') AND right(key, 36) = $1",
            &[&found.id.to_string()],
        )
        .await?;
        if matches!(found.closed, Some((_, CloseReason::Erased))) {
            continue;
        }
        found.observation += 1;
        found.closed = Some((at, CloseReason::Erased));
        found.hash = crate::store::erased_hash();
        found.misses = 0;
        found.last_miss = None;
        let revision = Revision {
            observation: found.observation,
            rules: RULES,
        };
        changes.push(PostingChange {
            events: vec![Event::new(EventKind::PostingPulled, found.id, revision, at)],
            state: found,
        });
    }
    let erased = changes.len() as u64;
    apply(c, None, changes).await?;
    // Earlier revisions too: whatever payload no posting has now.
    run(
        c,
        "DELETE FROM payload WHERE NOT EXISTS (SELECT 1 FROM posting p WHERE p.hash = payload.hash) \
         AND NOT EXISTS (SELECT 1 FROM staging s WHERE s.hash = payload.hash)",
        &[],
    )
    .await?;
    Ok(erased)
}

pub(super) async fn expired(
    c: &impl GenericClient,
    now: Timestamp,
    most: usize,
) -> Result<Vec<(PostingId, Timestamp)>> {
    let rows = all(
        c,
        "SELECT id, expires FROM posting \
         WHERE closed_at IS NULL AND expires IS NOT NULL AND expires <= $1 \
         ORDER BY expires, id LIMIT $2",
        &[&codec::micros(now), &limit(most)],
    )
    .await?;
    rows.iter()
        .map(|row| {
            let at = codec::instant("posting.expires", row.try_get(1)?)?;
            Ok((PostingId(row.try_get(0)?), at))
        })
        .collect()
}

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
    outbox::put(c, &events).await
}

/// Replaces the blocking keys of postings, touching only what differs.
async fn set_keys(
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

pub(super) async fn ids(
    c: &impl GenericClient,
    connector: Option<&ConnectorName>,
) -> Result<Vec<PostingId>> {
    let rows = match connector {
        Some(name) => {
            all(
                c,
                "SELECT id FROM posting WHERE connector = $1 ORDER BY id",
                &[&name.as_str()],
            )
            .await?
        }
        None => all(c, "SELECT id FROM posting ORDER BY id", &[]).await?,
    };
    rows.iter()
        .map(|row| Ok(PostingId(row.try_get(0)?)))
        .collect()
}

/// A stored reference as the source wrote it.
pub(super) fn reference(row: &Row, column: usize) -> Result<String> {
    Ok(from_text(row.try_get(column)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_holds_an_id_once_and_repetitions_keep_their_order() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let items = vec![(b, 1), (a, 2), (b, 3), (b, 4)];
        let rounds = rounds(items, |(id, _)| *id);
        assert_eq!(rounds, [vec![(a, 2), (b, 1)], vec![(b, 3)], vec![(b, 4)]]);
    }
}
