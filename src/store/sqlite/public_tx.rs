//! The hub-wide lock of an embedded store: one process runs the pipeline, so a mutex is enough.
//! Reads share one snapshot; everything is written in one job of the writer.

use super::failure::{Failure, Result};
use super::readers::Reader;
use super::{Inner, features, people, postings, vacancies};
use crate::model::{Decision, Edge, MessageId, Posting, PostingId, StoredPosting, VacancyId};
use crate::store::prepared::Blocks;
use crate::store::prepared::{pack_vacancies, prepared};
use crate::store::{BodyDigest, Inbox, KeptFeatures, PublicCommit, PublicTx, StoredVacancy};
use async_trait::async_trait;
use rusqlite::Connection;
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;

pub(super) struct SqlitePublicTx {
    inner: Arc<Inner>,
    /// Absent after a read that panicked.
    reader: Option<Reader>,
    /// Of the keys met under the lock.
    blocks: Blocks,
    _lock: OwnedMutexGuard<()>,
}

impl SqlitePublicTx {
    pub async fn begin(inner: Arc<Inner>) -> crate::store::Result<Self> {
        let lock = Arc::clone(&inner.public).lock_owned().await;
        let mut tx = Self {
            reader: None,
            blocks: Blocks::default(),
            inner,
            _lock: lock,
        };
        let begun = async {
            let reader = tx.inner.readers.take().await?;
            let (reader, begun) = reader
                .read(|c| {
                    c.execute_batch("BEGIN")?;
                    // The snapshot is taken by the first read: here, not at some later call.
                    Ok(c.query_row("SELECT count(*) FROM meta", [], |row| row.get::<_, i64>(0))?)
                })
                .await;
            begun.map(|_| reader)
        };
        tx.reader = begun
            .await
            .map_err(|failure| failure.told("lock what is public"))?;
        Ok(tx)
    }

    async fn read<T: Send + 'static>(
        &mut self,
        doing: &str,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> crate::store::Result<T> {
        let Some(reader) = self.reader.take() else {
            return Err(Failure::Away("the lock's connection was lost".into()).told(doing));
        };
        let (reader, result) = reader.read(work).await;
        self.reader = reader;
        result.map_err(|failure| failure.told(doing))
    }
}

#[async_trait]
impl PublicTx for SqlitePublicTx {
    async fn candidates(
        &mut self,
        ids: &[PostingId],
        cap: usize,
    ) -> crate::store::Result<Vec<(PostingId, PostingId)>> {
        let ids = ids.to_vec();
        let (pairs, blocks) = self
            .read("find candidates", move |c| {
                postings::candidates(c, &ids, cap)
            })
            .await?;
        self.blocks.cap = blocks.cap;
        self.blocks.generic.extend(blocks.generic);
        Ok(pairs)
    }

    async fn load_normalised(
        &mut self,
        ids: &[PostingId],
    ) -> crate::store::Result<Vec<StoredPosting>> {
        let ids = ids.to_vec();
        self.read("load postings", move |c| postings::normalised(c, &ids))
            .await
    }

    async fn digests(
        &mut self,
        ids: &[PostingId],
    ) -> crate::store::Result<Vec<(PostingId, BodyDigest)>> {
        let ids = ids.to_vec();
        self.read("read digests", move |c| postings::digests(c, &ids))
            .await
    }

    async fn features(&mut self, ids: &[PostingId]) -> crate::store::Result<Vec<KeptFeatures>> {
        let ids = ids.to_vec();
        self.read("read features", move |c| features::of(c, &ids))
            .await
    }

    async fn bodies(
        &mut self,
        ids: &[PostingId],
    ) -> crate::store::Result<Vec<(Posting, BodyDigest)>> {
        let ids = ids.to_vec();
        self.read("load bodies", move |c| postings::bodies(c, &ids))
            .await
    }

    async fn edges(&mut self, ids: &[PostingId]) -> crate::store::Result<Vec<Edge>> {
        let ids = ids.to_vec();
        self.read("load edges", move |c| vacancies::edges(c, &ids))
            .await
    }

    async fn clusters(
        &mut self,
        ids: &[PostingId],
    ) -> crate::store::Result<Vec<(PostingId, VacancyId)>> {
        let ids = ids.to_vec();
        self.read("load clusters", move |c| vacancies::clusters(c, &ids))
            .await
    }

    async fn vacancies(&mut self, ids: &[VacancyId]) -> crate::store::Result<Vec<StoredVacancy>> {
        let ids = ids.to_vec();
        self.read("load vacancies", move |c| {
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                found.extend(vacancies::get(c, id)?);
            }
            Ok(found)
        })
        .await
    }

    async fn decisions(&mut self, ids: &[PostingId]) -> crate::store::Result<Vec<Decision>> {
        let ids = ids.to_vec();
        self.read("load decisions", move |c| people::decisions_of(c, &ids))
            .await
    }

    async fn commit(
        mut self: Box<Self>,
        commit: PublicCommit,
        inbox: &Inbox,
    ) -> crate::store::Result<()> {
        // The snapshot has served: its connection goes back before the write.
        self.reader = None;
        let inbox = inbox.clone();
        let settled: Vec<MessageId> = inbox.messages.clone();
        let blocks = std::mem::take(&mut self.blocks);
        let doing = "commit vacancies";
        let (commit, packed) = prepared(doing, move || {
            let packed = pack_vacancies(&commit.vacancies)?;
            Ok((commit, packed))
        })
        .await?;
        self.inner
            .write(doing, move |c| {
                vacancies::commit(c, &commit, &packed, &inbox)?;
                crate::fault::point("dedupe.write");
                postings::settle_generic(c, &blocks, inbox.at)
            })
            .await?;
        self.inner.release(&settled);
        Ok(())
    }
}
