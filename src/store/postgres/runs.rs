//! Runs: opened, staged, planned, ended. The row of a run is locked by whatever works on it, so
//! that a run which another process takes for dead cannot go on beside its successor.

use super::failure::{Failure, Result};
use super::rows::{Params, all, from_text, limit, one, run, to_text};
use super::{outbox, people, postings};
use crate::model::{ConnectorName, RunId};
use crate::store::prepared::{PackedRecord, REJECTS, cut};
use crate::store::{
    ConnectorState, Counts, NewRun, Plan, PostingChange, RecordVerdict, Reject, Run, RunEnd,
    RunStatus, SnapshotKind, codec,
};
use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};
use tokio_postgres::Row;

pub(super) async fn connector_state(
    c: &impl GenericClient,
    connector: &ConnectorName,
) -> Result<ConnectorState> {
    let sql = "SELECT state FROM connector WHERE name = $1";
    match one(c, sql, &[&connector.as_str()]).await? {
        Some(row) => Ok(codec::from_json("connector.state", row.try_get(0)?)?),
        None => Ok(ConnectorState::default()),
    }
}

async fn set_connector_state(
    c: &impl GenericClient,
    connector: &ConnectorName,
    state: &ConnectorState,
) -> Result<()> {
    run(
        c,
        "INSERT INTO connector (name, state) VALUES ($1, $2) \
         ON CONFLICT (name) DO UPDATE SET state = excluded.state",
        &[&connector.as_str(), &codec::json("connector.state", state)?],
    )
    .await?;
    Ok(())
}

pub(super) async fn start(c: &impl GenericClient, new: &NewRun) -> Result<RunId> {
    let connector = new.connector.as_str();
    let sql = format!(
        "SELECT {COLUMNS} FROM run WHERE connector = $1 \
         AND status IN ('staging', 'applying') ORDER BY id FOR UPDATE"
    );
    let mut dead = Vec::new();
    for row in all(c, &sql, &[&connector]).await? {
        let found = read_run(&row)?;
        if found.status == RunStatus::Applying {
            return Err(Failure::refused(format!(
                "run {} of this connector is still being applied: it has to be resumed first",
                found.id
            )));
        }
        dead.push(found.id.0);
    }
    let started = codec::micros(new.started);
    if !dead.is_empty() {
        run(c, "DELETE FROM staging WHERE run = ANY($1)", &[&dead]).await?;
        run(
            c,
            "UPDATE run SET status = 'failed', snapshot = 'failed', error = 'interrupted', \
             ended = $2 WHERE id = ANY($1)",
            &[&dead, &started],
        )
        .await?;
    }
    let counts = codec::json("run.counts", &Counts::default())?;
    let row = one(
        c,
        "INSERT INTO run (connector, started, cause, status, counts) \
         VALUES ($1, $2, $3, 'staging', $4) RETURNING id",
        &[&connector, &started, &new.trigger, &counts],
    )
    .await?
    .ok_or_else(|| Failure::refused("the run was given no number"))?;
    Ok(RunId(row.try_get(0)?))
}

const COLUMNS: &str = "id, connector, started, ended, cause, status, snapshot, counts, error, plan";

fn read_run(row: &Row) -> Result<Run> {
    let ended: Option<i64> = row.try_get(3)?;
    let snapshot: Option<&str> = row.try_get(6)?;
    let error: Option<String> = row.try_get(8)?;
    let plan: Option<&str> = row.try_get(9)?;
    Ok(Run {
        id: RunId(row.try_get(0)?),
        connector: ConnectorName(row.try_get(1)?),
        started: codec::instant("run.started", row.try_get(2)?)?,
        ended: ended
            .map(|at| codec::instant("run.ended", at))
            .transpose()?,
        trigger: row.try_get(4)?,
        status: codec::from_name("run.status", row.try_get(5)?)?,
        snapshot: snapshot
            .map(|kind| codec::from_name("run.snapshot", kind))
            .transpose()?,
        counts: codec::from_json("run.counts", row.try_get(7)?)?,
        error: error.map(from_text),
        plan: plan
            .map(|plan| codec::from_json("run.plan", plan))
            .transpose()?,
    })
}

