//! Vacancies, their clusters and edges, and the change rows that publishing tails.

use super::failure::{Failure, Result};
use super::rows::{all, one, run, uuid};
use super::{features, outbox};
use crate::model::{Edge, PostingId, VacancyId, VacancyStatus};
use crate::store::prepared::PackedVacancy;
use crate::store::{Change, ChangeOp, Inbox, PublicCommit, PublicVacancy, StoredVacancy, codec};
use bytes::Bytes;
use rusqlite::{Connection, Row, params};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Redirects are followed this far; a longer chain is a fault of the data.
const HOPS: usize = 32;

pub(super) fn edges(c: &Connection, ids: &[PostingId]) -> Result<Vec<Edge>> {
    const EDGE: &str = "SELECT a, b, outcome, weight, evidence FROM edge";
    let sql = format!("{EDGE} WHERE a = ?1 UNION ALL {EDGE} WHERE b = ?1");
    let mut found = BTreeMap::new();
    for id in ids {
        for edge in all(c, &sql, [id.0.as_bytes()], read_edge)? {
            found.insert((edge.a, edge.b), edge);
        }
    }
    Ok(found.into_values().collect())
}

fn read_edge(row: &Row<'_>) -> Result<Edge> {
    let outcome: String = row.get(2)?;
    let evidence: String = row.get(4)?;
    Ok(Edge {
        a: PostingId(uuid(row, 0)?),
        b: PostingId(uuid(row, 1)?),
        outcome: codec::from_name("edge.outcome", &outcome)?,
        weight: row.get(3)?,
        evidence: codec::from_json("edge.evidence", &evidence)?,
    })
}

pub(super) fn clusters(c: &Connection, ids: &[PostingId]) -> Result<Vec<(PostingId, VacancyId)>> {
    let mut found = BTreeSet::new();
    for id in ids {
        found.extend(all(
            c,
            "SELECT m.posting, m.vacancy FROM cluster k JOIN cluster m ON m.vacancy = k.vacancy \
             WHERE k.posting = ?1",
            [id.0.as_bytes()],
            |row| Ok((PostingId(uuid(row, 0)?), VacancyId(uuid(row, 1)?))),
        )?);
    }
    Ok(found.into_iter().collect())
}

/// A vacancy with its record.
fn whole(c: &Connection, id: VacancyId) -> Result<Option<StoredVacancy>> {
    let mut found = get(c, id)?;
    if let Some(StoredVacancy {
        vacancy: vacancy @ None,
        body: Some(body),
        ..
    }) = &mut found
    {
        *vacancy = Some(codec::from_json_bytes("vacancy.body", body)?);
    }
    Ok(found)
}

pub(super) fn get(c: &Connection, id: VacancyId) -> Result<Option<StoredVacancy>> {
    let found = one(
        c,
        "SELECT v.status, v.seq, v.changed_at, b.record, b.body, b.provenance \
         FROM vacancy v LEFT JOIN vacancy_body b ON b.id = v.id WHERE v.id = ?1",
        [id.0.as_bytes()],
        |row| {
            let status: String = row.get(0)?;
            let changed_at: Option<i64> = row.get(2)?;
            let record: Option<Vec<u8>> = row.get(3)?;
            Ok(StoredVacancy {
                id,
                status: codec::from_json("vacancy.status", &status)?,
                seq: codec::uint("vacancy.seq", row.get(1)?)?,
                changed_at: changed_at
                    .map(|at| codec::instant("vacancy.changed_at", at))
                    .transpose()?,
                vacancy: record
                    .map(|frame| codec::from_packed_json("vacancy.record", &frame))
                    .transpose()?,
                body: frame(row, 4)?,
                provenance: frame(row, 5)?,
                postings: Vec::new(),
            })
        },
    )?;
    let Some(mut found) = found else {
        return Ok(None);
    };
    found.postings = all(
        c,
        "SELECT posting FROM cluster WHERE vacancy = ?1 ORDER BY posting",
        [id.0.as_bytes()],
        |row| Ok(PostingId(uuid(row, 0)?)),
    )?;
    Ok(Some(found))
}

