//! Runs: opened, staged, planned, ended.

use super::failure::{Failure, Result};
use super::rows::{all, one, run};
use super::{outbox, people, postings};
use crate::model::{ConnectorName, RunId};
use crate::store::prepared::{PackedRecord, REJECTS, cut};
use crate::store::{
    ConnectorState, Counts, NewRun, Plan, RecordVerdict, Reject, Run, RunEnd, RunStatus,
    SnapshotKind, codec,
};
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

/// Staged records that one job drops.
const SWEPT: usize = 2000;

pub(super) fn connector_state(c: &Connection, connector: &ConnectorName) -> Result<ConnectorState> {
    let stored = one(
        c,
        "SELECT state FROM connector WHERE name = ?1",
        [connector.as_str()],
        |row| Ok(row.get::<_, String>(0)?),
    )?;
    Ok(match stored {
        Some(text) => codec::from_json("connector.state", &text)?,
        None => ConnectorState::default(),
    })
}

fn set_connector_state(
    c: &Connection,
    connector: &ConnectorName,
    state: &ConnectorState,
) -> Result<()> {
    run(
        c,
        "INSERT INTO connector (name, state) VALUES (?1, ?2) \
         ON CONFLICT (name) DO UPDATE SET state = excluded.state",
        params![connector.as_str(), codec::json("connector.state", state)?],
    )?;
    Ok(())
}

/// Drops some of what `connector` staged for runs that are over, or that died; whether more is left.
/// By pieces: the writer's savepoints keep every page that one job changes in memory.
pub(super) fn sweep(c: &Connection, connector: &ConnectorName) -> Result<bool> {
    let dropped = run(
        c,
        "DELETE FROM staging WHERE n IN (SELECT n FROM staging WHERE run IN \
         (SELECT id FROM run WHERE connector = ?1 AND status <> 'applying') LIMIT ?2)",
        params![connector.as_str(), SWEPT as i64],
    )?;
    Ok(dropped == SWEPT)
}

pub(super) fn start(c: &Connection, new: &NewRun) -> Result<RunId> {
    if let Some(applying) = applying(c, &new.connector)? {
        return Err(Failure::refused(format!(
            "run {} of this connector is still being applied: it has to be resumed first",
            applying.id
        )));
    }
    let started = codec::micros(new.started);
    let connector = new.connector.as_str();
    run(
        c,
        "UPDATE run SET status = 'failed', snapshot = 'failed', error = 'interrupted', ended = ?2 \
         WHERE connector = ?1 AND status = 'staging'",
        params![connector, started],
    )?;
    run(
        c,
        "INSERT INTO run (connector, started, cause, status, counts) \
         VALUES (?1, ?2, ?3, 'staging', ?4)",
        params![
            connector,
            started,
            new.trigger,
            codec::json("run.counts", &Counts::default())?
        ],
    )?;
    Ok(RunId(c.last_insert_rowid()))
}

const COLUMNS: &str = "id, connector, started, ended, cause, status, snapshot, counts, error, plan";

fn read_run(row: &Row<'_>) -> Result<Run> {
    let ended: Option<i64> = row.get(3)?;
    let status: String = row.get(5)?;
    let snapshot: Option<String> = row.get(6)?;
    let counts: String = row.get(7)?;
    let plan: Option<String> = row.get(9)?;
    Ok(Run {
        id: RunId(row.get(0)?),
        connector: ConnectorName(row.get(1)?),
        started: codec::instant("run.started", row.get(2)?)?,
        ended: ended
            .map(|at| codec::instant("run.ended", at))
            .transpose()?,
        trigger: row.get(4)?,
        status: codec::from_name("run.status", &status)?,
        snapshot: snapshot
            .map(|kind| codec::from_name("run.snapshot", &kind))
            .transpose()?,
        counts: codec::from_json("run.counts", &counts)?,
        error: row.get(8)?,
        plan: plan
            .map(|plan| codec::from_json("run.plan", &plan))
            .transpose()?,
    })
}

pub(super) fn applying(c: &Connection, connector: &ConnectorName) -> Result<Option<Run>> {
    one(
        c,
        &format!(
            "SELECT {COLUMNS} FROM run WHERE connector = ?1 AND status = 'applying' \
             ORDER BY id LIMIT 1"
        ),
        [connector.as_str()],
        read_run,
    )
}

pub(super) fn list(
    c: &Connection,
    connector: Option<&ConnectorName>,
    limit: usize,
) -> Result<Vec<Run>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    match connector {
        Some(name) => all(
            c,
            &format!("SELECT {COLUMNS} FROM run WHERE connector = ?1 ORDER BY id DESC LIMIT ?2"),
            params![name.as_str(), limit],
            read_run,
        ),
        None => all(
            c,
            &format!("SELECT {COLUMNS} FROM run ORDER BY id DESC LIMIT ?1"),
            [limit],
            read_run,
        ),
    }
}

