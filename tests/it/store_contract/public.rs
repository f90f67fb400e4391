//! Public state: numbered in the order of commits, one row a vacancy, resolvable by any id.

use super::backend::Backend;
use super::fixtures::*;
use passerelle::model::{Edge, Outcome, PostingId, Stage, TombstoneReason, VacancyStatus};
use passerelle::store::{Change, ChangeOp, FLOOR, PublicCommit};
use std::time::Duration;

super::over_all_backends!(
    changes_are_numbered_and_only_the_newest_is_kept,
    nothing_is_published_without_a_change_row,
    a_body_is_required_to_publish,
    pages_and_snapshot_are_one_read,
    ids_resolve_to_their_vacancy,
    an_unmerge_restores,
    a_dropped_lock_changes_nothing,
    numbers_have_no_gap_under_competition,
    edges_and_clusters_are_replaced,
    a_commit_is_all_or_nothing,
    cursors_and_notes,
    old_tombstones_go_and_readers_are_told,
);

async fn changes_are_numbered_and_only_the_newest_is_kept(backend: &Backend) {
    let store = backend.open().await;
    assert_eq!(store.head().await.unwrap(), 0);
    publish(
        &store,
        vacancies(vec![upsert("A", "un", 1), upsert("B", "deux", 1)]),
    )
    .await;
    publish(&store, vacancies(vec![upsert("A", "trois", 2)])).await;
    let gone = tombstone("B", TombstoneReason::Filled, None, 3);
    publish(&store, vacancies(vec![gone])).await;
    assert_eq!(store.head().await.unwrap(), 4);
    let expected = [
        Change {
            seq: 3,
            id: id("A").vacancy(),
            changed_at: at(2),
            op: ChangeOp::Upsert {
                body: body("A", "trois"),
            },
        },
        Change {
            seq: 4,
            id: id("B").vacancy(),
            changed_at: at(3),
            op: ChangeOp::Delete {
                reason: TombstoneReason::Filled,
                into: None,
            },
        },
    ];
    assert_eq!(store.changes(0, 10).await.unwrap(), expected);
    assert_eq!(store.changes(0, 1).await.unwrap(), expected[..1]);
    assert_eq!(store.changes(3, 10).await.unwrap(), expected[1..]);
    assert!(store.changes(4, 10).await.unwrap().is_empty());

    let closed = store.vacancy(id("B").vacancy()).await.unwrap().unwrap();
    assert_eq!((closed.seq, closed.changed_at), (4, Some(at(3))));
    assert_eq!(closed.body, None);
    assert!(matches!(closed.status, VacancyStatus::Closed { .. }));
    drop(store);
    let store = backend.open().await;
    publish(&store, vacancies(vec![upsert("B", "de retour", 5)])).await;
    assert_eq!(store.head().await.unwrap(), 5);
    let statistics = store.statistics().await.unwrap();
    assert_eq!((statistics.vacancies, statistics.head), (2, 5));
}

async fn nothing_is_published_without_a_change_row(backend: &Backend) {
    let store = backend.open().await;
    publish(&store, vacancies(vec![upsert("A", "un", 1)])).await;
    let mut silent = upsert("A", "deux", 2);
    silent.change = None;
    publish(&store, vacancies(vec![silent])).await;
    let stored = store.vacancy(id("A").vacancy()).await.unwrap().unwrap();
    assert_eq!(stored.body, Some(body("A", "un")));
    assert_eq!(stored.vacancy.unwrap().offer.title, "deux");
    assert_eq!(store.head().await.unwrap(), 1);

    let mut hidden = upsert("B", "interne", 2);
    hidden.status = VacancyStatus::Private;
    hidden.body = None;
    hidden.change = None;
    publish(&store, vacancies(vec![hidden])).await;
    let stored = store.vacancy(id("B").vacancy()).await.unwrap().unwrap();
    assert_eq!((stored.seq, stored.body), (0, None));
    assert_eq!(store.snapshot().await.unwrap().1.len(), 1);
}

