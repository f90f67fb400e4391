//! The trait, method by method: each is one transaction, or one read.

use super::public_tx::PostgresPublicTx;
use super::rows::run;
use super::{
    PostgresStore, blocks, bodies, compare, features, hints, migrate, operations, outbox, people,
    postings, registers, runs, vacancies,
};
use crate::model::{
    CloseReason, ConnectorName, Decision, Event, HoldId, MessageId, Posting, PostingId,
    PostingState, Register, RegisterEntry, RegisterState, RunId, Stage, StoredPosting, VacancyId,
};
use crate::store::prepared::{PackedOutput, PackedRecord, prepared};
use crate::store::{
    BodyDigest, Change, Compared, ConnectorState, Counts, Guard, Hint, Hints, Hold, Inbox,
    KeptFeatures, KeyedEntry, Leased, NewRun, NormalisedOutput, OutboxDepth, Parked, Plan,
    PostingChange, PublicTx, PublicVacancy, Pulled, Reject, Result, Run, RunEnd, Settlement,
    SnapshotKind, StagedRecord, Statistics, Store, StoreError, StoredVacancy, Trace, codec,
};
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use std::ops::Range;

#[async_trait]
impl Store for PostgresStore {
    async fn lock_connector(&self, connector: &ConnectorName) -> Result<Option<Guard>> {
        let held = self
            .locks
            .connector(connector)
            .await
            .map_err(|failure| failure.told("lock a connector"))?;
        Ok(held.map(|held| Box::new(held) as Guard))
    }

    async fn connector_state(&self, connector: &ConnectorName) -> Result<ConnectorState> {
        self.read("load a connector's state", async |c| {
            runs::connector_state(c, connector).await
        })
        .await
    }

    async fn posting_states(&self, connector: &ConnectorName) -> Result<Vec<PostingState>> {
        self.read("load a connector's postings", async |c| {
            postings::states(c, connector).await
        })
        .await
    }

    async fn start_run(&self, run: NewRun) -> Result<RunId> {
        let doing = format!("start a run of {}", run.connector);
        self.write(&doing, async |tx| runs::start(tx, &run).await)
            .await
    }

    async fn applying_run(&self, connector: &ConnectorName) -> Result<Option<Run>> {
        self.read("find a run to resume", async |c| {
            runs::applying(c, connector).await
        })
        .await
    }

    async fn stage(&self, run: RunId, records: Vec<StagedRecord>) -> Result<()> {
        let doing = format!("stage records of run {run}");
        let hashes: Vec<String> = records.iter().map(|r| r.hash.clone()).collect();
        let known = self
            .read(&doing, async |c| runs::known_payloads(c, &hashes).await)
            .await?;
        let packed = prepared(&doing, move || {
            let pack = |record: StagedRecord| {
                let frame = (!known.contains(&record.hash))
                    .then(|| codec::pack("staging.payload", &record.payload))
                    .transpose()?;
                Ok(PackedRecord { record, frame })
            };
            records
                .into_iter()
                .map(pack)
                .collect::<codec::Result<Vec<_>>>()
        })
        .await?;
        self.write(&doing, async |tx| runs::stage(tx, run, packed).await)
            .await
    }

