//! What a preview foretells is what the run then does.

use super::*;
use crate::pull::run::support::{Bench, Shot, offer, offers};
use crate::store::SqliteStore;
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::sync::Arc;

fn bench() -> Bench {
    let store = Arc::new(SqliteStore::temporary().unwrap());
    Bench::new(store, Guards::default())
}

async fn foretold(hub: &Bench, shot: &Shot) -> Would {
    let mut forecast = Forecast::default();
    for record in shot.records.clone() {
        forecast.take(&*hub.source, record);
    }
    let end = ReadEnd {
        snapshot: shot.kind,
        error: shot.error.clone(),
        state: crate::store::ConnectorState::default(),
        requests: 1,
        bytes: 0,
    };
    let (source, now) = (&*hub.source, hub.clock().now());
    let would = forecast.conclude(&*hub.store, source, &source.name, &source.guards, &end, now);
    would.await.unwrap()
}

/// An hour later: first the forecast, then the run.
async fn both(hub: &Bench, shot: Shot) -> Would {
    hub.pass(SignedDuration::from_hours(1));
    let would = foretold(hub, &shot).await;
    let report = hub.run(shot).await;
    let counts = report.counts;
    let did = Would {
        new: counts.new,
        changed: counts.changed,
        unchanged: counts.unchanged,
        missing: counts.missing,
        closed: counts.closed,
        held: counts.held,
        doubt: report.doubt.map(|doubt| doubt.why),
    };
    assert_eq!(would, did);
    would
}

fn renumbered(range: std::ops::Range<usize>) -> Vec<Value> {
    let new = |n: usize| {
        let mut offer = offer(n);
        offer["ref"] = json!(format!("N{n:03}"));
        offer
    };
    range.map(new).collect()
}

#[tokio::test]
async fn a_forecast_comes_true() {
    let hub = bench();
    both(&hub, Shot::complete(offers(0..20))).await;
    let mut torn = offers(1..20);
    torn.push(json!({ "note": "sans référence" }));
    let would = both(&hub, Shot::complete(torn)).await;
    assert_eq!(
        (would.missing, would.held, would.closed),
        (1, 1, 0),
        "nameless"
    );

    let mut named = offers(1..20);
    named.push(json!({ "note": "R000" }));
    let would = both(&hub, Shot::complete(named)).await;
    assert_eq!(
        (would.missing, would.held),
        (0, 0),
        "its reference stands in it"
    );

    let mut repeated = offers(0..20);
    repeated.push(offer(0));
    repeated[0]["text"] = json!("le premier ne compte pas");
    repeated.push(json!({ "ref": "R001" }));
    let would = both(&hub, Shot::complete(repeated)).await;
    assert_eq!((would.changed, would.unchanged), (0, 20));

    both(&hub, Shot::complete(offers(1..20))).await;
    let would = both(&hub, Shot::complete(offers(1..20))).await;
    assert_eq!(would.closed, 1, "the second miss");

    let would = both(&hub, Shot::complete(renumbered(1..20))).await;
    assert_eq!(
        (would.new, would.missing, would.held),
        (19, 19, 38),
        "a re-key"
    );

    both(&hub, Shot::cut(offers(5..9))).await;
    both(&hub, Shot::complete(Vec::new())).await;
}

/// The third empty snapshot over a day closes a small source.
#[tokio::test]
async fn the_runs_before_are_known() {
    let hub = bench();
    both(&hub, Shot::complete(offers(0..2))).await;
    let mut closed = Vec::new();
    for _ in 0..3 {
        hub.pass(SignedDuration::from_hours(12));
        closed.push(both(&hub, Shot::complete(Vec::new())).await.closed);
    }
    assert_eq!(closed, [0, 0, 2]);
    assert!(hub.live().await.is_empty());
}
