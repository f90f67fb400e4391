//! The search index of one serving node: live public vacancies, kept from the change stream.
//!
//! Words, columns and bodies lie in one tantivy index, which is mapped from its folder and so costs
//! a process little memory of its own. A commit holds the change number that it stands for: after a
//! crash the index goes on from its last commit, and whatever is doubtful is built anew.

mod collect;
mod facet;
mod folder;
mod query;
mod schema;
#[cfg(test)]
mod tests;
mod words;

pub use facet::{Dimension, Facets, Tally};
pub use query::{Area, Filter, Key, Mark, Search, Sort};

use super::labels;
use crate::{
    model::{TombstoneReason, Vacancy, VacancyId},
    store::{Change, ChangeOp},
};
use anyhow::{Context as _, ensure};
use collect::Gather;
use folder::{Folder, Payload};
use futures::FutureExt as _;
use jiff::Timestamp;
use schema::Fields;
use serde::{Deserialize, Serialize};
use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, RwLock},
};
use tantivy::{
    FutureResult, IndexReader, IndexWriter, ReloadPolicy, SegmentMeta, TantivyDocument, Term,
    directory::MmapDirectory,
    indexer::{IndexWriterOptions, LogMergePolicy},
    query::{ConstScoreQuery, Query, TermSetQuery},
    schema::Value as _,
};

/// Memory in which new vacancies are gathered before they are written.
const BUFFER: usize = 32_000_000;
/// Blocks of bodies that a segment keeps unpacked.
const BLOCKS: usize = 8;
/// Of a segment's vacancies, those that may be deleted before it is written anew.
const DELETED: f32 = 0.3;
/// Below that many, documents are made without other threads.
const FEW: usize = 64;

/// One live vacancy as the index holds it.
#[derive(Debug)]
pub struct Doc {
    /// Canonical JSON.
    pub body: Vec<u8>,
    pub vacancy: Vacancy,
}

impl Doc {
    pub fn id(&self) -> VacancyId {
        self.vacancy.id
    }

    pub fn updated(&self) -> Option<Timestamp> {
        updated(&self.vacancy)
    }
}

/// When a vacancy's content changed last; the date of `since`.
fn updated(vacancy: &Vacancy) -> Option<Timestamp> {
    vacancy.offer.updated.or(vacancy.offer.published)
}

/// One page of results.
#[derive(Debug, Default)]
pub struct Page {
    /// All matches, not only this page's.
    pub total: usize,
    pub hits: Vec<Arc<Doc>>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Mark>,
    pub facets: Facets,
}

/// A vacancy that is no longer public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    pub id: VacancyId,
    pub at: Timestamp,
}

/// The page of one live vacancy.
#[derive(Clone, Debug)]
pub struct Address {
    pub id: VacancyId,
    pub slug: String,
    pub updated: Option<Timestamp>,
}

/// Closings that are remembered, for feeds that show them.
const TOMBSTONES: usize = 500;

pub struct Index {
    fields: Fields,
    inner: tantivy::Index,
    reader: IndexReader,
    writing: Mutex<Writing>,
    /// What readers see: that of the last commit.
    committed: RwLock<Payload>,
}

#[derive(Default)]
struct Writing {
    writer: Option<IndexWriter>,
    /// Whose lock ends with the writing.
    folder: Option<Folder>,
    /// What the next commit will say.
    next: Payload,
    /// Under way: what was erased goes from the files.
    purging: Option<FutureResult<Option<SegmentMeta>>>,
}

impl Index {
    /// An empty index in memory.
    ///
    /// # Errors
    /// None that is known: tantivy's calls can fail.
    pub fn in_memory(store: &str) -> anyhow::Result<Self> {
        let (schema, fields) = schema::schema();
        let inner = tantivy::Index::builder()
            .schema(schema)
            .tokenizers(schema::tokenizers())
            .fast_field_tokenizers(schema::tokenizers())
            .create_in_ram()?;
        Self::of(inner, fields, None, blank(store))
    }