fn get(c: &Connection, id: RunId) -> Result<Run> {
    one(
        c,
        &format!("SELECT {COLUMNS} FROM run WHERE id = ?1"),
        [id.0],
        read_run,
    )?
    .ok_or_else(|| Failure::refused(format!("run {id} is unknown")))
}

/// The run, which must be in `wanted`; `None` when it has ended already, so that an end that is
/// told twice changes nothing.
fn expect(c: &Connection, id: RunId, wanted: RunStatus) -> Result<Option<Run>> {
    let found = get(c, id)?;
    match found.status {
        status if status == wanted => Ok(Some(found)),
        RunStatus::Applied | RunStatus::Failed => Ok(None),
        status => Err(Failure::refused(format!("run {id} is {status:?}"))),
    }
}

/// Hashes among `hashes` whose payload is not stored yet.
pub(super) fn unknown_payloads(c: &Connection, hashes: &[String]) -> Result<Vec<bool>> {
    let mut known = c.prepare_cached("SELECT 1 FROM payload WHERE hash = ?1")?;
    hashes
        .iter()
        .map(|hash| Ok(!known.exists([hash])?))
        .collect()
}

pub(super) fn stage(c: &Connection, id: RunId, records: Vec<PackedRecord>) -> Result<()> {
    let Some(found) = expect(c, id, RunStatus::Staging)? else {
        return Err(Failure::refused(format!("run {id} has ended")));
    };
    let mut known = c.prepare_cached("SELECT 1 FROM payload WHERE hash = ?1")?;
    let mut erased = c.prepare_cached(
        "SELECT 1 FROM posting WHERE connector = ?1 AND reference = ?2 AND close_reason = 'erased'",
    )?;
    let mut insert = c.prepare_cached(
        "INSERT OR REPLACE INTO staging (run, reference, hash, verdict, payload) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for PackedRecord { record, frame } in records {
        // Retention may have dropped the payload since it was looked for.
        let frame = match frame {
            None if !known.exists([&record.hash])? => {
                Some(codec::pack("staging.payload", &record.payload)?)
            }
            frame => frame,
        };
        // Of what was erased not even this is kept: the log beside the store would have it.
        let erased =
            frame.is_some() && erased.exists([found.connector.as_str(), &record.reference])?;
        let frame = frame.filter(|_| !erased);
        // An open record, the rule, costs no verdict.
        let verdict = match &record.verdict {
            RecordVerdict::Open => None,
            RecordVerdict::Rejected(_) if erased => Some(codec::json(
                "staging.verdict",
                &RecordVerdict::Rejected(Vec::new()),
            )?),
            verdict => Some(codec::json("staging.verdict", verdict)?),
        };
        insert.execute(params![id.0, record.reference, record.hash, verdict, frame])?;
    }
    Ok(())
}

pub(super) fn verdict(text: Option<String>) -> Result<RecordVerdict> {
    match text {
        None => Ok(RecordVerdict::Open),
        Some(text) => Ok(codec::from_json("staging.verdict", &text)?),
    }
}

pub(super) fn plan(c: &Connection, id: RunId, plan: &Plan) -> Result<()> {
    if expect(c, id, RunStatus::Staging)?.is_none() {
        return Err(Failure::refused(format!("run {id} has ended")));
    }
    run(
        c,
        "UPDATE run SET status = 'applying', snapshot = ?2, counts = ?3, plan = ?4 WHERE id = ?1",
        params![
            id.0,
            codec::name("run.snapshot", &plan.snapshot)?,
            codec::json("run.counts", &plan.counts)?,
            codec::json("run.plan", plan)?
        ],
    )?;
    Ok(())
}

pub(super) fn apply(
    c: &Connection,
    id: RunId,
    batch: &[crate::store::PostingChange],
) -> Result<()> {
    match expect(c, id, RunStatus::Applying)? {
        Some(_) => postings::apply(c, Some(id), batch),
        None => Ok(()),
    }
}

/// Ends a run; gives its connector, unless it had ended before.
pub(super) fn finish(c: &Connection, id: RunId, end: &RunEnd) -> Result<Option<ConnectorName>> {
    let Some(found) = expect(c, id, RunStatus::Applying)? else {
        return Ok(None);
    };
    let plan = found
        .plan
        .as_ref()
        .ok_or_else(|| Failure::refused(format!("run {id} has no plan")))?;
    let ended = end.ended.unwrap_or(found.started);
    postings::apply(c, Some(id), &end.closings)?;
    postings::set_misses(c, &end.misses, &end.seen)?;
    people::settle_holds(c, &found, plan, end, ended)?;
    people::record(c, &end.decisions)?;
    outbox::put(c, &end.events)?;
    set_connector_state(c, &found.connector, &plan.state)?;
    keep_rejects(c, &found, plan.snapshot, ended)?;
    run(
        c,
        "UPDATE run SET status = 'applied', ended = ?2, error = ?3 WHERE id = ?1",
        params![id.0, codec::micros(ended), plan.state.error],
    )?;
    Ok(Some(found.connector))
}

