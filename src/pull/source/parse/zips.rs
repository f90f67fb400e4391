//! Archives one after the other, each behind its length in four bytes, little-endian first: the
//! back-office export of Talentsoft. An archive holds an offer in JSON among files that are none.
//!
//! Nothing says which archive is the last: a body that was cut between two of them looks whole.
//! The loader therefore wants such a source to be asked on until an answer is empty.

use super::window::Window;
use super::{Decoding, IsRecord, Item, ParseEnd, Plan, Stop, Take, Wholeness, excerpt, json};
use serde_json::{Map, Value};
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// Largest archive, in bytes as it travels: an offer with its attachments.
const ARCHIVE: usize = 32 << 20;

pub fn parse<R: Read>(
    window: &mut Window<R>,
    plan: &Plan,
    decoding: Decoding,
    is_record: &IsRecord<'_>,
    take: &mut Take<'_>,
) -> ParseEnd {
    let mut items = 0;
    let result = archives(window, plan, decoding, is_record, take, &mut items);
    ParseEnd {
        wholeness: match result {
            Ok(()) => Wholeness::Whole,
            Err(stop) => stop.wholeness(window.offset(), items),
        },
        envelope: Value::Object(Map::new()),
        items,
    }
}

fn archives<R: Read>(
    window: &mut Window<R>,
    plan: &Plan,
    decoding: Decoding,
    is_record: &IsRecord<'_>,
    take: &mut Take<'_>,
    items: &mut u64,
) -> Result<(), Stop> {
    loop {
        let head = window.at_least(4)?;
        if head.is_empty() {
            return Ok(());
        }
        let Some(Ok(prefix)) = head.get(..4).map(<[u8; 4]>::try_from) else {
            return Err(Stop::Cut("the length of an archive is cut".to_owned()));
        };
        if *items == 0 && !follows(window.at_least(6)?) {
            return Err(Stop::Bad(
                "no archive stands where one was expected".to_owned(),
            ));
        }
        let length = usize::try_from(u32::from_le_bytes(prefix)).unwrap_or(usize::MAX);
        if length > ARCHIVE {
            return Err(Stop::Bad(format!(
                "an archive of {length} bytes is announced, more than {} MB",
                ARCHIVE >> 20
            )));
        }
        window.advance(4);
        let bytes = window.at_least(length)?;
        let Some(bytes) = bytes.get(..length) else {
            return Err(Stop::Cut(format!(
                "an archive of {length} bytes ends after {}",
                bytes.len()
            )));
        };
        let found = offers(bytes, plan, decoding, is_record);
        window.advance(length);
        for item in found {
            *items += 1;
            if !take(item) {
                return Err(Stop::Enough);
            }
        }
    }
}

/// Whether an archive follows its length.
fn follows(head: &[u8]) -> bool {
    head.get(4..6).is_some_and(|start| start == b"PK")
}

/// The offers of one archive; what cannot be read is one broken record.
fn offers(bytes: &[u8], plan: &Plan, decoding: Decoding, is_record: &IsRecord<'_>) -> Vec<Item> {
    let broken = |why: String| Item::Broken {
        // An archive says nothing to people; its hash tells it from another.
        raw: blake3::hash(bytes).to_hex().to_string(),
        why,
    };
    let unreadable = |error: &dyn std::fmt::Display| {
        vec![broken(format!("the archive cannot be opened: {error}"))]
    };
    let mut archive = match ZipArchive::new(Cursor::new(bytes)) {
        Ok(archive) => archive,
        Err(error) => return unreadable(&error),
    };
    let mut found = Vec::new();
    for index in 0..archive.len() {
        let mut text = Vec::new();
        let cap = plan.record_bytes as u64;
        let read = match archive.by_index(index) {
            Ok(part) => part.take(cap.saturating_add(1)).read_to_end(&mut text),
            Err(error) => return unreadable(&error),
        };
        if !is_json(&text) {
            continue;
        }
        if let Err(error) = read {
            return unreadable(&error);
        }
        if text.len() as u64 > cap {
            return vec![broken(format!(
                "the record has more than {} kB (limits.record_kb)",
                cap >> 10
            ))];
        }
        let mut inner = Window::new(text.as_slice());
        let end = json::parse(&mut inner, plan, decoding, is_record, &mut |item| {
            found.push(item);
            true
        });
        if let Wholeness::Cut(why) | Wholeness::Alien(why) = end.wholeness {
            found.push(Item::Broken {
                raw: excerpt(decoding, &text),
                why,
            });
        }
    }
    if found.is_empty() {
        found.push(broken("the archive holds no offer in JSON".to_owned()));
    }
    found
}

