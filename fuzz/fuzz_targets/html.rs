//! Descriptions of any bytes: an answer, safe, and one that the sanitiser leaves alone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use passerelle::model::{Draft, Field, Raw};
use passerelle_fuzz::normalised;

fn html(source: &str) -> String {
    let mut draft = Draft::default();
    let raw = Raw::new(source, "description");
    draft.fields.insert(Field::Description, raw);
    let description = normalised(&draft).description;
    description
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