fn frame(row: &Row<'_>, column: usize) -> Result<Option<Bytes>> {
    let frame: Option<Vec<u8>> = row.get(column)?;
    Ok(frame
        .map(|frame| codec::unpack("vacancy.body", &frame))
        .transpose()?
        .map(Bytes::from))
}

/// The vacancy that `id` resolves to: itself, the one that it was merged into, or the one that the
/// posting of that id belongs to.
pub(super) fn resolve(c: &Connection, id: VacancyId) -> Result<Option<StoredVacancy>> {
    let mut id = id;
    for _ in 0..HOPS {
        let found = whole(c, id)?;
        let merged = match &found {
            Some(row) => match row.status {
                VacancyStatus::Merged { into } => Some(into),
                _ => return Ok(found),
            },
            None => None,
        };
        // The clusters of today outrank the merge of some day.
        let cluster = one(
            c,
            "SELECT vacancy FROM cluster WHERE posting = ?1",
            [id.0.as_bytes()],
            |row| Ok(VacancyId(uuid(row, 0)?)),
        )?
        .filter(|cluster| *cluster != id);
        match cluster.or(merged) {
            Some(next) if next != id => id = next,
            _ => return Ok(found),
        }
    }
    whole(c, id)
}

pub(super) fn head(c: &Connection) -> Result<u64> {
    let head: i64 = c
        .prepare_cached("SELECT coalesce(max(seq), 0) FROM change")?
        .query_row([], |row| row.get(0))?;
    Ok(codec::uint("change.seq", head)?)
}

pub(super) fn changes(c: &Connection, after: u64, limit: usize) -> Result<Vec<Change>> {
    all(
        c,
        "SELECT k.seq, k.id, k.changed_at, k.reason, k.merged, \
         CASE WHEN k.reason IS NULL THEN b.body END \
         FROM change k LEFT JOIN vacancy_body b ON b.id = k.id \
         WHERE k.seq > ?1 ORDER BY k.seq LIMIT ?2",
        [codec::int(after), i64::try_from(limit).unwrap_or(i64::MAX)],
        |row| {
            let reason: Option<String> = row.get(3)?;
            let merged: Option<[u8; 16]> = row.get(4)?;
            let id = VacancyId(uuid(row, 1)?);
            Ok(Change {
                seq: codec::uint("change.seq", row.get(0)?)?,
                id,
                changed_at: codec::instant("change.changed_at", row.get(2)?)?,
                op: match reason {
                    Some(reason) => ChangeOp::Delete {
                        reason: codec::from_name("change.reason", &reason)?,
                        into: merged.map(|bytes| VacancyId(Uuid::from_bytes(bytes))),
                    },
                    None => ChangeOp::Upsert {
                        body: frame(row, 5)?.ok_or_else(|| {
                            Failure::refused(format!("vacancy {id} has lost its body"))
                        })?,
                    },
                },
            })
        },
    )
}

const PUBLIC: &str = "SELECT v.id, v.seq, v.changed_at, b.body \
     FROM vacancy v JOIN vacancy_body b ON b.id = v.id WHERE v.public = 1";

fn read_public(row: &Row<'_>) -> Result<PublicVacancy> {
    let id = VacancyId(uuid(row, 0)?);
    Ok(PublicVacancy {
        id,
        seq: codec::uint("vacancy.seq", row.get(1)?)?,
        changed_at: codec::instant("vacancy.changed_at", row.get(2)?)?,
        body: frame(row, 3)?
            .ok_or_else(|| Failure::refused(format!("vacancy {id} has lost its body")))?,
    })
}

/// A page of what is public, in one read with its head.
pub(super) fn live(
    c: &Connection,
    after: Option<VacancyId>,
    limit: usize,
) -> Result<(u64, Vec<PublicVacancy>)> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let read = c.unchecked_transaction()?;
    let head = head(&read)?;
    let page = match after {
        Some(after) => all(
            &read,
            &format!("{PUBLIC} AND v.id > ?1 ORDER BY v.id LIMIT ?2"),
            params![after.0.as_bytes(), limit],
            read_public,
        )?,
        None => all(
            &read,
            &format!("{PUBLIC} ORDER BY v.id LIMIT ?1"),
            [limit],
            read_public,
        )?,
    };
    Ok((head, page))
}

