//! Missing offers whose own pages are asked for.

use super::Page;
use super::support::{Bench, Shot, offer, offers};
use super::tests::with;
use crate::model::CloseReason;
use crate::pull::connector::Guards;
use crate::store::{SnapshotKind, SqliteStore};
use std::sync::Arc;

fn probing(most: usize) -> Bench {
    let store = Arc::new(SqliteStore::temporary().unwrap());
    Bench::probing(store, Guards::default(), most)
}

fn say(hub: &Bench, references: impl IntoIterator<Item = usize>, page: Page) {
    let mut pages = hub.source.pages.lock().unwrap();
    let references = references.into_iter().map(|n| format!("R{n:03}"));
    pages.extend(references.map(|reference| (reference, page)));
}

async fn reason(hub: &Bench, n: usize) -> Option<CloseReason> {
    hub.states().await[n].closed.map(|(_, reason)| reason)
}

#[tokio::test]
async fn a_missing_offer_whose_page_is_gone_closes_at_once() {
    let hub = probing(50);
    hub.run(Shot::complete(offers(0..20))).await;
    say(&hub, [0], Page::Gone);
    say(&hub, [1], Page::Silent);
    let report = hub.hourly(Shot::complete(offers(3..20))).await;
    let counts = report.counts;
    assert_eq!((counts.missing, counts.closed, counts.held), (3, 1, 0));
    assert_eq!(reason(&hub, 0).await, Some(CloseReason::Gone));
    let states = hub.states().await;
    assert_eq!([states[1].misses, states[2].misses], [1, 1]);
    // Shown again, it is the same posting.
    let report = hub.hourly(Shot::complete(offers(0..20))).await;
    assert_eq!(report.counts.changed, 1);
    assert_eq!(hub.live().await.len(), 20);
}

#[tokio::test]
async fn offers_that_left_a_window_close_by_their_pages_alone() {
    let hub = probing(2);
    hub.run(Shot::complete(offers(0..20))).await;
    say(&hub, [3], Page::Gone);
    let window = |kind| Shot {
        kind,
        ..Shot::complete(offers(10..20))
    };
    for _ in 0..2 {
        hub.hourly(window(SnapshotKind::Partial)).await;
    }
    assert_eq!(reason(&hub, 3).await, Some(CloseReason::Gone));
    assert_eq!(hub.live().await.len(), 19);
    // Two a run, in turn, and round again; the others are asked only whether they answer.
    for _ in 0..4 {
        hub.hourly(window(SnapshotKind::Partial)).await;
    }
    let asked = hub.source.asked.lock().unwrap().clone();
    let missing: Vec<&str> = asked.iter().map(|r| &**r).filter(|r| *r < "R010").collect();
    assert_eq!(missing[..4], ["R000", "R001", "R002", "R003"]);
    assert_eq!(missing[4..8], ["R004", "R005", "R006", "R007"]);
    assert_eq!(missing[8..], ["R008", "R009", "R000", "R001"]);
}

#[tokio::test]
async fn a_snapshot_that_broke_off_asks_for_no_page() {
    let hub = probing(50);
    hub.run(Shot::complete(offers(0..20))).await;
    say(&hub, 0..20, Page::Gone);
    hub.hourly(Shot::cut(offers(5..20))).await;
    hub.hourly(Shot::of(SnapshotKind::Failed)).await;
    assert_eq!(hub.source.asked.lock().unwrap().len(), 0);
    assert_eq!(hub.live().await.len(), 20);
}

/// A site that lost its pages, and one that closes too much at once, are bad feeds like others.
#[tokio::test]
async fn pages_close_nothing_where_the_site_has_none_and_not_too_many_at_once() {
    let hub = probing(50);
    hub.run(Shot::complete(offers(0..20))).await;
    say(&hub, 0..20, Page::Gone);
    let report = hub.hourly(Shot::complete(offers(2..20))).await;
    assert_eq!((report.counts.missing, report.counts.closed), (2, 0));
    assert_eq!(hub.live().await.len(), 20);

    say(&hub, 10..20, Page::There);
    let changed = with(offer(10), "text", "autre");
    let rest = offers(11..20).into_iter().chain([changed]).collect();
    let report = hub.hourly(Shot::complete(rest)).await;
    let counts = report.counts;
    assert_eq!((counts.changed, counts.closed, counts.held), (1, 0, 10));
    let doubt = report.doubt.unwrap();
    assert_eq!((&*doubt.guard, doubt.closed.len()), ("closings", 10));
    assert_eq!(hub.live().await.len(), 20);
}

/// Law 1: an empty snapshot of a small source waits, unless the page says it.
#[tokio::test]
async fn a_small_source_that_emptied_closes_by_its_pages() {
    let hub = probing(50);
    hub.run(Shot::complete(offers(0..2))).await;
    say(&hub, [1], Page::Gone);
    let report = hub.hourly(Shot::complete(Vec::new())).await;
    assert_eq!((report.counts.missing, report.counts.closed), (2, 1));
    assert_eq!(hub.live().await, ["R000"]);

    let store = Arc::new(SqliteStore::temporary().unwrap());
    let guards = Guards {
        dead_looks_empty: true,
        ..Guards::default()
    };
    let hub = Bench::probing(store, guards, 50);
    hub.run(Shot::complete(offers(0..2))).await;
    say(&hub, 0..2, Page::Gone);
    hub.hourly(Shot::complete(Vec::new())).await;
    assert_eq!(
        hub.live().await.len(),
        2,
        "a dead tenant has no pages either"
    );
}
