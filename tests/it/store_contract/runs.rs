//! Runs: staged, planned, applied once, ended once.

use super::backend::Backend;
use super::fixtures::*;
use passerelle::model::{
    Became, CloseReason, ConnectorName, PostingId, Problem, ReopenReason, Stage, Turn,
};
use passerelle::store::{
    ConnectorState, Counts, PostingChange, RecordVerdict, RunEnd, RunStatus, SnapshotKind,
    StoreError,
};

super::over_all_backends!(
    a_new_connector_has_nothing,
    one_worker_runs_a_connector,
    a_run_from_staging_to_applied,
    a_repeated_reference_replaces_the_earlier_record,
    a_crash_while_applying_is_resumed,
    told_twice_changes_nothing,
    an_older_observation_is_skipped_with_its_events,
    a_dead_staging_is_dropped,
    a_failed_run_touches_nothing_but_the_error,
    rejected_records_are_kept_until_a_run_mends_them,
    misses_and_sightings_are_counted,
    closing_by_another_road,
    what_closed_and_came_back_is_told_in_order,
    expiry_counts_for_the_newest_observation_only,
    a_payload_is_stored_once_and_comes_back,
    a_thousand_records_in_order,
    what_is_staged_stands_beside_what_is_known,
);

async fn a_new_connector_has_nothing(backend: &Backend) {
    let store = backend.open().await;
    let state = store.connector_state(&connector()).await.unwrap();
    assert_eq!(state, ConnectorState::default());
    assert!(store.posting_states(&connector()).await.unwrap().is_empty());
    assert_eq!(store.applying_run(&connector()).await.unwrap(), None);
    assert!(store.runs(None, 10).await.unwrap().is_empty());
}

async fn one_worker_runs_a_connector(backend: &Backend) {
    let store = backend.open().await;
    let guard = store.lock_connector(&connector()).await.unwrap();
    assert!(guard.is_some());
    assert!(store.lock_connector(&connector()).await.unwrap().is_none());
    let other = ConnectorName::from("other");
    assert!(store.lock_connector(&other).await.unwrap().is_some());
    drop(guard);
    // Giving a lock back may take a moment where it lives in a server.
    for _ in 0..100 {
        if store.lock_connector(&connector()).await.unwrap().is_some() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the lock was not given back");
}

async fn a_run_from_staging_to_applied(backend: &Backend) {
    let store = backend.open().await;
    let records = [record("A", "de nuit"), record("B", "de jour")];
    let run = store.start_run(new_run(0)).await.unwrap();
    store.stage(run, records.to_vec()).await.unwrap();
    let rows = staged(&store, run).await;
    let references: Vec<_> = rows.iter().map(|row| row.reference.as_str()).collect();
    assert_eq!(references, ["A", "B"]);
    assert_eq!(rows[0].hash, records[0].hash);

    let counts = Counts {
        pulled: 2,
        new: 2,
        ..Counts::default()
    };
    let mut plan = plan(SnapshotKind::Complete);
    plan.counts = counts;
    plan.state.etag = Some("\"v1\"".into());
    plan.state.last_complete = Some(at(0));
    store.plan_run(run, plan.clone()).await.unwrap();
    // Validators are saved only with a full apply.
    let before = store.connector_state(&connector()).await.unwrap();
    assert_eq!(before.etag, None);
    let applying = store.applying_run(&connector()).await.unwrap().unwrap();
    assert_eq!(applying.plan.as_ref(), Some(&plan));

    let batch: Vec<_> = records.iter().map(|r| change(state(r, 1))).collect();
    store.apply(run, batch.clone()).await.unwrap();
    let end = RunEnd {
        ended: Some(at(2)),
        ..RunEnd::default()
    };
    store.finish_run(run, end).await.unwrap();

    let states = store.posting_states(&connector()).await.unwrap();
    assert_eq!(states, [state(&records[0], 1), state(&records[1], 1)]);
    assert_eq!(
        store.connector_state(&connector()).await.unwrap(),
        plan.state
    );
    let runs = store.runs(Some(&connector()), 10).await.unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].status, RunStatus::Applied);
    assert_eq!(runs[0].snapshot, Some(SnapshotKind::Complete));
    assert_eq!((runs[0].started, runs[0].ended), (at(0), Some(at(2))));
    assert_eq!(runs[0].counts, counts);
    assert!(staged(&store, run).await.is_empty());
    assert_eq!(store.applying_run(&connector()).await.unwrap(), None);

    let events = lease(&store, Stage::Normalise, 0).await;
    let expected: Vec<_> = batch.into_iter().flat_map(|c| c.events).collect();
    assert_eq!(events, expected);
}