/// Writes one batch of public state, its vacancies `packed`. Numbers are given here, where nothing else writes: they are
/// gap-free and in the order of commits.
pub(super) fn commit(
    c: &Connection,
    commit: &PublicCommit,
    packed: &[PackedVacancy],
    inbox: &Inbox,
) -> Result<()> {
    for id in &commit.replace_edges_of {
        run(c, "DELETE FROM edge WHERE a = ?1", [id.0.as_bytes()])?;
        run(c, "DELETE FROM edge WHERE b = ?1", [id.0.as_bytes()])?;
    }
    for edge in &commit.edges {
        run(
            c,
            "INSERT OR REPLACE INTO edge (a, b, outcome, weight, evidence) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                edge.a.min(edge.b).0.as_bytes(),
                edge.a.max(edge.b).0.as_bytes(),
                codec::name("edge.outcome", &edge.outcome)?,
                edge.weight,
                codec::json("edge.evidence", &edge.evidence)?
            ],
        )?;
    }
    crate::fault::point("dedupe.write");
    for (posting, vacancy) in &commit.clusters {
        run(
            c,
            "INSERT INTO cluster (posting, vacancy) VALUES (?1, ?2) \
             ON CONFLICT (posting) DO UPDATE SET vacancy = excluded.vacancy \
             WHERE vacancy != excluded.vacancy",
            params![posting.0.as_bytes(), vacancy.0.as_bytes()],
        )?;
    }
    crate::fault::point("dedupe.write");
    let mut seq = codec::int(head(c)?);
    for write in packed {
        write_vacancy(c, write, &mut seq)?;
    }
    crate::fault::point("dedupe.write");
    for (posting, revision) in &commit.deduped {
        run(
            c,
            "UPDATE posting SET deduped_observation = ?2, deduped_rules = ?3 WHERE id = ?1",
            params![
                posting.0.as_bytes(),
                codec::int(revision.observation),
                revision.rules
            ],
        )?;
    }
    for (posting, digest, kept) in &commit.features {
        features::put(c, *posting, digest, kept)?;
    }
    crate::fault::point("dedupe.write");
    outbox::put(c, &commit.events)?;
    crate::fault::point("dedupe.write");
    outbox::settle_inbox(c, inbox)
}

/// Published bytes and liveness change with a change row only: what the delta feed said last is
/// what every other output shows.
fn write_vacancy(c: &Connection, write: &PackedVacancy, seq: &mut i64) -> Result<()> {
    let id = write.id.0.as_bytes();
    let Some(change) = &write.change else {
        run(
            c,
            "INSERT INTO vacancy (id, status, public, seq) VALUES (?1, ?2, 0, 0) \
             ON CONFLICT (id) DO UPDATE SET status = excluded.status",
            params![id, write.status],
        )?;
        run(
            c,
            "INSERT INTO vacancy_body (id, record, provenance) VALUES (?1, ?2, ?3) \
             ON CONFLICT (id) DO UPDATE SET record = excluded.record, \
             provenance = excluded.provenance",
            params![id, write.record, write.provenance],
        )?;
        return Ok(());
    };
    *seq += 1;
    run(
        c,
        "INSERT INTO vacancy (id, status, public, seq, changed_at) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (id) DO UPDATE SET status = excluded.status, public = excluded.public, \
         seq = excluded.seq, changed_at = excluded.changed_at",
        params![id, write.status, change.reason.is_none(), *seq, change.at],
    )?;
    run(
        c,
        "INSERT INTO vacancy_body (id, record, provenance, body) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (id) DO UPDATE SET record = excluded.record, \
         provenance = excluded.provenance, body = excluded.body",
        params![id, write.record, write.provenance, change.body],
    )?;
    run(c, "DELETE FROM change WHERE id = ?1", [id])?;
    run(
        c,
        "INSERT INTO change (seq, id, changed_at, reason, merged) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            *seq,
            id,
            change.at,
            change.reason,
            change.merged.map(|into| into.0.into_bytes())
        ],
    )?;
    Ok(())
}
