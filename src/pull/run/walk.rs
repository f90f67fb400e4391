//! Walking through what a run staged and what it lacks, a page at a time: a run holds one page of
//! a feed of any size.

use crate::model::{PostingState, RunId};
use crate::store::{Compared, Store, StoreError};

/// Records at a time, and posting changes in one transaction.
pub const PAGE: usize = 500;

/// The staged records of a run, each beside its posting.
pub struct Records<'a> {
    store: &'a dyn Store,
    run: RunId,
    after: Option<String>,
}

impl<'a> Records<'a> {
    pub fn new(store: &'a dyn Store, run: RunId) -> Self {
        Self {
            store,
            run,
            after: None,
        }
    }

    /// The next page; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<Compared>>, StoreError> {
        let after = self.after.as_deref();
        let page = self.store.compare(self.run, after, PAGE).await?;
        self.after = page.last().map(|last| last.row.reference.clone());
        Ok(self.after.is_some().then_some(page))
    }
}

/// The live postings that a run did not see.
pub struct Absent<'a> {
    store: &'a dyn Store,
    run: RunId,
    after: Option<String>,
}

impl<'a> Absent<'a> {
    pub fn new(store: &'a dyn Store, run: RunId) -> Self {
        Self::after(store, run, None)
    }

    /// Those after the reference `after`.
    pub fn after(store: &'a dyn Store, run: RunId, after: Option<String>) -> Self {
        Self { store, run, after }
    }

    /// The next page; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<PostingState>>, StoreError> {
        let after = self.after.as_deref();
        let page = self.store.absent(self.run, after, PAGE).await?;
        self.after = page.last().map(|last| last.reference.clone());
        Ok(self.after.is_some().then_some(page))
    }
}
