//! Synthetic rows, and the shortest ways to put them into a store.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use passerelle::model::{
    ConnectorName, Event, EventKind, MessageId, Offer, Posting, PostingId, PostingState, RULES,
    Revision, RunId, Stage, TombstoneReason, Vacancy, VacancyId, VacancyStatus,
};
use passerelle::store::{
    ChangeWrite, ConnectorState, Counts, DynStore, Inbox, NewRun, NormalisedOutput, Plan,
    PostingChange, PublicCommit, RecordVerdict, Repeats, RunEnd, SnapshotKind, StagedRecord,
    StagedRow, VacancyWrite,
};

/// Minutes after eight on a Monday.
pub fn at(minutes: i64) -> Timestamp {
    let monday: Timestamp = "2026-11-02T08:00:00Z".parse().unwrap();
    monday + SignedDuration::from_mins(minutes)
}

pub fn connector() -> ConnectorName {
    ConnectorName::from("clinique-ats")
}

pub fn id(reference: &str) -> PostingId {
    PostingId::new(&connector(), reference)
}

pub fn payload(reference: &str, text: &str) -> Bytes {
    Bytes::from(format!(
        r#"{{"ref":"{reference}","titre":"Aide-soignant {text}"}}"#
    ))
}

pub fn record(reference: &str, text: &str) -> StagedRecord {
    let payload = payload(reference, text);
    StagedRecord {
        reference: reference.to_owned(),
        hash: blake3::hash(&payload).to_hex().to_string(),
        payload,
        verdict: RecordVerdict::Open,
    }
}

/// The state that a first sight of `record` makes, at `observation`.
pub fn state(record: &StagedRecord, observation: u64) -> PostingState {
    PostingState {
        id: id(&record.reference),
        connector: connector(),
        reference: record.reference.clone(),
        hash: record.hash.clone(),
        observation,
        first_seen: at(0),
        closed: None,
        misses: 0,
        last_miss: None,
    }
}

pub fn pulled(state: &PostingState) -> Event {
    let mut event = Event::new(
        EventKind::PostingPulled,
        state.id,
        Revision {
            observation: state.observation,
            rules: RULES,
        },
        at(0),
    );
    event.payload.clone_from(&state.hash);
    event
}

/// `state` with the event that it causes.
pub fn change(state: PostingState) -> PostingChange {
    PostingChange {
        events: vec![pulled(&state)],
        reopened: None,
        state,
    }
}

pub fn plan(snapshot: SnapshotKind) -> Plan {
    Plan {
        snapshot,
        counts: Counts::default(),
        apply_new: true,
        apply_changed: true,
        apply_closed: true,
        apply_absences: true,
        doubt: None,
        state: ConnectorState::default(),
        releases: None,
        gone: Default::default(),
        close_now: false,
        rekey: Vec::new(),
        repeats: Repeats::default(),
    }
}

pub fn new_run(minutes: i64) -> NewRun {
    NewRun {
        connector: connector(),
        started: at(minutes),
        trigger: "schedule".into(),
    }
}

/// A run with `records` staged and its plan frozen.
pub async fn planned(store: &DynStore, records: Vec<StagedRecord>, plan: Plan) -> RunId {
    let run = store.start_run(new_run(0)).await.unwrap();
    store.stage(run, records).await.unwrap();
    store.plan_run(run, plan).await.unwrap();
    run
}

/// What is staged, read in pages.
pub async fn staged(store: &DynStore, run: RunId) -> Vec<StagedRow> {
    let mut rows: Vec<StagedRow> = Vec::new();
    loop {
        let after = rows.last().map(|row| row.reference.clone());
        let page = store.compare(run, after.as_deref(), 70).await.unwrap();
        if page.is_empty() {
            return rows;
        }
        rows.extend(page.into_iter().map(|compared| compared.row));
    }
}

/// A whole run that shows `records` for the first time.
pub async fn seen(store: &DynStore, records: &[StagedRecord]) -> RunId {
    let run = planned(store, records.to_vec(), plan(SnapshotKind::Complete)).await;
    let batch = records.iter().map(|r| change(state(r, 1))).collect();
    store.apply(run, batch).await.unwrap();
    store.finish_run(run, RunEnd::default()).await.unwrap();
    run
}

