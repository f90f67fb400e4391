//! The trait, method by method: each hands its work to the writer or to a reader.

use super::failure::Failure;
use super::public_tx::SqlitePublicTx;
use super::{
    SqliteStore, compare, features, lock, migrate, operations, outbox, people, postings, registers,
    runs, vacancies,
};
use crate::model::{
    CloseReason, ConnectorName, Decision, Event, HoldId, MessageId, Posting, PostingId,
    PostingState, Register, RegisterEntry, RegisterState, RunId, Stage, StoredPosting, VacancyId,
};
use crate::store::prepared::{PackedOutput, PackedRecord, prepared};
use crate::store::{
    BodyDigest, Change, Compared, ConnectorState, Counts, Guard, Hold, Inbox, KeptFeatures,
    KeyedEntry, Leased, NewRun, NormalisedOutput, OutboxDepth, Parked, Plan, PostingChange,
    PublicTx, PublicVacancy, Pulled, Reject, Result, Right, Run, RunEnd, Settlement, SnapshotKind,
    StagedRecord, Statistics, Store, StoredVacancy, Trace, codec,
};
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

/// The right to run one connector, within this process.
struct ConnectorGuard {
    name: ConnectorName,
    held: Arc<Mutex<HashSet<ConnectorName>>>,
}

impl Right for ConnectorGuard {
    /// Never: it rests on this process alone.
    fn lost(&self) -> CancellationToken {
        CancellationToken::new()
    }
}