async fn a_repeated_reference_replaces_the_earlier_record(backend: &Backend) {
    let store = backend.open().await;
    let run = store.start_run(new_run(0)).await.unwrap();
    let (first, second) = (record("A", "de nuit"), record("A", "de jour"));
    store
        .stage(run, vec![first, record("B", "")])
        .await
        .unwrap();
    store.stage(run, vec![second.clone()]).await.unwrap();
    let staged = staged(&store, run).await;
    assert_eq!(staged.len(), 2);
    let a = staged.iter().find(|row| row.reference == "A").unwrap();
    assert_eq!(a.hash, second.hash);
}

async fn a_crash_while_applying_is_resumed(backend: &Backend) {
    let records = [record("A", ""), record("B", "")];
    let store = backend.open().await;
    let run = planned(&store, records.to_vec(), plan(SnapshotKind::Complete)).await;
    store
        .apply(run, vec![change(state(&records[0], 1))])
        .await
        .unwrap();
    drop(store);

    let store = backend.open().await;
    let refused = store.start_run(new_run(60)).await;
    assert!(matches!(refused, Err(StoreError::Permanent { .. })));
    let resumed = store.applying_run(&connector()).await.unwrap().unwrap();
    assert_eq!((resumed.id, resumed.status), (run, RunStatus::Applying));
    assert_eq!(staged(&store, run).await.len(), 2);
    // The resumed run does the same again, with messages of its own.
    let batch = records.iter().map(|r| change(state(r, 1))).collect();
    store.apply(run, batch).await.unwrap();
    store.finish_run(run, RunEnd::default()).await.unwrap();
    assert_eq!(store.posting_states(&connector()).await.unwrap().len(), 2);
    assert_eq!(store.outbox_depth().await.unwrap().events, 2);
    let loaded = store.load_pulled(&[id("A"), id("B")]).await.unwrap();
    assert!(loaded.iter().all(|pulled| pulled.payload.is_some()));
}

async fn told_twice_changes_nothing(backend: &Backend) {
    let store = backend.open().await;
    let first = record("A", "");
    let run = seen(&store, std::slice::from_ref(&first)).await;
    let before = store.runs(None, 10).await.unwrap();
    store
        .apply(run, vec![change(state(&first, 1))])
        .await
        .unwrap();
    let end = RunEnd {
        ended: Some(at(9)),
        events: vec![pulled(&state(&first, 1))],
        ..RunEnd::default()
    };
    store.finish_run(run, end).await.unwrap();
    assert_eq!(store.runs(None, 10).await.unwrap(), before);
    assert_eq!(store.outbox_depth().await.unwrap().events, 1);
}

async fn an_older_observation_is_skipped_with_its_events(backend: &Backend) {
    let store = backend.open().await;
    seen(&store, &[record("A", "de nuit")]).await;
    let newer = record("A", "de jour");
    let run = planned(&store, vec![newer.clone()], plan(SnapshotKind::Complete)).await;
    store
        .apply(run, vec![change(state(&newer, 3))])
        .await
        .unwrap();
    store
        .apply(run, vec![change(state(&record("A", "de nuit"), 2))])
        .await
        .unwrap();
    let states = store.posting_states(&connector()).await.unwrap();
    assert_eq!(states, [state(&newer, 3)]);
    assert_eq!(store.outbox_depth().await.unwrap().events, 2);
    let loaded = store.load_pulled(&[id("A")]).await.unwrap();
    assert_eq!(loaded[0].payload.as_deref(), Some(&*newer.payload));
}

async fn a_dead_staging_is_dropped(backend: &Backend) {
    let store = backend.open().await;
    let dead = store.start_run(new_run(0)).await.unwrap();
    // More than one job of the store drops.
    let many: Vec<_> = (0..4100).map(|n| record(&format!("A{n}"), "")).collect();
    for some in many.chunks(500) {
        store.stage(dead, some.to_vec()).await.unwrap();
    }
    drop(store);
    let store = backend.open().await;
    let next = store.start_run(new_run(30)).await.unwrap();
    assert!(staged(&store, dead).await.is_empty());
    let runs = store.runs(None, 10).await.unwrap();
    assert_eq!((runs[0].id, runs[0].status), (next, RunStatus::Staging));
    assert_eq!((runs[1].id, runs[1].status), (dead, RunStatus::Failed));
    assert_eq!(runs[1].error.as_deref(), Some("interrupted"));
    // What the dead run still sends is refused, not mixed in.
    assert!(store.stage(dead, vec![record("B", "")]).await.is_err());
}

