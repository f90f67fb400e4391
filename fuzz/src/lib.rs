//! What the targets share.

use passerelle::model::{ConnectorName, Draft, Network, Offer};
use passerelle::normalise::{Context, normalise};
use passerelle::pull::connector::file::{CsvTable, HtmlTable, Kind};
use passerelle::pull::source::parse::{Item, Plan, Wholeness, parse};

/// Largest record of a feed.
const RECORD: usize = 64 << 10;

/// What the rules make of a draft, with nothing known of its source.
pub fn normalised(draft: &Draft) -> Offer {
    let connector = ConnectorName::from("fuzz");
    let network = Network::default();
    let context = Context {
        connector: &connector,
        member: None,
        network: &network,
        first_seen: jiff::Timestamp::UNIX_EPOCH,
    };
    normalise(draft, &context).offer
}

/// Reads `bytes` as a feed of `kind`, its records at `path`; gives whether it was whole, and how
/// many records it had.
pub fn read(kind: Kind, path: &[&str], bytes: &[u8]) -> (bool, u64) {
    let html = HtmlTable {
        select: "article, li, tr".to_owned(),
        values: [("title", "h2"), ("link", "a@href"), ("text", "@html")]
            .map(|(name, find)| (name.to_owned(), find.to_owned()))
            .into(),
        page: [("next".to_owned(), "a[rel=next]@href".to_owned())].into(),
        empty: None,
    };
    let plan = Plan {
        kind,
        paths: vec![path.iter().map(|key| (*key).to_owned()).collect()],
        csv: CsvTable::default(),
        html,
        encoding: None,
        record_bytes: RECORD,
        recall: None,
    };
    let mut items = 0;
    let end = parse(
        bytes,
        &plan,
        &|record| record.get("id").is_some(),
        &mut |item| {
            items += 1;
            if let Item::Broken { raw, why } = item {
                assert!(raw.chars().count() <= 4096 && !why.is_empty());
            }
            true
        },
    );
    assert_eq!(end.items, items);
    (end.wholeness == Wholeness::Whole, items)
}
