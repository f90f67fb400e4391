//! Law 1 and the counters, sentence by sentence, over the embedded store.

use super::support::{Bench, Shot, offer, offers};
use crate::model::{Became, CloseReason, DecisionKind, EventKind, PostingId, ReopenReason};
use crate::pull::connector::Guards;
use crate::pull::source::SourceRecord;
use crate::store::{Counts, HoldStatus, RunStatus, SnapshotKind, SqliteStore};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn bench() -> Bench {
    guarded(Guards::default())
}

pub(super) fn guarded(guards: Guards) -> Bench {
    Bench::new(Arc::new(SqliteStore::temporary().unwrap()), guards)
}

pub(super) fn with(mut offer: Value, key: &str, value: &str) -> Value {
    offer[key] = json!(value);
    offer
}

pub(super) fn counts(pulled: u64, new: u64, changed: u64, unchanged: u64) -> Counts {
    Counts {
        pulled,
        new,
        changed,
        unchanged,
        ..Counts::default()
    }
}

#[tokio::test]
async fn new_changed_and_unchanged_are_told_apart() {
    let hub = bench();
    let first = hub.run(Shot::complete(offers(0..20))).await;
    assert_eq!(first.counts, counts(20, 20, 0, 0));
    let mut second = offers(0..21);
    second[3] = with(offer(3), "title", "Infirmier");
    let second = hub.hourly(Shot::complete(second)).await;
    assert_eq!(second.counts, counts(21, 1, 1, 19));
    let states = hub.states().await;
    assert_eq!(states[3].observation, 2);
    assert_eq!(states[4].observation, 1);
    assert_eq!(states[20].first_seen, hub.clock().now());
    let events = hub.store.outbox_depth().await.unwrap().events;
    assert_eq!(events, 22, "one event a change, none for the unchanged");
}

#[tokio::test]
async fn failed_does_nothing() {
    let hub = bench();
    hub.run(Shot::complete(offers(0..20)).etag("one")).await;
    let before = hub.states().await;
    let mut shot = Shot::of(SnapshotKind::Failed);
    shot.records = vec![SourceRecord::Tree(offer(99).into())];
    let failed = hub.hourly(shot).await;
    assert_eq!(failed.snapshot, SnapshotKind::Failed);
    assert_eq!(failed.counts, Counts::default());
    assert_eq!(hub.states().await, before);
    let state = hub.store.connector_state(&"ats".into()).await.unwrap();
    assert_eq!(state.etag.as_deref(), Some("one"));
    assert_eq!(state.error.as_deref(), Some("HTTP 500"));
}

#[tokio::test]
async fn partial_applies_what_it_shows_and_counts_no_absence() {
    let hub = bench();
    hub.run(Shot::complete(offers(0..20)).etag("one")).await;
    let shot = vec![
        offer(50),
        with(offer(1), "text", "autre texte"),
        with(offer(2), "status", "closed"),
    ];
    let report = hub.hourly(Shot::cut(shot)).await;
    assert_eq!(
        report.counts,
        Counts {
            missing: 18,
            closed: 1,
            ..counts(3, 1, 2, 0)
        }
    );
    let states = hub.states().await;
    assert!(states.iter().all(|s| s.misses == 0));
    assert_eq!(hub.live().await.len(), 20);
    assert_eq!(
        states[2].closed.map(|(_, reason)| reason),
        Some(CloseReason::Explicit)
    );
    hub.hourly(Shot::of(SnapshotKind::Failed)).await;
    assert_eq!(
        *hub.source.given.lock().unwrap(),
        None,
        "a 304 may only confirm a complete snapshot"
    );
}

