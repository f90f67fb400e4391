//! Postings: narrow state, payloads, normalised bodies with their blocking keys.

use super::failure::Result;
use super::rows::{STATE, all, one, run, state, state_columns, uuid};
use super::{features, outbox};
use crate::model::{
    CloseReason, ConnectorName, Event, EventKind, Posting, PostingId, PostingState, RULES,
    Revision, RunId, StoredPosting, Turn,
};
use crate::store::prepared::{Blocks, PackedOutput, distinct, rechecks};
use crate::store::{BodyDigest, Inbox, PostingChange, Pulled, codec};
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn states(c: &Connection, connector: &ConnectorName) -> Result<Vec<PostingState>> {
    all(
        c,
        concat!(
            "SELECT ",
            state_columns!(),
            " FROM posting p WHERE p.connector = ?1 ORDER BY p.reference"
        ),
        [connector.as_str()],
        state,
    )
}

/// Writes states that are newer than the stored ones, takes their payloads over from the staging of
/// `run`, and puts their events into the outbox.
pub(super) fn apply(c: &Connection, id: Option<RunId>, batch: &[PostingChange]) -> Result<()> {
    let mut upsert = c.prepare_cached(
        "INSERT INTO posting (id, connector, reference, hash, observation, first_seen, closed_at, \
         close_reason, misses, last_miss) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
         ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, observation = excluded.observation, \
         first_seen = min(first_seen, excluded.first_seen), closed_at = excluded.closed_at, \
         close_reason = excluded.close_reason, misses = excluded.misses, \
         last_miss = excluded.last_miss, expires = NULL \
         WHERE excluded.observation > observation",
    )?;
    let mut payload = c.prepare_cached(
        "INSERT OR IGNORE INTO payload (hash, body) SELECT hash, payload FROM staging \
         WHERE run = ?1 AND reference = ?2 AND hash = ?3 AND payload IS NOT NULL",
    )?;
    let mut turns = c.prepare_cached(
        "INSERT OR REPLACE INTO turn (posting, observation, at, became, reason) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for change in batch {
        let s = &change.state;
        let (closed_at, reason) = codec::closed_columns(s)?;
        let written = upsert.execute(params![
            s.id.0.as_bytes(),
            s.connector.as_str(),
            s.reference,
            s.hash,
            codec::int(s.observation),
            codec::micros(s.first_seen),
            closed_at,
            reason,
            s.misses,
            s.last_miss.map(codec::micros)
        ])?;
        if written == 0 {
            continue;
        }
        if let Some(id) = id {
            payload.execute(params![id.0, s.reference, s.hash])?;
        }
        if let Some(turn) = change.turn() {
            let (became, reason) = codec::turn_columns(turn.became)?;
            turns.execute(params![
                s.id.0.as_bytes(),
                codec::int(turn.observation),
                codec::micros(turn.at),
                became,
                reason
            ])?;
        }
        outbox::put(c, &change.events)?;
    }
    Ok(())
}

/// New miss counts, of postings that are still in the observation that was counted.
pub(super) fn set_misses(
    c: &Connection,
    misses: &[PostingState],
    seen: &[PostingId],
) -> Result<()> {
    let mut count = c.prepare_cached(
        "UPDATE posting SET misses = ?2, last_miss = ?3 WHERE id = ?1 AND observation = ?4",
    )?;
    for s in misses {
        count.execute(params![
            s.id.0.as_bytes(),
            s.misses,
            s.last_miss.map(codec::micros),
            codec::int(s.observation)
        ])?;
    }
    let mut reset = c.prepare_cached(
        "UPDATE posting SET misses = 0, last_miss = NULL WHERE id = ?1 AND misses > 0",
    )?;
    for id in seen {
        reset.execute([id.0.as_bytes()])?;
    }
    Ok(())
}

pub(super) fn close(
    c: &Connection,
    postings: &[(PostingId, CloseReason)],
    at: Timestamp,
) -> Result<u64> {
    let mut changes = Vec::new();
    let mut done = BTreeSet::new();
    for (id, reason) in postings {
        let Some(mut found) = get(c, *id)?.filter(PostingState::is_live) else {
            continue;
        };
        if !done.insert(*id) {
            continue;
        }
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
            reopened: None,
            events: vec![event],
        });
    }
    apply(c, None, &changes)?;
    Ok(changes.len() as u64)
}

