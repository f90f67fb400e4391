//! The outbox: events written by the commits that cause them, relayed by any number of processes.

use super::failure::{Failure, Result};
use super::rows::{all, limit, one, run, to_text};
use crate::model::{Event, MessageId, Revision, Stage};
use crate::store::{Inbox, Leased, OutboxDepth, Parked, Settlement, SettlementOutcome, codec};
use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use std::ops::Range;
use tokio_postgres::Row;
use uuid::Uuid;

/// Six hours: what lies further ahead than any wait of a bus was timed by a clock that has been set
/// back since, and is due.
const FAR: i64 = 6 * 3600 * 1_000_000;
/// The same for leases, which last for seconds: that clock's relay may have died with it.
const FAR_LEASE: i64 = 3600 * 1_000_000;

pub(super) async fn put(c: &impl GenericClient, events: &[Event]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = events.iter().map(|e| e.id.0).collect();
    let stages: Vec<&str> = events.iter().map(|e| e.kind.stage().name()).collect();
    let kinds: Vec<&str> = events.iter().map(|e| e.kind.type_name()).collect();
    let keys: Vec<&str> = events.iter().map(|e| e.key.as_str()).collect();
    let observations: Vec<i64> = events
        .iter()
        .map(|e| codec::int(e.revision.observation))
        .collect();
    let rules: Vec<i32> = events
        .iter()
        .map(|e| e.revision.rules.cast_signed())
        .collect();
    let payloads: Vec<&str> = events.iter().map(|e| e.payload.as_str()).collect();
    let times: Vec<i64> = events.iter().map(|e| codec::micros(e.time)).collect();
    run(
        c,
        "INSERT INTO outbox (id, stage, kind, key, observation, rules, payload, time) \
         SELECT id, stage, kind, key, observation, rules, payload, time \
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::int[], \
         $7::text[], $8::bigint[]) WITH ORDINALITY \
         AS t (id, stage, kind, key, observation, rules, payload, time, n) ORDER BY n \
         ON CONFLICT (id) DO NOTHING",
        &[
            &ids,
            &stages,
            &kinds,
            &keys,
            &observations,
            &rules,
            &payloads,
            &times,
        ],
    )
    .await?;
    Ok(())
}

const EVENT: &str = "id, kind, key, observation, rules, payload, time, attempt, seq";

fn event(row: &Row) -> Result<Event> {
    let rules: i32 = row.try_get(4)?;
    Ok(Event {
        id: MessageId(row.try_get(0)?),
        kind: codec::from_name("outbox.kind", row.try_get(1)?)?,
        key: row.try_get(2)?,
        revision: Revision {
            observation: codec::uint("outbox.observation", row.try_get(3)?)?,
            rules: rules.cast_unsigned(),
        },
        payload: row.try_get(5)?,
        time: codec::instant("outbox.time", row.try_get(6)?)?,
    })
}

fn attempt(row: &Row) -> Result<u32> {
    Ok(row.try_get::<_, i32>(7)?.cast_unsigned())
}

/// Lets the commit of this transaction return before it is on the disk. A crash of the server may undo
/// it, and no more: for leases and for what was sent, which comes again then, under the same ids.
async fn unsynchronised(c: &impl GenericClient) -> Result<()> {
    c.batch_execute("SET LOCAL synchronous_commit = off")
        .await?;
    Ok(())
}

/// What a row holds that is no event to this program, as the store's form of one.
fn raw(row: &Row) -> Result<Vec<u8>> {
    let raw = codec::RawEvent {
        id: row.try_get(0)?,
        kind: row.try_get(1)?,
        key: row.try_get(2)?,
        observation: row.try_get(3)?,
        rules: i64::from(row.try_get::<_, i32>(4)?.cast_unsigned()),
        payload: row.try_get(5)?,
        time: row.try_get(6)?,
    };
    Ok(raw.to_bytes()?)
}