#[tokio::test]
async fn two_misses_a_gap_apart_close() {
    let hub = bench();
    hub.run(Shot::complete(offers(0..20))).await;
    let report = hub.hourly(Shot::complete(offers(1..20))).await;
    assert_eq!((report.counts.missing, report.counts.closed), (1, 0));
    hub.pass(SignedDuration::from_mins(10));
    let report = hub.run(Shot::complete(offers(1..20))).await;
    assert_eq!(report.counts.closed, 0, "inside the gap");
    assert_eq!(hub.states().await[0].misses, 1);
    hub.pass(SignedDuration::from_mins(50));
    let report = hub.run(Shot::complete(offers(1..20))).await;
    assert_eq!((report.counts.missing, report.counts.closed), (1, 1));
    let closed = hub.states().await[0].closed;
    assert_eq!(closed, Some((hub.clock().now(), CloseReason::Absent)));
    let report = hub.hourly(Shot::complete(offers(1..20))).await;
    assert_eq!((report.counts.missing, report.counts.closed), (0, 0));
}

#[tokio::test]
async fn being_seen_again_clears_the_misses() {
    let hub = bench();
    hub.run(Shot::complete(offers(0..20))).await;
    for _ in 0..4 {
        hub.hourly(Shot::complete(offers(1..20))).await;
        assert_eq!(hub.states().await[0].misses, 1);
        hub.hourly(Shot::cut(offers(0..2))).await;
        assert_eq!(hub.states().await[0].misses, 0);
    }
    assert_eq!(hub.live().await.len(), 20);
}

#[tokio::test]
async fn unchanged_repeats_the_snapshot_that_it_confirms() {
    let hub = bench();
    hub.run(Shot::complete(offers(0..20)).etag("one")).await;
    hub.hourly(Shot::complete(offers(1..20)).etag("two")).await;
    let report = hub.hourly(Shot::of(SnapshotKind::Unchanged)).await;
    assert_eq!(hub.source.given.lock().unwrap().as_deref(), Some("two"));
    assert_eq!(report.snapshot, SnapshotKind::Unchanged);
    assert_eq!(
        report.counts,
        Counts {
            missing: 1,
            closed: 1,
            ..Counts::default()
        }
    );
    assert_eq!(hub.live().await.len(), 19);
    hub.hourly(Shot::of(SnapshotKind::Unchanged)).await;
    assert_eq!(hub.source.given.lock().unwrap().as_deref(), Some("two"));
    assert_eq!(hub.live().await.len(), 19);
}

#[tokio::test]
async fn the_volume_guard_needs_both_limits() {
    let hub = bench();
    hub.run(Shot::complete(offers(0..10))).await;
    let report = hub.hourly(Shot::complete(offers(3..10))).await;
    assert_eq!(
        (report.counts.missing, report.counts.held),
        (3, 0),
        "3 of 10: not above 3"
    );

    let hub = bench();
    hub.run(Shot::complete(offers(0..40))).await;
    let report = hub.hourly(Shot::complete(offers(12..40))).await;
    assert_eq!(
        (report.counts.missing, report.counts.held),
        (12, 0),
        "12 of 40: not above 30 %"
    );

    let hub = bench();
    hub.run(Shot::complete(offers(0..10))).await;
    let report = hub.hourly(Shot::complete(offers(4..10))).await;
    assert_eq!((report.counts.missing, report.counts.held), (4, 4));
}

#[tokio::test]
async fn a_feed_that_bleeds_is_held_against_its_own_past() {
    let hub = bench();
    for _ in 0..6 {
        hub.hourly(Shot::complete(offers(0..40))).await;
    }
    // A quarter less at a time, each time twice: no single run is over the limit.
    for first in [10, 10] {
        let report = hub.hourly(Shot::complete(offers(first..40))).await;
        assert_eq!(report.counts.held, 0, "{report:?}");
    }
    let report = hub.hourly(Shot::complete(offers(18..40))).await;
    assert_eq!((report.counts.missing, report.counts.held), (8, 8));
    assert!(
        report
            .doubt
            .is_some_and(|doubt| doubt.why.contains("had 40"))
    );
}

