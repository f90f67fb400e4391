//! Between parser and sink: counts distinct records, filters, fetches details, hands over.

use super::parse::Item;
use super::session::{Session, broken};
use super::{RecordSink, SourceRecord, detail};
use crate::pull::connector::Connector;
use crate::pull::connector::file::Paging;
use crate::pull::recall::Recall;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Records that are handed over at a time.
const BATCH: usize = 256;

/// Where the records of all pages come together.
pub struct Outlet<'a> {
    connector: &'a Connector,
    sink: &'a mut dyn RecordSink,
    batch: Vec<SourceRecord>,
    /// Records of a source of one document: they are the sink's to tell apart.
    records: u64,
    /// Of a source of pages: hashes of the references that were seen, and of the content of each
    /// one's last record; a record without a reference counts by its content.
    seen: HashMap<u64, u64>,
    /// Keys of the records since the last [`Outlet::start_slice`], where there are slices.
    slice: Option<HashSet<u64>>,
    trouble: Option<String>,
    sink_error: Option<String>,
}

impl<'a> Outlet<'a> {
    pub fn new(connector: &'a Connector, sink: &'a mut dyn RecordSink) -> Self {
        Self {
            connector,
            sink,
            batch: Vec::new(),
            records: 0,
            seen: HashMap::new(),
            slice: None,
            trouble: None,
            sink_error: None,
        }
    }

    /// Records so far, the filtered and the broken included; of a source of pages, distinct ones.
    pub fn seen(&self) -> u64 {
        self.records + self.seen.len() as u64
    }

    /// Forgets which records the last slice had.
    pub fn start_slice(&mut self) {
        self.slice = Some(HashSet::new());
    }

    /// The records since [`Outlet::start_slice`].
    pub fn slice(&self) -> HashSet<u64> {
        self.slice.clone().unwrap_or_default()
    }

    /// Why the whole is not complete although every page was.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.clone()
    }

    pub fn sink_error(&self) -> Option<String> {
        self.sink_error.clone()
    }

    /// Notes that something is missing; the first reason is kept.
    pub fn note(&mut self, why: String) {
        self.trouble.get_or_insert(why);
    }

    /// What need not be read again: where a record is all that its offer is made of.
    pub fn recall(&self) -> Option<Arc<Recall>> {
        let alone = self.connector.source.detail.is_none() && !self.connector.relationships;
        alone.then(|| self.sink.recall()).flatten()
    }

    /// Whether pages or slices may show one record twice.
    fn overlaps(&self) -> bool {
        !matches!(self.connector.source.paging, Paging::None)
    }

    /// Takes one item. The very same record again is dropped where pages or slices may overlap;
    /// any other repeated reference is the source's fault, and the sink's to count.
    ///
    /// # Errors
    /// The sink refuses.
    pub async fn put(&mut self, item: Item, session: &mut Session<'_>) -> Result<(), String> {
        let kept = match &item {
            Item::Record(record) => self.connector.mapping().keeps(&record.tree),
            Item::Known(_) | Item::Broken { .. } => true,
        };
        if self.is_new(&item) && kept {
            self.batch.push(match item {
                Item::Record(record) => SourceRecord::Tree(record),
                Item::Known(known) => SourceRecord::Known(known),
                Item::Broken { raw, why } => broken(None, &raw, why),
            });
        }
        if self.batch.len() >= BATCH {
            self.flush(session).await?;
        }
        Ok(())
    }

    /// Counts an item; whether it is not the very same as one before it.
    fn is_new(&mut self, item: &Item) -> bool {
        if !self.overlaps() {
            self.records += 1;
            return true;
        }
        let (key, content) = match item {
            Item::Record(record) => {
                let content = hash(&record.tree);
                let reference = self.connector.reference(&record.tree);
                (reference.map_or(content, |r| hash(&r)), content)
            }
            Item::Known(known) => (hash(&known.reference), hash(&known.hash)),
            Item::Broken { raw, .. } => (hash(raw), 0),
        };
        if let Some(slice) = &mut self.slice {
            slice.insert(key);
        }
        self.seen.insert(key, content) != Some(content)
    }

    /// Hands over what has come together.
    ///
    /// # Errors
    /// The sink refuses.
    pub async fn flush(&mut self, session: &mut Session<'_>) -> Result<(), String> {
        let mut batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Ok(());
        }
        if let Some(detail) = &self.connector.source.detail {
            let details = detail::fetch(session, detail, batch).await;
            batch = details.records;
            if let Some(why) = details.forbidden {
                self.note(why);
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.sink.push(batch).await.map_err(|error| {
            let why = format!("the records cannot be stored: {error:#}");
            self.sink_error = Some(why.clone());
            why
        })
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The text of a record for people.
pub fn shown(record: &Value) -> String {
    record.to_string()
}