/// What was leased, and how many rows were parked instead because they cannot be read.
pub(super) async fn lease(
    c: &impl GenericClient,
    stage: Stage,
    max: usize,
    now: Timestamp,
    until: Timestamp,
) -> Result<(Vec<Leased>, usize)> {
    unsynchronised(c).await?;
    let (at, now) = (now, codec::micros(now));
    let rows = all(
        c,
        &format!(
            "UPDATE outbox SET leased = $5 WHERE seq IN (SELECT seq FROM outbox \
             WHERE stage = $1 AND (due <= $2 OR due > $3) AND (leased <= $2 OR leased > $6) \
             ORDER BY seq LIMIT $4 FOR UPDATE SKIP LOCKED) RETURNING {EVENT}"
        ),
        &[
            &stage.name(),
            &now,
            &now.saturating_add(FAR),
            &limit(max),
            &codec::micros(until),
            &now.saturating_add(FAR_LEASE),
        ],
    )
    .await?;
    let mut leased = Vec::with_capacity(rows.len());
    let mut parked = 0;
    for row in &rows {
        let seq: i64 = row.try_get(8)?;
        let attempt = attempt(row)?;
        match event(row) {
            Ok(event) => leased.push((seq, Leased { event, attempt })),
            Err(Failure::Refused(why)) => {
                let id = MessageId(row.try_get(0)?);
                let message = Parked::unreadable(id, stage, raw(row)?, &why, attempt, at);
                park(c, &message).await?;
                parked += 1;
            }
            Err(other) => return Err(other),
        }
    }
    leased.sort_by_key(|(seq, _)| *seq);
    let leased = leased.into_iter().map(|(_, leased)| leased).collect();
    Ok((leased, parked))
}

pub(super) async fn resend(
    c: &impl GenericClient,
    stage: Stage,
    due: Range<Timestamp>,
) -> Result<u64> {
    let (from, to) = (codec::micros(due.start), codec::micros(due.end));
    run(
        c,
        "UPDATE outbox SET due = 0 WHERE seq IN (SELECT seq FROM outbox \
         WHERE stage = $1 AND due <> 0 AND due >= $2 AND due < $3 ORDER BY id FOR UPDATE)",
        &[&stage.name(), &from, &to],
    )
    .await
}

/// Rows are locked in the order of their ids, here and wherever they are deleted: relays and
/// stages that meet do not block each other for good.
const LOCK: &str = "SELECT seq FROM outbox WHERE id = ANY($1) ORDER BY id FOR UPDATE";

pub(super) async fn settle(
    c: &impl GenericClient,
    settlements: &[Settlement],
    now: Timestamp,
) -> Result<()> {
    let sent = |s: &Settlement| matches!(s.outcome, SettlementOutcome::Sent { .. });
    if settlements.iter().all(sent) {
        unsynchronised(c).await?;
    }
    let ids: Vec<Uuid> = settlements.iter().map(|s| s.id.0).collect();
    // Mostly the stage's own commit has taken them out already.
    if all(c, LOCK, &[&ids]).await?.is_empty() {
        return Ok(());
    }
    let mut done: Vec<Uuid> = Vec::new();
    // id, due, failed, error
    let mut ids: Vec<Uuid> = Vec::new();
    let mut dues: Vec<i64> = Vec::new();
    let mut failed: Vec<i32> = Vec::new();
    let mut errors: Vec<Option<String>> = Vec::new();
    let mut parked: Vec<(Uuid, &str)> = Vec::new();
    for Settlement { id, outcome } in settlements {
        let (due, failures, error) = match outcome {
            SettlementOutcome::Done => {
                done.push(id.0);
                continue;
            }
            SettlementOutcome::Park { error } => {
                parked.push((id.0, error));
                continue;
            }
            SettlementOutcome::Sent { resend_at } => (*resend_at, 0, None),
            SettlementOutcome::Retry { at, error } => (*at, 1, Some(to_text(error).into_owned())),
        };
        ids.push(id.0);
        dues.push(codec::micros(due));
        failed.push(failures);
        errors.push(error);
    }
    if !done.is_empty() {
        run(c, "DELETE FROM outbox WHERE id = ANY($1)", &[&done]).await?;
    }
    if !ids.is_empty() {
        run(
            c,
            "UPDATE outbox o SET leased = 0, due = t.due, attempt = o.attempt + t.failed, \
             error = coalesce(t.error, o.error) \
             FROM unnest($1::uuid[], $2::bigint[], $3::int[], $4::text[]) \
             AS t (id, due, failed, error) WHERE o.id = t.id",
            &[&ids, &dues, &failed, &errors],
        )
        .await?;
    }
    for (id, error) in parked {
        let row = one(
            c,
            &format!("SELECT {EVENT} FROM outbox WHERE id = $1"),
            &[&id],
        )
        .await?;
        // Settled already: by the stage's own commit, or by an earlier settlement.
        let Some(row) = row else { continue };
        let event = event(&row)?;
        let message = Parked {
            id: event.id,
            stage: event.kind.stage(),
            body: codec::json("parked.body", &event)?.into_bytes(),
            error: error.to_owned(),
            attempts: attempt(&row)?.saturating_add(1),
            at: now,
        };
        park(c, &message).await?;
    }
    Ok(())
}

