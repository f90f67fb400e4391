//! Putting a backup in the place of the store.

use super::failure::{Failure, Result};
use super::{migrate, vacancies};
use crate::store::codec;
use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};

/// Change numbers jump by this much, over all that may have been given since the backup was made:
/// a cursor from before is refused (410) and its reader begins with the snapshot again, instead of
/// missing what the same numbers stand for now.
const JUMP: u64 = 1_000_000_000;

/// Replaces the store at `path` by the backup `from`; what was there is kept beside it under the
/// name that is given back.
pub(super) fn restore(path: &Path, from: &Path, suffix: &str) -> Result<Option<PathBuf>> {
    let refused = |doing: &str| {
        let doing = doing.to_owned();
        move |error: std::io::Error| Failure::refused(format!("{doing}: {error}"))
    };
    let fresh = with_suffix(path, ".restoring");
    for leftover in [
        &fresh,
        &with_suffix(&fresh, "-wal"),
        &with_suffix(&fresh, "-shm"),
    ] {
        remove(leftover).map_err(refused("remove a leftover"))?;
    }
    std::fs::copy(from, &fresh).map_err(refused("copy the backup"))?;
    let checked = prepare(&fresh);
    if checked.is_err() {
        let _ = std::fs::remove_file(&fresh);
    }
    checked?;
    let mut kept = None;
    if path.exists() {
        // Whole in one file, before its log is left behind.
        let old = Connection::open(path)?;
        old.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        drop(old);
        let aside = with_suffix(path, suffix);
        std::fs::rename(path, &aside).map_err(refused("put the present store aside"))?;
        kept = Some(aside);
    }
    for log in ["-wal", "-shm"] {
        remove(&with_suffix(path, log)).map_err(refused("remove the old log"))?;
    }
    std::fs::rename(&fresh, path).map_err(refused("put the backup in place"))?;
    Ok(kept)
}

/// Checks the copy, and moves its change numbers on.
fn prepare(copy: &Path) -> Result<()> {
    let connection = Connection::open(copy)?;
    let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if sound != "ok" {
        return Err(Failure::refused(format!("the backup is damaged: {sound}")));
    }
    let schema = migrate::current(&connection)?;
    if schema == 0 || schema > migrate::KNOWN {
        return Err(Failure::refused(format!(
            "the file has schema {schema}, this program knows 1 to {}: it is no backup of this program, or one of a newer one",
            migrate::KNOWN
        )));
    }
    migrate::apply(&connection)?;
    let head = vacancies::head(&connection)?;
    if head > 0 {
        let (old, new) = (codec::int(head), codec::int(head + JUMP));
        connection.execute_batch("BEGIN IMMEDIATE")?;
        connection.execute(
            "UPDATE vacancy SET seq = ?2 WHERE seq = ?1",
            params![old, new],
        )?;
        connection.execute(
            "UPDATE change SET seq = ?2 WHERE seq = ?1",
            params![old, new],
        )?;
        super::operations::set_meta(&connection, crate::store::FLOOR, &new.to_string())?;
        connection.execute_batch("COMMIT")?;
    }
    connection.pragma_update(None, "journal_mode", "DELETE")?;
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