/// As [`finish`], of a run that failed.
pub(super) fn fail(
    c: &Connection,
    id: RunId,
    snapshot: SnapshotKind,
    counts: Counts,
    error: &str,
    ended: Timestamp,
) -> Result<Option<ConnectorName>> {
    let Some(found) = expect(c, id, RunStatus::Staging)? else {
        return Ok(None);
    };
    run(
        c,
        "UPDATE run SET status = 'failed', snapshot = ?2, counts = ?3, error = ?4, ended = ?5 \
         WHERE id = ?1",
        params![
            id.0,
            codec::name("run.snapshot", &snapshot)?,
            codec::json("run.counts", &counts)?,
            error,
            codec::micros(ended)
        ],
    )?;
    let mut state = connector_state(c, &found.connector)?;
    state.error = Some(error.to_owned());
    set_connector_state(c, &found.connector, &state)?;
    keep_rejects(c, &found, SnapshotKind::Failed, ended)?;
    Ok(Some(found.connector))
}

/// Takes the rejected records over from staging. Earlier ones of the connector go when the run saw
/// their reference in order, or saw everything.
fn keep_rejects(c: &Connection, found: &Run, kind: SnapshotKind, at: Timestamp) -> Result<()> {
    let connector = found.connector.as_str();
    if kind == SnapshotKind::Complete {
        run(c, "DELETE FROM reject WHERE connector = ?1", [connector])?;
    } else if one(
        c,
        "SELECT 1 FROM reject WHERE connector = ?1",
        [connector],
        |_| Ok(()),
    )?
    .is_some()
    {
        run(
            c,
            "DELETE FROM reject WHERE connector = ?1 AND reference IN \
             (SELECT reference FROM staging WHERE run = ?2)",
            params![connector, found.id.0],
        )?;
    }
    let rejected = all(
        c,
        "SELECT s.reference, s.verdict, coalesce(s.payload, p.body) \
         FROM staging s LEFT JOIN payload p ON p.hash = s.hash \
         WHERE s.run = ?1 AND s.verdict LIKE '{\"rejected\"%' ORDER BY s.n LIMIT ?2",
        params![found.id.0, REJECTS],
        |row| {
            Ok((
                row.get::<_, String>(0)?,
                verdict(row.get(1)?)?,
                row.get::<_, Option<Vec<u8>>>(2)?,
            ))
        },
    )?;
    for (reference, verdict, frame) in rejected {
        let RecordVerdict::Rejected(problems) = verdict else {
            continue;
        };
        let payload = match frame {
            Some(frame) => codec::unpack("staging.payload", &frame)?,
            None => Vec::new(),
        };
        run(
            c,
            "INSERT OR REPLACE INTO reject (connector, reference, run, at, problems, payload) \
             SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS (SELECT 1 FROM posting \
             WHERE connector = ?1 AND reference = ?2 AND close_reason = 'erased')",
            params![
                connector,
                reference,
                found.id.0,
                codec::micros(at),
                codec::json("reject.problems", &problems)?,
                cut(&payload)
            ],
        )?;
    }
    Ok(())
}

pub(super) fn refused(c: &Connection) -> Result<Vec<Reject>> {
    let sql = "SELECT DISTINCT connector FROM reject ORDER BY connector";
    let connectors = all(c, sql, [], |row| Ok(ConnectorName(row.get(0)?)))?;
    let mut refused = Vec::new();
    for connector in connectors {
        refused.extend(rejects(c, &connector, usize::MAX)?);
    }
    Ok(refused)
}

pub(super) fn rejects(
    c: &Connection,
    connector: &ConnectorName,
    limit: usize,
) -> Result<Vec<Reject>> {
    all(
        c,
        "SELECT reference, run, at, problems, payload FROM reject WHERE connector = ?1 \
         ORDER BY run DESC, reference LIMIT ?2",
        params![connector.as_str(), i64::try_from(limit).unwrap_or(i64::MAX)],
        |row| {
            let problems: String = row.get(3)?;
            Ok(Reject {
                connector: connector.clone(),
                reference: row.get(0)?,
                run: RunId(row.get(1)?),
                at: codec::instant("reject.at", row.get(2)?)?,
                problems: codec::from_json("reject.problems", &problems)?,
                payload: row.get(4)?,
            })
        },
    )
}
