//! One record, as a run needs it: mapped once, for its reference, its status and its fields.

use crate::model::{Draft, Field, Problem};
use crate::pull::guards::Print;
use crate::pull::recall::{Digest, Known};
use crate::pull::run::Map;
use crate::pull::source::{Record, SourceRecord};
use crate::store::{RecordVerdict, StagedRecord};
use bytes::Bytes;
use serde_json::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Characters of a value that a problem quotes.
const QUOTED: usize = 200;

/// One record, read.
pub struct ReadRecord {
    pub record: StagedRecord,
    /// Mapped fields that have a value.
    pub fields: Vec<Field>,
    /// What to recall it by.
    pub known: Option<Arc<Known>>,
    /// The text of a refused record whose reference could not be read.
    pub nameless: Option<String>,
}

/// Maps one record; whatever it does, it is one record's problem.
pub fn read_record(source: &dyn Map, record: SourceRecord) -> ReadRecord {
    let (tree, mapped, told, digest) = match record {
        SourceRecord::Known(known) => return recalled(known),
        SourceRecord::Tree(Record { tree, digest }) => {
            let mapped = catch_unwind(AssertUnwindSafe(|| source.map(&tree)));
            let mapped = mapped.unwrap_or_else(|_| {
                Err(vec![problem(
                    "map.panic",
                    "",
                    "the field map broke down on this record; please report it with the record",
                )])
            });
            (tree, mapped, None, digest)
        }
        SourceRecord::Broken {
            reference,
            raw,
            why,
        } => {
            let problems = vec![problem("record.broken", &raw, &why)];
            (Value::String(raw), Err(problems), reference, None)
        }
    };
    let payload = Bytes::from(serde_json::to_vec(&tree).unwrap_or_default());
    let hash = blake3::hash(&payload).to_hex().to_string();
    match mapped {
        Ok(draft) => usable(draft, hash, payload, digest),
        Err(problems) => {
            let reference = told.or_else(|| reference(source, &tree));
            refused(reference, &tree, problems, hash, payload)
        }
    }
}

/// A record of a live posting that has its payload already.
fn recalled(known: Arc<Known>) -> ReadRecord {
    ReadRecord {
        record: StagedRecord {
            reference: known.reference.clone(),
            hash: known.hash.clone(),
            payload: Bytes::new(),
            verdict: RecordVerdict::Open,
        },
        fields: known.fields.clone(),
        known: Some(known),
        nameless: None,
    }
}

fn usable(draft: Draft, hash: String, payload: Bytes, digest: Option<Digest>) -> ReadRecord {
    let verdict = match draft.value(Field::Status) {
        Some("closed") => RecordVerdict::Closed,
        Some("withdrawn") => RecordVerdict::Withdrawn,
        _ => RecordVerdict::Open,
    };
    let fields = filled(&draft);
    let known = digest.filter(|_| verdict == RecordVerdict::Open);
    let known = known.map(|digest| Known {
        digest,
        reference: draft.reference.clone(),
        hash: hash.clone(),
        fields: fields.clone(),
    });
    ReadRecord {
        fields,
        known: known.map(Arc::new),
        record: StagedRecord {
            reference: draft.reference,
            hash,
            payload,
            verdict,
        },
        nameless: None,
    }
}

fn reference(source: &dyn Map, tree: &Value) -> Option<String> {
    catch_unwind(AssertUnwindSafe(|| source.reference(tree)))
        .ok()
        .flatten()
        .filter(|r| !r.is_empty())
}

fn refused(
    reference: Option<String>,
    tree: &Value,
    problems: Vec<Problem>,
    hash: String,
    payload: Bytes,
) -> ReadRecord {
    let nameless = reference.is_none().then(|| match tree {
        Value::String(raw) => raw.clone(),
        _ => String::from_utf8_lossy(&payload[..payload.len().min(4096)]).into_owned(),
    });
    // A null among records hides no offer: it must not hold absences for as long as it is sent.
    let nameless = nameless.filter(|text| text.trim() != "null");
    ReadRecord {
        fields: Vec::new(),
        known: None,
        nameless,
        record: StagedRecord {
            reference: reference.unwrap_or_else(|| synthetic(&hash)),
            hash,
            payload,
            verdict: RecordVerdict::Rejected(problems),
        },
    }
}

/// The stable key of a record whose reference cannot be read: the same bytes, the same key.
fn synthetic(hash: &str) -> String {
    format!("?{}", &hash[..hash.len().min(16)])
}

fn problem(rule: &str, value: &str, message: &str) -> Problem {
    Problem {
        field: String::new(),
        rule: rule.to_owned(),
        value: value.chars().take(QUOTED).collect(),
        message: message.to_owned(),
    }
}

fn filled(draft: &Draft) -> Vec<Field> {
    let mut fields: Vec<Field> = draft
        .fields
        .iter()
        .filter(|(_, raw)| raw.values.iter().any(|v| !v.is_empty()))
        .map(|(field, _)| *field)
        .collect();
    fields.extend(draft.places.iter().flat_map(|place| place.keys()));
    fields.sort_unstable();
    fields.dedup();
    fields
}

/// A field's name as connector files write it.
pub fn field_name(field: &Field) -> String {
    serde_json::to_value(field)
        .ok()
        .and_then(|name| name.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// The prints of payloads, by reference.
pub fn prints(source: &dyn Map, payloads: &[(String, Bytes)]) -> Vec<(String, Print)> {
    let print = |(reference, payload): &(String, Bytes)| {
        let tree = serde_json::from_slice(payload).ok()?;
        let draft = catch_unwind(AssertUnwindSafe(|| source.map(&tree))).ok()?;
        Some((reference.clone(), print(&draft.ok()?)))
    };
    payloads.iter().filter_map(print).collect()
}

/// The text of a draft, as a re-key is recognised by.
fn print(draft: &Draft) -> Print {
    let mut text = String::new();
    for field in [Field::Title, Field::Description] {
        squash(draft.value(field).unwrap_or_default(), &mut text);
        text.push('\n');
    }
    let mut place = String::new();
    let maps = draft.places.iter().chain(std::iter::once(&draft.fields));
    for map in maps {
        for field in [
            Field::Place,
            Field::PlaceInsee,
            Field::PlacePostalCode,
            Field::PlaceCity,
        ] {
            squash(map.get(&field).map_or("", |raw| raw.value()), &mut place);
            place.push('\n');
        }
    }
    Print {
        text: short_hash(text.as_bytes()),
        place: short_hash(place.as_bytes()),
    }
}

/// Letters and digits in lower case, tags left out.
fn squash(html: &str, into: &mut String) {
    let mut tag = false;
    for c in html.chars() {
        match c {
            '<' => tag = true,
            '>' if tag => tag = false,
            _ if tag || !c.is_alphanumeric() => {}
            _ if c.is_ascii() => into.push(c.to_ascii_lowercase()),
            _ => into.extend(c.to_lowercase()),
        }
    }
}

/// Of records of one run: two that are equal by chance do no harm where it is used.
pub fn short_hash(bytes: &[u8]) -> u64 {
    let mut short = [0; 8];
    short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..8]);
    u64::from_le_bytes(short)
}
