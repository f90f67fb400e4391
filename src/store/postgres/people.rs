//! What waits for people and what they said: holds, decisions, requested runs.

use super::failure::{Failure, Result};
use super::outbox;
use super::rows::{Params, all, from_text, one, run, to_text, uuids};
use crate::model::{ConnectorName, Decision, Event, HoldId, PostingId, RunId};
use crate::store::{Hold, HoldStatus, Plan, Run, RunEnd, codec};
use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use std::collections::BTreeSet;
use tokio_postgres::Row;

fn read_hold(row: &Row) -> Result<Hold> {
    let decided: Option<i64> = row.try_get(6)?;
    Ok(Hold {
        id: HoldId(row.try_get(0)?),
        connector: ConnectorName(row.try_get(1)?),
        run: RunId(row.try_get(2)?),
        opened: codec::instant("hold.opened", row.try_get(3)?)?,
        doubt: codec::from_json("hold.doubt", row.try_get(4)?)?,
        status: codec::from_name("hold.status", row.try_get(5)?)?,
        decided: match decided {
            Some(at) => Some((
                codec::instant("hold.decided_at", at)?,
                from_text(row.try_get::<_, Option<String>>(7)?.unwrap_or_default()),
                from_text(row.try_get::<_, Option<String>>(8)?.unwrap_or_default()),
            )),
            None => None,
        },
    })
}

async fn query(c: &impl GenericClient, rest: &str, params: Params<'_>) -> Result<Vec<Hold>> {
    let sql = format!(
        "SELECT id, connector, run, opened, doubt, status, decided_at, who, why FROM hold {rest}"
    );
    all(c, &sql, params).await?.iter().map(read_hold).collect()
}

pub(super) async fn holds(c: &impl GenericClient, open_only: bool) -> Result<Vec<Hold>> {
    let rest = if open_only {
        "WHERE status = 'open' ORDER BY id"
    } else {
        "ORDER BY id"
    };
    query(c, rest, &[]).await
}

pub(super) async fn hold(c: &impl GenericClient, id: HoldId) -> Result<Option<Hold>> {
    Ok(query(c, "WHERE id = $1", &[&id.0]).await?.pop())
}

pub(super) async fn released(c: &impl GenericClient) -> Result<Vec<Hold>> {
    query(c, "WHERE status = 'released' ORDER BY id", &[]).await
}

/// A hold that a newer one replaced stands for the newer one: people answer the question they saw.
pub(super) async fn decide_hold(
    c: &impl GenericClient,
    id: HoldId,
    released: bool,
    who: &str,
    why: &str,
    at: Timestamp,
) -> Result<bool> {
    let target = match hold(c, id).await? {
        Some(found) if found.status == HoldStatus::Replaced => query(
            c,
            "WHERE status = 'open' AND connector = $1 ORDER BY id DESC LIMIT 1",
            &[&found.connector.as_str()],
        )
        .await?
        .pop()
        .map(|newest| newest.id),
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
        "UPDATE hold SET status = $2, decided_at = $3, who = $4, why = $5 \
         WHERE id = $1 AND status = 'open'",
        &[
            &target.0,
            &codec::name("hold.status", &status)?,
            &codec::micros(at),
            &to_text(who),
            &to_text(why),
        ],
    )
    .await?;
    Ok(decided > 0)
}

/// The holds of a connector after a run: applied, replaced, cleared or opened.
pub(super) async fn settle_holds(
    c: &impl GenericClient,
    found: &Run,
    plan: &Plan,
    end: &RunEnd,
    ended: Timestamp,
) -> Result<()> {
    let connector = found.connector.as_str();
    if let Some(applied) = plan.releases {
        run(
            c,
            "UPDATE hold SET status = 'applied' WHERE id = $1 AND status IN ('open', 'released')",
            &[&applied.0],
        )
        .await?;
    }
    let moot = match (&end.hold, end.clear_hold) {
        (Some(_), _) => "replaced",
        (None, true) => "cleared",
        (None, false) => return Ok(()),
    };
    run(
        c,
        "UPDATE hold SET status = $2 WHERE connector = $1 AND status = 'open'",
        &[&connector, &moot],
    )
    .await?;
    if let Some(doubt) = &end.hold {
        run(
            c,
            "INSERT INTO hold (connector, run, opened, doubt, status) \
             VALUES ($1, $2, $3, $4, 'open')",
            &[
                &connector,
                &found.id.0,
                &codec::micros(ended),
                &codec::json("hold.doubt", doubt)?,
            ],
        )
        .await?;
    }
    Ok(())
}

pub(super) async fn decide(
    c: &impl GenericClient,
    decision: &Decision,
    events: &[Event],
) -> Result<()> {
    record(c, std::slice::from_ref(decision)).await?;
    outbox::put(c, events).await
}

/// Writes decisions; one that is told twice is one. Of what is erased no text is kept.
pub(super) async fn record(c: &impl GenericClient, decisions: &[Decision]) -> Result<()> {
    for d in decisions {
        run(
            c,
            "INSERT INTO decision (kind, subject, object, who, why, at, shown) \
             SELECT $1, $2, $3, $4, $5, $6, CASE WHEN EXISTS (SELECT 1 FROM decision \
             WHERE kind = 'erase' AND (subject = $2 OR subject = $3)) THEN NULL ELSE $7::bytea END \
             WHERE NOT EXISTS (SELECT 1 FROM decision \
             WHERE subject = $2 AND kind = $1 AND object IS NOT DISTINCT FROM $3 AND who = $4 \
             AND why = $5 AND at = $6)",
            &[
                &codec::name("decision.kind", &d.kind)?,
                &d.subject.0,
                &d.object.map(|id| id.0),
                &to_text(&d.who),
                &to_text(&d.why),
                &codec::micros(d.at),
                &d.shown,
            ],
        )
        .await?;
    }
    Ok(())
}