fn is_json(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    matches!(first, Some(b'{' | b'['))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pull::connector::file::{CsvTable, HtmlTable, Kind};
    use proptest::prelude::*;
    use std::io::Write;
    use zip::write::SimpleFileOptions;

    fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in parts {
            let options = SimpleFileOptions::default();
            writer.start_file(*name, options).expect("in memory");
            writer.write_all(bytes).expect("in memory");
        }
        let bytes = writer.finish().expect("in memory").into_inner();
        let length = u32::try_from(bytes.len()).expect("short");
        [&length.to_le_bytes()[..], &bytes].concat()
    }

    fn offer(n: usize) -> Vec<u8> {
        let text =
            format!("{{\"offerDetail\":{{\"reference\":\"2026-{n}\",\"title\":\"IDE {n}\"}}}}");
        archive(&[("fiche.pdf", b"%PDF-1.7"), ("offerdetail", text.as_bytes())])
    }

    fn read(bytes: &[u8]) -> (Vec<Item>, Wholeness) {
        let plan = Plan {
            kind: Kind::Zips,
            paths: vec![vec!["offerDetail".to_owned()]],
            csv: CsvTable::default(),
            html: HtmlTable::default(),
            encoding: None,
            record_bytes: 4096,
            recall: None,
        };
        let mut items = Vec::new();
        let end = super::super::parse(bytes, &plan, &|_| true, &mut |item| {
            items.push(item);
            true
        });
        assert_eq!(end.items as usize, items.len());
        (items, end.wholeness)
    }

    fn references(items: &[Item]) -> Vec<String> {
        let reference = |item: &Item| match item {
            Item::Record(record) => record.tree["reference"].as_str().map(str::to_owned),
            _ => None,
        };
        items.iter().filter_map(reference).collect()
    }

    #[test]
    fn each_archive_is_an_offer() {
        let body = [offer(1), offer(2), offer(3)].concat();
        let (items, whole) = read(&body);
        assert_eq!(references(&items), ["2026-1", "2026-2", "2026-3"]);
        assert_eq!(whole, Wholeness::Whole);
        assert_eq!(read(b"").1, Wholeness::Whole);
    }

    #[test]
    fn one_bad_archive_is_its_own_problem() {
        let mut torn = offer(2);
        let middle = torn.len() / 2;
        torn[middle..middle + 20].fill(0);
        let big = vec![b' '; 5000];
        let body = [
            offer(1),
            torn,
            archive(&[("offerdetail", b"{\"offerDetail\":")]),
            archive(&[("photo.png", b"\x89PNG")]),
            archive(&[("offerdetail", &[b"{", big.as_slice(), b"}"].concat())]),
            offer(6),
        ]
        .concat();
        let (items, whole) = read(&body);
        assert_eq!(references(&items), ["2026-1", "2026-6"]);
        assert_eq!((items.len(), whole), (6, Wholeness::Whole));
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        for body in [
            &b"<html>Connexion</html>"[..],
            b"{\"error\":\"no\"}",
            b"\xff\xff\xff\xffPK",
        ] {
            let (items, whole) = read(body);
            assert!(
                items.is_empty() && matches!(whole, Wholeness::Alien(_)),
                "{whole:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_cut_within_an_archive_shows(cut in 0usize..1000) {
            let parts = [offer(1), offer(2), offer(3)];
            let body = parts.concat();
            let cut = cut % body.len();
            let (items, whole) = read(&body[..cut]);
            let mut edge = 0;
            let between = parts.iter().any(|part| { let here = edge == cut; edge += part.len(); here });
            prop_assert_eq!(whole == Wholeness::Whole, between);
            prop_assert!(items.len() < 3);
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400), prefix in 0u32..300) {
            read(&bytes);
            read(&[&prefix.to_le_bytes()[..], b"PK", &bytes].concat());
        }
    }
}