async fn query(c: &impl GenericClient, rest: &str, params: Params<'_>) -> Result<Vec<Run>> {
    let rows = all(c, &format!("SELECT {COLUMNS} FROM run {rest}"), params).await?;
    rows.iter().map(read_run).collect()
}

pub(super) async fn applying(
    c: &impl GenericClient,
    connector: &ConnectorName,
) -> Result<Option<Run>> {
    let found = query(
        c,
        "WHERE connector = $1 AND status = 'applying' ORDER BY id LIMIT 1",
        &[&connector.as_str()],
    )
    .await?;
    Ok(found.into_iter().next())
}

pub(super) async fn list(
    c: &impl GenericClient,
    connector: Option<&ConnectorName>,
    most: usize,
) -> Result<Vec<Run>> {
    let most = limit(most);
    match connector {
        Some(name) => {
            query(
                c,
                "WHERE connector = $1 ORDER BY id DESC LIMIT $2",
                &[&name.as_str(), &most],
            )
            .await
        }
        None => query(c, "ORDER BY id DESC LIMIT $1", &[&most]).await,
    }
}

/// The run, locked, which must be in `wanted`; `None` when it has ended already, so that an end
/// that is told twice changes nothing.
async fn expect(c: &impl GenericClient, id: RunId, wanted: RunStatus) -> Result<Option<Run>> {
    let found = query(c, "WHERE id = $1 FOR UPDATE", &[&id.0])
        .await?
        .into_iter()
        .next()
        .ok_or_else(|| Failure::refused(format!("run {id} is unknown")))?;
    match found.status {
        status if status == wanted => Ok(Some(found)),
        RunStatus::Applied | RunStatus::Failed => Ok(None),
        status => Err(Failure::refused(format!("run {id} is {status:?}"))),
    }
}

