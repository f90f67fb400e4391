//! Figures, tracing, notes, and what retention drops.

use super::failure::{Failure, Result};
use super::people::single;
use super::rows::{all, one, run, to_text};
use super::{bodies, people, postings, runs, vacancies};
use crate::model::{ConnectorName, PostingId};
use crate::store::{FLOOR, Statistics, Trace, codec};
use deadpool_postgres::{Client, GenericClient};
use jiff::Timestamp;
use std::time::Duration;
use uuid::Uuid;

/// Runs of the posting's connector that a trace shows.
const TRACED_RUNS: usize = 10;
/// Tables in which words of a source may have stood. The server keeps deleted rows in its files until
/// something else needs their room, and autovacuum does not wipe them.
const WORDY: [&str; 13] = [
    "decision",
    "discarded",
    "edge",
    "features",
    "meta",
    "normalised",
    "outbox",
    "parked",
    "payload",
    "reject",
    "run",
    "staging",
    "vacancy_body",
];
/// Looks for transactions that have not ended, a tenth of a second apart.
const SCRUBS: usize = 300;

pub(super) async fn statistics(c: &impl GenericClient) -> Result<Statistics> {
    let live = all(
        c,
        "SELECT connector, count(*) FILTER (WHERE closed_at IS NULL) FROM posting \
         GROUP BY connector",
        &[],
    )
    .await?;
    let counts = single(
        c,
        "SELECT (SELECT count(*) FROM vacancy WHERE public), \
         (SELECT count(*) FROM hold WHERE status = 'open'), (SELECT count(*) FROM parked)",
        &[],
    )
    .await?;
    let mut statistics = Statistics {
        vacancies: codec::uint("count", counts.try_get(0)?)?,
        holds: codec::uint("count", counts.try_get(1)?)?,
        parked: codec::uint("count", counts.try_get(2)?)?,
        head: vacancies::head(c).await?,
        ..Statistics::default()
    };
    for row in &live {
        let count = codec::uint("count", row.try_get(1)?)?;
        let name = ConnectorName(row.try_get(0)?);
        statistics.live_postings.insert(name, count);
    }
    Ok(statistics)
}

/// Writes the tables anew, one after the other, without what was deleted; each is out of reach
/// meanwhile. Nobody waits for ever: a table that is in use for a minute is told.
pub(super) async fn scrub(c: &Client) -> Result<()> {
    // What an older transaction may still see is kept.
    let row = single(c, "SELECT pg_current_xact_id()::xid::text", &[]).await?;
    let now: String = row.try_get(0)?;
    let mut looks = 0;
    while older(c, &now).await? {
        looks += 1;
        if looks == SCRUBS {
            return Err(Failure::refused(
                "a transaction that is older than the erasure does not end: pg_stat_activity shows \
                 it; end it, and erase again",
            ));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    c.batch_execute("SET lock_timeout = '60s'").await?;
    let mut done = Ok(());
    for table in WORDY {
        done = c.batch_execute(&format!("VACUUM (FULL) {table}")).await;
        if done.is_err() {
            break;
        }
    }
    c.batch_execute("RESET lock_timeout").await?;
    Ok(done?)
}

/// Whether a session of this database looks at a state from before transaction `now`.
async fn older(c: &impl GenericClient, now: &str) -> Result<bool> {
    let row = single(
        c,
        "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() \
         AND pid <> pg_backend_pid() AND backend_type = 'client backend' \
         AND age(backend_xmin) > age($1::text::xid))",
        &[&now],
    )
    .await?;
    Ok(row.try_get(0)?)
}

pub(super) async fn trace(c: &impl GenericClient, id: PostingId) -> Result<Option<Trace>> {
    let Some(pulled) = bodies::pulled(c, &[id]).await?.pop() else {
        return Ok(None);
    };
    Ok(Some(Trace {
        turns: postings::turns(c, id).await?,
        normalised: bodies::normalised(c, &[id]).await?.pop(),
        edges: vacancies::edges(c, &[id]).await?,
        decisions: people::decisions_of(c, &[id]).await?,
        vacancy: vacancies::resolve(c, id.vacancy()).await?,
        runs: runs::list(c, Some(&pulled.state.connector), TRACED_RUNS).await?,
        pulled,
    }))
}

pub(super) async fn meta(c: &impl GenericClient, key: &str) -> Result<Option<String>> {
    match one(c, "SELECT value FROM meta WHERE key = $1", &[&key]).await? {
        Some(row) => Ok(Some(super::rows::from_text(row.try_get(0)?))),
        None => Ok(None),
    }
}

pub(super) async fn set_meta(c: &impl GenericClient, key: &str, value: &str) -> Result<()> {
    run(
        c,
        "INSERT INTO meta (key, value) VALUES ($1, $2) \
         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        &[&key, &to_text(value)],
    )
    .await?;
    Ok(())
}

pub(super) async fn notes(c: &impl GenericClient, prefix: &str) -> Result<Vec<(String, String)>> {
    // Byte order, whatever the database's collation.
    let sql = "SELECT key, value FROM meta WHERE starts_with(key, $1) ORDER BY key COLLATE \"C\"";
    let rows = all(c, sql, &[&prefix]).await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, super::rows::from_text(row.try_get(1)?))))
        .collect()
}

