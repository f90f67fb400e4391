//! Postings: their narrow state; `bodies` and `blocks` hold the rest.

use super::failure::Result;
use super::outbox;
use super::rows::{all, from_text, limit, run, state, state_columns, to_text, uuids};
use crate::model::{
    CloseReason, ConnectorName, Event, EventKind, PostingId, PostingState, RULES, Revision, RunId,
    Turn,
};
use crate::store::{PostingChange, codec};
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
pub(super) fn rounds<T>(items: Vec<T>, id: impl Fn(&T) -> Uuid) -> Vec<Vec<T>> {
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
        let mut turns = Vec::new();
        for change in round {
            let s = &change.state;
            if !written.contains(&s.id.0) {
                continue;
            }
            references.push(to_text(&s.reference).into_owned());
            hashes.push(s.hash.clone());
            let n = order.get(&(s.id.0, s.observation)).copied().unwrap_or(0);
            if let Some(turn) = change.turn() {
                turns.push((s.id.0, turn));
            }
            events.entry(n).or_default().extend(change.events);
        }
        put_turns(c, &turns).await?;
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

async fn put_turns(c: &impl GenericClient, turns: &[(Uuid, Turn)]) -> Result<()> {
    if turns.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = turns.iter().map(|(id, _)| *id).collect();
    let turns = || turns.iter().map(|(_, turn)| turn);
    let observations: Vec<i64> = turns().map(|t| codec::int(t.observation)).collect();
    let instants: Vec<i64> = turns().map(|t| codec::micros(t.at)).collect();
    let columns = turns()
        .map(|turn| codec::turn_columns(turn.became))
        .collect::<codec::Result<Vec<_>>>()?;
    let (became, reasons): (Vec<&str>, Vec<String>) = columns.into_iter().unzip();
    run(
        c,
        "INSERT INTO turn (posting, observation, at, became, reason) \
         SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::text[]) \
         ON CONFLICT (posting, observation) DO UPDATE SET at = excluded.at, \
         became = excluded.became, reason = excluded.reason",
        &[&ids, &observations, &instants, &became, &reasons],
    )
    .await?;
    Ok(())
}

/// When a posting closed and came back, oldest first.
pub(super) async fn turns(c: &impl GenericClient, id: PostingId) -> Result<Vec<Turn>> {
    let rows = all(
        c,
        "SELECT observation, at, became, reason FROM turn WHERE posting = $1 ORDER BY observation",
        &[&id.0],
    )
    .await?;
    rows.iter()
        .map(|row| {
            let (became, reason): (&str, &str) = (row.try_get(2)?, row.try_get(3)?);
            Ok(codec::turn(
                row.try_get(0)?,
                row.try_get(1)?,
                became,
                reason,
            )?)
        })
        .collect()
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
pub(super) async fn lock_rows(c: &impl GenericClient, ids: &[Uuid]) -> Result<Vec<Row>> {
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
            reopened: None,
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
    refused: &[(ConnectorName, String)],
    at: Timestamp,
) -> Result<u64> {
    for (connector, reference) in refused {
        let id = PostingId::new(connector, reference);
        forget(c, connector.as_str(), reference).await?;
        if lock_rows(c, &[id.0]).await?.is_empty() {
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
            apply(c, None, vec![change]).await?;
        }
    }
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let mut changes = Vec::new();
    for row in lock_rows(c, &ids).await? {
        let mut found = state(&row)?;
        forget(c, found.connector.as_str(), &found.reference).await?;
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
            reopened: None,
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

/// Drops what is kept of a record that has not become a posting, or not again.
async fn forget(c: &impl GenericClient, connector: &str, reference: &str) -> Result<()> {
    let reference = to_text(reference);
    for sql in [
        "DELETE FROM reject WHERE connector = $1 AND reference = $2",
        "DELETE FROM staging WHERE reference = $2 \
         AND run IN (SELECT id FROM run WHERE connector = $1)",
    ] {
        run(c, sql, &[&connector, &reference]).await?;
    }
    Ok(())
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
