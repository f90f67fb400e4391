//! The faults that feeds really have, end to end: nothing closes, nothing panics, the reason is
//! stored and shown. The numbers are those of the list that the cases come from.

use crate::support::feeds::{Answer, Feeds};
use crate::support::hub::{Hub, Sync};
use crate::support::offers::{self, Offer};
use passerelle::model::ConnectorName;
use passerelle::store::Store;
use serde_json::{Value, json};

mod answers;
mod holds;
mod records;
mod runs;

const FEED: &str = "/feed";
const SOURCE: &str = "essai";

/// A hub with one source that has been read once, in good order.
struct Bench {
    hub: Hub,
    feeds: Feeds,
    offers: Vec<Offer>,
}

impl Bench {
    fn json(count: usize) -> Self {
        Self::with(count, |feeds, offers| {
            feeds.set(FEED, Answer::json(&offers::json(offers)));
            offers::json_connector(SOURCE, &feeds.url(FEED))
        })
    }

    fn xml(count: usize) -> Self {
        Self::with(count, |feeds, offers| {
            feeds.set(FEED, Answer::xml(offers::xml(offers)));
            offers::xml_connector(SOURCE, &feeds.url(FEED))
        })
    }

    fn with(count: usize, connector: impl FnOnce(&Feeds, &[Offer]) -> String) -> Self {
        let (hub, feeds, offers) = (Hub::new(), Feeds::start(), offers::some(count));
        hub.member(SOURCE, offers::MEMBER);
        hub.connector(SOURCE, &connector(&feeds, &offers));
        let sync = hub.sync();
        assert_eq!(sync.snapshot(SOURCE), "complete", "{}", sync.errors);
        assert_eq!(sync.count(SOURCE, "new"), count as u64);
        Self { hub, feeds, offers }
    }

    /// Live public vacancies, as the store has them.
    async fn live(&self) -> usize {
        self.hub.published().await.len()
    }

    /// The error that the last run left with its connector.
    async fn error(&self) -> Option<String> {
        let name = ConnectorName::from(SOURCE);
        self.hub.store().connector_state(&name).await.unwrap().error
    }

    /// Serves `answer` for three runs: none of them closes anything, and the last is given back.
    async fn bad(&self, what: &str, answer: Answer) -> Sync {
        let before = self.hub.published().await;
        self.feeds.set(FEED, answer);
        let mut last = None;
        for _ in 0..3 {
            let sync = self.hub.sync();
            assert_eq!(sync.count(SOURCE, "closed"), 0, "{what}");
            last = Some(sync);
        }
        let after = self.hub.published().await;
        assert_eq!(before.len(), after.len(), "{what}");
        last.unwrap()
    }

    /// The same for an answer that must be refused, with its reason kept and shown.
    async fn refused(&self, what: &str, answer: Answer) -> String {
        let before = self.hub.published().await;
        let sync = self.bad(what, answer).await;
        assert!(before == self.hub.published().await, "{what}");
        let snapshot = sync.snapshot(SOURCE);
        assert!(
            matches!(snapshot, "failed" | "empty" | "partial"),
            "{what}: {snapshot}"
        );
        assert!(sync.needs_a_human, "{what}");
        let shown = sync.of(SOURCE)["error"].as_str().map(str::to_owned);
        let held = sync.count(SOURCE, "held");
        assert!(shown.is_some() || held > 0, "{what}: no reason is shown");
        let kept = self.error().await;
        assert!(kept.is_some() || held > 0, "{what}: no reason is kept");
        shown.unwrap_or_default()
    }

    /// A good answer, after which the source counts as sound.
    async fn recover(&self, what: &str) {
        let xml = self.feeds.asked(FEED).is_empty();
        assert!(!xml);
        let sync = self.hub.sync();
        assert_eq!(sync.count(SOURCE, "closed"), 0, "{what}");
        assert_eq!(sync.count(SOURCE, "missing"), 0, "{what}");
        assert_eq!(
            self.error().await,
            None,
            "{what}: the error outlived its cause"
        );
        assert_eq!(self.live().await, self.offers.len(), "{what}");
    }
}