async fn a_body_is_required_to_publish(backend: &Backend) {
    let store = backend.open().await;
    let mut empty = upsert("A", "un", 1);
    empty.body = None;
    let tx = store.lock_public().await.unwrap();
    let refused = tx
        .commit(
            vacancies(vec![upsert("B", "deux", 1), empty]),
            &inbox(Stage::Dedupe, Vec::new()),
        )
        .await;
    assert!(refused.is_err_and(|error| !error.is_transient()));
    assert_eq!(store.head().await.unwrap(), 0);
    assert!(store.vacancy(id("B").vacancy()).await.unwrap().is_none());
}

async fn pages_and_snapshot_are_one_read(backend: &Backend) {
    let store = backend.open().await;
    let writes: Vec<_> = ["A", "B", "C", "D", "E"]
        .iter()
        .map(|reference| upsert(reference, "titre", 1))
        .collect();
    publish(&store, vacancies(writes)).await;
    let gone = tombstone("C", TombstoneReason::Hidden, None, 2);
    publish(&store, vacancies(vec![gone])).await;
    let (head, all) = store.snapshot().await.unwrap();
    assert_eq!((head, all.len()), (6, 4));
    assert!(all.is_sorted_by_key(|vacancy| vacancy.id));
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let (head, page) = store.live_vacancies(after, 3).await.unwrap();
        assert_eq!(head, 6);
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        paged.extend(page);
    }
    assert_eq!(paged, all);
}

async fn ids_resolve_to_their_vacancy(backend: &Backend) {
    let store = backend.open().await;
    normalised(&store, &[("A", &[]), ("B", &[]), ("C", &[])]).await;
    let into = id("A").vacancy();
    let clusters = ["A", "B", "C"].map(|reference| (id(reference), into));
    let commit = PublicCommit {
        clusters: clusters.to_vec(),
        vacancies: vec![
            upsert("A", "un", 1),
            tombstone("B", TombstoneReason::Merged, Some(into), 1),
        ],
        ..PublicCommit::default()
    };
    publish(&store, commit).await;
    for reference in ["A", "B", "C"] {
        let found = store.vacancy(id(reference).vacancy()).await.unwrap();
        let found = found.unwrap();
        assert_eq!(found.id, into, "{reference}");
        assert_eq!(found.postings.len(), 3);
        assert_eq!(found.provenance.as_deref(), Some(&b"{}"[..]));
    }
    assert!(store.vacancy(id("Z").vacancy()).await.unwrap().is_none());
    let changes = store.changes(0, 10).await.unwrap();
    assert!(changes.iter().any(|change| change.op
        == ChangeOp::Delete {
            reason: TombstoneReason::Merged,
            into: Some(into)
        }));
    // By exact id the merged row is itself.
    let mut tx = store.lock_public().await.unwrap();
    let exact = tx.vacancies(&[id("B").vacancy(), into]).await.unwrap();
    assert_eq!(exact.len(), 2);
    assert_eq!(exact[0].status, VacancyStatus::Merged { into });
}

async fn an_unmerge_restores(backend: &Backend) {
    let store = backend.open().await;
    normalised(&store, &[("A", &[]), ("B", &[])]).await;
    let into = id("A").vacancy();
    let merge = PublicCommit {
        clusters: vec![(id("A"), into), (id("B"), into)],
        vacancies: vec![
            upsert("A", "un", 1),
            tombstone("B", TombstoneReason::Merged, Some(into), 1),
        ],
        ..PublicCommit::default()
    };
    publish(&store, merge).await;
    let split = PublicCommit {
        clusters: vec![(id("B"), id("B").vacancy())],
        vacancies: vec![upsert("B", "deux", 2)],
        ..PublicCommit::default()
    };
    publish(&store, split).await;
    for reference in ["A", "B"] {
        let own = id(reference).vacancy();
        let found = store.vacancy(own).await.unwrap().unwrap();
        assert_eq!(found.id, own);
        assert_eq!(found.status, VacancyStatus::Live);
        assert_eq!(found.postings, [id(reference)]);
    }
}

