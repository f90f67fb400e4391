//! Staging: each record is mapped once for what a run needs to know of it, and kept as it came.

use super::guards::{Fill, Print};
use super::recall::{Digest, Known, Recall};
use super::run::{Map, Source};
use super::source::{Record, RecordSink, SourceRecord};
use crate::model::{Draft, Field, PostingState, Problem, RunId};
use crate::store::{RecordVerdict, Repeats, StagedRecord, StagedRow, Store, StoreError};
use aho_corasick::AhoCorasick;
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Records mapped and staged at a time.
const BATCH: usize = 500;
/// Nameless rejected records whose text is kept to look for a reference in it.
const NAMELESS_KEPT: usize = 1000;
/// Characters of a value that a problem quotes.
const QUOTED: usize = 200;

/// What a run remembers of its records besides the staging table.
#[derive(Debug, Default)]
pub struct Seen {
    pub fill: Fill,
    /// Texts of records with a reference that was unknown when the run began.
    pub prints: HashMap<String, Print>,
    pub repeats: Repeats,
    /// Rejected records that no known reference could be found in.
    pub nameless: u64,
}

/// The sink of one run: maps on a blocking thread, stages in batches.
pub struct Stager<'a> {
    store: &'a dyn Store,
    source: Arc<dyn Source>,
    run: RunId,
    /// Reference → hash of the posting where it is live, empty where it is closed.
    known: Arc<HashMap<String, String>>,
    /// Records that need not be read again, and those of this run for the next one.
    recall: Option<Arc<Recall>>,
    recalled: Recall,
    /// Staged references, and whether one of their records was usable.
    shown: HashMap<u128, bool>,
    nameless: Vec<Nameless>,
    filled: BTreeMap<Field, u64>,
    seen: Seen,
    /// Why staging stopped; the run ends with it.
    pub failed: Option<StoreError>,
}

struct Nameless {
    record: StagedRecord,
    text: String,
}

impl<'a> Stager<'a> {
    pub fn new(
        store: &'a dyn Store,
        source: Arc<dyn Source>,
        run: RunId,
        states: &[PostingState],
    ) -> Self {
        let known: HashMap<String, String> = states
            .iter()
            .map(|s| {
                let hash = if s.is_live() {
                    s.hash.clone()
                } else {
                    String::new()
                };
                (s.reference.clone(), hash)
            })
            .collect();
        let recall = source.memory().map(|memory| memory.holding(&known));
        Self {
            store,
            recall: recall.map(Arc::new),
            recalled: Recall::new(),
            source,
            run,
            known: Arc::new(known),
            shown: HashMap::new(),
            nameless: Vec::new(),
            filled: BTreeMap::new(),
            seen: Seen::default(),
            failed: None,
        }
    }

    /// Stages what is left; call once the source has been read.
    ///
    /// # Errors
    /// The store's own.
    pub async fn finish(mut self) -> Result<Seen, StoreError> {
        let nameless = std::mem::take(&mut self.nameless);
        if !nameless.is_empty() {
            self.name_the_nameless(nameless).await?;
        }
        if let Some(memory) = self.source.memory() {
            memory.replace(std::mem::take(&mut self.recalled));
        }
        let filled = std::mem::take(&mut self.filled);
        self.seen.fill.filled = filled.iter().map(|(f, n)| (field_name(f), *n)).collect();
        let repeats = &self.seen.repeats;
        if repeats.records > 0 {
            tracing::warn!(
                connector = %self.source.name(), run = %self.run,
                records = repeats.records, references = ?repeats.references,
                "the source repeats references; the last record of each counts"
            );
        }
        Ok(self.seen)
    }

    async fn push_batch(&mut self, records: Vec<SourceRecord>) -> Result<(), StoreError> {
        let (source, known) = (self.source.clone(), self.known.clone());
        let mapped = tokio::task::spawn_blocking(move || {
            records
                .into_iter()
                .map(|record| read_record(&*source, &known, record))
                .collect::<Vec<_>>()
        })
        .await
        .map_err(|error| StoreError::Permanent {
            doing: "map a batch of records".to_owned(),
            why: error.to_string(),
        })?;
        let mut rows = Vec::with_capacity(mapped.len());
        for read in mapped {
            self.take(read, &mut rows);
        }
        if rows.is_empty() {
            return Ok(());
        }
        self.store.stage(self.run, rows).await
    }

    fn take(&mut self, read: ReadRecord, rows: &mut Vec<StagedRecord>) {
        if let Some(text) = read.nameless {
            self.seen.nameless += 1;
            if self.nameless.len() < NAMELESS_KEPT {
                let record = read.record;
                self.nameless.push(Nameless { record, text });
            } else if self.first_or_better(&read.record) {
                rows.push(read.record);
            }
            return;
        }
        if !self.first_or_better(&read.record) {
            return;
        }
        if read.record.verdict == RecordVerdict::Open {
            self.seen.fill.records += 1;
            for field in read.fields {
                *self.filled.entry(field).or_default() += 1;
            }
            if let Some(known) = read.known {
                self.recalled.insert(known.digest, known);
            }
        }
        if let Some(print) = read.print {
            self.seen
                .prints
                .insert(read.record.reference.clone(), print);
        }
        rows.push(read.record);
    }

