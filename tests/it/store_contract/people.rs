//! What waits for people and what they said, and what retention drops.

use super::backend::Backend;
use super::fixtures::*;
use bytes::Bytes;
use passerelle::model::{CloseReason, ConnectorName, Decision, DecisionKind, HoldId, Stage};
use passerelle::store::{Doubt, DynStore, HoldStatus, PublicCommit, RunEnd, SnapshotKind};

super::over_all_backends!(
    one_open_hold_a_connector,
    a_released_hold_is_applied_once,
    answering_a_replaced_hold_answers_its_successor,
    decisions_are_kept_in_order,
    requested_runs_are_taken_once,
    a_request_survives_a_crash,
    retention_keeps_what_is_needed,
    figures,
    notes_are_written_together_and_read_by_prefix,
    an_erasure_takes_payloads_and_notes_and_lasts,
    of_what_is_erased_no_word_is_kept,
);

async fn an_erasure_takes_payloads_and_notes_and_lasts(backend: &Backend) {
    let store = backend.open().await;
    let records = [record("A", "Mme Quérard"), record("B", "")];
    seen(&store, &records).await;
    let (a, b) = (id("A"), id("B"));
    let note = |of| format!("export.sent/linkedin/{of}");
    let notes = [a, b].map(|of| (note(of), Some("{}".to_owned())));
    store.write_notes(notes.to_vec()).await.unwrap();
    let said = |subject| Decision {
        kind: DecisionKind::Erase,
        subject,
        object: None,
        who: "dpo".into(),
        why: String::new(),
        at: at(5),
        shown: None,
    };
    assert_eq!(store.erase(vec![said(a)], vec![], at(5)).await.unwrap(), 1);
    let read = store.load_pulled(&[a, b]).await.unwrap();
    let of = |id| read.iter().find(|p| p.state.id == id).unwrap();
    assert_eq!(of(a).payload, None);
    assert_eq!(of(a).state.closed, Some((at(5), CloseReason::Erased)));
    assert_eq!(of(a).state.observation, 2);
    assert_ne!(of(a).state.hash, records[0].hash);
    assert_eq!(of(b).payload.as_ref(), Some(&records[1].payload));
    assert!(of(b).state.is_live());
    assert_eq!(store.meta(&note(a)).await.unwrap(), None);
    assert!(store.meta(&note(b)).await.unwrap().is_some());
    let decisions = store.decisions().await.unwrap();
    assert_eq!(decisions, [said(a)]);
    assert_eq!(store.erased().await.unwrap(), [a]);
    assert_eq!(
        store.erase(vec![said(a)], vec![], at(5)).await.unwrap(),
        0,
        "once"
    );

    // What the source shows of it later, broken, is not kept either.
    let mut refused = record("A", "Mme Quérard");
    refused.verdict = passerelle::store::RecordVerdict::Rejected(Vec::new());
    let run = planned(&store, vec![refused], plan(SnapshotKind::Complete)).await;
    store.finish_run(run, RunEnd::default()).await.unwrap();
    assert!(store.rejects(&connector(), 9).await.unwrap().is_empty());

    // A run that had read it before does not bring it back.
    seen(&store, &records[..1]).await;
    let read = store.load_pulled(&[a]).await.unwrap();
    assert_eq!(read[0].state.closed, Some((at(5), CloseReason::Erased)));
    assert_eq!(read[0].payload, None);
}

