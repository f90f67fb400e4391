//! The hub-wide lock of a cluster: an advisory lock that a transaction holds until it ends.

use super::failure::{Failure, Result};
use super::rows::run;
use super::{blocks, bodies, people, vacancies};
use crate::model::{Decision, Edge, PostingId, StoredPosting, VacancyId};
use crate::store::prepared::Blocks;
use crate::store::{BodyDigest, Inbox, PublicCommit, PublicTx, StoredVacancy};
use async_trait::async_trait;
use deadpool_postgres::{Client, Object};

/// A lock that is not given within this time belongs to someone who hangs.
const LOCK: &str = "SET LOCAL lock_timeout = '60s'; \
     SET LOCAL idle_in_transaction_session_timeout = '120s'";

pub(super) struct PostgresPublicTx {
    /// Present until the end: dropping the transaction drops its connection with it, and the
    /// server gives the lock back.
    client: Option<Client>,
    /// Of the keys met under the lock.
    blocks: Blocks,
}

impl PostgresPublicTx {
    pub async fn begin(client: Client, lock: i64) -> Result<Self> {
        let tx = Self {
            client: Some(client),
            blocks: Blocks::default(),
        };
        let c = tx.client()?;
        c.batch_execute("BEGIN").await?;
        c.batch_execute(LOCK).await?;
        run(c, "SELECT pg_advisory_xact_lock($1)", &[&lock]).await?;
        Ok(tx)
    }

    fn client(&self) -> Result<&Client> {
        self.client
            .as_ref()
            .ok_or_else(|| Failure::refused("the transaction has ended"))
    }
}

impl Drop for PostgresPublicTx {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            drop(Object::take(client));
        }
    }
}

#[async_trait]
impl PublicTx for PostgresPublicTx {
    async fn candidates(
        &mut self,
        ids: &[PostingId],
        cap: usize,
    ) -> crate::store::Result<Vec<(PostingId, PostingId)>> {
        let (pairs, blocks) = async { blocks::candidates(self.client()?, ids, cap).await }
            .await
            .map_err(|failure: Failure| failure.told("find candidates"))?;
        self.blocks.cap = blocks.cap;
        self.blocks.generic.extend(blocks.generic);
        Ok(pairs)
    }

    async fn load_normalised(
        &mut self,
        ids: &[PostingId],
    ) -> crate::store::Result<Vec<StoredPosting>> {
        async { bodies::normalised(self.client()?, ids).await }
            .await
            .map_err(|failure: Failure| failure.told("load postings"))
    }

    async fn digests(
        &mut self,
        ids: &[PostingId],
    ) -> crate::store::Result<Vec<(PostingId, BodyDigest)>> {
        async { bodies::digests(self.client()?, ids).await }
            .await
            .map_err(|failure: Failure| failure.told("read digests"))
    }

    async fn edges(&mut self, ids: &[PostingId]) -> crate::store::Result<Vec<Edge>> {
        async { vacancies::edges(self.client()?, ids).await }
            .await
            .map_err(|failure: Failure| failure.told("load edges"))
    }

    async fn clusters(
        &mut self,
        ids: &[PostingId],
    ) -> crate::store::Result<Vec<(PostingId, VacancyId)>> {
        async { vacancies::clusters(self.client()?, ids).await }
            .await
            .map_err(|failure: Failure| failure.told("load clusters"))
    }

    async fn vacancies(&mut self, ids: &[VacancyId]) -> crate::store::Result<Vec<StoredVacancy>> {
        async { vacancies::get(self.client()?, ids).await }
            .await
            .map_err(|failure: Failure| failure.told("load vacancies"))
    }

    async fn decisions(&mut self, ids: &[PostingId]) -> crate::store::Result<Vec<Decision>> {
        async { people::decisions_of(self.client()?, ids).await }
            .await
            .map_err(|failure: Failure| failure.told("load decisions"))
    }

    async fn commit(
        mut self: Box<Self>,
        commit: PublicCommit,
        inbox: &Inbox,
    ) -> crate::store::Result<()> {
        let committed: Result<()> = async {
            let c = self.client()?;
            vacancies::commit(c, commit, inbox).await?;
            blocks::settle_generic(c, &self.blocks, inbox.at).await?;
            c.batch_execute("COMMIT").await?;
            Ok(())
        }
        .await;
        committed.map_err(|failure| failure.told("commit vacancies"))?;
        // Its connection is clean: back to the pool.
        drop(self.client.take());
        Ok(())
    }
}
