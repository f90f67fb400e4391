//! Public registers of employers: loaded beside what is in use, then taken over at once.

use super::failure::{Failure, Result};
use super::people::single;
use super::rows::{all, one, run};
use crate::model::{Register, RegisterEntry, RegisterState};
use crate::store::{KeyedEntry, REGISTER_KEY_LIMIT, codec};
use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

pub(super) async fn begin(
    c: &impl GenericClient,
    register: Register,
    at: Timestamp,
) -> Result<u64> {
    let left = all(
        c,
        "SELECT n FROM register_load WHERE register = $1 AND finished IS NULL FOR UPDATE",
        &[&register.name()],
    )
    .await?;
    let left = left
        .iter()
        .map(|row| Ok(row.try_get(0)?))
        .collect::<Result<Vec<i64>>>()?;
    forget(c, &left).await?;
    let row = single(
        c,
        "INSERT INTO register_load (register, started) VALUES ($1, $2) RETURNING n",
        &[&register.name(), &codec::micros(at)],
    )
    .await?;
    Ok(codec::uint("register_load.n", row.try_get(0)?)?)
}

/// The register of an open load, whose end waits for this transaction.
async fn open(c: &impl GenericClient, load: i64) -> Result<String> {
    let row = one(
        c,
        "SELECT register FROM register_load WHERE n = $1 AND finished IS NULL FOR UPDATE",
        &[&load],
    )
    .await?
    .ok_or_else(|| {
        Failure::refused("this load is over: another one of the same register has begun")
    })?;
    Ok(row.try_get(0)?)
}

pub(super) async fn add(c: &impl GenericClient, load: u64, entries: &[KeyedEntry]) -> Result<()> {
    let load = codec::int(load);
    open(c, load).await?;
    let mut first: BTreeMap<&str, &KeyedEntry> = BTreeMap::new();
    for keyed in entries {
        first.entry(&keyed.entry.number).or_insert(keyed);
    }
    let numbers: Vec<&str> = first.keys().copied().collect();
    let bodies = first
        .values()
        .map(|keyed| codec::json("register_entry.body", &keyed.entry))
        .collect::<codec::Result<Vec<String>>>()?;
    let new = all(
        c,
        "INSERT INTO register_entry (load, number, body) \
         SELECT $1, number, body FROM unnest($2::text[], $3::text[]) AS t (number, body) \
         ON CONFLICT (load, number) DO NOTHING RETURNING number",
        &[&load, &numbers, &bodies],
    )
    .await?;
    let new = new
        .iter()
        .map(|row| Ok(row.try_get(0)?))
        .collect::<Result<BTreeSet<&str>>>()?;
    let (keys, of): (Vec<&str>, Vec<&str>) = first
        .iter()
        .filter(|(number, _)| new.contains(*number))
        .flat_map(|(number, keyed)| keyed.keys.iter().map(|key| (key.as_str(), *number)))
        .unzip();
    run(
        c,
        "INSERT INTO register_key (load, key, number) \
         SELECT $1, key, number FROM unnest($2::text[], $3::text[]) AS t (key, number) \
         ON CONFLICT DO NOTHING",
        &[&load, &keys, &of],
    )
    .await?;
    Ok(())
}

pub(super) async fn finish(
    c: &impl GenericClient,
    load: u64,
    at: Timestamp,
) -> Result<RegisterState> {
    let load = codec::int(load);
    let register = open(c, load).await?;
    let older = all(
        c,
        "SELECT n FROM register_load WHERE register = $1 AND n <> $2",
        &[&register, &load],
    )
    .await?;
    let older = older
        .iter()
        .map(|row| Ok(row.try_get(0)?))
        .collect::<Result<Vec<i64>>>()?;
    forget(c, &older).await?;
    run(
        c,
        "UPDATE register_load SET finished = $2, \
         entries = (SELECT count(*) FROM register_entry WHERE load = $1) WHERE n = $1",
        &[&load, &codec::micros(at)],
    )
    .await?;
    list(c)
        .await?
        .into_iter()
        .find(|state| state.register.name() == register)
        .ok_or_else(|| Failure::refused("the load has vanished"))
}

pub(super) async fn abandon(c: &impl GenericClient, load: u64) -> Result<()> {
    let load = codec::int(load);
    if open(c, load).await.is_ok() {
        forget(c, &[load]).await?;
    }
    Ok(())
}

async fn forget(c: &impl GenericClient, loads: &[i64]) -> Result<()> {
    for sql in [
        "DELETE FROM register_key WHERE load = ANY($1)",
        "DELETE FROM register_entry WHERE load = ANY($1)",
        "DELETE FROM register_load WHERE n = ANY($1)",
    ] {
        run(c, sql, &[&loads]).await?;
    }
    Ok(())
}

pub(super) async fn list(c: &impl GenericClient) -> Result<Vec<RegisterState>> {
    let sql = "SELECT register, entries, finished FROM register_load \
         WHERE finished IS NOT NULL ORDER BY register COLLATE \"C\"";
    all(c, sql, &[])
        .await?
        .iter()
        .map(|row| {
            Ok(RegisterState {
                register: codec::from_name("register_load.register", row.try_get(0)?)?,
                entries: codec::uint("register_load.entries", row.try_get(1)?)?,
                loaded: codec::instant("register_load.finished", row.try_get(2)?)?,
            })
        })
        .collect()
}

pub(super) async fn entries(c: &impl GenericClient, keys: &[String]) -> Result<Vec<RegisterEntry>> {
    let rows = all(
        c,
        "SELECT l.n, t.key, f.body FROM register_load l \
         CROSS JOIN (SELECT DISTINCT unnest($1::text[]) AS key) t \
         CROSS JOIN LATERAL (SELECT e.body FROM register_key k \
           JOIN register_entry e ON e.load = k.load AND e.number = k.number \
           WHERE k.load = l.n AND k.key = t.key LIMIT $2) f \
         WHERE l.finished IS NOT NULL",
        &[&keys, &super::rows::limit(REGISTER_KEY_LIMIT + 1)],
    )
    .await?;
    let mut by_key: BTreeMap<(i64, &str), Vec<&str>> = BTreeMap::new();
    for row in &rows {
        by_key
            .entry((row.try_get(0)?, row.try_get(1)?))
            .or_default()
            .push(row.try_get(2)?);
    }
    let mut found = BTreeMap::new();
    for bodies in by_key.values() {
        if bodies.len() > REGISTER_KEY_LIMIT {
            continue;
        }
        for body in bodies {
            let entry: RegisterEntry = codec::from_json("register_entry.body", body)?;
            found.insert((entry.register, entry.number.clone()), entry);
        }
    }
    Ok(found.into_values().collect())
}