/// Nor of what was said of it with another, before or after.
async fn of_what_is_erased_no_word_is_kept(backend: &Backend) {
    let store = backend.open().await;
    seen(&store, &[record("A", ""), record("B", ""), record("C", "")]).await;
    let said = |kind, subject: &str, object: Option<&str>, minutes| Decision {
        kind,
        subject: id(subject),
        object: object.map(id),
        who: "anne".into(),
        why: "Mme Quérard aussi".into(),
        at: at(minutes),
        shown: object.map(|_| vec![1, 2, 3]),
    };
    let different = DecisionKind::Different;
    for (minutes, pair) in [("A", "B"), ("B", "C"), ("C", "A")].into_iter().enumerate() {
        let said = said(different, pair.0, Some(pair.1), minutes as i64);
        store.decide(said, Vec::new()).await.unwrap();
    }
    let erase = said(DecisionKind::Erase, "A", None, 5);
    store.erase(vec![erase], vec![], at(5)).await.unwrap();
    for pair in [("A", "B"), ("C", "A"), ("C", "B")] {
        let said = said(different, pair.0, Some(pair.1), 6);
        store.decide(said, Vec::new()).await.unwrap();
    }
    let decisions = store.decisions().await.unwrap();
    let pairs = decisions.iter().filter(|d| d.kind == different);
    let mut counted = 0;
    for decision in pairs {
        let erased = decision.subject == id("A") || decision.object == Some(id("A"));
        assert_eq!(decision.shown.is_none(), erased, "{decision:?}");
        if decision.at < at(5) {
            assert_eq!(decision.why.is_empty(), erased, "{decision:?}");
        }
        counted += 1;
    }
    assert_eq!(counted, 6);
}

async fn notes_are_written_together_and_read_by_prefix(backend: &Backend) {
    let store = backend.open().await;
    let note = |key: &str, value: Option<&str>| (key.to_owned(), value.map(str::to_owned));
    let written = [("a/É", "1"), ("a/b", "2"), ("a%", "3"), ("b", "4\0")];
    let notes = written.map(|(key, value)| note(key, Some(value))).to_vec();
    store.write_notes(notes).await.unwrap();
    let read = async |prefix: &str| store.notes(prefix).await.unwrap();
    let both = [("a/b", "2"), ("a/É", "1")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(read("a/").await, both);
    assert_eq!(read("b").await, [("b".to_owned(), "4\0".to_owned())]);
    let more = vec![note("a/b", None), note("a/É", Some("5"))];
    store.write_notes(more).await.unwrap();
    assert_eq!(read("a/").await, [("a/É".to_owned(), "5".to_owned())]);
    assert_eq!(store.meta("a%").await.unwrap().as_deref(), Some("3"));
}

fn doubt(guard: &str) -> Doubt {
    Doubt {
        guard: guard.into(),
        why: "12 offres sur 20 absentes".into(),
        new: Vec::new(),
        changed: Vec::new(),
        missing: vec!["A".into()],
        closed: Vec::new(),
        postings: 12,
        rekey: vec![("A".into(), "B".into())],
    }
}

async fn doubted(store: &DynStore, guard: &str) -> HoldId {
    let end = RunEnd {
        hold: Some(doubt(guard)),
        ended: Some(at(1)),
        ..RunEnd::default()
    };
    ended(store, plan(SnapshotKind::Complete), end).await;
    store.holds(true).await.unwrap()[0].id
}

async fn status(store: &DynStore, hold: HoldId) -> HoldStatus {
    store.hold(hold).await.unwrap().unwrap().status
}

async fn one_open_hold_a_connector(backend: &Backend) {
    let store = backend.open().await;
    let first = doubted(&store, "volume").await;
    let second = doubted(&store, "fill").await;
    assert_ne!(first, second);
    assert_eq!(status(&store, first).await, HoldStatus::Replaced);
    let open = store.holds(true).await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].doubt, doubt("fill"));
    assert_eq!((open[0].opened, &open[0].decided), (at(1), &None));

    // A run that says nothing of holds leaves it; a plausible one clears it.
    ended(&store, plan(SnapshotKind::Partial), RunEnd::default()).await;
    assert_eq!(store.holds(true).await.unwrap().len(), 1);
    assert_eq!(store.statistics().await.unwrap().holds, 1);
    let end = RunEnd {
        clear_hold: true,
        ..RunEnd::default()
    };
    ended(&store, plan(SnapshotKind::Complete), end).await;
    assert_eq!(status(&store, second).await, HoldStatus::Cleared);
    assert!(store.holds(true).await.unwrap().is_empty());
    assert_eq!(store.holds(false).await.unwrap().len(), 2);
}