async fn a_failed_run_touches_nothing_but_the_error(backend: &Backend) {
    let store = backend.open().await;
    let first = record("A", "");
    seen(&store, std::slice::from_ref(&first)).await;
    let mut before = store.connector_state(&connector()).await.unwrap();
    let run = store.start_run(new_run(60)).await.unwrap();
    store.stage(run, vec![record("B", "")]).await.unwrap();
    let failed = |at| {
        let counts = Counts {
            pulled: 1,
            ..Counts::default()
        };
        store.fail_run(run, SnapshotKind::Failed, counts, "500 of the source", at)
    };
    failed(at(61)).await.unwrap();
    failed(at(99)).await.unwrap();
    before.error = Some("500 of the source".into());
    assert_eq!(store.connector_state(&connector()).await.unwrap(), before);
    let states = store.posting_states(&connector()).await.unwrap();
    assert_eq!(states, [state(&first, 1)]);
    let run = store.runs(None, 1).await.unwrap().remove(0);
    assert_eq!(run.ended, Some(at(61)));
    assert_eq!(run.counts.pulled, 1);
    assert!(staged(&store, run.id).await.is_empty());
    assert_eq!(store.outbox_depth().await.unwrap().events, 1);
}

async fn rejected_records_are_kept_until_a_run_mends_them(backend: &Backend) {
    let store = backend.open().await;
    let problem = Problem {
        field: "title".into(),
        rule: "record.title_missing".into(),
        value: String::new(),
        message: "a title is required".into(),
    };
    let rejected = |reference: &str| {
        let mut record = record(reference, &"é".repeat(3000));
        record.verdict = RecordVerdict::Rejected(vec![problem.clone()]);
        record
    };
    ended_with(
        &store,
        vec![rejected("A"), rejected("B")],
        SnapshotKind::Complete,
    )
    .await;
    let kept = store.rejects(&connector(), 10).await.unwrap();
    assert_eq!(kept.len(), 2);
    assert_eq!(kept[0].reference, "A");
    assert_eq!(kept[0].problems, std::slice::from_ref(&problem));
    assert!(kept[0].payload.len() <= 4096 && kept[0].payload.ends_with('é'));

    // A partial run speaks of what it saw only.
    ended_with(&store, vec![record("A", "")], SnapshotKind::Partial).await;
    let kept = store.rejects(&connector(), 10).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].reference, "B");
    ended_with(&store, vec![record("A", "")], SnapshotKind::Complete).await;
    assert!(store.rejects(&connector(), 10).await.unwrap().is_empty());
}

async fn ended_with(
    store: &passerelle::store::DynStore,
    records: Vec<passerelle::store::StagedRecord>,
    snapshot: SnapshotKind,
) {
    let run = planned(store, records, plan(snapshot)).await;
    store.finish_run(run, RunEnd::default()).await.unwrap();
}

async fn misses_and_sightings_are_counted(backend: &Backend) {
    let store = backend.open().await;
    let records = [record("A", ""), record("B", "")];
    seen(&store, &records).await;
    let mut missed = state(&records[0], 1);
    missed.misses = 1;
    missed.last_miss = Some(at(60));
    let mut outdated = state(&records[1], 0);
    outdated.misses = 7;
    let end = RunEnd {
        misses: vec![missed.clone(), outdated],
        ..RunEnd::default()
    };
    ended(&store, plan(SnapshotKind::Complete), end).await;
    let states = store.posting_states(&connector()).await.unwrap();
    // A count that was made of another observation is not taken.
    assert_eq!(states, [missed, state(&records[1], 1)]);

    let end = RunEnd {
        seen: vec![id("A"), id("B"), id("unknown")],
        ..RunEnd::default()
    };
    ended(&store, plan(SnapshotKind::Complete), end).await;
    let states = store.posting_states(&connector()).await.unwrap();
    assert_eq!(states, [state(&records[0], 1), state(&records[1], 1)]);
    // Nothing but the first sight caused an event.
    assert_eq!(store.outbox_depth().await.unwrap().events, 2);
}

