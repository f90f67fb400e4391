//! What the stages load and commit.

use super::backend::Backend;
use super::fixtures::*;
use bytes::Bytes;
use passerelle::model::{ConnectorName, Edge, Outcome, PostingId, RULES, Revision, Stage};
use passerelle::store::PublicCommit;

super::over_all_backends!(
    an_older_output_is_skipped_with_its_events,
    a_commit_settles_its_messages,
    an_output_of_an_unknown_posting_is_skipped,
    candidates_share_a_key,
    a_common_key_contributes_nothing,
    a_key_that_crosses_the_limit_rechecks_its_postings,
    keys_follow_the_newest_output,
    features_are_kept_beside_the_body_that_they_are_of,
    what_was_deduped_is_remembered,
    a_posting_is_traced,
);

async fn an_older_output_is_skipped_with_its_events(backend: &Backend) {
    let store = backend.open().await;
    seen(&store, &[record("A", "")]).await;
    let none = inbox(Stage::Normalise, Vec::new());
    let commit = |title: &str, observation, rules| {
        let mut output = output(posting("A", title), observation, &[]);
        output.revision.rules = rules;
        store.commit_normalised(vec![output], &none)
    };
    commit("premier", 2, 5).await.unwrap();
    commit("ancien", 1, 5).await.unwrap();
    commit("vieilles règles", 2, 4).await.unwrap();
    let loaded = store.load_normalised(&[id("A")]).await.unwrap();
    assert_eq!(loaded[0].posting.offer.title, "premier");
    assert_eq!(lease(&store, Stage::Dedupe, 1).await.len(), 1);
    // The same pair again: a recheck, whose event counts even where the body is the same.
    commit("premier", 2, 5).await.unwrap();
    commit("relu", 2, 5).await.unwrap();
    commit("nouveau", 3, 5).await.unwrap();
    let loaded = store.load_normalised(&[id("A")]).await.unwrap();
    assert_eq!(loaded[0].posting, posting("A", "nouveau"));
    let made_from = Revision {
        observation: 3,
        rules: 5,
    };
    assert_eq!(loaded[0].made_from, made_from);
    assert_eq!(lease(&store, Stage::Dedupe, 1).await.len(), 3);
    let pulled = store.load_pulled(&[id("A")]).await.unwrap();
    assert_eq!(pulled[0].made_from, Some(made_from));
}

async fn a_commit_settles_its_messages(backend: &Backend) {
    let store = backend.open().await;
    seen(&store, &[record("A", ""), record("B", "")]).await;
    let events = lease(&store, Stage::Normalise, 0).await;
    let settled = inbox(Stage::Normalise, events.iter().map(|e| e.id).collect());
    let outputs = vec![output(posting("A", "Aide-soignant"), 1, &[])];
    store
        .commit_normalised(outputs.clone(), &settled)
        .await
        .unwrap();
    assert_eq!(lease(&store, Stage::Normalise, 600).await, []);
    // Delivered again, committed again: nothing but the event of a recheck.
    store.commit_normalised(outputs, &settled).await.unwrap();
    assert_eq!(store.load_normalised(&[id("A")]).await.unwrap().len(), 1);
    assert_eq!(lease(&store, Stage::Dedupe, 1).await.len(), 1);
}

async fn an_output_of_an_unknown_posting_is_skipped(backend: &Backend) {
    let store = backend.open().await;
    let outputs = vec![output(posting("A", "Aide-soignant"), 1, &[7])];
    let none = inbox(Stage::Normalise, Vec::new());
    store.commit_normalised(outputs, &none).await.unwrap();
    assert!(store.load_normalised(&[id("A")]).await.unwrap().is_empty());
    assert_eq!(store.outbox_depth().await.unwrap().events, 0);
}

async fn candidates_share_a_key(backend: &Backend) {
    let store = backend.open().await;
    let top = u64::MAX;
    normalised(
        &store,
        &[
            ("A", &[1, top]),
            ("B", &[1, top]),
            ("C", &[2]),
            ("D", &[1, 2]),
        ],
    )
    .await;
    let mut expected = vec![(id("A"), id("B")), (id("A"), id("D"))];
    expected.sort();
    assert_eq!(store.candidates(&[id("A")], 10).await.unwrap(), expected);
    // Two of the asked ids make a pair both ways.
    let mut expected = vec![
        (id("C"), id("D")),
        (id("D"), id("C")),
        (id("D"), id("A")),
        (id("D"), id("B")),
    ];
    expected.sort();
    let asked = [id("C"), id("D"), id("C"), id("unknown")];
    assert_eq!(store.candidates(&asked, 10).await.unwrap(), expected);
    let mut tx = store.lock_public().await.unwrap();
    assert_eq!(tx.candidates(&asked, 10).await.unwrap(), expected);
}

async fn a_common_key_contributes_nothing(backend: &Backend) {
    let store = backend.open().await;
    normalised(
        &store,
        &[("A", &[1]), ("B", &[1]), ("C", &[1, 2]), ("D", &[2])],
    )
    .await;
    assert_eq!(store.candidates(&[id("A")], 3).await.unwrap().len(), 2);
    assert_eq!(store.candidates(&[id("A")], 2).await.unwrap(), []);
    let kept = store.candidates(&[id("C")], 2).await.unwrap();
    assert_eq!(kept, [(id("C"), id("D"))]);
}