/// See [`crate::store::Store::erase`].
pub(super) fn erase(
    c: &Connection,
    ids: &BTreeSet<PostingId>,
    refused: &[(ConnectorName, String)],
    at: Timestamp,
) -> Result<u64> {
    let mut changes = Vec::new();
    for (connector, reference) in refused {
        let id = PostingId::new(connector, reference);
        forget(c, connector.as_str(), reference)?;
        if get(c, id)?.is_none() {
            let state = PostingState {
                id,
                connector: connector.clone(),
                reference: reference.clone(),
                hash: crate::store::erased_hash(),
                observation: 1,
                first_seen: at,
                closed: Some((at, CloseReason::Erased)),
                misses: 0,
                last_miss: None,
            };
            // Nothing of it was ever public: no stage needs to know.
            let events = Vec::new();
            let change = PostingChange {
                state,
                reopened: None,
                events,
            };
            apply(c, None, &[change])?;
        }
    }
    for id in ids {
        let Some(mut found) = get(c, *id)? else {
            continue;
        };
        forget(c, found.connector.as_str(), &found.reference)?;
        run(
            c,
            "DELETE FROM meta WHERE key >= 'export.sent/' AND key < 'export.sent0' \
             AND substr(key, -36) = ?1",
            [id.to_string()],
        )?;
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
            events: vec![Event::new(EventKind::PostingPulled, *id, revision, at)],
            state: found,
            reopened: None,
        });
    }
    apply(c, None, &changes)?;
    // Earlier revisions too: whatever payload no posting has now.
    run(
        c,
        "DELETE FROM payload WHERE NOT EXISTS (SELECT 1 FROM posting p WHERE p.hash = payload.hash) \
         AND hash NOT IN (SELECT hash FROM staging)",
        [],
    )?;
    Ok(changes.len() as u64)
}

/// Drops what is kept of a record that has not become a posting, or not again.
fn forget(c: &Connection, connector: &str, reference: &str) -> Result<()> {
    for sql in [
        "DELETE FROM reject WHERE connector = ?1 AND reference = ?2",
        "DELETE FROM staging WHERE reference = ?2 \
         AND run IN (SELECT id FROM run WHERE connector = ?1)",
    ] {
        run(c, sql, [connector, reference])?;
    }
    Ok(())
}

/// When a posting closed and came back, oldest first.
pub(super) fn turns(c: &Connection, id: PostingId) -> Result<Vec<Turn>> {
    all(
        c,
        "SELECT observation, at, became, reason FROM turn WHERE posting = ?1 ORDER BY observation",
        [id.0.as_bytes()],
        |row| {
            let (became, reason): (String, String) = (row.get(2)?, row.get(3)?);
            Ok(codec::turn(row.get(0)?, row.get(1)?, &became, &reason)?)
        },
    )
}

fn get(c: &Connection, id: PostingId) -> Result<Option<PostingState>> {
    one(
        c,
        concat!(
            "SELECT ",
            state_columns!(),
            " FROM posting p WHERE p.id = ?1"
        ),
        [id.0.as_bytes()],
        state,
    )
}

