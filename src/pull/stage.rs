//! Staging: each record is mapped once for what a run needs to know of it, and kept as it came.

mod record;
mod tally;

pub use record::{prints, read_record};
pub use tally::{Seen, Tally};

use super::recall::{Memory, Recall};
use super::run::{Absent, Source};
use super::source::{RecordSink, SourceRecord};
use crate::model::RunId;
use crate::store::{StagedRecord, Store, StoreError};
use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::Arc;

/// Records mapped and staged at a time.
const BATCH: usize = 500;

/// The sink of one run: maps on a blocking thread, stages in batches.
pub struct Stager<'a> {
    store: &'a dyn Store,
    source: Arc<dyn Source>,
    run: RunId,
    tally: Tally,
    /// Records that need not be read again.
    recall: Option<Arc<Recall>>,
    /// Why staging stopped; the run ends with it.
    pub failed: Option<StoreError>,
}

impl<'a> Stager<'a> {
    /// # Errors
    /// The store's own.
    pub async fn new(
        store: &'a dyn Store,
        source: Arc<dyn Source>,
        run: RunId,
    ) -> Result<Self, StoreError> {
        let recall = match source.memory() {
            Some(memory) => Some(Arc::new(recalled(store, memory, run).await?)),
            None => None,
        };
        Ok(Self {
            store,
            source,
            run,
            tally: Tally::default(),
            recall,
            failed: None,
        })
    }

    /// Stages what is left; call once the source has been read.
    ///
    /// # Errors
    /// The store's own.
    pub async fn finish(mut self) -> Result<Seen, StoreError> {
        if self.tally.asks_for_names() {
            let mut missing = Vec::new();
            let mut absent = Absent::new(self.store, self.run);
            while let Some(page) = absent.next().await? {
                missing.extend(page.into_iter().map(|state| state.reference));
            }
            let rows = self.tally.name_the_nameless(missing);
            self.stage(rows).await?;
        }
        if let Some(memory) = self.source.memory() {
            memory.replace(self.tally.recall());
        }
        let seen = self.tally.finish();
        if seen.repeats.records > 0 {
            tracing::warn!(
                connector = %self.source.name(), run = %self.run,
                records = seen.repeats.records, references = ?seen.repeats.references,
                "the source repeats references; the last record of each counts"
            );
        }
        Ok(seen)
    }

    async fn push_batch(&mut self, records: Vec<SourceRecord>) -> Result<(), StoreError> {
        let source = self.source.clone();
        let mapped = tokio::task::spawn_blocking(move || {
            let records = records.into_iter();
            records
                .map(|record| read_record(&*source, record))
                .collect::<Vec<_>>()
        })
        .await
        .map_err(|error| StoreError::Permanent {
            doing: "map a batch of records".to_owned(),
            why: error.to_string(),
        })?;
        let rows = mapped.into_iter().filter_map(|read| self.tally.take(read));
        let rows = rows.collect();
        self.stage(rows).await
    }

    async fn stage(&self, rows: Vec<StagedRecord>) -> Result<(), StoreError> {
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

/// What is remembered of the source and still holds.
async fn recalled(store: &dyn Store, memory: &Memory, run: RunId) -> Result<Recall, StoreError> {
    let mut live = HashMap::new();
    if !memory.is_empty() {
        // Nothing is staged yet: every live posting is absent.
        let mut all = Absent::new(store, run);
        while let Some(page) = all.next().await? {
            live.extend(page.into_iter().map(|state| (state.reference, state.hash)));
        }
    }
    Ok(memory.holding(&live))
}

/// Owned chunks of at most `size`.
pub fn chunks<T>(items: Vec<T>, size: usize) -> impl Iterator<Item = Vec<T>> {
    let mut items = items.into_iter();
    std::iter::from_fn(move || {
        let chunk: Vec<T> = items.by_ref().take(size).collect();
        (!chunk.is_empty()).then_some(chunk)
    })
}
