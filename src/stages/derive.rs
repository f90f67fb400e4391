//! From derived vacancies to rows: what is written, and what the public hears of it.

use super::Failure;
use super::component::Component;
use crate::bus::Verdict;
use crate::dedupe::{Derived, public_body, tombstone};
use crate::model::{
    Event, EventKind, PostingId, Revision, TombstoneReason, VacancyId, VacancyStatus,
    canonical_json,
};
use crate::store::{ChangeWrite, PublicCommit, StoredVacancy, VacancyWrite};
use bytes::Bytes;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Writes the vacancies of whole components, and tombstones of those that are none any more.
pub(super) fn write(
    whole: &[(Component, Vec<Derived>)],
    stored: &BTreeMap<VacancyId, StoredVacancy>,
    now: Timestamp,
) -> Result<PublicCommit, Failure> {
    let mut commit = PublicCommit::default();
    for (component, derived) in whole {
        commit.replace_edges_of.extend(&component.due);
        commit.edges.extend(component.new_edges().cloned());
        let own = component.postings.iter();
        let own = own.filter(|p| component.due.contains(&p.state.id));
        commit
            .deduped
            .extend(own.map(|p| (p.state.id, p.made_from)));
        let mut home: BTreeMap<PostingId, VacancyId> = BTreeMap::new();
        for vacancy in derived {
            home.extend(vacancy.postings.iter().map(|id| (*id, vacancy.id)));
            let row = stored.get(&vacancy.id);
            commit.vacancies.extend(vacancy_row(vacancy, row, now)?);
        }
        let moved = home
            .iter()
            .filter(|(id, to)| component.clusters.get(id) != Some(to));
        commit.clusters.extend(moved.map(|(id, to)| (*id, *to)));
        let living: BTreeSet<VacancyId> = derived.iter().map(|d| d.id).collect();
        for (posting, into) in &home {
            let id = posting.vacancy();
            let row = stored.get(&id).filter(|_| !living.contains(&id));
            commit
                .vacancies
                .extend(row.and_then(|row| merged_row(row, *into, now)));
        }
    }
    Ok(commit)
}

/// The event that `commit` causes, if the public sees anything of it: one for all its changes, since
/// whoever publishes reads them from the store.
pub(super) fn announced(commit: &PublicCommit, now: Timestamp) -> Option<Event> {
    let mut changed = commit.vacancies.iter().filter(|v| v.change.is_some());
    let last = changed.next_back()?;
    let revision = Revision::default();
    Some(Event::new(
        EventKind::VacancyChanged,
        last.id,
        revision,
        now,
    ))
}

/// The row of a derived vacancy, unless it is stored just so; its change, if the public sees one.
fn vacancy_row(
    derived: &Derived,
    stored: Option<&StoredVacancy>,
    now: Timestamp,
) -> Result<Option<VacancyWrite>, Failure> {
    let unwritable = |error: serde_json::Error| {
        let text = format!("vacancy {} cannot be written as JSON: {error}", derived.id);
        Failure::Poison(Verdict::Park(text))
    };
    let live = derived.status == VacancyStatus::Live;
    let body = live.then(|| public_body(&derived.vacancy));
    let provenance = canonical_json(&derived.provenance).map_err(unwritable)?;
    let was = stored.and_then(|s| s.body.as_ref());
    let change = match (&body, was) {
        (Some(new), Some(old)) if new[..] == old[..] => None,
        (Some(_), _) => Some(upsert(now)),
        (None, Some(_)) => {
            let reason = tombstone(&derived.status).unwrap_or(TombstoneReason::Hidden);
            Some(delete(reason, None, now))
        }
        (None, None) => None,
    };
    // A body says all that a record says.
    let same = stored.is_some_and(|s| {
        s.status == derived.status
            && (live || s.vacancy.as_ref() == Some(&derived.vacancy))
            && s.provenance.as_deref() == Some(&provenance)
    });
    if same && change.is_none() {
        return Ok(None);
    }
    Ok(Some(VacancyWrite {
        id: derived.id,
        status: derived.status.clone(),
        vacancy: Some(derived.vacancy.clone()),
        body: body.map(Bytes::from),
        provenance: Some(Bytes::from(provenance)),
        change,
    }))
}

/// What becomes of a vacancy whose founder belongs to another one now.
fn merged_row(stored: &StoredVacancy, into: VacancyId, now: Timestamp) -> Option<VacancyWrite> {
    let status = VacancyStatus::Merged { into };
    if stored.status == status {
        return None;
    }
    let public = stored.body.is_some();
    Some(VacancyWrite {
        id: stored.id,
        status,
        vacancy: None,
        body: None,
        provenance: None,
        change: public.then(|| delete(TombstoneReason::Merged, Some(into), now)),
    })
}

fn upsert(at: Timestamp) -> ChangeWrite {
    ChangeWrite {
        at,
        delete: None,
        into: None,
    }
}

fn delete(reason: TombstoneReason, into: Option<VacancyId>, at: Timestamp) -> ChangeWrite {
    ChangeWrite {
        at,
        delete: Some(reason),
        into,
    }
}