/// What a stage's commit handled leaves the outbox with it; a message that comes again finds no
/// row, and its output is not newer than the stored one.
pub(super) async fn settle_inbox(c: &impl GenericClient, inbox: &Inbox) -> Result<()> {
    if inbox.messages.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = inbox.messages.iter().map(|id| id.0).collect();
    run(
        c,
        &format!("DELETE FROM outbox WHERE seq IN ({LOCK})"),
        &[&ids],
    )
    .await?;
    Ok(())
}

pub(super) async fn depth(c: &impl GenericClient) -> Result<OutboxDepth> {
    let row = one(c, "SELECT count(*), min(time) FROM outbox", &[])
        .await?
        .ok_or_else(|| Failure::refused("no count"))?;
    let oldest: Option<i64> = row.try_get(1)?;
    Ok(OutboxDepth {
        events: codec::uint("outbox", row.try_get(0)?)?,
        oldest: oldest
            .map(|at| codec::instant("outbox.time", at))
            .transpose()?,
    })
}

pub(super) async fn park(c: &impl GenericClient, parked: &Parked) -> Result<()> {
    run(
        c,
        "INSERT INTO parked (id, stage, body, error, attempts, at) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO UPDATE SET \
         stage = excluded.stage, body = excluded.body, error = excluded.error, \
         attempts = excluded.attempts, at = excluded.at",
        &[
            &parked.id.0,
            &parked.stage.name(),
            &parked.body,
            &to_text(&parked.error),
            &parked.attempts.cast_signed(),
            &codec::micros(parked.at),
        ],
    )
    .await?;
    run(c, "DELETE FROM outbox WHERE id = $1", &[&parked.id.0]).await?;
    Ok(())
}

fn read_parked(row: &Row) -> Result<Parked> {
    let error: String = row.try_get(3)?;
    Ok(Parked {
        id: MessageId(row.try_get(0)?),
        stage: codec::from_name("parked.stage", row.try_get(1)?)?,
        body: row.try_get(2)?,
        error: super::rows::from_text(error),
        attempts: row.try_get::<_, i32>(4)?.cast_unsigned(),
        at: codec::instant("parked.at", row.try_get(5)?)?,
    })
}

const PARKED: &str = "SELECT id, stage, body, error, attempts, at FROM parked";

pub(super) async fn parked(c: &impl GenericClient) -> Result<Vec<Parked>> {
    let rows = all(c, &format!("{PARKED} ORDER BY at, id"), &[]).await?;
    rows.iter().map(read_parked).collect()
}

pub(super) async fn retry_parked(
    c: &impl GenericClient,
    id: MessageId,
    edited: Option<&[u8]>,
    now: Timestamp,
) -> Result<bool> {
    let row = one(c, &format!("{PARKED} WHERE id = $1 FOR UPDATE"), &[&id.0]).await?;
    let Some(row) = row else {
        return Ok(false);
    };
    let parked = read_parked(&row)?;
    let body = edited.unwrap_or(&parked.body);
    let mut event: Event = serde_json::from_slice(body)
        .map_err(|error| Failure::refused(format!("the message is no event: {error}")))?;
    // Its identity is not for editing; a retry is a new message to the age of the outbox.
    event.id = id;
    event.time = now;
    put(c, &[event]).await?;
    run(c, "DELETE FROM parked WHERE id = $1", &[&id.0]).await?;
    Ok(true)
}

pub(super) async fn discard_parked(
    c: &impl GenericClient,
    id: MessageId,
    reason: &str,
    who: &str,
    now: Timestamp,
) -> Result<bool> {
    let kept = run(
        c,
        "WITH gone AS (DELETE FROM parked WHERE id = $1 RETURNING id, stage, body, error) \
         INSERT INTO discarded (id, stage, body, error, reason, who, at) \
         SELECT id, stage, body, error, $2, $3, $4 FROM gone",
        &[&id.0, &to_text(reason), &to_text(who), &codec::micros(now)],
    )
    .await?;
    Ok(kept > 0)
}