pub(super) fn expired(
    c: &Connection,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<(PostingId, Timestamp)>> {
    all(
        c,
        "SELECT id, expires FROM posting \
         WHERE closed_at IS NULL AND expires IS NOT NULL AND expires <= ?1 \
         ORDER BY expires, id LIMIT ?2",
        params![codec::micros(now), i64::try_from(limit).unwrap_or(i64::MAX)],
        |row| {
            Ok((
                PostingId(uuid(row, 0)?),
                codec::instant("posting.expires", row.get(1)?)?,
            ))
        },
    )
}

/// A wide row as it was read; unpacking it is left to the caller's thread.
pub(super) fn pulled(c: &Connection, ids: &[PostingId]) -> Result<Vec<Pulled>> {
    let mut found = Vec::with_capacity(ids.len());
    for id in distinct(ids) {
        let row = one(
            c,
            concat!(
                "SELECT ",
                state_columns!(),
                ", p.made_observation, p.made_rules, b.body \
                 FROM posting p LEFT JOIN payload b ON b.hash = p.hash WHERE p.id = ?1"
            ),
            [id.0.as_bytes()],
            |row| {
                let frame: Option<Vec<u8>> = row.get(STATE + 2)?;
                Ok(Pulled {
                    state: state(row)?,
                    payload: frame
                        .map(|frame| codec::unpack("payload.body", &frame))
                        .transpose()?
                        .map(Into::into),
                    made_from: revision("posting.made", row, STATE)?,
                })
            },
        )?;
        found.extend(row);
    }
    Ok(found)
}

fn revision(column: &'static str, row: &Row<'_>, at: usize) -> Result<Option<Revision>> {
    Ok(codec::revision(column, row.get(at)?, row.get(at + 1)?)?)
}

pub(super) fn commit_normalised(
    c: &Connection,
    outputs: &[PackedOutput],
    inbox: &Inbox,
) -> Result<()> {
    // The revision never goes back; the source's expiry counts while its observation is the newest.
    let mut update = c.prepare_cached(
        "UPDATE posting SET made_observation = ?2, made_rules = ?3, made_digest = ?4, \
         expires = CASE WHEN observation <= ?2 THEN ?5 ELSE expires END \
         WHERE id = ?1 AND (made_observation IS NULL OR (made_observation, made_rules) <= (?2, ?3))",
    )?;
    let mut same = c.prepare_cached("SELECT 1 FROM posting WHERE id = ?1 AND made_digest = ?2")?;
    let mut body = c.prepare_cached(
        "INSERT INTO normalised (posting, body) VALUES (?1, ?2) \
         ON CONFLICT (posting) DO UPDATE SET body = excluded.body",
    )?;
    for PackedOutput {
        output,
        body: frame,
        digest,
    } in outputs
    {
        let id = output.posting.id.0.as_bytes();
        let unchanged = same.exists(params![id, digest])?;
        let written = update.execute(params![
            id,
            codec::int(output.revision.observation),
            output.revision.rules,
            digest,
            output.posting.offer.expires.map(codec::micros)
        ])?;
        if written == 0 {
            continue;
        }
        if !unchanged {
            body.execute(params![id, frame])?;
        }
        set_keys(c, output.posting.id, &output.keys)?;
        match &output.features {
            Some(kept) => features::put(c, output.posting.id, digest, kept)?,
            None => features::drop(c, output.posting.id)?,
        }
        outbox::put(c, &output.events)?;
    }
    outbox::settle_inbox(c, inbox)
}

/// Replaces the blocking keys of a posting, touching only what differs.
fn set_keys(c: &Connection, id: PostingId, keys: &[u64]) -> Result<()> {
    let id = id.0.as_bytes();
    let stored: BTreeSet<i64> = all(
        c,
        "SELECT key FROM block_key WHERE posting = ?1",
        [id],
        |row| Ok(row.get(0)?),
    )?
    .into_iter()
    .collect();
    let wanted: BTreeSet<i64> = keys.iter().map(|key| key.cast_signed()).collect();
    for key in stored.difference(&wanted) {
        run(
            c,
            "DELETE FROM block_key WHERE key = ?1 AND posting = ?2",
            params![key, id],
        )?;
        run(
            c,
            "UPDATE generic_key SET dirty = 1 WHERE key = ?1 AND dirty = 0",
            [key],
        )?;
    }
    for key in wanted.difference(&stored) {
        run(
            c,
            "INSERT INTO block_key (key, posting) VALUES (?1, ?2)",
            params![key, id],
        )?;
    }
    Ok(())
}

/// Candidate pairs, and what their blocks are like.
pub(super) fn candidates(
    c: &Connection,
    ids: &[PostingId],
    cap: usize,
) -> Result<(Vec<(PostingId, PostingId)>, Blocks)> {
    let mut met = Blocks {
        cap,
        ..Blocks::default()
    };
    let limit = i64::try_from(cap).unwrap_or(i64::MAX).saturating_add(1);
    let mut blocks: BTreeMap<i64, Vec<PostingId>> = BTreeMap::new();
    let mut pairs = Vec::new();
    for id in distinct(ids) {
        let keys: Vec<i64> = all(
            c,
            "SELECT key FROM block_key WHERE posting = ?1",
            [id.0.as_bytes()],
            |row| Ok(row.get(0)?),
        )?;
        for key in keys {
            let block = match blocks.entry(key) {
                std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::btree_map::Entry::Vacant(new) => {
                    let mut found = all(
                        c,
                        "SELECT posting FROM block_key WHERE key = ?1 LIMIT ?2",
                        [key, limit],
                        |row| Ok(PostingId(uuid(row, 0)?)),
                    )?;
                    // Too common to say anything: it contributes nothing, whoever came first.
                    let generic = found.len() > cap;
                    if generic {
                        found.clear();
                    }
                    met.generic.insert(key, generic);
                    new.insert(found)
                }
            };
            pairs.extend(
                block
                    .iter()
                    .filter(|other| **other != id)
                    .map(|other| (id, *other)),
            );
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    Ok((pairs, met))
}

/// Keys that have become generic, or no longer are: remembered, and their postings rechecked.
pub(super) fn settle_generic(c: &Connection, blocks: &Blocks, at: Timestamp) -> Result<()> {
    if blocks.cap == 0 {
        return Ok(());
    }
    let stored = all(c, "SELECT key, dirty FROM generic_key", [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?))
    })?;
    let limit = i64::try_from(blocks.cap)
        .unwrap_or(i64::MAX)
        .saturating_add(1);
    let mut recounted = BTreeMap::new();
    for (key, _) in stored.iter().filter(|(_, dirty)| *dirty) {
        let count: i64 = c
            .prepare_cached(
                "SELECT count(*) FROM (SELECT 1 FROM block_key WHERE key = ?1 LIMIT ?2)",
            )?
            .query_row([*key, limit], |row| row.get(0))?;
        recounted.insert(*key, count >= limit);
        run(c, "UPDATE generic_key SET dirty = 0 WHERE key = ?1", [key])?;
    }
    let known = stored.into_iter().map(|(key, _)| key).collect();
    let mut touched = BTreeSet::new();
    for (key, generic) in blocks.crossed(&known, &recounted) {
        let sql = if generic {
            "INSERT INTO generic_key (key) VALUES (?1)"
        } else {
            "DELETE FROM generic_key WHERE key = ?1"
        };
        run(c, sql, [key])?;
        touched.extend(all(
            c,
            "SELECT posting FROM block_key WHERE key = ?1",
            [key],
            |row| Ok(PostingId(uuid(row, 0)?)),
        )?);
    }
    outbox::put(c, &rechecks(touched, at))
}

pub(super) fn normalised(c: &Connection, ids: &[PostingId]) -> Result<Vec<StoredPosting>> {
    let mut found = Vec::with_capacity(ids.len());
    for id in distinct(ids) {
        let row = one(
            c,
            concat!(
                "SELECT ",
                state_columns!(),
                ", p.made_observation, p.made_rules, p.deduped_observation, p.deduped_rules, b.body \
                 FROM posting p JOIN normalised b ON b.posting = p.id WHERE p.id = ?1"
            ),
            [id.0.as_bytes()],
            |row| {
                let frame: Vec<u8> = row.get(STATE + 4)?;
                Ok(StoredPosting {
                    state: state(row)?,
                    posting: codec::from_packed_json("normalised.body", &frame)?,
                    made_from: revision("posting.made", row, STATE)?.unwrap_or_default(),
                    deduped: revision("posting.deduped", row, STATE + 2)?,
                })
            },
        )?;
        found.extend(row);
    }
    Ok(found)
}

pub(super) fn digests(c: &Connection, ids: &[PostingId]) -> Result<Vec<(PostingId, BodyDigest)>> {
    let mut found = Vec::with_capacity(ids.len());
    for id in distinct(ids) {
        let digest = one(
            c,
            "SELECT made_digest FROM posting WHERE id = ?1 AND made_digest IS NOT NULL",
            [id.0.as_bytes()],
            |row| Ok(row.get(0)?),
        )?;
        found.extend(digest.map(|digest: BodyDigest| (id, digest)));
    }
    Ok(found)
}

/// Bodies with the digests that they were stored under.
pub(super) fn bodies(c: &Connection, ids: &[PostingId]) -> Result<Vec<(Posting, BodyDigest)>> {
    let mut found = Vec::with_capacity(ids.len());
    for id in distinct(ids) {
        let body = one(
            c,
            "SELECT b.body, p.made_digest FROM posting p JOIN normalised b ON b.posting = p.id \
             WHERE p.id = ?1 AND p.made_digest IS NOT NULL",
            [id.0.as_bytes()],
            |row| {
                let frame: Vec<u8> = row.get(0)?;
                Ok((
                    codec::from_packed_json("normalised.body", &frame)?,
                    row.get(1)?,
                ))
            },
        )?;
        found.extend(body);
    }
    Ok(found)
}

pub(super) fn ids(c: &Connection, connector: Option<&ConnectorName>) -> Result<Vec<PostingId>> {
    let read = |row: &Row<'_>| Ok(PostingId(uuid(row, 0)?));
    match connector {
        Some(name) => all(
            c,
            "SELECT id FROM posting WHERE connector = ?1 ORDER BY id",
            [name.as_str()],
            read,
        ),
        None => all(c, "SELECT id FROM posting ORDER BY id", [], read),
    }
}
