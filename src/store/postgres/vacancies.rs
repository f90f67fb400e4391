//! Vacancies, their clusters and edges, and the change rows that publishing tails.

use super::failure::{Failure, Result};
use super::people::single;
use super::rows::{all, limit, one, run, uuids};
use super::{bodies, features, outbox};
use crate::model::{Edge, PostingId, Revision, VacancyId, VacancyStatus};
use crate::store::prepared::{PackedChange, PackedVacancy, pack_vacancies};
use crate::store::{
    Change, ChangeOp, Inbox, PublicCommit, PublicVacancy, StoredVacancy, VacancyWrite, codec,
};
use bytes::Bytes;
use deadpool_postgres::GenericClient;
use std::collections::{BTreeMap, HashMap};
use tokio_postgres::Row;
use uuid::Uuid;

/// Redirects are followed this far; a longer chain is a fault of the data.
const HOPS: usize = 32;

pub(super) async fn edges(c: &impl GenericClient, ids: &[PostingId]) -> Result<Vec<Edge>> {
    let rows = all(
        c,
        "SELECT a, b, outcome, weight, evidence FROM edge WHERE a = ANY($1) \
         UNION SELECT a, b, outcome, weight, evidence FROM edge WHERE b = ANY($1) ORDER BY a, b",
        &[&uuids(ids)],
    )
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Edge {
                a: PostingId(row.try_get(0)?),
                b: PostingId(row.try_get(1)?),
                outcome: codec::from_name("edge.outcome", row.try_get(2)?)?,
                weight: row.try_get(3)?,
                evidence: codec::from_json("edge.evidence", row.try_get(4)?)?,
            })
        })
        .collect()
}

pub(super) async fn clusters(
    c: &impl GenericClient,
    ids: &[PostingId],
) -> Result<Vec<(PostingId, VacancyId)>> {
    let rows = all(
        c,
        "SELECT posting, vacancy FROM cluster WHERE vacancy IN \
         (SELECT vacancy FROM cluster WHERE posting = ANY($1)) ORDER BY posting",
        &[&uuids(ids)],
    )
    .await?;
    rows.iter()
        .map(|row| Ok((PostingId(row.try_get(0)?), VacancyId(row.try_get(1)?))))
        .collect()
}

/// Vacancies by exact id, in the order of `ids`.
pub(super) async fn get(c: &impl GenericClient, ids: &[VacancyId]) -> Result<Vec<StoredVacancy>> {
    let wanted: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = all(
        c,
        "SELECT v.id, v.status, v.seq, v.changed_at, b.record, b.body, b.provenance \
         FROM vacancy v LEFT JOIN vacancy_body b ON b.id = v.id WHERE v.id = ANY($1)",
        &[&wanted],
    )
    .await?;
    let members = all(
        c,
        "SELECT vacancy, posting FROM cluster WHERE vacancy = ANY($1) ORDER BY posting",
        &[&wanted],
    )
    .await?;
    let mut found = HashMap::new();
    for vacancy in bodies::unpacked(rows, stored).await? {
        found.insert(vacancy.id, vacancy);
    }
    for row in &members {
        if let Some(vacancy) = found.get_mut(&VacancyId(row.try_get(0)?)) {
            vacancy.postings.push(PostingId(row.try_get(1)?));
        }
    }
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

fn stored(row: &Row) -> Result<StoredVacancy> {
    let changed_at: Option<i64> = row.try_get(3)?;
    let record: Option<&[u8]> = row.try_get(4)?;
    Ok(StoredVacancy {
        id: VacancyId(row.try_get(0)?),
        status: codec::from_json("vacancy.status", row.try_get(1)?)?,
        seq: codec::uint("vacancy.seq", row.try_get(2)?)?,
        changed_at: changed_at
            .map(|at| codec::instant("vacancy.changed_at", at))
            .transpose()?,
        vacancy: record
            .map(|frame| codec::from_packed_json("vacancy.record", frame))
            .transpose()?,
        body: frame(row, 5)?,
        provenance: frame(row, 6)?,
        postings: Vec::new(),
    })
}

fn frame(row: &Row, column: usize) -> Result<Option<Bytes>> {
    let frame: Option<&[u8]> = row.try_get(column)?;
    Ok(frame
        .map(|frame| codec::unpack("vacancy.body", frame))
        .transpose()?
        .map(Bytes::from))
}

/// The vacancy that `id` resolves to: itself, the one that it was merged into, or the one that the
/// posting of that id belongs to.
pub(super) async fn resolve(
    c: &impl GenericClient,
    id: VacancyId,
) -> Result<Option<StoredVacancy>> {
    let mut id = id;
    for _ in 0..HOPS {
        let found = whole(c, id).await?;
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
            "SELECT vacancy FROM cluster WHERE posting = $1",
            &[&id.0],
        )
        .await?
        .map(|row| row.try_get(0).map(VacancyId))
        .transpose()?
        .filter(|cluster| *cluster != id);
        match cluster.or(merged) {
            Some(next) if next != id => id = next,
            _ => return Ok(found),
        }
    }
    whole(c, id).await
}

