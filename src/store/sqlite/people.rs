//! What waits for people and what they said: holds, decisions, requested runs.

use super::failure::Result;
use super::outbox;
use super::rows::{all, one, run, uuid};
use crate::model::{ConnectorName, Decision, Event, HoldId, PostingId, RunId};
use crate::store::{Hold, HoldStatus, Plan, Run, RunEnd, codec};
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use std::collections::BTreeSet;

const HOLD: &str =
    "SELECT id, connector, run, opened, doubt, status, decided_at, who, why FROM hold";

fn read_hold(row: &Row<'_>) -> Result<Hold> {
    let doubt: String = row.get(4)?;
    let status: String = row.get(5)?;
    let decided: Option<i64> = row.get(6)?;
    Ok(Hold {
        id: HoldId(row.get(0)?),
        connector: ConnectorName(row.get(1)?),
        run: RunId(row.get(2)?),
        opened: codec::instant("hold.opened", row.get(3)?)?,
        doubt: codec::from_json("hold.doubt", &doubt)?,
        status: codec::from_name("hold.status", &status)?,
        decided: match decided {
            Some(at) => Some((
                codec::instant("hold.decided_at", at)?,
                row.get::<_, Option<String>>(7)?.unwrap_or_default(),
                row.get::<_, Option<String>>(8)?.unwrap_or_default(),
            )),
            None => None,
        },
    })
}

pub(super) fn holds(c: &Connection, open_only: bool) -> Result<Vec<Hold>> {
    let filter = if open_only {
        "WHERE status = 'open'"
    } else {
        ""
    };
    all(c, &format!("{HOLD} {filter} ORDER BY id"), [], read_hold)
}

pub(super) fn hold(c: &Connection, id: HoldId) -> Result<Option<Hold>> {
    one(c, &format!("{HOLD} WHERE id = ?1"), [id.0], read_hold)
}

pub(super) fn released(c: &Connection) -> Result<Vec<Hold>> {
    all(
        c,
        &format!("{HOLD} WHERE status = 'released' ORDER BY id"),
        [],
        read_hold,
    )
}

/// A hold that a newer one replaced stands for the newer one: people answer the question they saw.
pub(super) fn decide_hold(
    c: &Connection,
    id: HoldId,
    released: bool,
    who: &str,
    why: &str,
    at: Timestamp,
) -> Result<bool> {
    let target = match hold(c, id)? {
        Some(found) if found.status == HoldStatus::Replaced => one(
            c,
            "SELECT id FROM hold WHERE status = 'open' AND connector = ?1 ORDER BY id DESC LIMIT 1",
            [found.connector.as_str()],
            |row| Ok(HoldId(row.get(0)?)),
        )?,
        _ => Some(id),
    };
    let Some(target) = target else {
        return Ok(false);
    };
    let status = if released {
        HoldStatus::Released
    } else {
        HoldStatus::Rejected
    };
    let decided = run(
        c,
        "UPDATE hold SET status = ?2, decided_at = ?3, who = ?4, why = ?5 \
         WHERE id = ?1 AND status = 'open'",
        params![
            target.0,
            codec::name("hold.status", &status)?,
            codec::micros(at),
            who,
            why
        ],
    )?;
    Ok(decided > 0)
}

/// The holds of a connector after a run: applied, replaced, cleared or opened.
pub(super) fn settle_holds(
    c: &Connection,
    found: &Run,
    plan: &Plan,
    end: &RunEnd,
    ended: Timestamp,
) -> Result<()> {
    let connector = found.connector.as_str();
    if let Some(applied) = plan.releases {
        run(
            c,
            "UPDATE hold SET status = 'applied' WHERE id = ?1 AND status IN ('open', 'released')",
            [applied.0],
        )?;
    }
    let moot = match (&end.hold, end.clear_hold) {
        (Some(_), _) => "replaced",
        (None, true) => "cleared",
        (None, false) => return Ok(()),
    };
    run(
        c,
        "UPDATE hold SET status = ?2 WHERE connector = ?1 AND status = 'open'",
        [connector, moot],
    )?;
    if let Some(doubt) = &end.hold {
        run(
            c,
            "INSERT INTO hold (connector, run, opened, doubt, status) \
             VALUES (?1, ?2, ?3, ?4, 'open')",
            params![
                connector,
                found.id.0,
                codec::micros(ended),
                codec::json("hold.doubt", doubt)?
            ],
        )?;
    }
    Ok(())
}

pub(super) fn decide(c: &Connection, decision: &Decision, events: &[Event]) -> Result<()> {
    record(c, std::slice::from_ref(decision))?;
    outbox::put(c, events)
}

