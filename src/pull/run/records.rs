//! Records that are refused, have no reference, or share one with another (law 7).

use super::support::{Shot, offer, offers};
use super::tests::{bench, counts, with};
use crate::model::PostingId;
use crate::pull::source::SourceRecord;
use crate::store::Counts;
use serde_json::{Value, json};

#[tokio::test]
async fn a_rejected_record_is_counted_kept_and_not_missing() {
    let hub = bench();
    hub.run(Shot::complete(offers(0..20))).await;
    let mut shot = offers(3..20);
    shot.push(json!({ "ref": "R000" }));
    shot.push(json!({ "ref": "R001", "panic": true }));
    let mut shot = Shot::complete(shot);
    shot.records.push(SourceRecord::Broken {
        reference: None,
        raw: "<job><id>R002</id><title>Aide".to_owned(),
        why: "unclosed".to_owned(),
    });
    for _ in 0..4 {
        let report = hub.hourly(shot.clone()).await;
        assert_eq!(
            report.counts,
            Counts {
                rejected: 3,
                ..counts(20, 0, 0, 17)
            }
        );
    }
    assert_eq!(hub.live().await.len(), 20);
    let rejects = hub.store.rejects(&"ats".into(), 10).await.unwrap();
    let references: Vec<&str> = rejects.iter().map(|r| r.reference.as_str()).collect();
    assert_eq!(references, ["R000", "R001", "R002"]);
    assert_eq!(rejects[1].problems[0].rule, "map.panic");
}

#[tokio::test]
async fn records_without_references_hold_the_absences() {
    let hub = bench();
    hub.run(Shot::complete(offers(0..2))).await;
    let nameless = vec![json!({ "id": "a" }), json!({ "id": "b" })];
    for _ in 0..5 {
        let report = hub.hourly(Shot::complete(nameless.clone())).await;
        assert_eq!((report.counts.rejected, report.counts.held), (2, 2));
    }
    assert_eq!(hub.live().await.len(), 2);
}

/// One record whose reference cannot be read may be the one offer that seems to be missing.
#[tokio::test]
async fn a_single_nameless_record_holds_the_absences() {
    let hub = bench();
    hub.run(Shot::complete(offers(0..20))).await;
    let mut torn = offers(1..20);
    torn.push(json!("R"));
    for _ in 0..4 {
        let report = hub.hourly(Shot::complete(torn.clone())).await;
        assert_eq!((report.counts.rejected, report.counts.held), (1, 1));
    }
    assert_eq!(hub.live().await.len(), 20);
    // Once the record is whole again nothing is doubted; once it is gone, its offer closes.
    hub.hourly(Shot::complete(offers(0..20))).await;
    assert!(hub.store.holds(true).await.unwrap().is_empty());
    hub.hourly(Shot::complete(offers(1..20))).await;
    hub.hourly(Shot::complete(offers(1..20))).await;
    assert_eq!(hub.live().await.len(), 19);
}

#[tokio::test]
async fn a_repeated_reference_counts_once_and_the_last_wins() {
    let hub = bench();
    let mut shot = offers(0..10);
    shot.push(with(offer(0), "title", "Le dernier"));
    shot.push(json!({ "ref": "R001" }));
    let report = hub.run(Shot::complete(shot.clone())).await;
    assert_eq!(
        report.counts,
        counts(10, 10, 0, 0),
        "a refused repeat spoils nothing"
    );
    assert_eq!(report.repeats.records, 2);
    assert_eq!(report.repeats.references, ["R000", "R001"]);
    let runs = hub.store.runs(None, 1).await.unwrap();
    assert_eq!(
        runs[0].repeats(),
        Some(&report.repeats),
        "the run log keeps them"
    );
    let id = PostingId::new(&"ats".into(), "R000");
    let pulled = hub.store.load_pulled(&[id]).await.unwrap();
    let payload: Value = serde_json::from_slice(pulled[0].payload.as_ref().unwrap()).unwrap();
    assert_eq!(payload["title"], "Le dernier");
    assert_eq!(
        hub.hourly(Shot::complete(shot)).await.counts,
        counts(10, 0, 0, 10)
    );
}

/// What a source always sends beside its offers says nothing of those that are missing.
#[tokio::test]
async fn a_nameless_record_that_is_always_sent_holds_nothing() {
    let hub = bench();
    let shot = |offers: Vec<Value>, nameless: &[&str]| {
        let nameless = nameless.iter().map(|text| json!({ "note": text }));
        Shot::complete(offers.into_iter().chain(nameless).collect())
    };
    hub.run(shot(offers(0..20), &["pied de page"])).await;
    let report = hub
        .hourly(shot(offers(1..20), &["autre pied de page"]))
        .await;
    assert_eq!((report.counts.missing, report.counts.held), (1, 0));
    // One more of them may be the missing offer.
    let more = shot(offers(1..20), &["pied de page", "offre déchirée"]);
    let report = hub.hourly(more).await;
    assert_eq!((report.counts.held, report.counts.closed), (1, 0));
    let report = hub.hourly(shot(offers(1..20), &["pied de page"])).await;
    assert_eq!((report.counts.held, report.counts.closed), (0, 1));
    assert!(hub.store.holds(true).await.unwrap().is_empty());
}

/// Nobody gave them the name under which they are kept.
#[tokio::test]
async fn equal_nameless_records_are_one_and_no_repeated_reference() {
    let hub = bench();
    let mut shot = offers(0..3);
    shot.push(json!({ "note": "la même" }));
    shot.push(json!({ "note": "la même" }));
    let report = hub.run(Shot::complete(shot)).await;
    assert_eq!(
        report.counts,
        Counts {
            rejected: 1,
            ..counts(4, 3, 0, 0)
        }
    );
    assert_eq!(report.repeats, crate::store::Repeats::default());
}
