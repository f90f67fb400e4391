//! What each target does with its bytes. The ordinary tests run it too, on seeds and what is made of
//! them (`tests/it/fuzz.rs`), so that it is not first tried under a fuzzer.

use passerelle::model::{ConnectorName, Draft, Field, Network, Offer, Raw};
use passerelle::normalise::{Context, normalise};
use passerelle::pull::connector::file::{CsvTable, HtmlTable, Kind};
use passerelle::pull::source::parse::{Item, Plan, Wholeness, parse};

/// A target, by its name.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 8] = [
    ("html", html),
    ("pay", pay),
    ("feed_json", feed_json),
    ("feed_xml", feed_xml),
    ("feed_csv", feed_csv),
    ("feed_html", feed_html),
    ("feed_sheet", feed_sheet),
    ("feed_zips", feed_zips),
];

/// Largest record of a feed.
const RECORD: usize = 64 << 10;

/// What the rules make of a draft, with nothing known of its source.
fn normalised(draft: &Draft) -> Offer {
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
fn read(kind: Kind, path: &[&str], bytes: &[u8]) -> (bool, u64) {
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

/// What the rules make of a description.
fn description(source: &str) -> String {
    let mut draft = Draft::default();
    let raw = Raw::new(source, "description");
    draft.fields.insert(Field::Description, raw);
    let description = normalised(&draft).description;
    description
        .map(|description| description.html)
        .unwrap_or_default()
}

/// Descriptions of any bytes: an answer, safe, and one that the sanitiser leaves alone.
pub fn html(data: &[u8]) {
    let once = description(&String::from_utf8_lossy(data));
    let lower = once.to_lowercase();
    for bad in [
        "<script",
        "<svg",
        "<iframe",
        "<style",
        "=\"javascript:",
        "<img",
    ] {
        assert!(!lower.contains(bad), "{once}");
    }
    assert_eq!(description(&once), once);
}

/// Pay labels and sentences of any bytes: an answer with bounds in order, or none.
pub fn pay(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for field in [Field::Pay, Field::PayComment, Field::Description] {
        let mut draft = Draft::default();
        draft.fields.insert(field, Raw::new(&*text, "pay"));
        let Some(pay) = normalised(&draft).pay else {
            continue;
        };
        if let (Some(min), Some(max)) = (pay.min, pay.max) {
            assert!(min <= max, "{min} > {max}");
        }
        for amount in [pay.min, pay.max, pay.monthly_min, pay.hourly_max] {
            assert!(amount.is_none_or(|amount| amount.is_finite() && amount >= 0.0));
        }
    }
}

/// A feed of JSON of any bytes; and a list that is whole is no longer so without its end.
pub fn feed_json(data: &[u8]) {
    let path = &["jobs"];
    read(Kind::Json, path, data);
    let list = [b"{\"jobs\":[{\"id\":1},".as_slice(), data, b"]}"].concat();
    if read(Kind::Json, path, &list).0 {
        for cut in [1, 2, 1 + data.len() / 2] {
            let part = &list[..list.len() - cut];
            assert!(
                !read(Kind::Json, path, part).0,
                "{}",
                String::from_utf8_lossy(part)
            );
        }
    }
}

/// A feed of XML of any bytes; and a list that is whole is no longer so without its end.
pub fn feed_xml(data: &[u8]) {
    let path = &["jobs", "job"];
    read(Kind::Xml, path, data);
    let list = [b"<jobs><job><id>1</id></job>".as_slice(), data, b"</jobs>"].concat();
    if read(Kind::Xml, path, &list).0 {
        // What follows the end of the list may be cut off; the list itself may not.
        let part = &list[..b"<jobs><job><id>1</id></jo".len()];
        assert!(!read(Kind::Xml, path, part).0);
    }
}

/// A table of any bytes; and a table without the end of its last row is not whole.
pub fn feed_csv(data: &[u8]) {
    read(Kind::Csv, &[], data);
    let table = [b"id;titre\n".as_slice(), data, b"\nZ;dernier"].concat();
    assert!(
        !read(Kind::Csv, &[], &table).0,
        "{}",
        String::from_utf8_lossy(&table)
    );
}

/// A page of any bytes.
pub fn feed_html(data: &[u8]) {
    read(Kind::Html, &[], data);
    let page = [b"<!doctype html><ul><li><h2>A</h2>".as_slice(), data].concat();
    read(Kind::Html, &[], &page);
}

/// A workbook of any bytes, of either office.
pub fn feed_sheet(data: &[u8]) {
    read(Kind::Xlsx, &[], data);
    read(Kind::Ods, &[], data);
}

/// Archives of any bytes, behind lengths of any number; what is cut within one is not whole.
pub fn feed_zips(data: &[u8]) {
    read(Kind::Zips, &["offerDetail"], data);
    let length = u32::try_from(data.len())
        .unwrap_or(u32::MAX)
        .saturating_add(3);
    let cut = [&length.to_le_bytes()[..], b"PK", data].concat();
    assert!(!read(Kind::Zips, &["offerDetail"], &cut).0);
}