/// Writes decisions; one that is told twice is one. Of what is erased no text is kept.
pub(super) fn record(c: &Connection, decisions: &[Decision]) -> Result<()> {
    for d in decisions {
        run(
            c,
            "INSERT INTO decision (kind, subject, object, who, why, at, shown) \
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, CASE WHEN EXISTS (SELECT 1 FROM decision \
             WHERE kind = 'erase' AND (subject = ?2 OR subject = ?3)) THEN NULL ELSE ?7 END \
             WHERE NOT EXISTS (SELECT 1 FROM decision \
             WHERE subject = ?2 AND kind = ?1 AND object IS ?3 AND who = ?4 AND why = ?5 \
             AND at = ?6)",
            params![
                codec::name("decision.kind", &d.kind)?,
                d.subject.0.as_bytes(),
                d.object.map(|id| id.0.into_bytes()),
                d.who,
                d.why,
                codec::micros(d.at),
                d.shown
            ],
        )?;
    }
    Ok(())
}

/// Takes out what people and the program wrote in words about what is erased.
pub(super) fn blank(c: &Connection, ids: &BTreeSet<PostingId>) -> Result<()> {
    for id in ids {
        run(
            c,
            "UPDATE decision SET why = '', shown = NULL \
             WHERE kind <> 'erase' AND (subject = ?1 OR object = ?1)",
            [id.0.as_bytes()],
        )?;
        let named = id.to_string().into_bytes();
        for sql in [
            "UPDATE parked SET error = 'erased' WHERE instr(body, ?1) > 0",
            "UPDATE discarded SET error = 'erased', reason = '' WHERE instr(body, ?1) > 0",
        ] {
            run(c, sql, [&named])?;
        }
    }
    Ok(())
}

const DECISION: &str = "SELECT kind, subject, object, who, why, at, shown, n FROM decision";

fn read_decision(row: &Row<'_>) -> Result<Decision> {
    let kind: String = row.get(0)?;
    let object: Option<[u8; 16]> = row.get(2)?;
    Ok(Decision {
        kind: codec::from_name("decision.kind", &kind)?,
        subject: PostingId(uuid(row, 1)?),
        object: object.map(|bytes| PostingId(uuid::Uuid::from_bytes(bytes))),
        who: row.get(3)?,
        why: row.get(4)?,
        at: codec::instant("decision.at", row.get(5)?)?,
        shown: row.get(6)?,
    })
}

pub(super) fn decisions(c: &Connection) -> Result<Vec<Decision>> {
    all(c, &format!("{DECISION} ORDER BY n"), [], read_decision)
}

pub(super) fn erased(c: &Connection) -> Result<Vec<PostingId>> {
    let sql = "SELECT subject FROM decision WHERE kind = 'erase'";
    all(c, sql, [], |row| Ok(PostingId(uuid(row, 0)?)))
}

/// Decisions that name any of `ids`, in the order in which they were taken.
pub(super) fn decisions_of(c: &Connection, ids: &[PostingId]) -> Result<Vec<Decision>> {
    let mut found = std::collections::BTreeMap::new();
    let sql = format!("{DECISION} WHERE subject = ?1 UNION ALL {DECISION} WHERE object = ?1");
    for id in ids {
        let named = all(c, &sql, [id.0.as_bytes()], |row| {
            Ok((row.get::<_, i64>(7)?, read_decision(row)?))
        })?;
        found.extend(named);
    }
    Ok(found.into_values().collect())
}

pub(super) fn request(c: &Connection, connectors: &[ConnectorName], at: Timestamp) -> Result<()> {
    for connector in connectors {
        run(
            c,
            "INSERT INTO request (connector, at, version) VALUES (?1, ?2, 1) \
             ON CONFLICT (connector) DO UPDATE SET at = excluded.at, version = version + 1",
            params![connector.as_str(), codec::micros(at)],
        )?;
    }
    Ok(())
}

/// Requested connectors with the version of their request.
pub(super) fn requests(c: &Connection) -> Result<Vec<(ConnectorName, i64)>> {
    all(
        c,
        "SELECT connector, version FROM request ORDER BY at, connector",
        [],
        |row| Ok((ConnectorName(row.get(0)?), row.get(1)?)),
    )
}

/// Ends the request that was taken; one that came since stays.
pub(super) fn request_done(c: &Connection, connector: &ConnectorName, version: i64) -> Result<()> {
    run(
        c,
        "DELETE FROM request WHERE connector = ?1 AND version <= ?2",
        params![connector.as_str(), version],
    )?;
    Ok(())
}