async fn a_released_hold_is_applied_once(backend: &Backend) {
    let store = backend.open().await;
    let hold = doubted(&store, "volume").await;
    let decide = |released| store.decide_hold(hold, released, "anne", "fermeture du site", at(5));
    assert!(decide(true).await.unwrap());
    assert!(!decide(false).await.unwrap());
    let released = store.released_holds().await.unwrap();
    assert_eq!(released.len(), 1);
    let said = (at(5), "anne".to_owned(), "fermeture du site".to_owned());
    assert_eq!(released[0].decided, Some(said));
    let mut plan = plan(SnapshotKind::Complete);
    plan.releases = Some(hold);
    let end = RunEnd {
        clear_hold: true,
        ..RunEnd::default()
    };
    ended(&store, plan, end).await;
    assert_eq!(status(&store, hold).await, HoldStatus::Applied);
    assert!(store.released_holds().await.unwrap().is_empty());

    let other = doubted(&store, "empty").await;
    let rejected = store.decide_hold(other, false, "anne", "", at(6)).await;
    assert!(rejected.unwrap());
    assert_eq!(status(&store, other).await, HoldStatus::Rejected);
    let unknown = store
        .decide_hold(HoldId(999), true, "anne", "", at(6))
        .await;
    assert!(!unknown.unwrap());
    assert!(store.hold(HoldId(999)).await.unwrap().is_none());
}

async fn answering_a_replaced_hold_answers_its_successor(backend: &Backend) {
    let store = backend.open().await;
    let shown = doubted(&store, "volume").await;
    let newest = doubted(&store, "volume").await;
    let decided = store.decide_hold(shown, true, "anne", "", at(5)).await;
    assert!(decided.unwrap());
    assert_eq!(status(&store, newest).await, HoldStatus::Released);
    assert_eq!(status(&store, shown).await, HoldStatus::Replaced);
}

async fn decisions_are_kept_in_order(backend: &Backend) {
    let store = backend.open().await;
    let decision = |kind, subject: &str, object: Option<&str>, minutes| Decision {
        kind,
        subject: id(subject),
        object: object.map(id),
        who: "anne".into(),
        why: "même poste".into(),
        at: at(minutes),
        shown: object.map(|_| vec![0, 1, 255]),
    };
    let same = decision(DecisionKind::Same, "A", Some("B"), 1);
    let hide = decision(DecisionKind::Hide, "C", None, 2);
    let different = decision(DecisionKind::Different, "A", Some("B"), 3);
    let event = pulled(&state(&record("A", ""), 1));
    store.decide(same.clone(), vec![event]).await.unwrap();
    store.decide(hide.clone(), Vec::new()).await.unwrap();
    store.decide(different.clone(), Vec::new()).await.unwrap();
    // Told again after a lost answer, it is the same decision.
    store.decide(different.clone(), Vec::new()).await.unwrap();
    let all = store.decisions().await.unwrap();
    assert_eq!(all, [same.clone(), hide.clone(), different.clone()]);
    let mut tx = store.lock_public().await.unwrap();
    let of_pair = tx.decisions(&[id("B"), id("A")]).await.unwrap();
    assert_eq!(of_pair, [same, different]);
    assert_eq!(tx.decisions(&[id("C")]).await.unwrap(), [hide]);
    drop(tx);
    assert_eq!(lease(&store, Stage::Normalise, 1).await.len(), 1);

    // A run writes its decisions with its last batch.
    let rekey = decision(DecisionKind::Rekey, "D", Some("E"), 4);
    let end = RunEnd {
        decisions: vec![rekey.clone()],
        ..RunEnd::default()
    };
    ended(&store, plan(SnapshotKind::Complete), end).await;
    assert_eq!(store.decisions().await.unwrap().last(), Some(&rekey));
}

async fn requested_runs_are_taken_once(backend: &Backend) {
    let store = backend.open().await;
    let (a, b) = (connector(), ConnectorName::from("b"));
    let both = [a.clone(), b.clone()];
    store.request_runs(&both, at(0)).await.unwrap();
    store.request_runs(&both[..1], at(0)).await.unwrap();
    let mut taken = store.take_requests().await.unwrap();
    taken.sort();
    assert_eq!(taken, [b.clone(), a.clone()]);
    assert!(store.take_requests().await.unwrap().is_empty());
    assert_eq!(store.pending_requests().await.unwrap().len(), 2);
    // Asked again while its run is under way: one more run is due after it.
    store.request_runs(&both[..1], at(1)).await.unwrap();
    store.request_done(&a).await.unwrap();
    store.request_done(&b).await.unwrap();
    assert_eq!(store.pending_requests().await.unwrap(), both[..1]);
    assert_eq!(store.take_requests().await.unwrap(), both[..1]);
    store.request_done(&a).await.unwrap();
    assert!(store.pending_requests().await.unwrap().is_empty());
    store.request_runs(&both[..1], at(2)).await.unwrap();
    assert_eq!(store.take_requests().await.unwrap(), both[..1]);
}