    async fn compare(
        &self,
        run: RunId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Compared>> {
        self.read("load staged records", async |c| {
            compare::compare(c, run, after, limit).await
        })
        .await
    }

    async fn absent(
        &self,
        run: RunId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<PostingState>> {
        self.read("look for missing postings", async |c| {
            compare::absent(c, run, after, limit).await
        })
        .await
    }

    async fn staged_payloads(
        &self,
        run: RunId,
        references: &[String],
    ) -> Result<Vec<(String, Bytes)>> {
        self.read("load staged payloads", async |c| {
            compare::payloads(c, run, references).await
        })
        .await
    }

    async fn plan_run(&self, run: RunId, plan: Plan) -> Result<()> {
        self.write("plan a run", async |tx| runs::plan(tx, run, &plan).await)
            .await
    }

    async fn apply(&self, run: RunId, batch: Vec<PostingChange>) -> Result<()> {
        let doing = format!("apply run {run}");
        self.write(&doing, async |tx| runs::apply(tx, run, batch).await)
            .await
    }

    async fn finish_run(&self, run: RunId, end: RunEnd) -> Result<()> {
        let doing = format!("finish run {run}");
        self.write(&doing, async |tx| runs::finish(tx, run, end).await)
            .await
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
        self.write(&doing, async |tx| {
            runs::fail(tx, run, snapshot, counts, error, ended).await
        })
        .await
    }

    async fn runs(&self, connector: Option<&ConnectorName>, limit: usize) -> Result<Vec<Run>> {
        self.read("list runs", async |c| runs::list(c, connector, limit).await)
            .await
    }

    async fn refused(&self) -> Result<Vec<Reject>> {
        self.read("list refused records", async |c| runs::refused(c).await)
            .await
    }

    async fn rejects(&self, connector: &ConnectorName, limit: usize) -> Result<Vec<Reject>> {
        self.read("list rejected records", async |c| {
            runs::rejects(c, connector, limit).await
        })
        .await
    }

    async fn close(&self, postings: &[(PostingId, CloseReason)], at: Timestamp) -> Result<u64> {
        self.write("close postings", async |tx| {
            postings::close(tx, postings, at).await
        })
        .await
    }

    async fn expired(&self, now: Timestamp, limit: usize) -> Result<Vec<(PostingId, Timestamp)>> {
        self.read("find expired postings", async |c| {
            postings::expired(c, now, limit).await
        })
        .await
    }

    async fn load_pulled(&self, ids: &[PostingId]) -> Result<Vec<Pulled>> {
        self.read("load pulled postings", async |c| {
            bodies::pulled(c, ids).await
        })
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
        self.write(doing, async |tx| {
            bodies::commit_normalised(tx, packed, inbox).await
        })
        .await?;
        Ok(digests)
    }

    async fn candidates(
        &self,
        ids: &[PostingId],
        cap: usize,
    ) -> Result<Vec<(PostingId, PostingId)>> {
        self.read("find candidates", async |c| {
            Ok(blocks::candidates(c, ids, cap).await?.0)
        })
        .await
    }

    async fn load_normalised(&self, ids: &[PostingId]) -> Result<Vec<StoredPosting>> {
        self.read("load postings", async |c| bodies::normalised(c, ids).await)
            .await
    }

    async fn digests(&self, ids: &[PostingId]) -> Result<Vec<(PostingId, BodyDigest)>> {
        self.read("read digests", async |c| bodies::digests(c, ids).await)
            .await
    }

    async fn features(&self, ids: &[PostingId]) -> Result<Vec<KeptFeatures>> {
        self.read("read features", async |c| features::of(c, ids).await)
            .await
    }

    async fn bodies(&self, ids: &[PostingId]) -> Result<Vec<(Posting, BodyDigest)>> {
        self.read("load bodies", async |c| bodies::alone(c, ids).await)
            .await
    }

    async fn lock_public(&self) -> Result<Box<dyn PublicTx>> {
        let client = self.client().await;
        let client = client.map_err(|failure| failure.told("lock what is public"))?;
        let tx = PostgresPublicTx::begin(client, self.public_lock, self.patience).await?;
        Ok(Box::new(tx))
    }

    async fn head(&self) -> Result<u64> {
        self.read("read the newest change number", async |c| {
            vacancies::head(c).await
        })
        .await
    }

    async fn changes(&self, after: u64, limit: usize) -> Result<Vec<Change>> {
        self.read("read changes", async |c| {
            vacancies::changes(c, after, limit).await
        })
        .await
    }

    async fn live_vacancies(
        &self,
        after: Option<VacancyId>,
        limit: usize,
    ) -> Result<(u64, Vec<PublicVacancy>)> {
        self.write("read live vacancies", async |tx| {
            run(
                tx,
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
                &[],
            )
            .await?;
            vacancies::live(tx, after, limit).await
        })
        .await
    }

    async fn snapshot(&self) -> Result<(u64, Vec<PublicVacancy>)> {
        self.live_vacancies(None, usize::MAX).await
    }

    async fn vacancy(&self, id: VacancyId) -> Result<Option<StoredVacancy>> {
        self.read("load a vacancy", async |c| vacancies::resolve(c, id).await)
            .await
    }

    async fn cursor(&self, sink: &str) -> Result<u64> {
        self.read("read a cursor", async |c| operations::cursor(c, sink).await)
            .await
    }

    async fn set_cursor(&self, sink: &str, seq: u64) -> Result<()> {
        self.write("move a cursor", async |tx| {
            operations::set_cursor(tx, sink, seq).await
        })
        .await
    }

    async fn advance_cursor(&self, sink: &str, from: u64, to: u64) -> Result<bool> {
        self.write("advance a cursor", async |tx| {
            operations::advance_cursor(tx, sink, from, to).await
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
            let (leased, parked) = self
                .write("lease events", async |tx| {
                    outbox::lease(tx, stage, max, now, until).await
                })
                .await?;
            // Only unreadable ones were found: what lies behind them has not been looked at.
            if !leased.is_empty() || parked == 0 {
                return Ok(leased);
            }
        }
    }

    async fn settle_outbox(&self, settlements: Vec<Settlement>, now: Timestamp) -> Result<()> {
        self.write("settle events", async |tx| {
            outbox::settle(tx, &settlements, now).await
        })
        .await
    }

    async fn resend_outbox(&self, stage: Stage, due: Range<Timestamp>) -> Result<u64> {
        self.write("send events again", async |tx| {
            outbox::resend(tx, stage, due).await
        })
        .await
    }

    async fn enqueue(&self, events: Vec<Event>) -> Result<()> {
        self.write("write events", async |tx| {
            outbox::put(tx, &events).await?;
            hints::say(tx, Hint::Outbox).await
        })
        .await
    }

    fn hints(&self, of: Hint) -> Hints {
        self.listener.hints(of)
    }

    async fn outbox_depth(&self) -> Result<OutboxDepth> {
        self.read("measure the outbox", async |c| outbox::depth(c).await)
            .await
    }

    async fn parked(&self) -> Result<Vec<Parked>> {
        self.read("list parked messages", async |c| outbox::parked(c).await)
            .await
    }

    async fn retry_parked(
        &self,
        id: MessageId,
        edited: Option<Vec<u8>>,
        now: Timestamp,
    ) -> Result<bool> {
        let doing = format!("retry parked message {id}");
        self.write(&doing, async |tx| {
            outbox::retry_parked(tx, id, edited.as_deref(), now).await
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
        self.write("discard a parked message", async |tx| {
            outbox::discard_parked(tx, id, reason, who, now).await
        })
        .await
    }

    async fn park(&self, parked: Parked) -> Result<()> {
        self.write("park a message", async |tx| outbox::park(tx, &parked).await)
            .await
    }

    async fn holds(&self, open_only: bool) -> Result<Vec<Hold>> {
        self.read("list holds", async |c| people::holds(c, open_only).await)
            .await
    }

    async fn hold(&self, id: HoldId) -> Result<Option<Hold>> {
        self.read("load a hold", async |c| people::hold(c, id).await)
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
        self.write("decide a hold", async |tx| {
            people::decide_hold(tx, id, released, who, why, at).await
        })
        .await
    }

    async fn released_holds(&self) -> Result<Vec<Hold>> {
        self.read("find released holds", async |c| people::released(c).await)
            .await
    }

    async fn decide(&self, decision: Decision, events: Vec<Event>) -> Result<()> {
        self.write("record a decision", async |tx| {
            people::decide(tx, &decision, &events).await?;
            hints::say(tx, Hint::Outbox).await
        })
        .await
    }

    async fn decisions(&self) -> Result<Vec<Decision>> {
        self.read("list decisions", async |c| people::decisions(c).await)
            .await
    }

    async fn request_runs(&self, connectors: &[ConnectorName], at: Timestamp) -> Result<()> {
        self.write("request runs", async |tx| {
            people::request(tx, connectors, at).await?;
            hints::say(tx, Hint::Requests).await
        })
        .await
    }

    async fn take_requests(&self) -> Result<Vec<ConnectorName>> {
        let doing = "take requested runs";
        self.locks
            .alive()
            .await
            .map_err(|failure| failure.told(doing))?;
        self.write(doing, async |tx| {
            people::take_requests(tx, self.locks.process).await
        })
        .await
    }

    async fn pending_requests(&self) -> Result<Vec<ConnectorName>> {
        self.read("find requested runs", async |c| people::pending(c).await)
            .await
    }

    async fn request_done(&self, connector: &ConnectorName) -> Result<()> {
        self.write("end a requested run", async |tx| {
            people::request_done(tx, connector).await
        })
        .await
    }

    async fn statistics(&self) -> Result<Statistics> {
        self.read("count what is stored", async |c| {
            operations::statistics(c).await
        })
        .await
    }

    async fn posting_ids(&self, connector: Option<&ConnectorName>) -> Result<Vec<PostingId>> {
        self.read("list postings", async |c| postings::ids(c, connector).await)
            .await
    }

    async fn trace(&self, id: PostingId) -> Result<Option<Trace>> {
        self.read("trace a posting", async |c| operations::trace(c, id).await)
            .await
    }

    async fn meta(&self, key: &str) -> Result<Option<String>> {
        self.read("read a note", async |c| operations::meta(c, key).await)
            .await
    }

    async fn set_meta(&self, key: &str, value: &str) -> Result<()> {
        self.write("write a note", async |tx| {
            operations::set_meta(tx, key, value).await
        })
        .await
    }

    async fn erase(
        &self,
        decisions: Vec<Decision>,
        refused: Vec<(ConnectorName, String)>,
        at: Timestamp,
    ) -> Result<u64> {
        self.write("erase postings", async |tx| {
            people::record(tx, &decisions).await?;
            let ids = decisions.iter().map(|d| d.subject).collect();
            people::blank(tx, &ids).await?;
            postings::erase(tx, &ids, &refused, at).await
        })
        .await
    }

    async fn erased(&self) -> Result<Vec<PostingId>> {
        self.read("list what was erased", async |c| people::erased(c).await)
            .await
    }

    async fn scrub(&self) -> Result<()> {
        // Without this store's patience: a large table takes as long as it takes.
        let scrubbed: super::failure::Result<()> = async {
            let client = self.client().await?;
            operations::scrub(&client).await
        }
        .await;
        scrubbed.map_err(|failure| failure.told("write anew what held erased texts"))
    }

    async fn backup(&self, _: &std::path::Path) -> Result<()> {
        Err(crate::store::StoreError::Permanent {
            doing: "write a backup".into(),
            why: "a PostgreSQL store is copied by pg_dump, or by the server's own archive".into(),
        })
    }

    async fn notes(&self, prefix: &str) -> Result<Vec<(String, String)>> {
        self.read("read notes", async |c| operations::notes(c, prefix).await)
            .await
    }

    async fn write_notes(&self, notes: Vec<(String, Option<String>)>) -> Result<()> {
        self.write("write notes", async |tx| {
            operations::write_notes(tx, &notes).await
        })
        .await
    }

    async fn begin_register(&self, register: Register, at: Timestamp) -> Result<u64> {
        self.write("begin to load a register", async |tx| {
            registers::begin(tx, register, at).await
        })
        .await
    }

    async fn add_to_register(&self, load: u64, entries: Vec<KeyedEntry>) -> Result<()> {
        self.write("load a register", async |tx| {
            registers::add(tx, load, &entries).await
        })
        .await
    }

    async fn finish_register(&self, load: u64, at: Timestamp) -> Result<RegisterState> {
        self.write("take over a register", async |tx| {
            registers::finish(tx, load, at).await
        })
        .await
    }

    async fn abandon_register(&self, load: u64) -> Result<()> {
        self.write("forget a register's load", async |tx| {
            registers::abandon(tx, load).await
        })
        .await
    }

    async fn registers(&self) -> Result<Vec<RegisterState>> {
        self.read("list registers", async |c| registers::list(c).await)
            .await
    }

    async fn register_entries(&self, keys: &[String]) -> Result<Vec<RegisterEntry>> {
        self.read("look up registers", async |c| {
            registers::entries(c, keys).await
        })
        .await
    }

    async fn prune(&self, runs_before: Timestamp, sketches_before: Timestamp) -> Result<u64> {
        self.write("drop what retention no longer asks for", async |tx| {
            operations::prune(tx, runs_before, sketches_before).await
        })
        .await
    }

    async fn migrate(&self, apply: bool) -> Result<(u32, u32)> {
        let migrated: super::failure::Result<migrate::Schema> = async {
            let mut client = self.client().await?;
            if apply {
                migrate::apply(&mut client, self.migration_lock).await?;
            }
            migrate::current(&client).await
        }
        .await;
        let schema = migrated.map_err(|failure| failure.told("migrate the store"))?;
        if !schema.is_for_us() {
            return Err(StoreError::Newer {
                found: schema.version,
                known: migrate::KNOWN,
            });
        }
        Ok((schema.version, migrate::KNOWN))
    }
}