#[tokio::test]
async fn the_volume_guard_holds_absences_only() {
    let hub = bench();
    hub.run(Shot::complete(offers(0..20)).etag("one")).await;
    let mut shot = offers(10..22);
    shot[0] = with(offer(10), "text", "autre");
    shot[1] = with(offer(11), "status", "closed");
    for _ in 0..5 {
        let report = hub.hourly(Shot::complete(shot.clone())).await;
        assert_eq!(
            report.doubt.as_ref().map(|d| d.guard.as_str()),
            Some("volume")
        );
        assert_eq!(report.counts.held, 10);
    }
    assert_eq!(
        hub.live().await.len(),
        21,
        "new and changed through, explicit closed"
    );
    assert!(hub.states().await.iter().all(|s| s.misses == 0));
    assert_eq!(*hub.source.given.lock().unwrap(), None);
    let holds = hub.store.holds(false).await.unwrap();
    let open = holds.iter().filter(|h| h.status == HoldStatus::Open);
    assert_eq!(open.count(), 1, "one open hold a connector");
    let report = hub.hourly(Shot::complete(offers(0..22))).await;
    assert_eq!(report.doubt, None);
    assert!(
        hub.store.holds(true).await.unwrap().is_empty(),
        "a plausible run clears it"
    );
}

async fn release(hub: &Bench) {
    let hold = &hub.store.holds(true).await.unwrap()[0];
    let now = hub.clock().now();
    let decided = hub.store.decide_hold(hold.id, true, "agnes", "vu", now);
    assert!(decided.await.unwrap());
}

#[tokio::test]
async fn a_released_hold_applies_the_newest() {
    let hub = bench();
    hub.run(Shot::complete(offers(0..20))).await;
    hub.hourly(Shot::complete(offers(10..20))).await;
    release(&hub).await;
    hub.hourly(Shot::of(SnapshotKind::Failed)).await;
    assert_eq!(hub.live().await.len(), 20, "nothing to compare anew with");
    // One of the ten has come back since.
    let report = hub.hourly(Shot::complete(offers(9..20))).await;
    assert_eq!((report.counts.closed, report.counts.held), (9, 0));
    assert_eq!(hub.live().await.len(), 11);
    let report = hub.hourly(Shot::complete(offers(9..20))).await;
    assert_eq!(report.counts, counts(11, 0, 0, 11));
    let holds = hub.store.holds(false).await.unwrap();
    assert_eq!(holds[0].status, HoldStatus::Applied);
}

#[tokio::test]
async fn a_release_covers_no_more_than_what_was_seen() {
    let hub = bench();
    hub.run(Shot::complete(offers(0..40))).await;
    hub.hourly(Shot::complete(offers(15..40))).await;
    release(&hub).await;
    let report = hub.hourly(Shot::complete(offers(35..40))).await;
    assert_eq!((report.counts.closed, report.counts.held), (0, 35));
    assert_eq!(hub.live().await.len(), 40);
    assert_eq!(hub.store.holds(true).await.unwrap().len(), 1, "asked again");
}

#[tokio::test]
async fn a_rejected_hold_is_not_asked_again() {
    let hub = bench();
    hub.run(Shot::complete(offers(0..20))).await;
    hub.hourly(Shot::complete(offers(10..20))).await;
    let hold = hub.store.holds(true).await.unwrap()[0].id;
    let now = hub.clock().now();
    hub.store
        .decide_hold(hold, false, "agnes", "panne", now)
        .await
        .unwrap();
    let report = hub.hourly(Shot::complete(offers(10..20))).await;
    assert_eq!(report.counts.held, 10);
    assert!(hub.store.holds(true).await.unwrap().is_empty());
    hub.hourly(Shot::complete(offers(11..20))).await;
    assert_eq!(
        hub.store.holds(true).await.unwrap().len(),
        1,
        "another doubt is asked"
    );
    assert_eq!(hub.live().await.len(), 20);
}