/// Takes out what people and the program wrote in words about what is erased.
pub(super) async fn blank(c: &impl GenericClient, ids: &BTreeSet<PostingId>) -> Result<()> {
    for id in ids {
        run(
            c,
            "UPDATE decision SET why = '', shown = NULL \
             WHERE kind <> 'erase' AND (subject = $1 OR object = $1)",
            &[&id.0],
        )
        .await?;
        let named = id.to_string().into_bytes();
        for sql in [
            "UPDATE parked SET error = 'erased' WHERE position($1::bytea IN body) > 0",
            "UPDATE discarded SET error = 'erased', reason = '' \
             WHERE position($1::bytea IN body) > 0",
        ] {
            run(c, sql, &[&named]).await?;
        }
    }
    Ok(())
}

fn read_decision(row: &Row) -> Result<Decision> {
    Ok(Decision {
        kind: codec::from_name("decision.kind", row.try_get(0)?)?,
        subject: PostingId(row.try_get(1)?),
        object: row.try_get::<_, Option<_>>(2)?.map(PostingId),
        who: from_text(row.try_get(3)?),
        why: from_text(row.try_get(4)?),
        at: codec::instant("decision.at", row.try_get(5)?)?,
        shown: row.try_get(6)?,
    })
}

const DECISION: &str = "SELECT kind, subject, object, who, why, at, shown FROM decision";

pub(super) async fn decisions(c: &impl GenericClient) -> Result<Vec<Decision>> {
    let rows = all(c, &format!("{DECISION} ORDER BY n"), &[]).await?;
    rows.iter().map(read_decision).collect()
}

pub(super) async fn erased(c: &impl GenericClient) -> Result<Vec<PostingId>> {
    let sql = "SELECT subject FROM decision WHERE kind = 'erase'";
    let rows = all(c, sql, &[]).await?;
    rows.iter()
        .map(|row| Ok(PostingId(row.try_get(0)?)))
        .collect()
}

/// Decisions that name any of `ids`, in the order in which they were taken.
pub(super) async fn decisions_of(
    c: &impl GenericClient,
    ids: &[PostingId],
) -> Result<Vec<Decision>> {
    let sql = format!("{DECISION} WHERE subject = ANY($1) OR object = ANY($1) ORDER BY n");
    let rows = all(c, &sql, &[&uuids(ids)]).await?;
    rows.iter().map(read_decision).collect()
}

pub(super) async fn request(
    c: &impl GenericClient,
    connectors: &[ConnectorName],
    at: Timestamp,
) -> Result<()> {
    for connector in connectors {
        run(
            c,
            "INSERT INTO request AS r (connector, at, version) VALUES ($1, $2, 1) \
             ON CONFLICT (connector) DO UPDATE SET at = excluded.at, version = r.version + 1",
            &[&connector.as_str(), &codec::micros(at)],
        )
        .await?;
    }
    Ok(())
}

/// Takes requests that nobody has taken, or whose taker is gone: a process is alive as long as its
/// session holds the advisory lock of its number.
pub(super) async fn take_requests(
    c: &impl GenericClient,
    process: i64,
) -> Result<Vec<ConnectorName>> {
    let rows = all(
        c,
        "UPDATE request r SET taken_by = $1, taken = version WHERE connector IN (\
         SELECT connector FROM request q WHERE taken < version OR NOT EXISTS (\
           SELECT 1 FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted \
           AND l.objsubid = 1 AND l.database = \
             (SELECT oid FROM pg_database WHERE datname = current_database()) \
           AND ((l.classid::bigint << 32) | l.objid::bigint) = q.taken_by) \
         ORDER BY at, connector FOR UPDATE SKIP LOCKED) RETURNING at, connector",
        &[&process],
    )
    .await?;
    let mut taken = Vec::with_capacity(rows.len());
    for row in &rows {
        taken.push((row.try_get::<_, i64>(0)?, ConnectorName(row.try_get(1)?)));
    }
    taken.sort();
    Ok(taken.into_iter().map(|(_, name)| name).collect())
}

pub(super) async fn pending(c: &impl GenericClient) -> Result<Vec<ConnectorName>> {
    let rows = all(
        c,
        "SELECT connector FROM request ORDER BY at, connector",
        &[],
    )
    .await?;
    rows.iter()
        .map(|row| Ok(ConnectorName(row.try_get(0)?)))
        .collect()
}

/// Ends the request that was taken; one that came since stays.
pub(super) async fn request_done(c: &impl GenericClient, connector: &ConnectorName) -> Result<()> {
    run(
        c,
        "DELETE FROM request WHERE connector = $1 AND (taken >= version OR taken = 0)",
        &[&connector.as_str()],
    )
    .await?;
    Ok(())
}

/// The only row of a query that always has one.
pub(super) async fn single(c: &impl GenericClient, sql: &str, params: Params<'_>) -> Result<Row> {
    one(c, sql, params)
        .await?
        .ok_or_else(|| Failure::refused("a row is missing"))
}