async fn a_request_survives_a_crash(backend: &Backend) {
    let store = backend.open().await;
    store.request_runs(&[connector()], at(0)).await.unwrap();
    assert_eq!(store.take_requests().await.unwrap().len(), 1);
    drop(store);
    let store = backend.open().await;
    assert_eq!(store.take_requests().await.unwrap(), [connector()]);
}

async fn retention_keeps_what_is_needed(backend: &Backend) {
    let store = backend.open().await;
    normalised(
        &store,
        &[("A", &[1]), ("B", &[1]), ("C", &[1]), ("D", &[1])],
    )
    .await;
    let of = |reference: &str, vacancy: &str| (id(reference), id(vacancy).vacancy());
    // B shares a vacancy with A, which stays live; C and D are alone.
    let clusters = vec![of("A", "A"), of("B", "A"), of("C", "C"), of("D", "D")];
    let commit = PublicCommit {
        clusters,
        ..PublicCommit::default()
    };
    publish(&store, commit).await;
    let closed = [id("B"), id("C")].map(|id| (id, CloseReason::Absent));
    store.close(&closed, at(10)).await.unwrap();
    store
        .close(&[(id("D"), CloseReason::Absent)], at(50))
        .await
        .unwrap();
    ended(&store, plan(SnapshotKind::Complete), RunEnd::default()).await;
    ended(&store, plan(SnapshotKind::Complete), RunEnd::default()).await;

    let all = ["A", "B", "C", "D"].map(id);
    let features = all.map(|id| (id, [7; 16], Bytes::from_static(b"read")));
    let commit = PublicCommit {
        features: features.to_vec(),
        ..PublicCommit::default()
    };
    publish(&store, commit).await;
    assert!(store.prune(at(9), at(30)).await.unwrap() > 0);
    assert_eq!(store.prune(at(9), at(30)).await.unwrap(), 0);
    // The newest run stays; so do ids and states of all postings.
    assert_eq!(store.runs(None, 10).await.unwrap().len(), 1);
    assert_eq!(store.posting_states(&connector()).await.unwrap().len(), 4);
    let kept: Vec<_> = store.load_normalised(&all).await.unwrap();
    let kept: Vec<_> = kept.iter().map(|stored| stored.state.id).collect();
    assert_eq!(kept, [id("A"), id("B"), id("D")]);
    let payloads = store.load_pulled(&all).await.unwrap();
    let kept: Vec<_> = payloads.iter().map(|p| p.payload.is_some()).collect();
    assert_eq!(kept, [true, true, false, true]);
    assert_eq!(payloads[2].made_from, None);
    let read = store.features(&all).await.unwrap();
    assert!(read.len() == 3 && read.iter().all(|(of, ..)| *of != id("C")));
    assert_eq!(store.candidates(&[id("A")], 9).await.unwrap().len(), 2);
}

async fn figures(backend: &Backend) {
    let store = backend.open().await;
    assert_eq!(store.statistics().await.unwrap(), Default::default());
    seen(&store, &[record("A", ""), record("B", "")]).await;
    store
        .close(&[(id("A"), CloseReason::Gone)], at(1))
        .await
        .unwrap();
    let statistics = store.statistics().await.unwrap();
    assert_eq!(statistics.live_postings, [(connector(), 1)].into());
    assert_eq!(store.posting_ids(None).await.unwrap().len(), 2);
    let other = ConnectorName::from("other");
    assert!(store.posting_ids(Some(&other)).await.unwrap().is_empty());
    let (current, known) = store.migrate(true).await.unwrap();
    assert_eq!(current, known);
    assert_eq!(store.migrate(false).await.unwrap(), (known, known));
}