    /// Whether a record takes its reference's row: the first always; a repeated one as the last,
    /// unless it is a refused one after a usable one.
    fn first_or_better(&mut self, record: &StagedRecord) -> bool {
        let usable = !matches!(record.verdict, RecordVerdict::Rejected(_));
        let key = short_hash(record.reference.as_bytes());
        match self.shown.get_mut(&key) {
            None => {
                self.shown.insert(key, usable);
                true
            }
            Some(had_usable) => {
                self.seen.repeats.add(&record.reference);
                let better = usable || !*had_usable;
                *had_usable |= usable;
                better
            }
        }
    }

    /// A refused record without a reference of its own counts as the live posting whose reference
    /// stands in its text as a word, so that this one is not taken for missing (law 7).
    async fn name_the_nameless(&mut self, nameless: Vec<Nameless>) -> Result<(), StoreError> {
        let unseen: Vec<String> = self
            .known
            .iter()
            .filter(|(reference, hash)| {
                !hash.is_empty()
                    && reference.len() >= 3
                    && !self.shown.contains_key(&short_hash(reference.as_bytes()))
            })
            .map(|(reference, _)| reference.clone())
            .collect();
        let finder = (!unseen.is_empty())
            .then(|| AhoCorasick::new(&unseen).ok())
            .flatten();
        let mut named: HashSet<usize> = HashSet::new();
        let mut rows = Vec::new();
        for Nameless { mut record, text } in nameless {
            let found = finder.as_ref().and_then(|finder| {
                finder
                    .find_overlapping_iter(text.as_str())
                    .filter(|m| is_word(&text, m.start(), m.end()))
                    .map(|m| m.pattern().as_usize())
                    .find(|index| !named.contains(index))
            });
            if let Some(index) = found {
                named.insert(index);
                record.reference.clone_from(&unseen[index]);
                self.seen.nameless -= 1;
            }
            if self.first_or_better(&record) {
                rows.push(record);
            }
        }
        for batch in chunks(rows, BATCH) {
            self.store.stage(self.run, batch).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl RecordSink for Stager<'_> {
    async fn push(&mut self, records: Vec<SourceRecord>) -> anyhow::Result<()> {
        for batch in chunks(records, BATCH) {
            if let Err(error) = self.push_batch(batch).await {
                let message = error.to_string();
                self.failed = Some(error);
                anyhow::bail!(message);
            }
        }
        Ok(())
    }

    fn recall(&self) -> Option<Arc<Recall>> {
        self.recall.clone()
    }
}

/// One record, read.
struct ReadRecord {
    record: StagedRecord,
    /// Mapped fields that have a value.
    fields: Vec<Field>,
    print: Option<Print>,
    /// What to recall it by.
    known: Option<Arc<Known>>,
    /// The text of a refused record whose reference could not be read.
    nameless: Option<String>,
}

/// What a comparison needs of one record, and which of its fields have a value.
pub fn row(source: &dyn Map, record: SourceRecord) -> (StagedRow, Vec<String>) {
    let read = read_record(source, &HashMap::new(), record);
    let fields = read.fields.iter().map(field_name).collect();
    let StagedRecord {
        reference,
        hash,
        verdict,
        ..
    } = read.record;
    let row = StagedRow {
        reference,
        hash,
        verdict,
    };
    (row, fields)
}

fn read_record(
    source: &dyn Map,
    known: &HashMap<String, String>,
    record: SourceRecord,
) -> ReadRecord {
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
        Ok(draft) => usable(known, draft, hash, payload, digest),
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
        print: None,
        known: Some(known),
        nameless: None,
    }
}

fn usable(
    known: &HashMap<String, String>,
    draft: Draft,
    hash: String,
    payload: Bytes,
    digest: Option<Digest>,
) -> ReadRecord {
    let before = known.get(&draft.reference);
    let verdict = if draft.value(Field::Status) == Some("closed") {
        RecordVerdict::Closed
    } else {
        RecordVerdict::Open
    };
    // The store has the payload of a live posting already.
    let payload = if before == Some(&hash) {
        Bytes::new()
    } else {
        payload
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
        print: before.is_none().then(|| print(&draft)),
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
        print: None,
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
fn field_name(field: &Field) -> String {
    serde_json::to_value(field)
        .ok()
        .and_then(|name| name.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// The text of a draft, as a re-key is recognised by.
pub fn print(draft: &Draft) -> Print {
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
        text: short_hash(text.as_bytes()) as u64,
        place: short_hash(place.as_bytes()) as u64,
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

fn short_hash(bytes: &[u8]) -> u128 {
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    u128::from_le_bytes(short)
}

fn is_word(text: &str, start: usize, end: usize) -> bool {
    let before = text[..start].chars().next_back();
    let after = text[end..].chars().next();
    ![before, after]
        .into_iter()
        .flatten()
        .any(char::is_alphanumeric)
}

/// Owned chunks of at most `size`.
pub fn chunks<T>(items: Vec<T>, size: usize) -> impl Iterator<Item = Vec<T>> {
    let mut items = items.into_iter();
    std::iter::from_fn(move || {
        let chunk: Vec<T> = items.by_ref().take(size).collect();
        (!chunk.is_empty()).then_some(chunk)
    })
}
