//! The hub-wide lock of a cluster: an advisory lock that a transaction holds until it ends.

use super::failure::{Failure, Result};
use super::rows::run;
use super::{blocks, bodies, features, people, vacancies};
use crate::model::{Decision, Edge, Posting, PostingId, StoredPosting, VacancyId};
use crate::store::prepared::Blocks;
use crate::store::{BodyDigest, Inbox, KeptFeatures, PublicCommit, PublicTx, StoredVacancy};
use async_trait::async_trait;
use deadpool_postgres::{Client, Object};
use std::time::Duration;

/// A lock that is not given within this time belongs to someone who hangs.
const LOCK: &str = "SET LOCAL lock_timeout = '60s'; \
     SET LOCAL idle_in_transaction_session_timeout = '120s'";

pub(super) struct PostgresPublicTx {
    /// Present until the end: dropping the transaction drops its connection with it, and the
    /// server gives the lock back.
    client: Option<Client>,
    /// Of the keys met under the lock.
    blocks: Blocks,
    /// See [`super::PostgresOptions::patience`].
    patience: Duration,
}

impl PostgresPublicTx {
    pub async fn begin(
        client: Client,
        lock: i64,
        patience: Duration,
    ) -> crate::store::Result<Self> {
        let tx = Self {
            client: Some(client),
            blocks: Blocks::default(),
            patience,
        };
        let locked = async {
            let c = tx.client()?;
            c.batch_execute("BEGIN").await?;
            c.batch_execute(LOCK).await?;
            run(c, "SELECT pg_advisory_xact_lock($1)", &[&lock]).await
        };
        tx.patient("lock what is public", locked).await?;
        Ok(tx)
    }

    /// What `work` comes to. After an error the transaction is of no use any more.
    async fn patient<T>(
        &self,
        doing: &str,
        work: impl Future<Output = Result<T>>,
    ) -> crate::store::Result<T> {
        let done = tokio::time::timeout(self.patience, work).await;
        done.unwrap_or_else(|_| Err(Failure::silent(self.patience)))
            .map_err(|failure| failure.told(doing))
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
        let found = async { blocks::candidates(self.client()?, ids, cap).await };
        let (pairs, blocks) = self.patient("find candidates", found).await?;
        self.blocks.cap = blocks.cap;
        self.blocks.generic.extend(blocks.generic);
        Ok(pairs)
    }

    async fn load_normalised(
        &mut self,
        ids: &[PostingId],
    ) -> crate::store::Result<Vec<StoredPosting>> {
        let read = async { bodies::normalised(self.client()?, ids).await };
        self.patient("load postings", read).await
    }

    async fn digests(
        &mut self,
        ids: &[PostingId],
    ) -> crate::store::Result<Vec<(PostingId, BodyDigest)>> {
        let read = async { bodies::digests(self.client()?, ids).await };
        self.patient("read digests", read).await
    }

    async fn features(&mut self, ids: &[PostingId]) -> crate::store::Result<Vec<KeptFeatures>> {
        let read = async { features::of(self.client()?, ids).await };
        self.patient("read features", read).await
    }

    async fn bodies(
        &mut self,
        ids: &[PostingId],
    ) -> crate::store::Result<Vec<(Posting, BodyDigest)>> {
        let read = async { bodies::alone(self.client()?, ids).await };
        self.patient("load bodies", read).await
    }

    async fn edges(&mut self, ids: &[PostingId]) -> crate::store::Result<Vec<Edge>> {
        let read = async { vacancies::edges(self.client()?, ids).await };
        self.patient("load edges", read).await
    }

    async fn clusters(
        &mut self,
        ids: &[PostingId],
    ) -> crate::store::Result<Vec<(PostingId, VacancyId)>> {
        let read = async { vacancies::clusters(self.client()?, ids).await };
        self.patient("load clusters", read).await
    }

    async fn vacancies(&mut self, ids: &[VacancyId]) -> crate::store::Result<Vec<StoredVacancy>> {
        let read = async { vacancies::get(self.client()?, ids).await };
        self.patient("load vacancies", read).await
    }

    async fn decisions(&mut self, ids: &[PostingId]) -> crate::store::Result<Vec<Decision>> {
        let read = async { people::decisions_of(self.client()?, ids).await };
        self.patient("load decisions", read).await
    }

    async fn commit(
        mut self: Box<Self>,
        commit: PublicCommit,
        inbox: &Inbox,
    ) -> crate::store::Result<()> {
        let committed = async {
            let c = self.client()?;
            vacancies::commit(c, commit, inbox).await?;
            crate::fault::point("dedupe.write");
            blocks::settle_generic(c, &self.blocks, inbox.at).await?;
            c.batch_execute("COMMIT").await?;
            Ok(())
        };
        self.patient("commit vacancies", committed).await?;
        // Its connection is clean: back to the pool.
        drop(self.client.take());
        Ok(())
    }
}
