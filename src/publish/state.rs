//! The handle that every route and sink shares.

use super::{
    PublishSettings,
    api::Codec,
    export::{ExportError, Profiles},
    index::Index,
    portal::Templates,
    respond::Document,
};
use crate::{
    model::{Clock, Network, VacancyId},
    store::{
        Change, DynStore, Hint, Hints, PublicVacancy, Result as StoreResult, StoreError,
        StoredVacancy,
    },
};
use async_trait::async_trait;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The part of the store that publishing uses: it reads public state, and keeps sink cursors.
#[async_trait]
pub trait PublicState: Send + Sync + 'static {
    /// Hints that something public has changed; none need ever come.
    fn hints(&self) -> Hints {
        Hints::none()
    }
    async fn head(&self) -> StoreResult<u64>;
    async fn changes(&self, after: u64, limit: usize) -> StoreResult<Vec<Change>>;
    async fn snapshot(&self) -> StoreResult<(u64, Vec<PublicVacancy>)>;
    async fn vacancy(&self, id: VacancyId) -> StoreResult<Option<StoredVacancy>>;
    async fn cursor(&self, sink: &str) -> StoreResult<u64>;
    async fn set_cursor(&self, sink: &str, seq: u64) -> StoreResult<()>;
    async fn meta(&self, key: &str) -> StoreResult<Option<String>>;
    /// What a sink remembers: every note whose key begins with `prefix`, by key.
    async fn notes(&self, prefix: &str) -> StoreResult<Vec<(String, String)>>;
    /// Writes notes, or drops those with `None`, at once.
    async fn write_notes(&self, notes: Vec<(String, Option<String>)>) -> StoreResult<()>;
}

#[async_trait]
impl PublicState for DynStore {
    fn hints(&self) -> Hints {
        (**self).hints(Hint::Changes)
    }
    async fn head(&self) -> StoreResult<u64> {
        (**self).head().await
    }
    async fn changes(&self, after: u64, limit: usize) -> StoreResult<Vec<Change>> {
        (**self).changes(after, limit).await
    }
    async fn snapshot(&self) -> StoreResult<(u64, Vec<PublicVacancy>)> {
        (**self).snapshot().await
    }
    async fn vacancy(&self, id: VacancyId) -> StoreResult<Option<StoredVacancy>> {
        (**self).vacancy(id).await
    }
    async fn cursor(&self, sink: &str) -> StoreResult<u64> {
        (**self).cursor(sink).await
    }
    async fn set_cursor(&self, sink: &str, seq: u64) -> StoreResult<()> {
        (**self).set_cursor(sink, seq).await
    }
    async fn meta(&self, key: &str) -> StoreResult<Option<String>> {
        (**self).meta(key).await
    }
    async fn notes(&self, prefix: &str) -> StoreResult<Vec<(String, String)>> {
        (**self).notes(prefix).await
    }
    async fn write_notes(&self, notes: Vec<(String, Option<String>)>) -> StoreResult<()> {
        (**self).write_notes(notes).await
    }
}

#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("could not read the public state")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error("could not render the page {page}")]
    Page {
        page: &'static str,
        #[source]
        source: minijinja::Error,
    },
    #[error("could not update the search index")]
    Index(#[source] anyhow::Error),
}

/// Publishing: cheap to clone, one for all routes and sinks of a process.
#[derive(Clone)]
pub struct Publish(Arc<Inner>);

struct Inner {
    store: Arc<dyn PublicState>,
    network: watch::Receiver<Arc<Network>>,
    clock: Clock,
    settings: PublishSettings,
    profiles: Profiles,
    templates: Templates,
    codec: Codec,
    index: RwLock<Index>,
    /// Held while the index catches up, with the time of its last look at the store.
    looked: tokio::sync::Mutex<Option<Instant>>,
    renders: Mutex<HashMap<String, (Vintage, Rendered)>>,
    /// One whole document is rendered at a time: who waits finds it on the shelf.
    rendering: tokio::sync::Mutex<()>,
    /// Set at shutdown: whoever waits for a change answers at once.
    stopping: AtomicBool,
}

/// What a rendered document was made from: change number, network files, mandates in force.
#[derive(Clone, Debug)]
struct Vintage {
    head: u64,
    network: Arc<Network>,
    mandates: u64,
}

impl PartialEq for Vintage {
    fn eq(&self, other: &Self) -> bool {
        self.head == other.head
            && Arc::ptr_eq(&self.network, &other.network)
            && self.mandates == other.mandates
    }
}

/// A rendered document, shared by all requests for it.
pub(super) type Rendered = Arc<Document>;

/// Rendered documents that are kept at most; one more empties the shelf.
const RENDERS: usize = 256;

impl Publish {
    pub fn new(
        store: DynStore,
        network: watch::Receiver<Arc<Network>>,
        clock: Clock,
        settings: PublishSettings,
    ) -> Self {
        Self::with_profiles(
            Arc::new(store),
            network,
            clock,
            settings,
            Profiles::embedded(),
        )
    }