async fn closing_by_another_road(backend: &Backend) {
    let store = backend.open().await;
    seen(&store, &[record("A", ""), record("B", "")]).await;
    let unknown = PostingId::new(&connector(), "unknown");
    let asked = [
        (id("A"), CloseReason::Withdrawn),
        (id("A"), CloseReason::Withdrawn),
        (unknown, CloseReason::Withdrawn),
    ];
    assert_eq!(store.close(&asked, at(5)).await.unwrap(), 1);
    assert_eq!(store.close(&asked, at(6)).await.unwrap(), 0);
    let states = store.posting_states(&connector()).await.unwrap();
    assert_eq!(states[0].closed, Some((at(5), CloseReason::Withdrawn)));
    assert_eq!(states[0].observation, 2);
    assert!(states[1].is_live());
    let events = lease(&store, Stage::Normalise, 10).await;
    assert_eq!(events.len(), 3);
    assert_eq!(events[2].key, id("A").to_string());
    assert_eq!(events[2].revision.observation, 2);
    assert_eq!(events[2].payload, states[0].hash);
}

async fn what_closed_and_came_back_is_told_in_order(backend: &Backend) {
    let store = backend.open().await;
    let run = planned(
        &store,
        vec![record("A", "un"), record("B", "deux")],
        plan(SnapshotKind::Complete),
    )
    .await;
    let closed = |observation, reason| {
        let mut state = state(&record("A", "un"), observation);
        state.closed = Some((at(observation as i64), reason));
        change(state)
    };
    let reopened = PostingChange {
        reopened: Some(ReopenReason::Listed),
        ..change(state(&record("A", "un"), 3))
    };
    let changes = [
        change(state(&record("A", "un"), 1)),
        change(state(&record("B", "deux"), 1)),
        closed(2, CloseReason::Absent),
        reopened.clone(),
        // Told twice, as after a crash.
        reopened,
        closed(4, CloseReason::Explicit),
    ];
    for change in changes {
        store.apply(run, vec![change]).await.unwrap();
    }
    store.finish_run(run, RunEnd::default()).await.unwrap();
    let turns = |reference: &str| {
        let id = id(reference);
        let store = store.clone();
        async move { store.trace(id).await.unwrap().unwrap().turns }
    };
    let turn = |observation, minutes, became| Turn {
        observation,
        at: at(minutes),
        became,
    };
    assert_eq!(
        turns("A").await,
        [
            turn(2, 2, Became::Closed(CloseReason::Absent)),
            turn(3, 0, Became::Live(ReopenReason::Listed)),
            turn(4, 4, Became::Closed(CloseReason::Explicit)),
        ]
    );
    assert!(turns("B").await.is_empty());
    // Closed by another road than a run.
    let closing = [(id("B"), CloseReason::Withdrawn)];
    store.close(&closing, at(9)).await.unwrap();
    assert_eq!(
        turns("B").await,
        [turn(2, 9, Became::Closed(CloseReason::Withdrawn))]
    );
}

async fn expiry_counts_for_the_newest_observation_only(backend: &Backend) {
    let store = backend.open().await;
    seen(&store, &[record("A", "")]).await;
    let mut dated = posting("A", "Aide-soignant");
    dated.offer.expires = Some(at(100));
    let none = inbox(Stage::Normalise, Vec::new());
    let made = vec![output(dated.clone(), 1, &[])];
    store.commit_normalised(made, &none).await.unwrap();
    assert!(store.expired(at(99), 10).await.unwrap().is_empty());
    let due = store.expired(at(100), 10).await.unwrap();
    assert_eq!(due, [(id("A"), at(100))]);

    // The source has changed the posting: its old date must not close the new text.
    let newer = record("A", "prolongé");
    let run = planned(&store, vec![newer.clone()], plan(SnapshotKind::Complete)).await;
    store
        .apply(run, vec![change(state(&newer, 2))])
        .await
        .unwrap();
    assert!(store.expired(at(100), 10).await.unwrap().is_empty());
    // A late output of the older observation does not bring it back.
    let late = vec![output(dated.clone(), 1, &[])];
    store.commit_normalised(late, &none).await.unwrap();
    assert!(store.expired(at(100), 10).await.unwrap().is_empty());
    let made = vec![output(dated, 2, &[])];
    store.commit_normalised(made, &none).await.unwrap();
    assert_eq!(store.expired(at(100), 10).await.unwrap().len(), 1);
    store
        .close(&[(id("A"), CloseReason::Expired)], at(100))
        .await
        .unwrap();
    assert!(store.expired(at(100), 10).await.unwrap().is_empty());
}

