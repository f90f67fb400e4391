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
    /// Hashes of the references that were seen, and of the content of each one's last record; a
    /// record without a reference counts by its content.
    seen: HashMap<u64, u64>,
    /// Keys of the records since the last [`Outlet::start_slice`].
    slice: HashSet<u64>,
    trouble: Option<String>,
    sink_error: Option<String>,
}

impl<'a> Outlet<'a> {
    pub fn new(connector: &'a Connector, sink: &'a mut dyn RecordSink) -> Self {
        Self {
            connector,
            sink,
            batch: Vec::new(),
            seen: HashMap::new(),
            slice: HashSet::new(),
            trouble: None,
            sink_error: None,
        }
    }

    /// Distinct records so far, the filtered and the broken included.
    pub fn seen(&self) -> u64 {
        self.seen.len() as u64
    }

    /// Forgets which records the last slice had.
    pub fn start_slice(&mut self) {
        self.slice.clear();
    }

    /// The records since [`Outlet::start_slice`].
    pub fn slice(&self) -> &HashSet<u64> {
        &self.slice
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
        match item {
            Item::Known(known) => {
                let key = hash(&known.reference);
                self.slice.insert(key);
                let content = if self.overlaps() {
                    hash(&known.hash)
                } else {
                    0
                };
                let before = self.seen.insert(key, content);
                if !self.overlaps() || before != Some(content) {
                    self.batch.push(SourceRecord::Known(known));
                }
            }
            Item::Record(whole) => {
                let record = &whole.tree;
                let key = match self.connector.reference(record) {
                    Some(reference) => hash(&reference),
                    None => hash(&record.to_string()),
                };
                self.slice.insert(key);
                let overlaps = self.overlaps();
                let content = if overlaps { hash(record) } else { 0 };
                let before = self.seen.insert(key, content);
                let again = overlaps && before == Some(content);
                if !again && self.connector.mapping().keeps(record) {
                    self.batch.push(SourceRecord::Tree(whole));
                }
            }
            Item::Broken { raw, why } => {
                let key = hash(&raw);
                self.slice.insert(key);
                if self.seen.insert(key, 0).is_none() {
                    self.batch.push(broken(None, &raw, why));
                }
            }
        }
        if self.batch.len() >= BATCH {
            self.flush(session).await?;
        }
        Ok(())
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
            batch = detail::fetch(session, detail, batch).await;
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
