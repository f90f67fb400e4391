//! The handle that every route and sink shares.

use super::{
    PublishSettings,
    api::Codec,
    export::{ExportError, Memos, Profiles},
    index::{Address, Dimension, Filter, Index, Page, Search, Sort, Tally, Tombstone},
    kit::KitError,
    live::LastRead,
    news::News,
    portal::Templates,
    respond::Document,
};
use crate::{
    model::{Clock, Network, PostingId, VacancyId},
    store::{
        Change, DynStore, Hint, Hints, PublicVacancy, Result as StoreResult, StoreError,
        StoredVacancy,
    },
};
use anyhow::Context as _;
use async_trait::async_trait;
use std::{
    collections::{BTreeSet, HashMap},
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
    /// Every posting that was ever erased.
    async fn erased(&self) -> StoreResult<BTreeSet<PostingId>>;
    async fn cursor(&self, sink: &str) -> StoreResult<u64>;
    async fn set_cursor(&self, sink: &str, seq: u64) -> StoreResult<()>;
    async fn advance_cursor(&self, sink: &str, from: u64, to: u64) -> StoreResult<bool>;
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
    async fn erased(&self) -> StoreResult<BTreeSet<PostingId>> {
        Ok((**self).erased().await?.into_iter().collect())
    }
    async fn cursor(&self, sink: &str) -> StoreResult<u64> {
        (**self).cursor(sink).await
    }
    async fn set_cursor(&self, sink: &str, seq: u64) -> StoreResult<()> {
        (**self).set_cursor(sink, seq).await
    }
    async fn advance_cursor(&self, sink: &str, from: u64, to: u64) -> StoreResult<bool> {
        (**self).advance_cursor(sink, from, to).await
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
    #[error("could not make the LinkedIn kit")]
    Kit(#[from] KitError),
    #[error("could not update the search index")]
    Index(#[source] anyhow::Error),
    #[error("could not keep what the last good exports are made of")]
    Kept(#[source] anyhow::Error),
    #[error("the work on an answer ended early")]
    Task(#[source] tokio::task::JoinError),
}

/// Publishing: cheap to clone, one for all routes and sinks of a process.
#[derive(Clone)]
pub struct Publish(Arc<Inner>);

struct Inner {
    store: Arc<dyn PublicState>,
    network: watch::Receiver<Arc<Network>>,
    clock: Clock,
    settings: PublishSettings,
    profiles: RwLock<Profiles>,
    templates: Templates,
    codec: Codec,
    /// What is searched.
    index: RwLock<Option<Arc<Index>>>,
    /// Held while the index catches up.
    keeping: tokio::sync::Mutex<Keeping>,
    /// A search found the index damaged: it is looked at again before the next one.
    doubtful: AtomicBool,
    /// Something was erased: documents that are kept are looked at.
    erased: AtomicBool,
    /// Searches at a time: more wait, each takes a core.
    searches: tokio::sync::Semaphore,
    renders: Mutex<HashMap<String, (Vintage, Rendered)>>,
    /// One whole document is rendered at a time: who waits finds it on the shelf.
    rendering: tokio::sync::Mutex<()>,
    /// Streams of changes at a time: each holds a connection for as long as it likes.
    streams: Arc<tokio::sync::Semaphore>,
    last_read: LastRead,
    memos: Memos,
    /// For whoever waits for a change.
    last_look: News,
    /// Set at shutdown: whoever waits for a change answers at once.
    stopping: AtomicBool,
}

/// How the index is kept.
#[derive(Default)]
struct Keeping {
    /// When the store was looked at last.
    looked: Option<Instant>,
    /// The index that follows the store; what is searched is one that has caught up.
    index: Option<Arc<Index>>,
}

/// What a rendered document was made from: change number, network files, mandates in force.
#[derive(Clone, Debug)]
pub(super) struct Vintage {
    head: u64,
    network: Arc<Network>,
    mandates: u64,
    profiles: Profiles,
}

impl PartialEq for Vintage {
    fn eq(&self, other: &Self) -> bool {
        self.head == other.head && self.made_alike(other)
    }
}

impl Vintage {
    /// Whether the two differ at most in the offers.
    pub(super) fn made_alike(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.network, &other.network)
            && self.mandates == other.mandates
            && self.profiles.is_same(&other.profiles)
    }
}

/// A rendered document, shared by all requests for it.
pub(super) type Rendered = Arc<Document>;

/// Rendered documents that are kept at most; one more empties the shelf.
const RENDERS: usize = 256;
/// Changes that the index takes over at a time, and between two commits of one that is far behind.
const BATCH: usize = 1_000;
const COMMIT: usize = 50_000;
/// Where the store keeps the name that tells it from any other.
const STORE: &str = "store.id";

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
            streams: Arc::new(tokio::sync::Semaphore::new(settings.streams)),
            settings,
            profiles: RwLock::new(profiles),
            templates: Templates::new(),
            index: RwLock::new(None),
            keeping: tokio::sync::Mutex::default(),
            doubtful: AtomicBool::new(false),
            // A process may have ended between an erasure and the look at what is kept.
            erased: AtomicBool::new(true),
            searches: tokio::sync::Semaphore::new(
                2 * std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            ),
            renders: Mutex::new(HashMap::new()),
            rendering: tokio::sync::Mutex::new(()),
            last_read: LastRead::default(),
            memos: Memos::default(),
            last_look: News::default(),
            stopping: AtomicBool::new(false),
        }))
    }

    pub fn settings(&self) -> &PublishSettings {
        &self.0.settings
    }

    pub fn profiles(&self) -> Profiles {
        let profiles = self.0.profiles.read();
        profiles.unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// From now on these profiles; exports are rendered anew.
    pub fn use_profiles(&self, profiles: Profiles) {
        *self.0.profiles.write().unwrap_or_else(|e| e.into_inner()) = profiles;
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

    pub(super) fn room_for_streams(&self) -> Arc<tokio::sync::Semaphore> {
        self.0.streams.clone()
    }

    pub(super) fn memos(&self) -> &Memos {
        &self.0.memos
    }

    pub(super) fn last_read(&self) -> &LastRead {
        &self.0.last_read
    }

    pub(super) fn last_look(&self) -> &News {
        &self.0.last_look
    }

    /// The index as it was when it had last caught up; none before the first time.
    fn index(&self) -> Option<Arc<Index>> {
        self.0
            .index
            .read()
            .unwrap_or_else(|e| e.into_inner())
            .clone()
    }

    /// The newest closings, oldest first, as the index knows them.
    pub(super) fn tombstones(&self) -> Vec<Tombstone> {
        self.index()
            .map(|index| index.tombstones())
            .unwrap_or_default()
    }

    /// The page of `search` in an index that is fresh.
    pub(super) async fn search(&self, search: Search) -> Result<Page, PublishError> {
        self.refresh().await?;
        self.read_index(move |index| index.search(&search)).await
    }

    /// How many live vacancies each member has.
    pub(super) async fn vacancies_by_member(&self) -> Result<Tally, PublishError> {
        let everything = Search {
            filter: Filter::default(),
            sort: Sort::Published,
            after: None,
            skip: 0,
            limit: 0,
            facets: &[Dimension::Member],
        };
        let page = self.search(everything).await?;
        Ok(page.facets.of(Dimension::Member).clone())
    }

    /// The address of every live vacancy.
    pub(super) async fn addresses(&self) -> Result<Vec<Address>, PublishError> {
        self.refresh().await?;
        self.read_index(|index| index.addresses()).await
    }

    /// Leave to take a core for a while: as many at a time as searches.
    pub(super) async fn drawing(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.0.searches.acquire().await.ok()
    }

    async fn read_index<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Index) -> anyhow::Result<T> + Send + 'static,
    ) -> Result<T, PublishError> {
        // The semaphore is never closed.
        let _permit = self.0.searches.acquire().await;
        let index = self.index();
        let done = tokio::task::spawn_blocking(move || {
            read(&*index.context("the index has never caught up")?)
        });
        let done = done.await;
        let outcome = done.map_err(anyhow::Error::from).flatten();
        outcome.map_err(|error| {
            self.0.doubtful.store(true, Ordering::Relaxed);
            PublishError::Index(error)
        })
    }

    /// Brings the search index to the store's head, unless it was there a moment ago.
    pub async fn refresh(&self) -> Result<(), PublishError> {
        let mut keeping = self.0.keeping.lock().await;
        let fresh = |at: Instant| at.elapsed() < self.0.settings.freshness;
        if keeping.looked.is_some_and(fresh) && !self.0.doubtful.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.catch_up(&mut keeping).await?;
        keeping.looked = Some(Instant::now());
        Ok(())
    }

    async fn catch_up(&self, keeping: &mut Keeping) -> Result<(), PublishError> {
        if self.0.doubtful.swap(false, Ordering::Relaxed) {
            self.let_go(keeping).await;
        }
        let index = match &keeping.index {
            Some(index) => index.clone(),
            None => {
                let store = self.store_name().await?;
                let base = self.0.settings.index.clone();
                let open = move || match base {
                    Some(base) => Index::open(&base, &store),
                    None => Index::in_memory(&store),
                };
                let index = Arc::new(blocking(open).await?);
                keeping.index.insert(index).clone()
            }
        };
        let outcome = self.follow_changes(&index).await;
        match outcome {
            Ok(true) => {
                let mut current = self.0.index.write().unwrap_or_else(|e| e.into_inner());
                if !current.as_ref().is_some_and(|own| Arc::ptr_eq(own, &index)) {
                    *current = Some(index);
                }
                Ok(())
            }
            // The store was restored from an older copy: what was indexed is of no use.
            Ok(false) => {
                self.0.last_read.forget();
                let cleared = blocking(move || index.discard()).await;
                self.let_go(keeping).await;
                cleared?;
                Box::pin(self.catch_up(keeping)).await
            }
            Err(error) => {
                // The index goes on from its last commit, if that is sound.
                if matches!(error, PublishError::Index(_)) {
                    self.let_go(keeping).await;
                }
                Err(error)
            }
        }
    }

    /// Drops the index that follows the store; what is searched stays until there is another.
    async fn let_go(&self, keeping: &mut Keeping) {
        keeping.looked = None;
        if let Some(index) = keeping.index.take() {
            // Ending its threads takes a moment. That it cannot be ended changes nothing here.
            let _ = tokio::task::spawn_blocking(move || index.close()).await;
        }
    }

    /// Takes over what the store has and `index` has not; `false` where it has what the store never
    /// had.
    async fn follow_changes(&self, index: &Arc<Index>) -> Result<bool, PublishError> {
        let begun = Instant::now();
        let mut at = index.head();
        let head = self.0.store.head().await?;
        if head < at || (at > 0 && at < super::api::floor(&*self.0.store).await?) {
            return Ok(false);
        }
        if head == at && !index.is_purging() {
            return Ok(true);
        }
        let (mut whole, mut pending) = (0, 0);
        let mut next = self.0.store.changes(at, BATCH).await?;
        while let Some(last) = next.last() {
            at = last.seq;
            pending += next.len();
            whole += next.len();
            if next.iter().any(Change::is_erasure) {
                self.0.erased.store(true, Ordering::Relaxed);
            }
            let commit = pending >= COMMIT;
            if commit {
                pending = 0;
            }
            let taking = index.clone();
            let changes = std::mem::take(&mut next);
            let taken = blocking(move || {
                taking.apply(&changes)?;
                if commit { taking.commit(at) } else { Ok(()) }
            });
            // The store is read while the index works.
            let (taken, read) = tokio::join!(taken, self.0.store.changes(at, BATCH));
            taken?;
            next = read?;
        }
        // Numbers that no longer have a row: their vacancies have a later one.
        let done = index.clone();
        blocking(move || done.commit(at.max(head))).await?;
        if whole > COMMIT {
            tracing::info!(
                vacancies = whole,
                seconds = begun.elapsed().as_secs(),
                "search index built"
            );
        }
        Ok(true)
    }

    /// The name of the store, given to it by whoever asks first.
    async fn store_name(&self) -> Result<String, PublishError> {
        if let Some(name) = self.0.store.meta(STORE).await? {
            return Ok(name);
        }
        let name = uuid::Uuid::from_bytes(rand::random()).to_string();
        self.0
            .store
            .write_notes(vec![(STORE.into(), Some(name))])
            .await?;
        // Of two that ask at a time, one is right.
        let name = self.0.store.meta(STORE).await?;
        Ok(name.unwrap_or_default())
    }

    /// Follows the store until `stop`, so that requests find the index fresh.
    pub async fn follow(&self, stop: CancellationToken) {
        let mut pause = Duration::from_millis(250);
        let mut hints = self.0.store.hints();
        while !stop.is_cancelled() {
            match self.refresh().await {
                Ok(()) => {
                    pause = Duration::from_millis(250);
                    if self.0.erased.swap(false, Ordering::Relaxed)
                        && let Err(error) = self.forget_erased().await
                    {
                        self.0.erased.store(true, Ordering::Relaxed);
                        tracing::warn!(error = %crate::publish::respond::chain(&error), "a kept export cannot be dropped");
                    }
                }
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
    pub(super) async fn vintage(&self) -> Result<Vintage, PublishError> {
        let network = self.network();
        Ok(Vintage {
            head: self.0.store.head().await?,
            mandates: super::mandate::fingerprint(&network, self.0.clock.now()),
            network,
            profiles: self.profiles(),
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
        if !document.fleeting && self.vintage().await? == vintage {
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

/// Work that takes a core or waits for a disk.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> Result<T, PublishError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(anyhow::Error::from)
        .flatten()
        .map_err(PublishError::Index)
}