async fn a_dropped_lock_changes_nothing(backend: &Backend) {
    let store = backend.open().await;
    normalised(&store, &[("A", &[])]).await;
    let mut tx = store.lock_public().await.unwrap();
    tx.load_normalised(&[id("A")]).await.unwrap();
    // While it is held nobody else has it.
    let second = tokio::time::timeout(Duration::from_millis(200), store.lock_public()).await;
    assert!(second.is_err());
    drop(tx);
    assert_eq!(store.head().await.unwrap(), 0);
    let next = tokio::time::timeout(Duration::from_secs(10), store.lock_public()).await;
    assert!(next.is_ok());
}

async fn numbers_have_no_gap_under_competition(backend: &Backend) {
    let store = backend.open().await;
    let workers = (0..4).map(|worker| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0..10 {
                let reference = format!("{worker}-{n}");
                publish(&store, vacancies(vec![upsert(&reference, "titre", n)])).await;
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    let changes = store.changes(0, 100).await.unwrap();
    let numbers: Vec<_> = changes.iter().map(|change| change.seq).collect();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
}

async fn edges_and_clusters_are_replaced(backend: &Backend) {
    let store = backend.open().await;
    let edge = |a: &str, b: &str, outcome| {
        let (a, b) = (id(a), id(b));
        Edge {
            a: a.min(b),
            b: a.max(b),
            outcome,
            weight: 4200,
            evidence: vec!["titre".into(), "lieu".into()],
        }
    };
    let sorted = |mut edges: Vec<Edge>| {
        edges.sort_by_key(|edge| (edge.a, edge.b));
        edges
    };
    let first = vec![
        edge("A", "B", Outcome::Same),
        edge("B", "C", Outcome::Ask),
        edge("C", "D", Outcome::Different),
    ];
    let commit = PublicCommit {
        edges: first.clone(),
        clusters: vec![
            (id("A"), id("A").vacancy()),
            (id("B"), id("A").vacancy()),
            (id("C"), id("C").vacancy()),
        ],
        ..PublicCommit::default()
    };
    publish(&store, commit).await;
    let mut tx = store.lock_public().await.unwrap();
    assert_eq!(
        tx.edges(&[id("B"), id("B")]).await.unwrap(),
        sorted(first[..2].to_vec())
    );
    let members: Vec<PostingId> = tx
        .clusters(&[id("B"), id("unknown")])
        .await
        .unwrap()
        .into_iter()
        .map(|(posting, vacancy)| {
            assert_eq!(vacancy, id("A").vacancy());
            posting
        })
        .collect();
    assert_eq!(members.len(), 2);
    let commit = PublicCommit {
        replace_edges_of: [id("B")].into(),
        edges: vec![edge("A", "B", Outcome::Different)],
        clusters: vec![(id("B"), id("C").vacancy())],
        ..PublicCommit::default()
    };
    tx.commit(commit, &inbox(Stage::Dedupe, Vec::new()))
        .await
        .unwrap();
    let mut tx = store.lock_public().await.unwrap();
    let all = tx.edges(&[id("A"), id("B"), id("C")]).await.unwrap();
    let expected = vec![edge("A", "B", Outcome::Different), first[2].clone()];
    assert_eq!(sorted(all), sorted(expected));
    let members = tx.clusters(&[id("C")]).await.unwrap();
    assert_eq!(members.len(), 2);
}

async fn a_commit_is_all_or_nothing(backend: &Backend) {
    let store = backend.open().await;
    normalised(&store, &[("A", &[])]).await;
    let events = lease(&store, Stage::Dedupe, 1).await;
    let commit = PublicCommit {
        clusters: vec![(id("A"), id("A").vacancy())],
        vacancies: vec![upsert("A", "un", 1)],
        events: vec![pulled(&state(&record("A", ""), 1))],
        ..PublicCommit::default()
    };
    let tx = store.lock_public().await.unwrap();
    let settled = inbox(Stage::Dedupe, events.iter().map(|event| event.id).collect());
    tx.commit(commit, &settled).await.unwrap();
    drop(store);
    let store = backend.open().await;
    assert_eq!(store.head().await.unwrap(), 1);
    assert!(lease(&store, Stage::Dedupe, 999).await.is_empty());
    assert_eq!(lease(&store, Stage::Normalise, 999).await.len(), 2);
}

async fn cursors_and_notes(backend: &Backend) {
    let store = backend.open().await;
    assert_eq!(store.cursor("webhook:1").await.unwrap(), 0);
    store.set_cursor("webhook:1", 7).await.unwrap();
    store.set_cursor("webhook:1", 9).await.unwrap();
    assert_eq!(store.cursor("webhook:1").await.unwrap(), 9);
    assert_eq!(store.cursor("webhook:2").await.unwrap(), 0);
    // Who moves it says from where: two who believe that it is theirs do not set it back.
    assert!(store.advance_cursor("webhook:1", 9, 12).await.unwrap());
    assert!(!store.advance_cursor("webhook:1", 9, 10).await.unwrap());
    assert_eq!(store.cursor("webhook:1").await.unwrap(), 12);
    assert!(!store.advance_cursor("webhook:2", 3, 4).await.unwrap());
    assert!(store.advance_cursor("webhook:2", 0, 4).await.unwrap());
    assert_eq!(store.cursor("webhook:2").await.unwrap(), 4);
    assert_eq!(store.meta("site").await.unwrap(), None);
    store.set_meta("site", "un").await.unwrap();
    store.set_meta("site", "deux").await.unwrap();
    assert_eq!(store.meta("site").await.unwrap().as_deref(), Some("deux"));
}

async fn old_tombstones_go_and_readers_are_told(backend: &Backend) {
    let store = backend.open().await;
    let gone = |name, minutes| tombstone(name, TombstoneReason::Filled, None, minutes);
    let all = ["A", "B", "C", "D"].map(|name| upsert(name, name, 1));
    publish(&store, vacancies(all.into())).await;
    for (name, minutes) in [("A", 10), ("B", 20), ("C", 30)] {
        publish(&store, vacancies(vec![gone(name, minutes)])).await;
    }
    let numbers = async || -> Vec<u64> {
        let changes = store.changes(0, 10).await.unwrap();
        changes.into_iter().map(|change| change.seq).collect()
    };
    assert_eq!(numbers().await, [4, 5, 6, 7]);
    store.prune(at(0), at(15)).await.unwrap();
    assert_eq!(numbers().await, [4, 6, 7]);
    assert_eq!(store.meta(FLOOR).await.unwrap().as_deref(), Some("5"));
    // What is live is never dropped, nor the newest change: its number is the head.
    store.prune(at(0), at(60)).await.unwrap();
    assert_eq!(numbers().await, [4, 7]);
    assert_eq!(store.meta(FLOOR).await.unwrap().as_deref(), Some("6"));
    assert_eq!(store.head().await.unwrap(), 7);
    // The page still says that it is gone.
    let closed = store.vacancy(id("A").vacancy()).await.unwrap().unwrap();
    assert!(matches!(closed.status, VacancyStatus::Closed { .. }));
    publish(&store, vacancies(vec![upsert("A", "de retour", 70)])).await;
    assert_eq!(numbers().await, [4, 7, 8]);
    store.prune(at(0), at(60)).await.unwrap();
    assert_eq!(numbers().await, [4, 8]);
    assert_eq!(store.meta(FLOOR).await.unwrap().as_deref(), Some("7"));
}
