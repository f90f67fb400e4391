//! Figures, tracing, settings of the store itself, and what retention drops.

use super::failure::{Failure, Result};
use super::rows::{all, one, run};
use super::{people, postings, runs, vacancies};
use crate::model::{ConnectorName, PostingId};
use crate::store::{FLOOR, Statistics, Trace, codec};
use jiff::Timestamp;
use rusqlite::{Connection, params};
use std::path::Path;
use std::time::Duration;

/// How often emptying the log is tried.
const SCRUBS: usize = 100;
/// Runs of the posting's connector that a trace shows.
const TRACED_RUNS: usize = 10;

pub(super) fn statistics(c: &Connection) -> Result<Statistics> {
    let count = |sql: &str| -> Result<u64> {
        let n: i64 = c.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok(codec::uint("count", n)?)
    };
    let live = all(
        c,
        "SELECT connector, sum(closed_at IS NULL) FROM posting GROUP BY connector",
        [],
        |row| {
            Ok((
                ConnectorName(row.get(0)?),
                codec::uint("count", row.get(1)?)?,
            ))
        },
    )?;
    Ok(Statistics {
        live_postings: live.into_iter().collect(),
        vacancies: count("SELECT count(*) FROM vacancy WHERE public = 1")?,
        holds: count("SELECT count(*) FROM hold WHERE status = 'open'")?,
        parked: count("SELECT count(*) FROM parked")?,
        head: vacancies::head(c)?,
    })
}

pub(super) fn trace(c: &Connection, id: PostingId) -> Result<Option<Trace>> {
    let Some(pulled) = postings::pulled(c, &[id])?.pop() else {
        return Ok(None);
    };
    let runs = runs::list(c, Some(&pulled.state.connector), TRACED_RUNS)?;
    Ok(Some(Trace {
        turns: postings::turns(c, id)?,
        normalised: postings::normalised(c, &[id])?.pop(),
        edges: vacancies::edges(c, &[id])?,
        decisions: people::decisions_of(c, &[id])?,
        vacancy: vacancies::resolve(c, id.vacancy())?,
        runs,
        pulled,
    }))
}

pub(super) fn meta(c: &Connection, key: &str) -> Result<Option<String>> {
    one(c, "SELECT value FROM meta WHERE key = ?1", [key], |row| {
        Ok(row.get(0)?)
    })
}

pub(super) fn set_meta(c: &Connection, key: &str, value: &str) -> Result<()> {
    run(
        c,
        "INSERT INTO meta (key, value) VALUES (?1, ?2) \
         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [key, value],
    )?;
    Ok(())
}

/// Runs long work on a connection of its own, away from the writer's queue.
pub(super) async fn apart<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> crate::store::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|failure| failure.told(doing)),
        Err(error) => Err(crate::store::StoreError::Transient {
            doing: doing.into(),
            source: Some(Box::new(error)),
        }),
    }
}

fn beside(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(60))?;
    Ok(connection)
}