async fn a_payload_is_stored_once_and_comes_back(backend: &Backend) {
    let store = backend.open().await;
    let (a, b) = (record("A", ""), record("B", ""));
    seen(&store, &[a.clone(), b.clone()]).await;
    // Unchanged in the next run, then B takes A's bytes: both find them.
    let mut same = b.clone();
    same.payload = a.payload.clone();
    same.hash = a.hash.clone();
    let run = planned(
        &store,
        vec![a.clone(), same.clone()],
        plan(SnapshotKind::Complete),
    )
    .await;
    store
        .apply(run, vec![change(state(&same, 2))])
        .await
        .unwrap();
    store.finish_run(run, RunEnd::default()).await.unwrap();
    let loaded = store
        .load_pulled(&[id("B"), id("A"), id("unknown"), id("B")])
        .await
        .unwrap();
    assert_eq!(loaded.len(), 2);
    for pulled in &loaded {
        assert_eq!(pulled.payload.as_deref(), Some(&*a.payload));
        assert_eq!(pulled.made_from, None);
    }
    // B's first bytes have no owner left.
    store.prune(at(0), at(0)).await.unwrap();
    let loaded = store.load_pulled(&[id("A")]).await.unwrap();
    assert_eq!(loaded[0].payload.as_deref(), Some(&*a.payload));
    let run = planned(&store, vec![b.clone()], plan(SnapshotKind::Partial)).await;
    store.apply(run, vec![change(state(&b, 3))]).await.unwrap();
    let loaded = store.load_pulled(&[id("B")]).await.unwrap();
    assert_eq!(loaded[0].payload.as_deref(), Some(&*b.payload));
}

async fn a_thousand_records_in_order(backend: &Backend) {
    let store = backend.open().await;
    let records: Vec<_> = (0..1000).map(|n| record(&format!("{n:04}"), "")).collect();
    let run = store.start_run(new_run(0)).await.unwrap();
    for batch in records.chunks(300) {
        store.stage(run, batch.to_vec()).await.unwrap();
    }
    let staged = staged(&store, run).await;
    let in_order = staged
        .iter()
        .zip(&records)
        .all(|(row, record)| row.reference == record.reference && row.hash == record.hash);
    assert!(staged.len() == 1000 && in_order);
    store
        .plan_run(run, plan(SnapshotKind::Complete))
        .await
        .unwrap();
    for batch in records.chunks(300) {
        let batch = batch.iter().map(|r| change(state(r, 1))).collect();
        store.apply(run, batch).await.unwrap();
    }
    store.finish_run(run, RunEnd::default()).await.unwrap();
    assert_eq!(
        store.posting_states(&connector()).await.unwrap().len(),
        1000
    );
    assert_eq!(
        store.posting_ids(Some(&connector())).await.unwrap().len(),
        1000
    );
    assert_eq!(lease(&store, Stage::Normalise, 0).await.len(), 1000);
}

async fn what_is_staged_stands_beside_what_is_known(backend: &Backend) {
    let store = backend.open().await;
    let known: Vec<_> = ["A", "B", "C\0", "D", "E"].map(|r| record(r, "")).into();
    seen(&store, &known).await;
    let closed = [(id("E"), CloseReason::Withdrawn)];
    store.close(&closed, at(1)).await.unwrap();

    let run = store.start_run(new_run(5)).await.unwrap();
    let other = ConnectorName::from("other");
    let other = store
        .start_run(passerelle::store::NewRun {
            connector: other,
            ..new_run(5)
        })
        .await
        .unwrap();
    store.stage(other, vec![record("D", "")]).await.unwrap();
    let shown = vec![record("X", "neuf"), record("B", "autre"), record("C\0", "")];
    store.stage(run, shown.clone()).await.unwrap();

    let beside = store.compare(run, None, 10).await.unwrap();
    let beside: Vec<_> = beside
        .iter()
        .map(|c| (&*c.row.reference, c.known.as_ref().map(|s| s.hash.clone())))
        .collect();
    let hash = |n: usize| Some(known[n].hash.clone());
    assert_eq!(beside, [("B", hash(1)), ("C\0", hash(2)), ("X", None)]);
    let rest = store.compare(run, Some("B"), 1).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].row.reference, "C\0");

    // Neither what is closed nor what another connector staged.
    let absent = store.absent(run, None, 10).await.unwrap();
    assert_eq!(absent, [state(&known[0], 1), state(&known[3], 1)]);
    let rest = store.absent(run, Some("A"), 10).await.unwrap();
    assert_eq!(rest, [state(&known[3], 1)]);

    // Those whose bytes were stored before have them too.
    let wanted = ["X", "C\0", "A"].map(str::to_owned);
    let mut payloads = store.staged_payloads(run, &wanted).await.unwrap();
    payloads.sort();
    let expected = [&shown[2], &shown[0]].map(|r| (r.reference.clone(), r.payload.clone()));
    assert_eq!(payloads, expected);
}
