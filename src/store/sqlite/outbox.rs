//! The outbox: events written by the commits that cause them, leased by the embedded bus.
//!
//! Only the one process that holds the pipeline lock leases, so leases live in its memory: they
//! cost no write, and a crash voids them.

use super::failure::{Failure, Result};
use super::lock;
use super::rows::{all, one, run, uuid};
use crate::model::{Event, MessageId, Revision, Stage};
use crate::store::{
    Inbox, Leased, OutboxDepth, Parked, Settlement, SettlementOutcome, StoreError, codec,
};
use jiff::Timestamp;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A retry that lies further ahead than any wait of a bus was timed by a clock that has been
/// set back since: it is due.
const FAR: Duration = Duration::from_secs(6 * 3600);

/// Leased messages, and when their leases end: by the caller's clock or by the real one.
#[derive(Default)]
pub(super) struct Leases(HashMap<MessageId, (Timestamp, Instant)>);

impl Leases {
    fn sweep(&mut self, now: Timestamp) {
        let real = Instant::now();
        self.0.retain(|_, (until, end)| *until > now && *end > real);
    }

    pub fn release(&mut self, ids: impl IntoIterator<Item = MessageId>) {
        for id in ids {
            self.0.remove(&id);
        }
    }
}

/// Leases on their way to a worker: they end at once if nobody waits for them any more.
pub(super) struct Granted {
    pub leased: Vec<Leased>,
    /// Rows that are no event to this program; they have no lease.
    pub unreadable: Vec<MessageId>,
    leases: Arc<Mutex<Leases>>,
}

impl Granted {
    /// From here on the leases are the caller's.
    pub fn keep(mut self) -> Vec<Leased> {
        std::mem::take(&mut self.leased)
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        let ids = self.leased.iter().map(|leased| leased.event.id);
        lock(&self.leases).release(ids);
    }
}

pub(super) fn put(c: &Connection, events: &[Event]) -> Result<()> {
    let mut insert = c.prepare_cached(
        "INSERT OR IGNORE INTO outbox (id, stage, kind, key, observation, rules, payload, time) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for event in events {
        insert.execute(params![
            event.id.0.as_bytes(),
            event.kind.stage().name(),
            event.kind.type_name(),
            event.key,
            codec::int(event.revision.observation),
            event.revision.rules,
            event.payload,
            codec::micros(event.time)
        ])?;
    }
    Ok(())
}

const EVENT: &str = "id, kind, key, observation, rules, payload, time";

fn event(row: &Row<'_>) -> Result<Event> {
    let kind: String = row.get(1)?;
    Ok(Event {
        id: MessageId(uuid(row, 0)?),
        kind: codec::from_name("outbox.kind", &kind)?,
        key: row.get(2)?,
        revision: Revision {
            observation: codec::uint("outbox.observation", row.get(3)?)?,
            rules: row.get(4)?,
        },
        payload: row.get(5)?,
        time: codec::instant("outbox.time", row.get(6)?)?,
    })
}

/// Leases due events. The leases are held while reading: a settled event is deleted before its
/// lease ends, so what is there and has no lease has not been worked on.
pub(super) fn lease(
    c: &Connection,
    leases: &Arc<Mutex<Leases>>,
    stage: Stage,
    max: usize,
    now: Timestamp,
    until: Timestamp,
) -> Result<Granted> {
    let mut held = lock(leases);
    held.sweep(now);
    let span = Duration::try_from(until.duration_since(now)).unwrap_or_default();
    let end = Instant::now() + span.min(FAR);
    let mut statement = c.prepare_cached(&format!(
        "SELECT {EVENT}, attempt FROM outbox \
         WHERE stage = ?1 AND (due <= ?2 OR due > ?3) ORDER BY seq"
    ))?;
    let far = codec::int(FAR.as_secs()) * 1_000_000;
    let now = codec::micros(now);
    let mut rows = statement.query(params![stage.name(), now, now.saturating_add(far)])?;
    let (mut leased, mut unreadable) = (Vec::new(), Vec::new());
    while leased.len() + unreadable.len() < max {
        let Some(row) = rows.next()? else { break };
        let id = MessageId(uuid(row, 0)?);
        if held.0.contains_key(&id) {
            continue;
        }
        // The row is read already: what fails now is what stands in it.
        match event(row) {
            Ok(event) => leased.push(Leased {
                event,
                attempt: row.get(7)?,
            }),
            Err(_) => unreadable.push(id),
        }
    }
    held.0
        .extend(leased.iter().map(|leased| (leased.event.id, (until, end))));
    Ok(Granted {
        leased,
        unreadable,
        leases: Arc::clone(leases),
    })
}