/// Which of `hashes` have a stored payload.
pub(super) async fn known_payloads(
    c: &impl GenericClient,
    hashes: &[String],
) -> Result<HashSet<String>> {
    let rows = all(
        c,
        "SELECT hash FROM payload WHERE hash = ANY($1)",
        &[&hashes],
    )
    .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

pub(super) async fn stage(
    c: &impl GenericClient,
    id: RunId,
    records: Vec<PackedRecord>,
) -> Result<()> {
    let Some(found) = expect(c, id, RunStatus::Staging).await? else {
        return Err(Failure::refused(format!("run {id} has ended")));
    };
    // Retention may have dropped a payload since it was looked for.
    let skipped: Vec<String> = records
        .iter()
        .filter(|packed| packed.frame.is_none())
        .map(|packed| packed.record.hash.clone())
        .collect();
    let known = known_payloads(c, &skipped).await?;
    let mut last: HashMap<String, usize> = HashMap::new();
    for (n, packed) in records.iter().enumerate() {
        last.insert(packed.record.reference.clone(), n);
    }
    let mut references = Vec::with_capacity(records.len());
    let mut hashes = Vec::with_capacity(records.len());
    let mut verdicts: Vec<Option<String>> = Vec::with_capacity(records.len());
    let mut frames: Vec<Option<Vec<u8>>> = Vec::with_capacity(records.len());
    for (n, PackedRecord { record, frame }) in records.into_iter().enumerate() {
        if last.get(&record.reference) != Some(&n) {
            continue;
        }
        let frame = match frame {
            None if !known.contains(&record.hash) => {
                Some(codec::pack("staging.payload", &record.payload)?)
            }
            frame => frame,
        };
        verdicts.push(match &record.verdict {
            RecordVerdict::Open => None,
            verdict => Some(codec::json("staging.verdict", verdict)?),
        });
        references.push(to_text(&record.reference).into_owned());
        hashes.push(record.hash);
        frames.push(frame);
    }
    // Of what was erased not even this is kept: a deleted row stays in the server's files.
    run(
        c,
        "INSERT INTO staging AS s (run, reference, hash, verdict, payload) \
         SELECT $1, t.reference, t.hash, \
         CASE WHEN e.id IS NOT NULL AND t.verdict LIKE '{\"rejected\"%' \
         THEN '{\"rejected\":[]}' ELSE t.verdict END, \
         CASE WHEN e.id IS NULL THEN t.payload END \
         FROM unnest($2::text[], $3::text[], $4::text[], $5::bytea[]) WITH ORDINALITY \
         AS t (reference, hash, verdict, payload, n) \
         LEFT JOIN posting e ON t.payload IS NOT NULL AND e.connector = $6 \
         AND e.reference = t.reference AND e.close_reason = 'erased' ORDER BY t.n \
         ON CONFLICT (run, reference) DO UPDATE SET n = excluded.n, hash = excluded.hash, \
         verdict = excluded.verdict, payload = excluded.payload",
        &[
            &id.0,
            &references,
            &hashes,
            &verdicts,
            &frames,
            &found.connector.as_str(),
        ],
    )
    .await?;
    Ok(())
}

pub(super) fn verdict(text: Option<&str>) -> Result<RecordVerdict> {
    match text {
        None => Ok(RecordVerdict::Open),
        Some(text) => Ok(codec::from_json("staging.verdict", text)?),
    }
}

pub(super) async fn plan(c: &impl GenericClient, id: RunId, plan: &Plan) -> Result<()> {
    if expect(c, id, RunStatus::Staging).await?.is_none() {
        return Err(Failure::refused(format!("run {id} has ended")));
    }
    run(
        c,
        "UPDATE run SET status = 'applying', snapshot = $2, counts = $3, plan = $4 WHERE id = $1",
        &[
            &id.0,
            &codec::name("run.snapshot", &plan.snapshot)?,
            &codec::json("run.counts", &plan.counts)?,
            &codec::json("run.plan", plan)?,
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn apply(
    c: &impl GenericClient,
    id: RunId,
    batch: Vec<PostingChange>,
) -> Result<()> {
    match expect(c, id, RunStatus::Applying).await? {
        Some(_) => postings::apply(c, Some(id), batch).await,
        None => Ok(()),
    }
}

pub(super) async fn finish(c: &impl GenericClient, id: RunId, end: RunEnd) -> Result<()> {
    let Some(found) = expect(c, id, RunStatus::Applying).await? else {
        return Ok(());
    };
    let plan = found
        .plan
        .as_ref()
        .ok_or_else(|| Failure::refused(format!("run {id} has no plan")))?;
    let ended = end.ended.unwrap_or(found.started);
    people::settle_holds(c, &found, plan, &end, ended).await?;
    postings::apply(c, Some(id), end.closings).await?;
    postings::set_misses(c, &end.misses, &end.seen).await?;
    people::record(c, &end.decisions).await?;
    outbox::put(c, &end.events).await?;
    set_connector_state(c, &found.connector, &plan.state).await?;
    keep_rejects(c, &found, plan.snapshot, ended).await?;
    run(
        c,
        "UPDATE run SET status = 'applied', ended = $2, error = $3 WHERE id = $1",
        &[&id.0, &codec::micros(ended), &plan.state.error],
    )
    .await?;
    run(c, "DELETE FROM staging WHERE run = $1", &[&id.0]).await?;
    Ok(())
}

pub(super) async fn fail(
    c: &impl GenericClient,
    id: RunId,
    snapshot: SnapshotKind,
    counts: Counts,
    error: &str,
    ended: Timestamp,
) -> Result<()> {
    let Some(found) = expect(c, id, RunStatus::Staging).await? else {
        return Ok(());
    };
    run(
        c,
        "UPDATE run SET status = 'failed', snapshot = $2, counts = $3, error = $4, ended = $5 \
         WHERE id = $1",
        &[
            &id.0,
            &codec::name("run.snapshot", &snapshot)?,
            &codec::json("run.counts", &counts)?,
            &to_text(error),
            &codec::micros(ended),
        ],
    )
    .await?;
    let mut state = connector_state(c, &found.connector).await?;
    state.error = Some(error.to_owned());
    set_connector_state(c, &found.connector, &state).await?;
    keep_rejects(c, &found, SnapshotKind::Failed, ended).await?;
    run(c, "DELETE FROM staging WHERE run = $1", &[&id.0]).await?;
    Ok(())
}

/// Takes the rejected records over from staging. Earlier ones of the connector go when the run saw
/// their reference in order, or saw everything.
async fn keep_rejects(
    c: &impl GenericClient,
    found: &Run,
    kind: SnapshotKind,
    at: Timestamp,
) -> Result<()> {
    let connector = found.connector.as_str();
    if kind == SnapshotKind::Complete {
        run(c, "DELETE FROM reject WHERE connector = $1", &[&connector]).await?;
    } else {
        run(
            c,
            "DELETE FROM reject WHERE connector = $1 AND reference IN \
             (SELECT reference FROM staging WHERE run = $2)",
            &[&connector, &found.id.0],
        )
        .await?;
    }
    let rows = all(
        c,
        "SELECT s.reference, s.verdict, coalesce(s.payload, p.body) \
         FROM staging s LEFT JOIN payload p ON p.hash = s.hash \
         WHERE s.run = $1 AND s.verdict LIKE '{\"rejected\"%' ORDER BY s.n LIMIT $2",
        &[&found.id.0, &REJECTS],
    )
    .await?;
    let mut rejected: BTreeMap<String, (String, String)> = BTreeMap::new();
    for row in &rows {
        let RecordVerdict::Rejected(problems) = verdict(row.try_get(1)?)? else {
            continue;
        };
        let payload = match row.try_get::<_, Option<&[u8]>>(2)? {
            Some(frame) => codec::unpack("staging.payload", frame)?,
            None => Vec::new(),
        };
        let problems = codec::json("reject.problems", &problems)?;
        let payload = to_text(&cut(&payload)).into_owned();
        rejected.insert(row.try_get(0)?, (problems, payload));
    }
    if rejected.is_empty() {
        return Ok(());
    }
    let references: Vec<&str> = rejected.keys().map(String::as_str).collect();
    let problems: Vec<&str> = rejected.values().map(|(p, _)| p.as_str()).collect();
    let payloads: Vec<&str> = rejected.values().map(|(_, p)| p.as_str()).collect();
    run(
        c,
        "INSERT INTO reject (connector, reference, run, at, problems, payload) \
         SELECT $1, t.reference, $2, $3, t.problems, t.payload \
         FROM unnest($4::text[], $5::text[], $6::text[]) AS t (reference, problems, payload) \
         WHERE NOT EXISTS (SELECT 1 FROM posting p WHERE p.connector = $1 \
         AND p.reference = t.reference AND p.close_reason = 'erased') \
         ON CONFLICT (connector, reference) DO UPDATE SET run = excluded.run, at = excluded.at, \
         problems = excluded.problems, payload = excluded.payload",
        &[
            &connector,
            &found.id.0,
            &codec::micros(at),
            &references,
            &problems,
            &payloads,
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn refused(c: &impl GenericClient) -> Result<Vec<Reject>> {
    let sql = "SELECT DISTINCT connector FROM reject ORDER BY connector";
    let mut refused = Vec::new();
    for row in all(c, sql, &[]).await? {
        let connector = ConnectorName(row.try_get(0)?);
        refused.extend(rejects(c, &connector, usize::MAX).await?);
    }
    Ok(refused)
}

pub(super) async fn rejects(
    c: &impl GenericClient,
    connector: &ConnectorName,
    most: usize,
) -> Result<Vec<Reject>> {
    let rows = all(
        c,
        "SELECT reference, run, at, problems, payload FROM reject WHERE connector = $1 \
         ORDER BY run DESC, reference LIMIT $2",
        &[&connector.as_str(), &limit(most)],
    )
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Reject {
                connector: connector.clone(),
                reference: postings::reference(row, 0)?,
                run: RunId(row.try_get(1)?),
                at: codec::instant("reject.at", row.try_get(2)?)?,
                problems: codec::from_json("reject.problems", row.try_get(3)?)?,
                payload: from_text(row.try_get(4)?),
            })
        })
        .collect()
}