impl Drop for ConnectorGuard {
    fn drop(&mut self) {
        lock(&self.held).remove(&self.name);
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn lock_connector(&self, connector: &ConnectorName) -> Result<Option<Guard>> {
        let held = &self.inner.connectors;
        Ok(lock(held).insert(connector.clone()).then(|| {
            Box::new(ConnectorGuard {
                name: connector.clone(),
                held: Arc::clone(held),
            }) as Guard
        }))
    }

    async fn connector_state(&self, connector: &ConnectorName) -> Result<ConnectorState> {
        let connector = connector.clone();
        self.inner
            .read("load a connector's state", move |c| {
                runs::connector_state(c, &connector)
            })
            .await
    }

    async fn posting_states(&self, connector: &ConnectorName) -> Result<Vec<PostingState>> {
        let connector = connector.clone();
        self.inner
            .read("load a connector's postings", move |c| {
                postings::states(c, &connector)
            })
            .await
    }

    async fn start_run(&self, run: NewRun) -> Result<RunId> {
        let doing = format!("start a run of {}", run.connector);
        // What a run that died has left.
        self.inner.sweep(&doing, &run.connector).await?;
        self.inner
            .write(&doing, move |c| runs::start(c, &run))
            .await
    }

    async fn applying_run(&self, connector: &ConnectorName) -> Result<Option<Run>> {
        let connector = connector.clone();
        self.inner
            .read("find a run to resume", move |c| {
                runs::applying(c, &connector)
            })
            .await
    }

    async fn stage(&self, run: RunId, records: Vec<StagedRecord>) -> Result<()> {
        let doing = format!("stage records of run {run}");
        // Looking and compressing happen on a reader's thread: the writer only writes.
        let packed = self
            .inner
            .read(&doing, move |c| {
                let hashes: Vec<String> = records.iter().map(|r| r.hash.clone()).collect();
                let unknown = runs::unknown_payloads(c, &hashes)?;
                let mut packed = Vec::with_capacity(records.len());
                for (record, unknown) in records.into_iter().zip(unknown) {
                    let frame = unknown
                        .then(|| codec::pack("staging.payload", &record.payload))
                        .transpose()?;
                    packed.push(PackedRecord { record, frame });
                }
                Ok(packed)
            })
            .await?;
        self.inner
            .write(&doing, move |c| runs::stage(c, run, packed))
            .await
    }

    async fn compare(
        &self,
        run: RunId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Compared>> {
        let after = after.map(str::to_owned);
        self.inner
            .read("load staged records", move |c| {
                compare::compare(c, run, after.as_deref(), limit)
            })
            .await
    }

    async fn absent(
        &self,
        run: RunId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<PostingState>> {
        let after = after.map(str::to_owned);
        self.inner
            .read("look for missing postings", move |c| {
                compare::absent(c, run, after.as_deref(), limit)
            })
            .await
    }

    async fn staged_payloads(
        &self,
        run: RunId,
        references: &[String],
    ) -> Result<Vec<(String, Bytes)>> {
        let references = references.to_vec();
        self.inner
            .read("load staged payloads", move |c| {
                compare::payloads(c, run, &references)
            })
            .await
    }

    async fn plan_run(&self, run: RunId, plan: Plan) -> Result<()> {
        self.inner
            .write("plan a run", move |c| runs::plan(c, run, &plan))
            .await
    }

    async fn apply(&self, run: RunId, batch: Vec<PostingChange>) -> Result<()> {
        let doing = format!("apply run {run}");
        self.inner
            .write(&doing, move |c| runs::apply(c, run, &batch))
            .await
    }

    async fn finish_run(&self, run: RunId, end: RunEnd) -> Result<()> {
        let doing = format!("finish run {run}");
        let ended = self
            .inner
            .write(&doing, move |c| runs::finish(c, run, &end))
            .await?;
        self.inner.tidy(&doing, ended).await;
        Ok(())
    }

    async fn fail_run(
        &self,
        run: RunId,
        snapshot: SnapshotKind,
        counts: Counts,
        error: &str,
        ended: Timestamp,
    ) -> Result<()> {
        let doing = format!("end run {run}");
        let error = error.to_owned();
        let ended = self
            .inner
            .write(&doing, move |c| {
                runs::fail(c, run, snapshot, counts, &error, ended)
            })
            .await?;
        self.inner.tidy(&doing, ended).await;
        Ok(())
    }

    async fn runs(&self, connector: Option<&ConnectorName>, limit: usize) -> Result<Vec<Run>> {
        let connector = connector.cloned();
        self.inner
            .read("list runs", move |c| {
                runs::list(c, connector.as_ref(), limit)
            })
            .await
    }

    async fn refused(&self) -> Result<Vec<Reject>> {
        self.inner.read("list refused records", runs::refused).await
    }

    async fn rejects(&self, connector: &ConnectorName, limit: usize) -> Result<Vec<Reject>> {
        let connector = connector.clone();
        self.inner
            .read("list rejected records", move |c| {
                runs::rejects(c, &connector, limit)
            })
            .await
    }

    async fn close(&self, postings: &[(PostingId, CloseReason)], at: Timestamp) -> Result<u64> {
        let postings = postings.to_vec();
        self.inner
            .write("close postings", move |c| postings::close(c, &postings, at))
            .await
    }

    async fn expired(&self, now: Timestamp, limit: usize) -> Result<Vec<(PostingId, Timestamp)>> {
        self.inner
            .read("find expired postings", move |c| {
                postings::expired(c, now, limit)
            })
            .await
    }

    async fn load_pulled(&self, ids: &[PostingId]) -> Result<Vec<Pulled>> {
        let ids = ids.to_vec();
        self.inner
            .read("load pulled postings", move |c| postings::pulled(c, &ids))
            .await
    }

    async fn commit_normalised(
        &self,
        outputs: Vec<NormalisedOutput>,
        inbox: &Inbox,
    ) -> Result<Vec<(PostingId, BodyDigest)>> {
        let doing = "commit normalised postings";
        let packed: Vec<PackedOutput> = prepared(doing, move || {
            outputs.into_iter().map(PackedOutput::new).collect()
        })
        .await?;
        let digests = packed.iter().map(PackedOutput::key).collect();
        let inbox = inbox.clone();
        let settled = inbox.messages.clone();
        self.inner
            .write(doing, move |c| {
                postings::commit_normalised(c, &packed, &inbox)
            })
            .await?;
        self.inner.release(&settled);
        Ok(digests)
    }

    async fn candidates(
        &self,
        ids: &[PostingId],
        cap: usize,
    ) -> Result<Vec<(PostingId, PostingId)>> {
        let ids = ids.to_vec();
        self.inner
            .read("find candidates", move |c| {
                Ok(postings::candidates(c, &ids, cap)?.0)
            })
            .await
    }

    async fn load_normalised(&self, ids: &[PostingId]) -> Result<Vec<StoredPosting>> {
        let ids = ids.to_vec();
        self.inner
            .read("load postings", move |c| postings::normalised(c, &ids))
            .await
    }

    async fn digests(&self, ids: &[PostingId]) -> Result<Vec<(PostingId, BodyDigest)>> {
        let ids = ids.to_vec();
        self.inner
            .read("read digests", move |c| postings::digests(c, &ids))
            .await
    }

    async fn features(&self, ids: &[PostingId]) -> Result<Vec<KeptFeatures>> {
        let ids = ids.to_vec();
        self.inner
            .read("read features", move |c| features::of(c, &ids))
            .await
    }

    async fn bodies(&self, ids: &[PostingId]) -> Result<Vec<(Posting, BodyDigest)>> {
        let ids = ids.to_vec();
        self.inner
            .read("load bodies", move |c| postings::bodies(c, &ids))
            .await
    }

    async fn lock_public(&self) -> Result<Box<dyn PublicTx>> {
        let tx = SqlitePublicTx::begin(Arc::clone(&self.inner)).await?;
        Ok(Box::new(tx))
    }

    async fn head(&self) -> Result<u64> {
        self.inner
            .read("read the newest change number", vacancies::head)
            .await
    }

    async fn changes(&self, after: u64, limit: usize) -> Result<Vec<Change>> {
        self.inner
            .read("read changes", move |c| vacancies::changes(c, after, limit))
            .await
    }

    async fn live_vacancies(
        &self,
        after: Option<VacancyId>,
        limit: usize,
    ) -> Result<(u64, Vec<PublicVacancy>)> {
        self.inner
            .read("read live vacancies", move |c| {
                vacancies::live(c, after, limit)
            })
            .await
    }

    async fn snapshot(&self) -> Result<(u64, Vec<PublicVacancy>)> {
        self.live_vacancies(None, usize::MAX).await
    }

    async fn vacancy(&self, id: VacancyId) -> Result<Option<StoredVacancy>> {
        self.inner
            .read("load a vacancy", move |c| vacancies::resolve(c, id))
            .await
    }

    async fn cursor(&self, sink: &str) -> Result<u64> {
        let sink = sink.to_owned();
        self.inner
            .read("read a cursor", move |c| operations::cursor(c, &sink))
            .await
    }

    async fn set_cursor(&self, sink: &str, seq: u64) -> Result<()> {
        let sink = sink.to_owned();
        self.inner
            .write("move a cursor", move |c| {
                operations::set_cursor(c, &sink, seq)
            })
            .await
    }

    async fn advance_cursor(&self, sink: &str, from: u64, to: u64) -> Result<bool> {
        let sink = sink.to_owned();
        self.inner
            .write("advance a cursor", move |c| {
                operations::advance_cursor(c, &sink, from, to)
            })
            .await
    }

    async fn lease_outbox(
        &self,
        stage: Stage,
        max: usize,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Leased>> {
        loop {
            let leases = Arc::clone(&self.inner.leases);
            let granted = self
                .inner
                .read("lease events", move |c| {
                    outbox::lease(c, &leases, stage, max, now, until)
                })
                .await?;
            let unreadable = granted.unreadable.clone();
            let found_others = !granted.leased.is_empty();
            if unreadable.is_empty() {
                return Ok(granted.keep());
            }
            self.inner
                .write("park unreadable events", move |c| {
                    outbox::park_unreadable(c, stage, &unreadable, now)
                })
                .await?;
            // Else only they were found: what lies behind them has not been looked at.
            if found_others {
                return Ok(granted.keep());
            }
        }
    }

    async fn settle_outbox(&self, settlements: Vec<Settlement>, now: Timestamp) -> Result<()> {
        let ids: Vec<MessageId> = settlements.iter().map(|s| s.id).collect();
        self.inner
            .write("settle events", move |c| {
                outbox::settle(c, &settlements, now)
            })
            .await?;
        self.inner.release(&ids);
        Ok(())
    }

    async fn resend_outbox(&self, stage: Stage, due: Range<Timestamp>) -> Result<u64> {
        self.inner
            .write("send events again", move |c| outbox::resend(c, stage, due))
            .await
    }

    async fn enqueue(&self, events: Vec<Event>) -> Result<()> {
        self.inner
            .write("write events", move |c| outbox::put(c, &events))
            .await
    }

    async fn outbox_depth(&self) -> Result<OutboxDepth> {
        self.inner.read("measure the outbox", outbox::depth).await
    }

    async fn parked(&self) -> Result<Vec<Parked>> {
        self.inner
            .read("list parked messages", outbox::parked)
            .await
    }

    async fn retry_parked(
        &self,
        id: MessageId,
        edited: Option<Vec<u8>>,
        now: Timestamp,
    ) -> Result<bool> {
        let doing = format!("retry parked message {id}");
        self.inner
            .write(&doing, move |c| {
                outbox::retry_parked(c, id, edited.as_deref(), now)
            })
            .await
    }

    async fn discard_parked(
        &self,
        id: MessageId,
        reason: &str,
        who: &str,
        now: Timestamp,
    ) -> Result<bool> {
        let (reason, who) = (reason.to_owned(), who.to_owned());
        self.inner
            .write("discard a parked message", move |c| {
                outbox::discard_parked(c, id, &reason, &who, now)
            })
            .await
    }

    async fn park(&self, parked: Parked) -> Result<()> {
        let id = parked.id;
        self.inner
            .write("park a message", move |c| outbox::park(c, &parked))
            .await?;
        self.inner.release(&[id]);
        Ok(())
    }

    async fn holds(&self, open_only: bool) -> Result<Vec<Hold>> {
        self.inner
            .read("list holds", move |c| people::holds(c, open_only))
            .await
    }

    async fn hold(&self, id: HoldId) -> Result<Option<Hold>> {
        self.inner
            .read("load a hold", move |c| people::hold(c, id))
            .await
    }

    async fn decide_hold(
        &self,
        id: HoldId,
        released: bool,
        who: &str,
        why: &str,
        at: Timestamp,
    ) -> Result<bool> {
        let (who, why) = (who.to_owned(), why.to_owned());
        self.inner
            .write("decide a hold", move |c| {
                people::decide_hold(c, id, released, &who, &why, at)
            })
            .await
    }

    async fn released_holds(&self) -> Result<Vec<Hold>> {
        self.inner
            .read("find released holds", people::released)
            .await
    }

    async fn decide(&self, decision: Decision, events: Vec<Event>) -> Result<()> {
        self.inner
            .write("record a decision", move |c| {
                people::decide(c, &decision, &events)
            })
            .await
    }

    async fn decisions(&self) -> Result<Vec<Decision>> {
        self.inner.read("list decisions", people::decisions).await
    }

    async fn request_runs(&self, connectors: &[ConnectorName], at: Timestamp) -> Result<()> {
        let connectors = connectors.to_vec();
        self.inner
            .write("request runs", move |c| people::request(c, &connectors, at))
            .await
    }

    async fn take_requests(&self) -> Result<Vec<ConnectorName>> {
        let requests = self
            .inner
            .read("find requested runs", people::requests)
            .await?;
        let mut taken = lock(&self.inner.taken);
        // Taken by this process only while it lives: after a crash they are found again.
        Ok(requests
            .into_iter()
            .filter(|(name, version)| {
                taken
                    .insert(name.clone(), *version)
                    .is_none_or(|t| t < *version)
            })
            .map(|(name, _)| name)
            .collect())
    }

    async fn pending_requests(&self) -> Result<Vec<ConnectorName>> {
        let requests = self
            .inner
            .read("find requested runs", people::requests)
            .await?;
        Ok(requests.into_iter().map(|(name, _)| name).collect())
    }

    async fn request_done(&self, connector: &ConnectorName) -> Result<()> {
        let version = lock(&self.inner.taken).get(connector).copied();
        let name = connector.clone();
        self.inner
            .write("end a requested run", move |c| {
                people::request_done(c, &name, version.unwrap_or(i64::MAX))
            })
            .await?;
        lock(&self.inner.taken).remove(connector);
        Ok(())
    }

    async fn statistics(&self) -> Result<Statistics> {
        self.inner
            .read("count what is stored", operations::statistics)
            .await
    }

    async fn posting_ids(&self, connector: Option<&ConnectorName>) -> Result<Vec<PostingId>> {
        let connector = connector.cloned();
        self.inner
            .read("list postings", move |c| {
                postings::ids(c, connector.as_ref())
            })
            .await
    }

    async fn trace(&self, id: PostingId) -> Result<Option<Trace>> {
        self.inner
            .read("trace a posting", move |c| operations::trace(c, id))
            .await
    }

    async fn meta(&self, key: &str) -> Result<Option<String>> {
        let key = key.to_owned();
        self.inner
            .read("read a note", move |c| operations::meta(c, &key))
            .await
    }

    async fn set_meta(&self, key: &str, value: &str) -> Result<()> {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.inner
            .write("write a note", move |c| {
                operations::set_meta(c, &key, &value)
            })
            .await
    }

    async fn erase(
        &self,
        decisions: Vec<Decision>,
        refused: Vec<(ConnectorName, String)>,
        at: Timestamp,
    ) -> Result<u64> {
        self.inner
            .write("erase postings", move |c| {
                people::record(c, &decisions)?;
                let ids = decisions.iter().map(|d| d.subject).collect();
                people::blank(c, &ids)?;
                postings::erase(c, &ids, &refused, at)
            })
            .await
    }

    async fn erased(&self) -> Result<Vec<PostingId>> {
        self.inner
            .read("list what was erased", people::erased)
            .await
    }

    async fn scrub(&self) -> Result<()> {
        let path = self.inner.path.clone();
        operations::apart("overwrite what was deleted", move || {
            operations::scrub(&path)
        })
        .await
    }

    async fn backup(&self, into: &std::path::Path) -> Result<()> {
        let (path, into) = (self.inner.path.clone(), into.to_owned());
        operations::apart("write a backup", move || operations::backup(&path, &into)).await
    }

    async fn notes(&self, prefix: &str) -> Result<Vec<(String, String)>> {
        let prefix = prefix.to_owned();
        self.inner
            .read("read notes", move |c| operations::notes(c, &prefix))
            .await
    }

    async fn write_notes(&self, notes: Vec<(String, Option<String>)>) -> Result<()> {
        self.inner
            .write("write notes", move |c| operations::write_notes(c, &notes))
            .await
    }

    async fn begin_register(&self, register: Register, at: Timestamp) -> Result<u64> {
        self.inner
            .write("begin to load a register", move |c| {
                registers::begin(c, register, at)
            })
            .await
    }

    async fn add_to_register(&self, load: u64, entries: Vec<KeyedEntry>) -> Result<()> {
        self.inner
            .write("load a register", move |c| {
                registers::add(c, load, &entries)
            })
            .await
    }

    async fn finish_register(&self, load: u64, at: Timestamp) -> Result<RegisterState> {
        self.inner
            .write("take over a register", move |c| {
                registers::finish(c, load, at)
            })
            .await
    }

    async fn abandon_register(&self, load: u64) -> Result<()> {
        self.inner
            .write("forget a register's load", move |c| {
                registers::abandon(c, load)
            })
            .await
    }

    async fn registers(&self) -> Result<Vec<RegisterState>> {
        self.inner.read("list registers", registers::list).await
    }

    async fn register_entries(&self, keys: &[String]) -> Result<Vec<RegisterEntry>> {
        let keys = keys.to_vec();
        self.inner
            .read("look up registers", move |c| registers::entries(c, &keys))
            .await
    }

    async fn prune(&self, runs_before: Timestamp, sketches_before: Timestamp) -> Result<u64> {
        self.inner
            .write("drop what retention no longer asks for", move |c| {
                operations::prune(c, runs_before, sketches_before)
            })
            .await
    }

    async fn migrate(&self, apply: bool) -> Result<(u32, u32)> {
        if apply {
            // The writer's jobs are inside a transaction already; a migration wants its own.
            let path = self.inner.path.clone();
            tokio::task::spawn_blocking(move || migrate::apply_at(&path))
                .await
                .unwrap_or_else(|error| Err(Failure::refused(error.to_string())))
                .map_err(|failure| failure.told("migrate the store"))?;
        }
        let current = self
            .inner
            .read("read the schema version", migrate::current)
            .await?;
        Ok((current, migrate::KNOWN))
    }
}