/// Text and numbers of a row, whatever their types are.
fn raw(row: &Row<'_>) -> Result<Vec<u8>> {
    let text = |column: usize| -> Result<String> {
        Ok(match row.get_ref(column)? {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                String::from_utf8_lossy(bytes).into_owned()
            }
            ValueRef::Integer(number) => number.to_string(),
            ValueRef::Real(number) => number.to_string(),
            ValueRef::Null => String::new(),
        })
    };
    let number = |column: usize| row.get::<_, i64>(column).unwrap_or_default();
    let raw = codec::RawEvent {
        id: uuid(row, 0)?,
        kind: &text(1)?,
        key: &text(2)?,
        observation: number(3),
        rules: number(4),
        payload: &text(5)?,
        time: number(6),
    };
    Ok(raw.to_bytes()?)
}

/// Parks rows that are no event to this program, with what they hold.
pub(super) fn park_unreadable(
    c: &Connection,
    stage: Stage,
    ids: &[MessageId],
    now: Timestamp,
) -> Result<()> {
    for &id in ids {
        let found = one(
            c,
            &format!("SELECT {EVENT}, attempt FROM outbox WHERE id = ?1"),
            [id.0.as_bytes()],
            |row| match event(row) {
                Ok(_) => Ok(None),
                Err(error) => Ok(Some((
                    error.told("read it"),
                    raw(row)?,
                    row.get::<_, u32>(7)?,
                ))),
            },
        )?;
        if let Some((error, body, attempts)) = found.flatten() {
            let why = match &error {
                StoreError::Permanent { why, .. } => why.clone(),
                other => other.to_string(),
            };
            park(c, &Parked::unreadable(id, stage, body, &why, attempts, now))?;
        }
    }
    Ok(())
}

pub(super) fn resend(c: &Connection, stage: Stage, due: Range<Timestamp>) -> Result<u64> {
    let moved = run(
        c,
        "UPDATE outbox SET due = 0 WHERE stage = ?1 AND due <> 0 AND due >= ?2 AND due < ?3",
        params![
            stage.name(),
            codec::micros(due.start),
            codec::micros(due.end)
        ],
    )?;
    Ok(moved as u64)
}

pub(super) fn settle(c: &Connection, settlements: &[Settlement], now: Timestamp) -> Result<()> {
    for Settlement { id, outcome } in settlements {
        match outcome {
            SettlementOutcome::Done => delete(c, *id)?,
            SettlementOutcome::Sent { resend_at } => {
                run(
                    c,
                    "UPDATE outbox SET due = ?2 WHERE id = ?1",
                    params![id.0.as_bytes(), codec::micros(*resend_at)],
                )?;
            }
            SettlementOutcome::Retry { at, error } => {
                run(
                    c,
                    "UPDATE outbox SET attempt = attempt + 1, due = ?2, error = ?3 WHERE id = ?1",
                    params![id.0.as_bytes(), codec::micros(*at), error],
                )?;
            }
            SettlementOutcome::Park { error } => {
                let found = one(
                    c,
                    &format!("SELECT {EVENT}, attempt FROM outbox WHERE id = ?1"),
                    [id.0.as_bytes()],
                    |row| Ok((event(row)?, row.get::<_, u32>(7)?)),
                )?;
                // Settled already: by the stage's own commit, or by an earlier settlement.
                let Some((event, attempt)) = found else {
                    continue;
                };
                park(
                    c,
                    &Parked {
                        id: *id,
                        stage: event.kind.stage(),
                        body: codec::json("parked.body", &event)?.into_bytes(),
                        error: error.clone(),
                        attempts: attempt.saturating_add(1),
                        at: now,
                    },
                )?;
            }
        }
    }
    Ok(())
}