pub(super) async fn write_notes(
    c: &impl GenericClient,
    notes: &[(String, Option<String>)],
) -> Result<()> {
    for (key, value) in notes {
        match value {
            Some(value) => set_meta(c, key, value).await?,
            None => {
                run(c, "DELETE FROM meta WHERE key = $1", &[key]).await?;
            }
        }
    }
    Ok(())
}

pub(super) async fn cursor(c: &impl GenericClient, sink: &str) -> Result<u64> {
    match one(c, "SELECT seq FROM sink WHERE name = $1", &[&sink]).await? {
        Some(row) => Ok(codec::uint("sink.seq", row.try_get(0)?)?),
        None => Ok(0),
    }
}

pub(super) async fn set_cursor(c: &impl GenericClient, sink: &str, seq: u64) -> Result<()> {
    run(
        c,
        "INSERT INTO sink (name, seq) VALUES ($1, $2) \
         ON CONFLICT (name) DO UPDATE SET seq = excluded.seq",
        &[&sink, &codec::int(seq)],
    )
    .await?;
    Ok(())
}

pub(super) async fn advance_cursor(
    c: &impl GenericClient,
    sink: &str,
    from: u64,
    to: u64,
) -> Result<bool> {
    // A sink that has no row yet is at 0.
    run(
        c,
        "INSERT INTO sink (name, seq) VALUES ($1, 0) ON CONFLICT (name) DO NOTHING",
        &[&sink],
    )
    .await?;
    let moved = run(
        c,
        "UPDATE sink SET seq = $3 WHERE name = $1 AND seq = $2",
        &[&sink, &codec::int(from), &codec::int(to)],
    )
    .await?;
    Ok(moved > 0)
}

/// Postings that closed before $1, whose whole cluster did: nothing live and no redirect to
/// something live rests on their texts.
const FORGOTTEN: &str = "SELECT p.id FROM posting p \
     JOIN normalised b ON b.posting = p.id \
     LEFT JOIN cluster k ON k.posting = p.id \
     WHERE p.closed_at < $1 AND NOT EXISTS (SELECT 1 FROM cluster m \
     JOIN posting q ON q.id = m.posting WHERE m.vacancy = k.vacancy \
     AND (q.closed_at IS NULL OR q.closed_at >= $1)) ORDER BY p.id FOR UPDATE OF p";

/// Rows that retention no longer asks for; the newest run of each connector stays, and so does
/// every run that a hold names.
pub(super) async fn prune(
    c: &impl GenericClient,
    runs_before: Timestamp,
    sketches_before: Timestamp,
) -> Result<u64> {
    let runs_before = codec::micros(runs_before);
    let sketches_before = codec::micros(sketches_before);
    let mut dropped = run(
        c,
        "DELETE FROM run WHERE ended < $1 AND status IN ('applied', 'failed') \
         AND id NOT IN (SELECT max(id) FROM run GROUP BY connector) \
         AND id NOT IN (SELECT run FROM hold)",
        &[&runs_before],
    )
    .await?;
    dropped += run(c, "DELETE FROM discarded WHERE at < $1", &[&runs_before]).await?;

    dropped += tombstones(c, sketches_before).await?;
    let rows = all(c, FORGOTTEN, &[&sketches_before]).await?;
    let forgotten = rows
        .iter()
        .map(|row| Ok(row.try_get(0)?))
        .collect::<Result<Vec<Uuid>>>()?;
    if !forgotten.is_empty() {
        let of = [&forgotten as &(dyn tokio_postgres::types::ToSql + Sync)];
        dropped += run(c, "DELETE FROM normalised WHERE posting = ANY($1)", &of).await?;
        dropped += run(c, "DELETE FROM block_key WHERE posting = ANY($1)", &of).await?;
        run(c, "DELETE FROM features WHERE posting = ANY($1)", &of).await?;
        run(
            c,
            "UPDATE posting SET made_observation = NULL, made_rules = NULL, made_digest = NULL \
             WHERE id = ANY($1)",
            &of,
        )
        .await?;
    }
    // No record may be staged meanwhile on the strength of a payload that is about to go.
    run(c, "LOCK TABLE staging IN SHARE MODE", &[]).await?;
    dropped += run(
        c,
        "DELETE FROM payload WHERE \
         NOT EXISTS (SELECT 1 FROM posting p WHERE p.hash = payload.hash AND (p.closed_at IS NULL \
           OR p.closed_at >= $1 OR EXISTS (SELECT 1 FROM normalised b WHERE b.posting = p.id))) \
         AND NOT EXISTS (SELECT 1 FROM staging s WHERE s.hash = payload.hash)",
        &[&sketches_before],
    )
    .await?;
    Ok(dropped)
}

/// Drops tombstones of before `before`, and notes up to which number some may be missing.
async fn tombstones(c: &impl GenericClient, before: i64) -> Result<u64> {
    let row = single(
        c,
        "SELECT max(seq) FROM change WHERE reason IS NOT NULL AND changed_at < $1 \
         AND seq < (SELECT max(seq) FROM change)",
        &[&before],
    )
    .await?;
    let Some(last) = row.try_get::<_, Option<i64>>(0)? else {
        return Ok(0);
    };
    let floor = meta(c, FLOOR).await?;
    let floor = floor.and_then(|text| text.parse::<i64>().ok());
    set_meta(c, FLOOR, &last.max(floor.unwrap_or(0)).to_string()).await?;
    run(
        c,
        "DELETE FROM change WHERE reason IS NOT NULL AND changed_at < $1 AND seq <= $2",
        &[&before, &last],
    )
    .await
}