#[tokio::test]
async fn explicit_closings_over_the_limit_are_held() {
    let hub = bench();
    hub.run(Shot::complete(offers(0..10))).await;
    let close = |n: usize| {
        let mut shot = offers(0..10);
        for record in &mut shot[..n] {
            record["status"] = json!("closed");
        }
        shot
    };
    let report = hub.hourly(Shot::complete(close(4))).await;
    assert_eq!((report.counts.closed, report.counts.held), (0, 4));
    assert_eq!(report.doubt.unwrap().guard, "closings");
    assert_eq!(hub.live().await.len(), 10);
    let report = hub.hourly(Shot::cut(close(4))).await;
    assert_eq!(
        (report.counts.closed, report.counts.held),
        (0, 4),
        "partial or not"
    );
    let report = hub.hourly(Shot::complete(close(3))).await;
    assert_eq!((report.counts.closed, report.counts.held), (3, 0));
}

#[tokio::test]
async fn a_fallen_fill_rate_holds_the_changed() {
    let hub = bench();
    hub.run(Shot::complete(offers(0..20))).await;
    let mut shot = offers(0..21);
    for record in &mut shot[..15] {
        record.as_object_mut().unwrap().remove("text");
    }
    let report = hub.hourly(Shot::complete(shot.clone())).await;
    let doubt = report.doubt.unwrap();
    assert_eq!((doubt.guard.as_str(), report.counts.held), ("fill", 15));
    assert!(doubt.why.contains("description"), "{}", doubt.why);
    assert_eq!(hub.live().await.len(), 21, "the new one passes");
    assert!(hub.states().await.iter().all(|s| s.observation == 1));
    release(&hub).await;
    let report = hub.hourly(Shot::complete(shot.clone())).await;
    assert_eq!((report.counts.changed, report.counts.held), (15, 0));
    shot[16] = with(offer(16), "title", "Autre");
    let report = hub.hourly(Shot::complete(shot)).await;
    assert_eq!(
        (report.counts.changed, report.counts.held),
        (1, 0),
        "accepted"
    );
}

#[tokio::test]
async fn a_rekey_is_proposed_and_its_release_decides_it() {
    let hub = bench();
    hub.run(Shot::complete(offers(0..12))).await;
    let rekeyed: Vec<Value> = offers(0..12)
        .into_iter()
        .enumerate()
        .map(|(n, offer)| with(offer, "ref", &format!("N{:03}", 11 - n)))
        .collect();
    for _ in 0..3 {
        let report = hub.hourly(Shot::complete(rekeyed.clone())).await;
        let doubt = report.doubt.unwrap();
        assert_eq!((doubt.guard.as_str(), report.counts.held), ("rekey", 24));
        assert_eq!(doubt.rekey.len(), 12);
        assert_eq!(doubt.rekey[0], ("R000".to_owned(), "N011".to_owned()));
    }
    assert_eq!(hub.live().await.len(), 12);
    release(&hub).await;
    let report = hub.hourly(Shot::complete(rekeyed.clone())).await;
    assert_eq!(
        (report.counts.new, report.counts.closed, report.counts.held),
        (12, 12, 0)
    );
    let decisions = hub.store.decisions().await.unwrap();
    assert_eq!(decisions.len(), 12);
    let id = |reference: &str| PostingId::new(&"ats".into(), reference);
    let first = decisions.iter().find(|d| d.subject == id("R000")).unwrap();
    assert_eq!(
        (first.kind, first.object),
        (DecisionKind::Rekey, Some(id("N011")))
    );
    assert_eq!(first.who, "agnes");
    assert_eq!(hub.hourly(Shot::complete(rekeyed)).await.doubt, None);
}

#[tokio::test]
async fn an_empty_snapshot_of_a_large_source_is_held() {
    let hub = bench();
    hub.run(Shot::complete(offers(0..4))).await;
    for _ in 0..60 {
        let report = hub.hourly(Shot::complete(Vec::new())).await;
        assert_eq!(report.snapshot, SnapshotKind::Empty);
        assert_eq!((report.counts.closed, report.counts.held), (0, 4));
    }
    assert_eq!(hub.live().await.len(), 4);
}