/// Writes the file anew without its free pages, and empties the log beside it.
pub(super) fn scrub(path: &Path) -> Result<()> {
    let connection = beside(path)?;
    connection.execute_batch("VACUUM")?;
    // A reader that still stands on older pages keeps them in the log: it ends in a moment.
    for _ in 0..SCRUBS {
        let kept: i64 =
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if kept == 0 {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err(Failure::refused(
        "the log beside the store still has older pages, because a reader does not end: erase again, \
         or stop the daemon",
    ))
}

/// One consistent copy, whoever writes meanwhile.
pub(super) fn backup(path: &Path, into: &Path) -> Result<()> {
    beside(path)?.execute("VACUUM INTO ?1", [into.to_string_lossy().as_ref()])?;
    Ok(())
}

pub(super) fn notes(c: &Connection, prefix: &str) -> Result<Vec<(String, String)>> {
    all(
        c,
        "SELECT key, value FROM meta WHERE key >= ?1 AND substr(key, 1, length(?1)) = ?1 \
         ORDER BY key",
        [prefix],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

pub(super) fn write_notes(c: &Connection, notes: &[(String, Option<String>)]) -> Result<()> {
    for (key, value) in notes {
        match value {
            Some(value) => set_meta(c, key, value)?,
            None => {
                run(c, "DELETE FROM meta WHERE key = ?1", [key])?;
            }
        }
    }
    Ok(())
}

pub(super) fn cursor(c: &Connection, sink: &str) -> Result<u64> {
    let seq = one(c, "SELECT seq FROM sink WHERE name = ?1", [sink], |row| {
        Ok(row.get::<_, i64>(0)?)
    })?;
    Ok(codec::uint("sink.seq", seq.unwrap_or(0))?)
}

pub(super) fn set_cursor(c: &Connection, sink: &str, seq: u64) -> Result<()> {
    run(
        c,
        "INSERT INTO sink (name, seq) VALUES (?1, ?2) \
         ON CONFLICT (name) DO UPDATE SET seq = excluded.seq",
        params![sink, codec::int(seq)],
    )?;
    Ok(())
}

pub(super) fn advance_cursor(c: &Connection, sink: &str, from: u64, to: u64) -> Result<bool> {
    // A sink that has no row yet is at 0.
    run(
        c,
        "INSERT OR IGNORE INTO sink (name, seq) VALUES (?1, 0)",
        [sink],
    )?;
    let moved = run(
        c,
        "UPDATE sink SET seq = ?3 WHERE name = ?1 AND seq = ?2",
        params![sink, codec::int(from), codec::int(to)],
    )?;
    Ok(moved > 0)
}

/// Postings that closed before ?1, whose whole cluster did, and whose vacancy is over: nothing
/// live and no redirect to something live rests on their texts.
const FORGOTTEN: &str = "SELECT p.id FROM posting p \
     JOIN normalised b ON b.posting = p.id \
     LEFT JOIN cluster k ON k.posting = p.id \
     WHERE p.closed_at < ?1 AND NOT EXISTS (SELECT 1 FROM cluster m \
     JOIN posting q ON q.id = m.posting WHERE m.vacancy = k.vacancy \
     AND (q.closed_at IS NULL OR q.closed_at >= ?1))";

/// Rows that retention no longer asks for; the newest run of each connector stays, and so does
/// every run that a hold names.
pub(super) fn prune(
    c: &Connection,
    runs_before: Timestamp,
    sketches_before: Timestamp,
) -> Result<u64> {
    let runs_before = codec::micros(runs_before);
    let mut dropped = 0;
    dropped += run(
        c,
        "DELETE FROM run WHERE ended < ?1 AND status IN ('applied', 'failed') \
         AND id NOT IN (SELECT max(id) FROM run GROUP BY connector) \
         AND id NOT IN (SELECT run FROM hold)",
        [runs_before],
    )?;
    dropped += run(c, "DELETE FROM discarded WHERE at < ?1", [runs_before])?;

    dropped += tombstones(c, sketches_before)?;
    let forgotten: Vec<[u8; 16]> = all(c, FORGOTTEN, [codec::micros(sketches_before)], |row| {
        Ok(row.get(0)?)
    })?;
    for id in &forgotten {
        dropped += run(c, "DELETE FROM normalised WHERE posting = ?1", [id])?;
        dropped += run(c, "DELETE FROM block_key WHERE posting = ?1", [id])?;
        run(c, "DELETE FROM features WHERE posting = ?1", [id])?;
        run(
            c,
            "UPDATE posting SET made_observation = NULL, made_rules = NULL, made_digest = NULL \
             WHERE id = ?1",
            [id],
        )?;
    }
    dropped += run(
        c,
        "DELETE FROM payload WHERE \
         NOT EXISTS (SELECT 1 FROM posting p WHERE p.hash = payload.hash AND (p.closed_at IS NULL \
           OR p.closed_at >= ?1 OR EXISTS (SELECT 1 FROM normalised b WHERE b.posting = p.id))) \
         AND hash NOT IN (SELECT hash FROM staging)",
        [codec::micros(sketches_before)],
    )?;
    Ok(dropped as u64)
}

/// Drops tombstones of before `before`, and notes up to which number some may be missing.
fn tombstones(c: &Connection, before: Timestamp) -> Result<usize> {
    let before = codec::micros(before);
    let last = one(
        c,
        "SELECT max(seq) FROM change WHERE reason IS NOT NULL AND changed_at < ?1 \
         AND seq < (SELECT max(seq) FROM change)",
        [before],
        |row| Ok(row.get::<_, Option<i64>>(0)?),
    )?;
    let Some(last) = last.flatten() else {
        return Ok(0);
    };
    let floor = meta(c, FLOOR)?.and_then(|text| text.parse::<i64>().ok());
    set_meta(c, FLOOR, &last.max(floor.unwrap_or(0)).to_string())?;
    run(
        c,
        "DELETE FROM change WHERE reason IS NOT NULL AND changed_at < ?1 AND seq <= ?2",
        [before, last],
    )
}