/// A vacancy with its record.
async fn whole(c: &impl GenericClient, id: VacancyId) -> Result<Option<StoredVacancy>> {
    let mut found = get(c, &[id]).await?.pop();
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

pub(super) async fn head(c: &impl GenericClient) -> Result<u64> {
    let row = single(c, "SELECT coalesce(max(seq), 0) FROM change", &[]).await?;
    Ok(codec::uint("change.seq", row.try_get(0)?)?)
}

pub(super) async fn changes(
    c: &impl GenericClient,
    after: u64,
    most: usize,
) -> Result<Vec<Change>> {
    let rows = all(
        c,
        "SELECT k.seq, k.id, k.changed_at, k.reason, k.merged, \
         CASE WHEN k.reason IS NULL THEN b.body END \
         FROM change k LEFT JOIN vacancy_body b ON b.id = k.id \
         WHERE k.seq > $1 ORDER BY k.seq LIMIT $2",
        &[&codec::int(after), &limit(most)],
    )
    .await?;
    bodies::unpacked(rows, |row| {
        let reason: Option<&str> = row.try_get(3)?;
        let id = VacancyId(row.try_get(1)?);
        Ok(Change {
            seq: codec::uint("change.seq", row.try_get(0)?)?,
            id,
            changed_at: codec::instant("change.changed_at", row.try_get(2)?)?,
            op: match reason {
                Some(reason) => ChangeOp::Delete {
                    reason: codec::from_name("change.reason", reason)?,
                    into: row.try_get::<_, Option<_>>(4)?.map(VacancyId),
                },
                None => ChangeOp::Upsert {
                    body: frame(row, 5)?.ok_or_else(|| lost(id))?,
                },
            },
        })
    })
    .await
}

fn lost(id: VacancyId) -> Failure {
    Failure::refused(format!("vacancy {id} has lost its body"))
}

/// A page of what is public, with its head: `c` is a transaction that sees one instant.
pub(super) async fn live(
    c: &impl GenericClient,
    after: Option<VacancyId>,
    most: usize,
) -> Result<(u64, Vec<PublicVacancy>)> {
    let head = head(c).await?;
    let after = after.map(|id| id.0);
    let rows = all(
        c,
        "SELECT v.id, v.seq, v.changed_at, b.body \
         FROM vacancy v JOIN vacancy_body b ON b.id = v.id \
         WHERE v.public AND ($1::uuid IS NULL OR v.id > $1) ORDER BY v.id LIMIT $2",
        &[&after, &limit(most)],
    )
    .await?;
    let page = bodies::unpacked(rows, |row| {
        let id = VacancyId(row.try_get(0)?);
        Ok(PublicVacancy {
            id,
            seq: codec::uint("vacancy.seq", row.try_get(1)?)?,
            changed_at: codec::instant("vacancy.changed_at", row.try_get(2)?)?,
            body: frame(row, 3)?.ok_or_else(|| lost(id))?,
        })
    })
    .await?;
    Ok((head, page))
}

/// Writes one batch of public state, under the hub-wide lock: numbers are gap-free and in the order
/// of commits.
pub(super) async fn commit(
    c: &impl GenericClient,
    commit: PublicCommit,
    inbox: &Inbox,
) -> Result<()> {
    if !commit.replace_edges_of.is_empty() {
        let ids: Vec<Uuid> = commit.replace_edges_of.iter().map(|id| id.0).collect();
        run(
            c,
            "DELETE FROM edge WHERE a = ANY($1) OR b = ANY($1)",
            &[&ids],
        )
        .await?;
    }
    write_edges(c, &commit.edges).await?;
    crate::fault::point("dedupe.write");
    write_clusters(c, &commit.clusters).await?;
    crate::fault::point("dedupe.write");
    write_vacancies(c, commit.vacancies).await?;
    crate::fault::point("dedupe.write");
    write_deduped(c, &commit.deduped).await?;
    features::put(c, &commit.features).await?;
    crate::fault::point("dedupe.write");
    outbox::put(c, &commit.events).await?;
    crate::fault::point("dedupe.write");
    outbox::settle_inbox(c, inbox).await
}

async fn write_edges(c: &impl GenericClient, edges: &[Edge]) -> Result<()> {
    let mut last = BTreeMap::new();
    for edge in edges {
        last.insert((edge.a.min(edge.b).0, edge.a.max(edge.b).0), edge);
    }
    if last.is_empty() {
        return Ok(());
    }
    let (a, b): (Vec<Uuid>, Vec<Uuid>) = last.keys().copied().unzip();
    let outcomes = last
        .values()
        .map(|edge| codec::name("edge.outcome", &edge.outcome))
        .collect::<codec::Result<Vec<_>>>()?;
    let weights: Vec<i64> = last.values().map(|edge| edge.weight).collect();
    let evidence = last
        .values()
        .map(|edge| codec::json("edge.evidence", &edge.evidence))
        .collect::<codec::Result<Vec<_>>>()?;
    run(
        c,
        "INSERT INTO edge (a, b, outcome, weight, evidence) \
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::text[]) \
         ON CONFLICT (a, b) DO UPDATE SET outcome = excluded.outcome, weight = excluded.weight, \
         evidence = excluded.evidence",
        &[&a, &b, &outcomes, &weights, &evidence],
    )
    .await?;
    Ok(())
}

async fn write_clusters(c: &impl GenericClient, clusters: &[(PostingId, VacancyId)]) -> Result<()> {
    let last: BTreeMap<Uuid, Uuid> = clusters
        .iter()
        .map(|(posting, vacancy)| (posting.0, vacancy.0))
        .collect();
    if last.is_empty() {
        return Ok(());
    }
    let (postings, vacancies): (Vec<Uuid>, Vec<Uuid>) = last.into_iter().unzip();
    run(
        c,
        "INSERT INTO cluster AS k (posting, vacancy) SELECT * FROM unnest($1::uuid[], $2::uuid[]) \
         ON CONFLICT (posting) DO UPDATE SET vacancy = excluded.vacancy \
         WHERE k.vacancy <> excluded.vacancy",
        &[&postings, &vacancies],
    )
    .await?;
    Ok(())
}

async fn write_deduped(c: &impl GenericClient, deduped: &[(PostingId, Revision)]) -> Result<()> {
    let last: BTreeMap<Uuid, _> = deduped.iter().map(|(id, r)| (id.0, *r)).collect();
    if last.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = last.keys().copied().collect();
    let observations: Vec<i64> = last.values().map(|r| codec::int(r.observation)).collect();
    let rules: Vec<i32> = last.values().map(|r| r.rules.cast_signed()).collect();
    // In the order of ids, as every commit locks these rows.
    all(
        c,
        "SELECT 1 FROM posting WHERE id = ANY($1) ORDER BY id FOR UPDATE",
        &[&ids],
    )
    .await?;
    run(
        c,
        "UPDATE posting p SET deduped_observation = t.observation, deduped_rules = t.rules \
         FROM unnest($1::uuid[], $2::bigint[], $3::int[]) AS t (id, observation, rules) \
         WHERE p.id = t.id",
        &[&ids, &observations, &rules],
    )
    .await?;
    Ok(())
}

/// Published bytes and liveness change with a change row only: what the delta feed said last is
/// what every other output shows.
async fn write_vacancies(c: &impl GenericClient, writes: Vec<VacancyWrite>) -> Result<()> {
    if writes.is_empty() {
        return Ok(());
    }
    let packed = tokio::task::spawn_blocking(move || pack_vacancies(&writes))
        .await
        .map_err(|error| Failure::refused(error.to_string()))??;

    let mut seq = codec::int(head(c).await?);
    // The last write of a vacancy counts, and so does its last change.
    let mut rows: BTreeMap<Uuid, &PackedVacancy> = BTreeMap::new();
    let mut changes: BTreeMap<Uuid, (i64, &PackedChange)> = BTreeMap::new();
    for write in &packed {
        rows.insert(write.id.0, write);
        if let Some(change) = &write.change {
            seq += 1;
            changes.insert(write.id.0, (seq, change));
        }
    }
    let silent: Vec<&PackedVacancy> = rows
        .iter()
        .filter(|(id, _)| !changes.contains_key(*id))
        .map(|(_, write)| *write)
        .collect();
    if !silent.is_empty() {
        write_silent(c, &silent).await?;
    }
    if changes.is_empty() {
        return Ok(());
    }
    write_changes(c, &rows, &changes).await?;
    super::hints::say(c, crate::store::Hint::Changes).await
}

/// Vacancies of which the public hears nothing.
async fn write_silent(c: &impl GenericClient, writes: &[&PackedVacancy]) -> Result<()> {
    let ids: Vec<Uuid> = writes.iter().map(|w| w.id.0).collect();
    let statuses: Vec<&str> = writes.iter().map(|w| w.status.as_str()).collect();
    run(
        c,
        "INSERT INTO vacancy (id, status, public, seq) \
         SELECT id, status, false, 0 FROM unnest($1::uuid[], $2::text[]) AS t (id, status) \
         ON CONFLICT (id) DO UPDATE SET status = excluded.status",
        &[&ids, &statuses],
    )
    .await?;
    let records: Vec<Option<&[u8]>> = writes.iter().map(|w| w.record.as_deref()).collect();
    let provenances: Vec<Option<&[u8]>> = writes.iter().map(|w| w.provenance.as_deref()).collect();
    run(
        c,
        "INSERT INTO vacancy_body (id, record, provenance) \
         SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) \
         ON CONFLICT (id) DO UPDATE SET record = excluded.record, \
         provenance = excluded.provenance",
        &[&ids, &records, &provenances],
    )
    .await?;
    Ok(())
}

async fn write_changes(
    c: &impl GenericClient,
    rows: &BTreeMap<Uuid, &PackedVacancy>,
    changes: &BTreeMap<Uuid, (i64, &PackedChange)>,
) -> Result<()> {
    let ids: Vec<Uuid> = changes.keys().copied().collect();
    let rows: Vec<&PackedVacancy> = ids.iter().filter_map(|id| rows.get(id).copied()).collect();
    let statuses: Vec<&str> = rows.iter().map(|w| w.status.as_str()).collect();
    let records: Vec<Option<&[u8]>> = rows.iter().map(|w| w.record.as_deref()).collect();
    let provenances: Vec<Option<&[u8]>> = rows.iter().map(|w| w.provenance.as_deref()).collect();
    let numbers: Vec<i64> = changes.values().map(|(seq, _)| *seq).collect();
    let instants: Vec<i64> = changes.values().map(|(_, change)| change.at).collect();
    let bodies: Vec<Option<&[u8]>> = changes.values().map(|(_, c)| c.body.as_deref()).collect();
    let reasons: Vec<Option<&str>> = changes.values().map(|(_, c)| c.reason.as_deref()).collect();
    let merged: Vec<Option<Uuid>> = changes
        .values()
        .map(|(_, c)| c.merged.map(|into| into.0))
        .collect();
    run(
        c,
        "INSERT INTO vacancy (id, status, public, seq, changed_at) \
         SELECT id, status, reason IS NULL, seq, at \
         FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::text[]) \
         AS t (id, status, seq, at, reason) \
         ON CONFLICT (id) DO UPDATE SET status = excluded.status, public = excluded.public, \
         seq = excluded.seq, changed_at = excluded.changed_at",
        &[&ids, &statuses, &numbers, &instants, &reasons],
    )
    .await?;
    run(
        c,
        "INSERT INTO vacancy_body (id, record, provenance, body) \
         SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::bytea[]) \
         ON CONFLICT (id) DO UPDATE SET record = excluded.record, \
         provenance = excluded.provenance, body = excluded.body",
        &[&ids, &records, &provenances, &bodies],
    )
    .await?;
    run(
        c,
        "INSERT INTO change (seq, id, changed_at, reason, merged) \
         SELECT seq, id, at, reason, merged \
         FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::uuid[]) \
         AS t (id, seq, at, reason, merged) ORDER BY seq \
         ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, changed_at = excluded.changed_at, \
         reason = excluded.reason, merged = excluded.merged",
        &[&ids, &numbers, &instants, &reasons, &merged],
    )
    .await?;
    Ok(())
}