#[tokio::test]
async fn a_small_source_empties_after_three_misses_and_a_day() {
    let hub = bench();
    hub.run(Shot::complete(offers(0..3))).await;
    for _ in 0..24 {
        let report = hub.hourly(Shot::of(SnapshotKind::Empty)).await;
        assert_eq!((report.counts.closed, report.counts.held), (0, 0));
    }
    hub.hourly(Shot::of(SnapshotKind::Failed)).await;
    let report = hub.run(Shot::of(SnapshotKind::Empty)).await;
    assert_eq!(report.counts.closed, 3);

    let hub = bench();
    hub.run(Shot::complete(offers(0..3))).await;
    hub.hourly(Shot::of(SnapshotKind::Empty)).await;
    hub.pass(SignedDuration::from_hours(30));
    assert_eq!(
        hub.run(Shot::of(SnapshotKind::Empty)).await.counts.closed,
        0,
        "two"
    );
    hub.hourly(Shot::complete(offers(0..3))).await;
    assert_eq!(
        hub.hourly(Shot::of(SnapshotKind::Empty))
            .await
            .counts
            .closed,
        0,
        "in a row"
    );
}

#[tokio::test]
async fn a_service_whose_dead_tenant_looks_empty_is_always_held() {
    let hub = guarded(Guards {
        dead_looks_empty: true,
        ..Guards::default()
    });
    hub.run(Shot::complete(offers(0..1))).await;
    for _ in 0..50 {
        let report = hub.hourly(Shot::of(SnapshotKind::Empty)).await;
        assert_eq!(report.counts.held, 1);
    }
    assert_eq!(hub.live().await.len(), 1);
}

#[tokio::test]
async fn a_reopened_posting_keeps_its_id_and_first_seen() {
    let hub = bench();
    hub.run(Shot::complete(offers(0..20))).await;
    let born = hub.states().await[0].clone();
    hub.hourly(Shot::complete(offers(1..20))).await;
    hub.hourly(Shot::complete(offers(1..20))).await;
    assert_eq!(hub.live().await.len(), 19);
    let report = hub.hourly(Shot::complete(offers(0..20))).await;
    assert_eq!(report.counts, counts(20, 0, 1, 19));
    let again = hub.states().await[0].clone();
    assert_eq!((again.id, again.first_seen), (born.id, born.first_seen));
    assert_eq!((again.observation, again.closed), (3, None));
    let turns = hub.turns(again.id).await;
    let became: Vec<Became> = turns.iter().map(|turn| turn.became).collect();
    assert_eq!(
        became,
        [
            Became::Closed(CloseReason::Absent),
            Became::Live(ReopenReason::Listed)
        ]
    );
    assert!(turns[0].at < turns[1].at);
}

#[tokio::test]
async fn what_expired_reopens_only_with_other_content() {
    let hub = bench();
    hub.run(Shot::complete(offers(0..5))).await;
    let ids: Vec<_> = hub.states().await.iter().map(|s| s.id).collect();
    let now = hub.clock().now();
    let closings = [
        (ids[0], CloseReason::Expired),
        (ids[1], CloseReason::Erased),
    ];
    assert_eq!(hub.store.close(&closings, now).await.unwrap(), 2);
    let report = hub.hourly(Shot::complete(offers(0..5))).await;
    assert_eq!(report.counts, counts(5, 0, 0, 5));
    let changed = offers(0..5).into_iter().map(|o| with(o, "text", "neuf"));
    let report = hub.hourly(Shot::complete(changed.collect())).await;
    assert_eq!(
        report.counts,
        counts(5, 0, 4, 1),
        "an erased one stays away"
    );
    assert_eq!(hub.live().await, ["R000", "R002", "R003", "R004"]);
    for (id, last) in [
        (ids[0], Became::Live(ReopenReason::Changed)),
        (ids[1], Became::Closed(CloseReason::Erased)),
    ] {
        let turns = hub.turns(id).await;
        assert_eq!(turns.last().map(|turn| turn.became), Some(last));
    }
}