fn delete(c: &Connection, id: MessageId) -> Result<()> {
    run(c, "DELETE FROM outbox WHERE id = ?1", [id.0.as_bytes()])?;
    Ok(())
}

/// Embedded, the inbox is the outbox: what a commit handled is gone with it.
pub(super) fn settle_inbox(c: &Connection, inbox: &Inbox) -> Result<()> {
    for id in &inbox.messages {
        delete(c, *id)?;
    }
    Ok(())
}

pub(super) fn depth(c: &Connection) -> Result<OutboxDepth> {
    let (events, oldest) = c
        .prepare_cached("SELECT count(*), min(time) FROM outbox")?
        .query_row([], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?))
        })?;
    Ok(OutboxDepth {
        events: codec::uint("outbox", events)?,
        oldest: oldest
            .map(|at| codec::instant("outbox.time", at))
            .transpose()?,
    })
}

pub(super) fn park(c: &Connection, parked: &Parked) -> Result<()> {
    run(
        c,
        "INSERT OR REPLACE INTO parked (id, stage, body, error, attempts, at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            parked.id.0.as_bytes(),
            parked.stage.name(),
            parked.body,
            parked.error,
            parked.attempts,
            codec::micros(parked.at)
        ],
    )?;
    delete(c, parked.id)
}

fn read_parked(row: &Row<'_>) -> Result<Parked> {
    let stage: String = row.get(1)?;
    Ok(Parked {
        id: MessageId(uuid(row, 0)?),
        stage: codec::from_name("parked.stage", &stage)?,
        body: row.get(2)?,
        error: row.get(3)?,
        attempts: row.get(4)?,
        at: codec::instant("parked.at", row.get(5)?)?,
    })
}

const PARKED: &str = "SELECT id, stage, body, error, attempts, at FROM parked";

pub(super) fn parked(c: &Connection) -> Result<Vec<Parked>> {
    all(c, &format!("{PARKED} ORDER BY at, id"), [], read_parked)
}

fn get_parked(c: &Connection, id: MessageId) -> Result<Option<Parked>> {
    one(
        c,
        &format!("{PARKED} WHERE id = ?1"),
        [id.0.as_bytes()],
        read_parked,
    )
}

pub(super) fn retry_parked(
    c: &Connection,
    id: MessageId,
    edited: Option<&[u8]>,
    now: Timestamp,
) -> Result<bool> {
    let Some(parked) = get_parked(c, id)? else {
        return Ok(false);
    };
    let body = edited.unwrap_or(&parked.body);
    let mut event: Event = serde_json::from_slice(body)
        .map_err(|error| Failure::refused(format!("the message is no event: {error}")))?;
    // Its identity is not for editing; a retry is a new message to the age of the outbox.
    event.id = id;
    event.time = now;
    put(c, &[event])?;
    run(c, "DELETE FROM parked WHERE id = ?1", [id.0.as_bytes()])?;
    Ok(true)
}

pub(super) fn discard_parked(
    c: &Connection,
    id: MessageId,
    reason: &str,
    who: &str,
    now: Timestamp,
) -> Result<bool> {
    let kept = run(
        c,
        "INSERT INTO discarded (id, stage, body, error, reason, who, at) \
         SELECT id, stage, body, error, ?2, ?3, ?4 FROM parked WHERE id = ?1",
        params![id.0.as_bytes(), reason, who, codec::micros(now)],
    )?;
    run(c, "DELETE FROM parked WHERE id = ?1", [id.0.as_bytes()])?;
    Ok(kept > 0)
}