async fn a_key_that_crosses_the_limit_rechecks_its_postings(backend: &Backend) {
    let store = backend.open().await;
    normalised(
        &store,
        &[("A", &[1]), ("B", &[1]), ("C", &[1, 2]), ("D", &[2])],
    )
    .await;
    lease(&store, Stage::Dedupe, 1).await;
    let derive = async |reference: &str, cap| {
        let mut tx = store.lock_public().await.unwrap();
        tx.candidates(&[id(reference)], cap).await.unwrap();
        let none = inbox(Stage::Dedupe, Vec::new());
        tx.commit(PublicCommit::default(), &none).await.unwrap();
        let mut rechecked: Vec<String> = lease(&store, Stage::Dedupe, 1)
            .await
            .into_iter()
            .map(|event| {
                assert!(event.kind.is_recheck());
                event.key
            })
            .collect();
        rechecked.sort();
        rechecked
    };
    let keys = |references: &[&str]| {
        let mut keys: Vec<_> = references.iter().map(|r| id(r).to_string()).collect();
        keys.sort();
        keys
    };
    assert!(derive("A", 3).await.is_empty());
    // Key 1 has three postings: with a limit of two it is generic, once.
    assert_eq!(derive("C", 2).await, keys(&["A", "B", "C"]));
    assert!(derive("A", 2).await.is_empty());
    // B leaves the block; the derivation of any posting notices.
    let moved = vec![output(posting("B", "Aide-soignant"), 2, &[9])];
    let none = inbox(Stage::Normalise, Vec::new());
    store.commit_normalised(moved, &none).await.unwrap();
    lease(&store, Stage::Dedupe, 1).await;
    assert_eq!(derive("B", 2).await, keys(&["A", "C"]));
    assert!(derive("D", 2).await.is_empty());
}

async fn keys_follow_the_newest_output(backend: &Backend) {
    let store = backend.open().await;
    normalised(&store, &[("A", &[1]), ("B", &[1])]).await;
    let none = inbox(Stage::Normalise, Vec::new());
    let moved = vec![output(posting("A", "Aide-soignant"), 2, &[9])];
    store.commit_normalised(moved, &none).await.unwrap();
    assert_eq!(store.candidates(&[id("A")], 10).await.unwrap(), []);
    assert_eq!(store.candidates(&[id("B")], 10).await.unwrap(), []);
}

async fn features_are_kept_beside_the_body_that_they_are_of(backend: &Backend) {
    let store = backend.open().await;
    seen(&store, &[record("A", ""), record("B", "")]).await;
    let none = inbox(Stage::Normalise, Vec::new());
    let commit = async |title: &str, observation, features: Option<&'static [u8]>| {
        let mut output = output(posting("A", title), observation, &[]);
        output.features = features.map(Bytes::from_static);
        let digests = store.commit_normalised(vec![output], &none).await.unwrap();
        digests[0].1
    };
    let both = [id("A"), id("B")];
    let first = commit("premier", 2, Some(b"one")).await;
    let kept = store.features(&both).await.unwrap();
    assert_eq!(kept, [(id("A"), first, Bytes::from_static(b"one"))]);
    let bodies = store.bodies(&both).await.unwrap();
    assert_eq!(bodies, [(posting("A", "premier"), first)]);
    // An output that is not written leaves them alone; a newer one brings its own.
    commit("ancien", 1, Some(b"old")).await;
    assert_eq!(store.features(&both).await.unwrap(), kept);
    let second = commit("second", 3, Some(b"two")).await;
    assert_ne!(first, second);
    let kept = store.features(&both).await.unwrap();
    assert_eq!(kept, [(id("A"), second, Bytes::from_static(b"two"))]);
    // What a program of other code reads of the same body takes their place, under the lock too.
    let again = (id("A"), second, Bytes::from_static(b"three"));
    let commit_of = |features| PublicCommit {
        features,
        ..PublicCommit::default()
    };
    publish(&store, commit_of(vec![again.clone()])).await;
    let mut tx = store.lock_public().await.unwrap();
    assert_eq!(tx.features(&both).await.unwrap(), [again]);
    assert_eq!(tx.bodies(&both).await.unwrap()[0].1, second);
    drop(tx);
    commit("effacé", 4, None).await;
    assert_eq!(store.features(&both).await.unwrap(), []);
}

async fn what_was_deduped_is_remembered(backend: &Backend) {
    let store = backend.open().await;
    normalised(&store, &[("A", &[])]).await;
    let revision = Revision {
        observation: 1,
        rules: RULES,
    };
    let commit = PublicCommit {
        deduped: vec![(id("A"), revision)],
        ..PublicCommit::default()
    };
    assert_eq!(
        store.load_normalised(&[id("A")]).await.unwrap()[0].deduped,
        None
    );
    publish(&store, commit).await;
    let loaded = store.load_normalised(&[id("A")]).await.unwrap();
    assert_eq!(loaded[0].deduped, Some(revision));
}

async fn a_posting_is_traced(backend: &Backend) {
    let store = backend.open().await;
    let unknown = PostingId::new(&ConnectorName::from("x"), "y");
    assert!(store.trace(unknown).await.unwrap().is_none());
    normalised(&store, &[("A", &[]), ("B", &[])]).await;
    let edge = Edge {
        a: id("A").min(id("B")),
        b: id("A").max(id("B")),
        outcome: Outcome::Same,
        weight: -12,
        evidence: vec!["même lien de candidature".into()],
    };
    let commit = PublicCommit {
        edges: vec![edge.clone()],
        clusters: vec![(id("A"), id("A").vacancy()), (id("B"), id("A").vacancy())],
        vacancies: vec![upsert("A", "Aide-soignant", 5)],
        ..PublicCommit::default()
    };
    publish(&store, commit).await;
    let trace = store.trace(id("B")).await.unwrap().unwrap();
    assert!(trace.pulled.payload.is_some());
    assert_eq!(
        trace.normalised.unwrap().posting,
        posting("B", "Aide-soignant")
    );
    assert_eq!(trace.edges, [edge]);
    assert_eq!(trace.vacancy.unwrap().id, id("A").vacancy());
    assert_eq!(trace.runs.len(), 1);
}