    /// As [`Publish::new`], on any source of public state, with export profiles of the operator.
    pub fn with_profiles(
        store: Arc<dyn PublicState>,
        network: watch::Receiver<Arc<Network>>,
        clock: Clock,
        settings: PublishSettings,
        profiles: Profiles,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            network,
            clock,
            codec: Codec::new(&settings.cursor_key),
            settings,
            profiles,
            templates: Templates::new(),
            index: RwLock::new(Index::new()),
            looked: tokio::sync::Mutex::new(None),
            renders: Mutex::new(HashMap::new()),
            rendering: tokio::sync::Mutex::new(()),
            stopping: AtomicBool::new(false),
        }))
    }

    pub fn settings(&self) -> &PublishSettings {
        &self.0.settings
    }

    pub fn profiles(&self) -> &Profiles {
        &self.0.profiles
    }

    pub(super) fn store(&self) -> &dyn PublicState {
        &*self.0.store
    }

    pub(super) fn network(&self) -> Arc<Network> {
        self.0.network.borrow().clone()
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(super) fn templates(&self) -> &Templates {
        &self.0.templates
    }

    pub(super) fn codec(&self) -> &Codec {
        &self.0.codec
    }

    /// Reads the index; no await may happen inside.
    pub(super) fn index<T>(&self, read: impl FnOnce(&Index) -> T) -> T {
        // A panic while the index was written cannot leave it half-written: `apply` replaces rows.
        let guard = self.0.index.read().unwrap_or_else(|e| e.into_inner());
        read(&guard)
    }

    /// Brings the search index to the store's head, unless it was there a moment ago.
    pub async fn refresh(&self) -> Result<(), PublishError> {
        let mut looked = self.0.looked.lock().await;
        if looked.is_some_and(|at| at.elapsed() < self.0.settings.freshness) {
            return Ok(());
        }
        self.catch_up_locked().await?;
        *looked = Some(Instant::now());
        Ok(())
    }

    /// Brings the search index to the store's head now.
    pub async fn catch_up(&self) -> Result<(), PublishError> {
        let _looked = self.0.looked.lock().await;
        self.catch_up_locked().await
    }

    async fn catch_up_locked(&self) -> Result<(), PublishError> {
        loop {
            let after = self.index(Index::head);
            let head = self.0.store.head().await?;
            if head < after {
                // The store was restored from an older copy: what was indexed is of no use.
                *self.write_index() = Index::new();
                continue;
            }
            if head == after {
                return Ok(());
            }
            let changes = self.0.store.changes(after, 1000).await?;
            if changes.is_empty() {
                // Numbers that no longer have a row: their vacancies have a later one.
                self.write_index().set_head(head);
                return Ok(());
            }
            self.write_index().apply(&changes);
        }
    }

    fn write_index(&self) -> std::sync::RwLockWriteGuard<'_, Index> {
        self.0.index.write().unwrap_or_else(|e| e.into_inner())
    }

    /// Follows the store until `stop`, so that requests find the index fresh.
    pub async fn follow(&self, stop: CancellationToken) {
        let mut pause = Duration::from_millis(250);
        let mut hints = self.0.store.hints();
        while !stop.is_cancelled() {
            match self.refresh().await {
                Ok(()) => pause = Duration::from_millis(250),
                Err(error) => {
                    tracing::warn!(error = %crate::publish::respond::chain(&error), "search index is behind");
                    pause = (pause * 2).min(Duration::from_secs(10));
                }
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = hints.next() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.0.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the process is on its way out.
    pub(super) fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Relaxed)
    }

    /// What a document rendered now would be made from.
    async fn vintage(&self) -> Result<Vintage, PublishError> {
        let network = self.network();
        Ok(Vintage {
            head: self.0.store.head().await?,
            mandates: super::mandate::fingerprint(&network, self.0.clock.now()),
            network,
        })
    }

    /// The whole document `key`, from the shelf or made anew by `render` for the present state.
    pub(super) async fn rendered(
        &self,
        key: String,
        render: impl AsyncFnOnce() -> Result<Document, PublishError>,
    ) -> Result<Rendered, PublishError> {
        if let Some(document) = self.shelved(&key, &self.vintage().await?) {
            return Ok(document);
        }
        let _one_at_a_time = self.0.rendering.lock().await;
        let vintage = self.vintage().await?;
        if let Some(document) = self.shelved(&key, &vintage) {
            return Ok(document);
        }
        let document = Arc::new(render().await?);
        // What changed meanwhile may or may not be in it: such a document serves this answer only.
        if self.vintage().await? == vintage {
            self.shelve(key, vintage, document.clone());
        }
        Ok(document)
    }

    /// The document `key` as it was rendered from `vintage`, if it still is on the shelf.
    fn shelved(&self, key: &str, vintage: &Vintage) -> Option<Rendered> {
        let renders = self.0.renders.lock().unwrap_or_else(|e| e.into_inner());
        renders
            .get(key)
            .filter(|(made_from, _)| made_from == vintage)
            .map(|(_, document)| document.clone())
    }

    fn shelve(&self, key: String, vintage: Vintage, document: Rendered) {
        let mut renders = self.0.renders.lock().unwrap_or_else(|e| e.into_inner());
        if renders.len() >= RENDERS {
            renders.clear();
        }
        renders.insert(key, (vintage, document));
    }
}
