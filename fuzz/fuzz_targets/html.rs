//! Descriptions of any bytes: an answer, safe, and one that the sanitiser leaves alone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use passerelle::model::{ConnectorName, Draft, Field, Network, Raw};
use passerelle::normalise::{Context, normalise};

fn html(source: &str) -> String {
    let mut draft = Draft::default();
    draft
        .fields
        .insert(Field::Description, Raw::new(source, "description"));
    let connector = ConnectorName::from("fuzz");
    let network = Network::default();
    let context = Context {
        connector: &connector,
        member: None,
        network: &network,
        first_seen: jiff::Timestamp::UNIX_EPOCH,
    };
    let posting = normalise(&draft, &context);
    posting
        .offer
        .description
        .map(|description| description.html)
        .unwrap_or_default()
}

fuzz_target!(|data: &[u8]| {
    let once = html(&String::from_utf8_lossy(data));
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
    assert_eq!(html(&once), once);
});