/// A run that changes nothing but what `end` and `plan` say.
pub async fn ended(store: &DynStore, plan: Plan, end: RunEnd) -> RunId {
    let run = planned(store, Vec::new(), plan).await;
    store.finish_run(run, end).await.unwrap();
    run
}

pub fn posting(reference: &str, title: &str) -> Posting {
    Posting {
        id: id(reference),
        connector: connector(),
        reference: reference.to_owned(),
        member: Some("clinique".into()),
        offer: Offer {
            title: title.to_owned(),
            ..Offer::default()
        },
        findings: Vec::new(),
        contacts: Vec::new(),
        provenance: Default::default(),
    }
}

pub fn output(posting: Posting, observation: u64, keys: &[u64]) -> NormalisedOutput {
    let revision = Revision {
        observation,
        rules: RULES,
    };
    NormalisedOutput {
        revision,
        events: vec![Event::new(
            EventKind::PostingNormalised,
            posting.id,
            revision,
            at(1),
        )],
        posting,
        keys: keys.to_vec(),
        features: None,
    }
}

pub fn inbox(stage: Stage, messages: Vec<MessageId>) -> Inbox {
    Inbox {
        stage,
        messages,
        at: at(1),
    }
}

/// Sees and normalises postings: (reference, blocking keys).
pub async fn normalised(store: &DynStore, postings: &[(&str, &[u64])]) {
    let records: Vec<_> = postings.iter().map(|(r, _)| record(r, "")).collect();
    seen(store, &records).await;
    let outputs = postings
        .iter()
        .map(|(r, keys)| output(posting(r, "Aide-soignant"), 1, keys))
        .collect();
    store
        .commit_normalised(outputs, &inbox(Stage::Normalise, Vec::new()))
        .await
        .unwrap();
}

pub fn vacancy(reference: &str, title: &str) -> Vacancy {
    Vacancy {
        id: id(reference).vacancy(),
        member: Some("clinique".into()),
        offer: posting(reference, title).offer,
        sources: Vec::new(),
    }
}

/// A live vacancy that becomes public, or changes.
pub fn upsert(reference: &str, title: &str, minutes: i64) -> VacancyWrite {
    let vacancy = vacancy(reference, title);
    VacancyWrite {
        id: vacancy.id,
        status: VacancyStatus::Live,
        body: Some(body(reference, title)),
        vacancy: Some(vacancy),
        provenance: Some(Bytes::from_static(b"{}")),
        change: Some(ChangeWrite {
            at: at(minutes),
            delete: None,
            into: None,
        }),
    }
}

pub fn body(reference: &str, title: &str) -> Bytes {
    let vacancy = vacancy(reference, title);
    Bytes::from(passerelle::model::canonical_json(&vacancy).unwrap())
}

/// A vacancy that leaves the feed.
pub fn tombstone(
    reference: &str,
    reason: TombstoneReason,
    into: Option<VacancyId>,
    minutes: i64,
) -> VacancyWrite {
    VacancyWrite {
        id: id(reference).vacancy(),
        status: match into {
            Some(into) => VacancyStatus::Merged { into },
            None => VacancyStatus::Closed {
                at: at(minutes),
                reason,
            },
        },
        vacancy: Some(vacancy(reference, "Aide-soignant")),
        body: None,
        provenance: None,
        change: Some(ChangeWrite {
            at: at(minutes),
            delete: Some(reason),
            into,
        }),
    }
}

pub async fn publish(store: &DynStore, commit: PublicCommit) {
    let tx = store.lock_public().await.unwrap();
    tx.commit(commit, &inbox(Stage::Dedupe, Vec::new()))
        .await
        .unwrap();
}

pub fn vacancies(vacancies: Vec<VacancyWrite>) -> PublicCommit {
    PublicCommit {
        vacancies,
        ..PublicCommit::default()
    }
}

/// Leases everything that is due at `minutes` for an hour.
pub async fn lease(store: &DynStore, stage: Stage, minutes: i64) -> Vec<Event> {
    let leased = store
        .lease_outbox(stage, 1000, at(minutes), at(minutes + 60))
        .await
        .unwrap();
    leased.into_iter().map(|leased| leased.event).collect()
}