#[tokio::test]
async fn the_word_of_the_source_closes_with_its_reason_and_the_same_bytes_reopen() {
    let hub = bench();
    hub.run(Shot::complete(offers(0..5))).await;
    let id = hub.states().await[2].id;
    for (word, reason) in [
        ("withdrawn", CloseReason::Withdrawn),
        ("closed", CloseReason::Explicit),
    ] {
        let mut shot = offers(0..5);
        shot[2] = with(offer(2), "status", word);
        let report = hub.hourly(Shot::complete(shot.clone())).await;
        assert_eq!(report.counts.closed, 1, "{word}");
        let report = hub.hourly(Shot::complete(shot)).await;
        assert_eq!((report.counts.closed, report.counts.unchanged), (0, 5));
        assert_eq!(hub.live().await.len(), 4);
        let report = hub.hourly(Shot::complete(offers(0..5))).await;
        assert_eq!(report.counts, counts(5, 0, 1, 4), "{word}");
        let turns = hub.turns(id).await;
        let became: Vec<Became> = turns.iter().rev().take(2).map(|t| t.became).collect();
        assert_eq!(
            became,
            [Became::Live(ReopenReason::Open), Became::Closed(reason)]
        );
    }
}

#[tokio::test]
async fn an_unknown_closed_record_founds_nothing() {
    let hub = bench();
    let shot = vec![
        offer(1),
        with(offer(2), "status", "closed"),
        with(offer(3), "status", "withdrawn"),
    ];
    let report = hub.run(Shot::complete(shot)).await;
    assert_eq!(report.counts, counts(3, 1, 0, 2));
    assert_eq!(hub.states().await.len(), 1);
}

#[tokio::test]
async fn runs_of_one_connector_exclude_each_other() {
    let hub = bench();
    let lock = hub.store.lock_connector(&"ats".into()).await.unwrap();
    let outcome = super::run(&*hub.store, hub.source.clone(), &hub.clock(), "sync").await;
    assert_eq!(outcome.unwrap(), super::Outcome::Busy);
    drop(lock);
    let report = hub.run(Shot::complete(offers(0..1))).await;
    assert_eq!(report.counts.new, 1);
    let runs = hub.store.runs(None, 10).await.unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].status, RunStatus::Applied);
}

#[tokio::test]
async fn events_carry_the_new_observation() {
    let hub = bench();
    hub.run(Shot::complete(offers(0..1))).await;
    let now = hub.clock().now();
    let until = now + SignedDuration::from_hours(1);
    let stage = crate::model::Stage::Normalise;
    let leased = hub.store.lease_outbox(stage, 10, now, until).await.unwrap();
    let event = &leased[0].event;
    assert_eq!(event.kind, EventKind::PostingPulled);
    assert_eq!(event.revision.observation, 1);
    assert_eq!(event.payload, hub.states().await[0].hash);
}

#[tokio::test]
async fn a_removed_connector_asks_before_its_offers_close() {
    let hub = bench();
    hub.run(Shot::complete(offers(0..2))).await;
    let gone = || async {
        let source =
            std::sync::Arc::new(crate::pull::removed::Removed::new(hub.source.name.clone()));
        match crate::pull::run::run(&*hub.store, source, &hub.clock(), "removed").await {
            Ok(crate::pull::run::Outcome::Ran(report)) => report,
            other => panic!("{other:?}"),
        }
    };
    for _ in 0..4 {
        let report = gone().await;
        assert_eq!(
            (
                report.counts.missing,
                report.counts.held,
                report.counts.closed
            ),
            (2, 2, 0)
        );
        assert_eq!(
            report.doubt.map(|doubt| doubt.guard),
            Some("removed".to_owned())
        );
    }
}