    /// The index of `store` in a folder below `base`, as a process before left it, if it is sound;
    /// else an empty one.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn open(base: &Path, store: &str) -> anyhow::Result<Self> {
        let folder = Folder::take(base)?;
        match Self::existing(folder.path(), store) {
            Ok((inner, payload)) => {
                let (_, fields) = schema::schema();
                return Self::of(inner, fields, Some(folder), payload);
            }
            Err(reason) => tracing::info!(
                folder = %folder.path().display(), reason = format!("{reason:#}"),
                "the search index is built anew"
            ),
        }
        folder.clear()?;
        let (schema, fields) = schema::schema();
        let inner = tantivy::Index::builder()
            .schema(schema)
            .tokenizers(schema::tokenizers())
            .fast_field_tokenizers(schema::tokenizers())
            .create_in_dir(folder.path())?;
        Self::of(inner, fields, Some(folder), blank(store))
    }

    /// What lies in the folder, every file's checksum compared.
    fn existing(path: &Path, store: &str) -> anyhow::Result<(tantivy::Index, Payload)> {
        ensure!(path.join("meta.json").is_file(), "there is none yet");
        let mut inner = tantivy::Index::open(MmapDirectory::open(path)?)?;
        let meta = inner.load_metas()?;
        let payload = meta.payload.context("it was never finished")?;
        let payload: Payload = serde_json::from_str(&payload)?;
        ensure!(
            payload.form == schema::fingerprint(),
            "another version of the program made it"
        );
        ensure!(payload.store == store, "it was made from another store");
        let damaged = inner.validate_checksum()?;
        ensure!(damaged.is_empty(), "damaged files: {damaged:?}");
        inner.set_tokenizers(schema::tokenizers());
        inner.set_fast_field_tokenizers(schema::tokenizers());
        Ok((inner, payload))
    }

    fn of(
        inner: tantivy::Index,
        fields: Fields,
        folder: Option<Folder>,
        payload: Payload,
    ) -> anyhow::Result<Self> {
        let reader = inner
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .doc_store_cache_num_blocks(BLOCKS)
            .try_into()?;
        Ok(Self {
            fields,
            inner,
            reader,
            writing: Mutex::new(Writing {
                next: payload.clone(),
                folder,
                ..Writing::default()
            }),
            committed: RwLock::new(payload),
        })
    }

    /// The change number up to which the index is complete.
    pub fn head(&self) -> u64 {
        self.payload(|payload| payload.head)
    }

    /// The newest closings, oldest first.
    pub fn tombstones(&self) -> Vec<Tombstone> {
        self.payload(|payload| payload.gone.clone())
    }

    fn payload<T>(&self, read: impl FnOnce(&Payload) -> T) -> T {
        read(&self.committed.read().unwrap_or_else(|e| e.into_inner()))
    }

    fn writing(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Takes changes over, in their order; readers see them from the next commit on. What was taken
    /// over without a commit is taken over again after a crash, which does no harm.
    ///
    /// # Errors
    /// The folder cannot be written: the index is of no more use.
    pub fn apply(&self, changes: &[Change]) -> anyhow::Result<()> {
        let docs = self.documents(changes);
        let mut guard = self.writing();
        let writing = &mut *guard;
        let writer = match &mut writing.writer {
            Some(writer) => writer,
            none => none.insert(self.writer()?),
        };
        for (change, doc) in changes.iter().zip(docs) {
            let id = Term::from_field_bytes(self.fields.id, change.id.0.as_bytes());
            writer.delete_term(id);
            let next = &mut writing.next;
            next.gone.retain(|gone| gone.id != change.id);
            match (&change.op, doc) {
                (ChangeOp::Upsert { .. }, Some(doc)) => {
                    writer.add_document(doc)?;
                }
                (ChangeOp::Upsert { .. }, None) => {}
                (ChangeOp::Delete { reason, .. }, _) => {
                    next.purge |= *reason == TombstoneReason::Erased;
                    if next.gone.len() == TOMBSTONES {
                        next.gone.remove(0);
                    }
                    next.gone.push(Tombstone {
                        id: change.id,
                        at: change.changed_at,
                    });
                }
            }
            next.head = next.head.max(change.seq);
        }
        Ok(())
    }

    /// One document for each change that has one, made on all cores where there are many.
    fn documents(&self, changes: &[Change]) -> Vec<Option<TantivyDocument>> {
        let make = |change: &Change| {
            let ChangeOp::Upsert { body } = &change.op else {
                return None;
            };
            match serde_json::from_slice::<Vacancy>(body) {
                Ok(vacancy) => Some(self.fields.document(body, &vacancy)),
                // Written by a newer program: it stays reachable by id and in the delta feed.
                Err(error) => {
                    tracing::warn!(vacancy = %change.id, %error, "vacancy cannot be indexed");
                    None
                }
            }
        };
        if changes.len() < FEW {
            return changes.iter().map(make).collect();
        }
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let parts = changes.chunks(changes.len().div_ceil(cores));
        std::thread::scope(|scope| {
            let parts: Vec<_> = parts
                .map(|part| scope.spawn(|| part.iter().map(make).collect::<Vec<_>>()))
                .collect();
            let joined = parts.into_iter().flat_map(|part| match part.join() {
                Ok(docs) => docs,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            joined.collect()
        })
    }

    fn writer(&self) -> anyhow::Result<IndexWriter> {
        let options = IndexWriterOptions::builder()
            .memory_budget_per_thread(BUFFER)
            .num_worker_threads(1)
            .num_merge_threads(1)
            .build();
        let writer = self.inner.writer_with_options(options)?;
        let mut merging = LogMergePolicy::default();
        merging.set_del_docs_ratio_before_merge(DELETED);
        writer.set_merge_policy(Box::new(merging));
        Ok(writer)
    }

    /// Makes what was taken over visible and lasting, complete up to change number `head`.
    ///
    /// # Errors
    /// The folder cannot be written: the index is of no more use.
    pub fn commit(&self, head: u64) -> anyhow::Result<()> {
        let mut guard = self.writing();
        let writing = &mut *guard;
        writing.next.head = writing.next.head.max(head);
        let writer = match &mut writing.writer {
            Some(writer) => writer,
            none => none.insert(self.writer()?),
        };
        let purged = match &mut writing.purging {
            Some(under_way) => under_way.now_or_never(),
            None => None,
        };
        if let Some(outcome) = purged {
            writing.purging = None;
            if let Err(error) = outcome {
                tracing::info!(%error, "what was erased leaves the index later");
            }
        }
        let mut prepared = writer.prepare_commit()?;
        prepared.set_payload(&serde_json::to_string(&writing.next)?);
        prepared.commit()?;
        self.reader.reload()?;
        if writing.next.purge && writing.purging.is_none() {
            let marked: Vec<_> = self
                .inner
                .searchable_segment_metas()?
                .iter()
                .filter(|segment| segment.has_deletes())
                .map(SegmentMeta::id)
                .collect();
            match marked.as_slice() {
                // A search that began before keeps its files: the next commit looks again.
                [] => {
                    if let Err(error) = writer.garbage_collect_files().wait() {
                        tracing::info!(%error, "what was erased leaves the index later");
                    }
                    let folder = writing.folder.as_ref().map(Folder::path);
                    writing.next.purge = self.has_strays(folder)?;
                }
                marked => writing.purging = Some(writer.merge(marked)),
            }
        }
        *self.committed.write().unwrap_or_else(|e| e.into_inner()) = writing.next.clone();
        Ok(())
    }

    /// Whether the folder still holds files of segments that are none any more.
    fn has_strays(&self, folder: Option<&Path>) -> anyhow::Result<bool> {
        let Some(folder) = folder else {
            return Ok(false);
        };
        let segments = self.inner.searchable_segment_metas()?;
        let living: Vec<String> = segments.iter().map(|s| s.id().uuid_string()).collect();
        for file in std::fs::read_dir(folder)? {
            let name = file?.file_name();
            let segment = name.to_str().and_then(|name| name.split('.').next());
            // Other files are the index's own lists and locks.
            if segment.is_some_and(|s| s.len() == 32 && !living.iter().any(|l| l == s)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether something that was erased still stands in the index's files.
    pub fn is_purging(&self) -> bool {
        self.payload(|payload| payload.purge)
    }

    /// Ends the writing, so that the folder can be opened again; reading goes on.
    pub fn close(&self) {
        drop(self.end());
    }

    /// Waits for whatever still writes, and gives the folder.
    fn end(&self) -> Option<Folder> {
        let mut writing = self.writing();
        writing.purging = None;
        if let Some(writer) = writing.writer.take()
            && let Err(error) = writer.wait_merging_threads()
        {
            tracing::info!(%error, "the search index was not tidied to the end");
        }
        writing.folder.take()
    }

    /// Ends the writing and empties the folder.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn discard(&self) -> anyhow::Result<()> {
        match self.end() {
            Some(folder) => folder.clear(),
            None => Ok(()),
        }
    }

    /// The page of `search`, with the counts asked for.
    ///
    /// # Errors
    /// The index is damaged.
    pub fn search(&self, search: &Search) -> anyhow::Result<Page> {
        let searcher = self.reader.searcher();
        let mut queries = words::Words::new(&searcher, &self.fields).queries(&search.filter.q)?;
        queries.extend(self.narrowed(&search.filter));
        if let Some(within) = &search.filter.within {
            queries.extend(self.narrowed(within));
        }
        let query = words::all(queries);
        let found = searcher.search(&*query, &Gather { search })?;
        let mut page = Page {
            total: found.total,
            facets: found.facets,
            ..Page::default()
        };
        let mut hits = found.hits.into_iter().skip(search.skip);
        let mut last = None;
        for (mark, address) in hits.by_ref().take(search.limit) {
            let doc: TantivyDocument = searcher.doc(address)?;
            let body = doc
                .get_first(self.fields.json)
                .and_then(|value| value.as_bytes())
                .context("a vacancy without its body")?
                .to_vec();
            let vacancy = serde_json::from_slice(&body)?;
            page.hits.push(Arc::new(Doc { body, vacancy }));
            last = Some(mark);
        }
        page.next = last.filter(|_| hits.next().is_some());
        Ok(page)
    }

    /// What of the filter the words' part of the index can answer.
    fn narrowed(&self, filter: &Filter) -> Vec<Box<dyn Query>> {
        let texts = |field, words: &[String]| -> Option<Box<dyn Query>> {
            let terms = words.iter().map(|word| Term::from_field_text(field, word));
            (!words.is_empty()).then(|| silent(TermSetQuery::new(terms)))
        };
        let near = filter.area.and_then(|area| {
            // A degree of latitude is 111 km, one of longitude the less the further north.
            let (lat, lon) = area.centre;
            let north = area.km / 110.0 + 0.01;
            let furthest = (lat.abs() + north).min(89.0).to_radians();
            let east = north / furthest.cos();
            let cells = schema::cells(lat - north, lat + north, lon - east, lon + east)?;
            let terms = cells
                .into_iter()
                .map(|cell| Term::from_field_u64(self.fields.cell, cell));
            Some(silent(TermSetQuery::new(terms)))
        });
        [
            texts(self.fields.rome, &filter.romes),
            texts(self.fields.commune, &filter.communes),
            near,
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The address of every live vacancy, by id.
    ///
    /// # Errors
    /// The index is damaged.
    pub fn addresses(&self) -> anyhow::Result<Vec<Address>> {
        let searcher = self.reader.searcher();
        let mut all = Vec::new();
        for segment in searcher.segment_readers() {
            let columns = segment.fast_fields();
            let high = columns.u64(schema::column::ID_HIGH)?;
            let low = columns.u64(schema::column::ID_LOW)?;
            let updated = columns.i64(schema::column::UPDATED)?;
            let slugs = columns.str(schema::column::SLUG)?;
            for doc in segment.doc_ids_alive() {
                let mut slug = String::new();
                if let Some(slugs) = &slugs
                    && let Some(ord) = slugs.ords().first(doc)
                {
                    slugs.ord_to_str(ord, &mut slug)?;
                }
                let (Some(high), Some(low)) = (high.first(doc), low.first(doc)) else {
                    continue;
                };
                let updated = updated.first(doc);
                all.push(Address {
                    id: schema::id(high, low),
                    slug,
                    updated: updated.and_then(|at| Timestamp::from_microsecond(at).ok()),
                });
            }
        }
        all.sort_unstable_by_key(|address| address.id);
        Ok(all)
    }
}

fn blank(store: &str) -> Payload {
    Payload {
        form: schema::fingerprint(),
        store: store.to_owned(),
        ..Payload::default()
    }
}

/// A condition that does not weigh in the order.
fn silent(query: TermSetQuery) -> Box<dyn Query> {
    Box::new(ConstScoreQuery::new(Box::new(query), 0.0))
}

/// The facets' names and the words of each, in the order in which they are shown.
pub fn vocabulary() -> Vec<(Dimension, Vec<(String, &'static str)>)> {
    use crate::model::{Period, PublicStatus, Remote, Shift, Time};
    fn words<T: Serialize + Copy>(
        all: &[T],
        label: fn(T) -> &'static str,
    ) -> Vec<(String, &'static str)> {
        all.iter()
            .map(|word| (labels::code(word), label(*word)))
            .collect()
    }
    vec![
        (Dimension::Family, words(&labels::FAMILIES, labels::family)),
        (
            Dimension::Contract,
            words(&labels::CONTRACTS, labels::contract),
        ),
        (
            Dimension::Status,
            words(
                &[
                    PublicStatus::Titulaire,
                    PublicStatus::Stagiaire,
                    PublicStatus::Contractuel,
                    PublicStatus::PraticienHospitalier,
                    PublicStatus::Vacataire,
                ],
                labels::public_status,
            ),
        ),
        (
            Dimension::Time,
            words(&[Time::Full, Time::Part], labels::time),
        ),
        (
            Dimension::Shift,
            words(
                &[
                    Shift::Day,
                    Shift::Night,
                    Shift::Alternating,
                    Shift::TwelveHours,
                    Shift::OnCall,
                    Shift::Split,
                ],
                labels::shift,
            ),
        ),
        (
            Dimension::Remote,
            words(
                &[Remote::None, Remote::Partial, Remote::Full],
                labels::remote,
            ),
        ),
        (
            Dimension::PayPeriod,
            words(
                &[
                    Period::Hour,
                    Period::Day,
                    Period::Week,
                    Period::Month,
                    Period::Year,
                ],
                labels::period,
            ),
        ),
    ]
}
