//! Public registers of employers: loaded beside what is in use, then taken over at once.

use super::failure::{Failure, Result};
use super::rows::{all, one, run};
use crate::model::{Register, RegisterEntry, RegisterState};
use crate::store::{KeyedEntry, REGISTER_KEY_LIMIT, codec};
use jiff::Timestamp;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;

pub(super) fn begin(c: &Connection, register: Register, at: Timestamp) -> Result<u64> {
    let left: Vec<i64> = all(
        c,
        "SELECT n FROM register_load WHERE register = ?1 AND finished IS NULL",
        [register.name()],
        |row| Ok(row.get(0)?),
    )?;
    for load in left {
        forget(c, load)?;
    }
    run(
        c,
        "INSERT INTO register_load (register, started) VALUES (?1, ?2)",
        params![register.name(), codec::micros(at)],
    )?;
    Ok(codec::uint("register_load.n", c.last_insert_rowid())?)
}

/// The register of an open load.
fn open(c: &Connection, load: i64) -> Result<String> {
    one(
        c,
        "SELECT register FROM register_load WHERE n = ?1 AND finished IS NULL",
        [load],
        |row| Ok(row.get(0)?),
    )?
    .ok_or_else(|| {
        Failure::refused("this load is over: another one of the same register has begun")
    })
}

pub(super) fn add(c: &Connection, load: u64, entries: &[KeyedEntry]) -> Result<()> {
    let load = codec::int(load);
    open(c, load)?;
    for KeyedEntry { entry, keys } in entries {
        let new = run(
            c,
            "INSERT INTO register_entry (load, number, body) VALUES (?1, ?2, ?3) \
             ON CONFLICT (load, number) DO NOTHING",
            params![
                load,
                entry.number,
                codec::json("register_entry.body", entry)?
            ],
        )?;
        if new == 0 {
            continue;
        }
        for key in keys {
            run(
                c,
                "INSERT INTO register_key (load, key, number) VALUES (?1, ?2, ?3) \
                 ON CONFLICT DO NOTHING",
                params![load, key, entry.number],
            )?;
        }
    }
    Ok(())
}

pub(super) fn finish(c: &Connection, load: u64, at: Timestamp) -> Result<RegisterState> {
    let load = codec::int(load);
    let register = open(c, load)?;
    let older: Vec<i64> = all(
        c,
        "SELECT n FROM register_load WHERE register = ?1 AND n <> ?2",
        params![register, load],
        |row| Ok(row.get(0)?),
    )?;
    for load in older {
        forget(c, load)?;
    }
    run(
        c,
        "UPDATE register_load SET finished = ?2, \
         entries = (SELECT count(*) FROM register_entry WHERE load = ?1) WHERE n = ?1",
        params![load, codec::micros(at)],
    )?;
    list(c)?
        .into_iter()
        .find(|state| state.register.name() == register)
        .ok_or_else(|| Failure::refused("the load has vanished"))
}

pub(super) fn abandon(c: &Connection, load: u64) -> Result<()> {
    let load = codec::int(load);
    if open(c, load).is_ok() {
        forget(c, load)?;
    }
    Ok(())
}

fn forget(c: &Connection, load: i64) -> Result<()> {
    for sql in [
        "DELETE FROM register_key WHERE load = ?1",
        "DELETE FROM register_entry WHERE load = ?1",
        "DELETE FROM register_load WHERE n = ?1",
    ] {
        run(c, sql, [load])?;
    }
    Ok(())
}

pub(super) fn list(c: &Connection) -> Result<Vec<RegisterState>> {
    all(
        c,
        "SELECT register, entries, finished FROM register_load WHERE finished IS NOT NULL \
         ORDER BY register",
        [],
        |row| {
            Ok(RegisterState {
                register: codec::from_name("register_load.register", &row.get::<_, String>(0)?)?,
                entries: codec::uint("register_load.entries", row.get(1)?)?,
                loaded: codec::instant("register_load.finished", row.get(2)?)?,
            })
        },
    )
}

pub(super) fn entries(c: &Connection, keys: &[String]) -> Result<Vec<RegisterEntry>> {
    let loads: Vec<i64> = all(
        c,
        "SELECT n FROM register_load WHERE finished IS NOT NULL",
        [],
        |row| Ok(row.get(0)?),
    )?;
    let mut found = BTreeMap::new();
    for load in loads {
        for key in keys {
            let bodies: Vec<String> = all(
                c,
                "SELECT e.body FROM register_key k \
                 JOIN register_entry e ON e.load = k.load AND e.number = k.number \
                 WHERE k.load = ?1 AND k.key = ?2 LIMIT ?3",
                params![load, key, REGISTER_KEY_LIMIT as i64 + 1],
                |row| Ok(row.get(0)?),
            )?;
            if bodies.len() > REGISTER_KEY_LIMIT {
                continue;
            }
            for body in bodies {
                let entry: RegisterEntry = codec::from_json("register_entry.body", &body)?;
                found.insert((entry.register, entry.number.clone()), entry);
            }
        }
    }
    Ok(found.into_values().collect())
}
