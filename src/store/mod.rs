//! Floor 3: the store behind one asynchronous, set-based trait.
//!
//! SQLite (embedded) and PostgreSQL implement [`Store`]; one contract suite runs over both.
//! **Invariants:** a state change and the events that it causes are one transaction (law 3); there
//! is no row-by-row method; nothing is written for an unchanged posting but its run's row; change
//! numbers are given only under [`Store::lock_public`], so they are commit order.

mod codec;
mod postgres;
mod prepared;
mod sqlite;
mod types;

pub use postgres::{PostgresOptions, PostgresStore};
pub use sqlite::{PipelineLock, SqliteOptions, SqliteStore};
pub use types::*;

/// The note that says below which change number something may be missing from the changes.
pub const FLOOR: &str = "changes.floor";

use crate::model::{
    CloseReason, ConnectorName, Decision, Edge, Event, HoldId, MessageId, Posting, PostingId,
    PostingState, Register, RegisterEntry, RegisterState, RunId, Stage, StoredPosting, VacancyId,
};
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use std::ops::Range;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The hash that an erased posting has instead of its payload's: that of nothing.
fn erased_hash() -> String {
    blake3::hash(b"").to_hex().to_string()
}

pub type Result<T, E = StoreError> = std::result::Result<T, E>;
pub type DynStore = Arc<dyn Store>;

/// A right that lasts until it is dropped, or lost with what it rests on: that is the backend's affair.
pub trait Right: Send + Sync {
    /// Cancelled once somebody else may have the right: what is done under it has to stop.
    fn lost(&self) -> CancellationToken;
}

pub type Guard = Box<dyn Right>;

#[async_trait]
pub trait Store: Send + Sync + 'static {
    // ---- pull -------------------------------------------------------------------------------

    // Instants come back to the microsecond, whatever the backend.

    /// The right to run `connector`, or `None` while another worker anywhere has it.
    async fn lock_connector(&self, connector: &ConnectorName) -> Result<Option<Guard>>;
    /// What the next run of `connector` compares itself with. Default for a new connector.
    async fn connector_state(&self, connector: &ConnectorName) -> Result<ConnectorState>;
    /// Every posting of `connector`, live or closed: narrow rows, by reference.
    async fn posting_states(&self, connector: &ConnectorName) -> Result<Vec<PostingState>>;
    /// Opens a run in [`RunStatus::Staging`]. Leftover staging of a dead run of the same
    /// connector is dropped with it (status `failed`, error `interrupted`).
    async fn start_run(&self, run: NewRun) -> Result<RunId>;
    /// The run that crashed while applying, with its plan: resumed before a new one starts.
    async fn applying_run(&self, connector: &ConnectorName) -> Result<Option<Run>>;
    /// Appends records to the run's staging table; a repeated reference replaces the earlier row.
    async fn stage(&self, run: RunId, records: Vec<StagedRecord>) -> Result<()>;
    /// The narrow part of what was staged beside the posting of each reference, by reference, at
    /// most `limit` after the reference `after`.
    async fn compare(&self, run: RunId, after: Option<&str>, limit: usize)
    -> Result<Vec<Compared>>;
    /// Live postings of the run's connector that staging lacks, by reference, at most `limit`
    /// after the reference `after`.
    async fn absent(
        &self,
        run: RunId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<PostingState>>;
    /// Payloads of staged records with their references; what is not staged is left out.
    async fn staged_payloads(
        &self,
        run: RunId,
        references: &[String],
    ) -> Result<Vec<(String, Bytes)>>;
    /// Freezes the plan and marks the run `applying`: from here on it is resumed, not repeated.
    async fn plan_run(&self, run: RunId, plan: Plan) -> Result<()>;
    /// One idempotent batch: posting states, payloads taken over from staging, events. A change
    /// whose `observation` is not newer than the stored one is skipped with its events.
    async fn apply(&self, run: RunId, batch: Vec<PostingChange>) -> Result<()>;
    /// The last batch: miss counts, closings, validators and history, the hold (opened, replaced
    /// or cleared), and the run marked `applied`, in one transaction; staging is dropped.
    async fn finish_run(&self, run: RunId, end: RunEnd) -> Result<()>;
    /// Ends a run that read nothing usable; the state is untouched but for the error shown.
    async fn fail_run(
        &self,
        run: RunId,
        snapshot: SnapshotKind,
        counts: Counts,
        error: &str,
        ended: Timestamp,
    ) -> Result<()>;
    /// Newest first.
    async fn runs(&self, connector: Option<&ConnectorName>, limit: usize) -> Result<Vec<Run>>;
    /// Every rejected record that is kept, of all connectors.
    async fn refused(&self) -> Result<Vec<Reject>>;
    /// The records that a run rejected: kept, counted and shown.
    async fn rejects(&self, connector: &ConnectorName, limit: usize) -> Result<Vec<Reject>>;
    /// Closes live postings by another road than a run (expiry, erasure, a decision): one
    /// transaction, observation + 1, `posting.pulled` events. Unknown or closed ones are skipped.
    async fn close(&self, postings: &[(PostingId, CloseReason)], at: Timestamp) -> Result<u64>;
    /// Live postings whose own expiry date has passed at `now`.
    async fn expired(&self, now: Timestamp, limit: usize) -> Result<Vec<(PostingId, Timestamp)>>;

    // ---- normalise --------------------------------------------------------------------------

    /// State, payload and what the stored normalised form was made from; unknown ids are absent.
    async fn load_pulled(&self, ids: &[PostingId]) -> Result<Vec<Pulled>>;
    /// Writes normalised bodies with their blocking keys, events and inbox, in one transaction.
    /// An output older than the stored one is skipped with its events. A body equal to the stored
    /// one updates the revision, and emits its event all the same (the state may have changed).
    /// Returns the digest of each body given, written or skipped.
    async fn commit_normalised(
        &self,
        outputs: Vec<NormalisedOutput>,
        inbox: &Inbox,
    ) -> Result<Vec<(PostingId, BodyDigest)>>;

    // ---- dedupe -----------------------------------------------------------------------------

    /// Pairs (one of `ids`, another posting) that share a blocking key, sorted and distinct; two of
    /// `ids` make both pairs, a posting none with itself. A key that more than `cap` postings have
    /// is generic and contributes nothing (a count, not an order, decides).
    async fn candidates(
        &self,
        ids: &[PostingId],
        cap: usize,
    ) -> Result<Vec<(PostingId, PostingId)>>;
    /// State and normalised body; unknown ids are absent.
    async fn load_normalised(&self, ids: &[PostingId]) -> Result<Vec<StoredPosting>>;
    /// Digests of normalised bodies: what was read of a body holds while its digest stays.
    async fn digests(&self, ids: &[PostingId]) -> Result<Vec<(PostingId, BodyDigest)>>;
    /// Features as they were kept last, with the digest of the body that they are of.
    async fn features(&self, ids: &[PostingId]) -> Result<Vec<KeptFeatures>>;
    /// Normalised bodies alone, each with its own digest; unknown ids are absent.
    async fn bodies(&self, ids: &[PostingId]) -> Result<Vec<(Posting, BodyDigest)>>;
    /// The hub-wide lock under which public state changes (law 3), with reads as of now.
    async fn lock_public(&self) -> Result<Box<dyn PublicTx>>;

    // ---- publish ----------------------------------------------------------------------------

    /// Highest change number given so far; 0 for none.
    async fn head(&self) -> Result<u64>;
    /// Change rows after `after`, in order, at most `limit`: only the newest of each vacancy is
    /// kept, so a reader sees every vacancy's last state.
    async fn changes(&self, after: u64, limit: usize) -> Result<Vec<Change>>;
    /// Live public vacancies after `after`, by id, with the head at which the page was read.
    async fn live_vacancies(
        &self,
        after: Option<VacancyId>,
        limit: usize,
    ) -> Result<(u64, Vec<PublicVacancy>)>;
    /// Every live public vacancy by id, read at one head: one consistent read.
    async fn snapshot(&self) -> Result<(u64, Vec<PublicVacancy>)>;
    /// A vacancy, closed ones included, by its id or by the id of any posting that resolves to it.
    async fn vacancy(&self, id: VacancyId) -> Result<Option<StoredVacancy>>;
    async fn cursor(&self, sink: &str) -> Result<u64>;
    /// Sets a cursor, also back: a person's wish, or the place where a sink begins.
    async fn set_cursor(&self, sink: &str, seq: u64) -> Result<()>;
    /// Moves the cursor of `sink` from `from` to `to`; `false`, and nothing is moved, where it is not
    /// at `from` any more: somebody else sends, or a person has set it.
    async fn advance_cursor(&self, sink: &str, from: u64, to: u64) -> Result<bool>;

    // ---- bus (the embedded outbox; the relay of RabbitMQ reads it too) ------------------------

    /// Leases up to `max` due events of `stage` until `until`, oldest first. A row that this program
    /// cannot read as an event is parked with what it holds, and holds up no other.
    async fn lease_outbox(
        &self,
        stage: Stage,
        max: usize,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Leased>>;
    /// Ends leases: done (deleted), retried at an instant with its attempt counted, or parked.
    async fn settle_outbox(&self, settlements: Vec<Settlement>, now: Timestamp) -> Result<()>;
    /// Makes every event of `stage` due now that a broker has taken or that waits for a retry, and that
    /// would be due within `due`: the broker has lost them. Gives their number.
    async fn resend_outbox(&self, stage: Stage, due: Range<Timestamp>) -> Result<u64>;
    /// Writes events that no stage's commit carries (rechecks of the command line).
    async fn enqueue(&self, events: Vec<Event>) -> Result<()>;
    /// Undelivered events and the time of the oldest, all stages.
    async fn outbox_depth(&self) -> Result<OutboxDepth>;
    async fn parked(&self) -> Result<Vec<Parked>>;
    /// Puts a parked message back into the outbox, attempt 0, with its payload as edited if given.
    async fn retry_parked(
        &self,
        id: MessageId,
        edited: Option<Vec<u8>>,
        now: Timestamp,
    ) -> Result<bool>;
    async fn discard_parked(
        &self,
        id: MessageId,
        reason: &str,
        who: &str,
        now: Timestamp,
    ) -> Result<bool>;
    /// Stores a message that cannot be processed, with its bytes intact.
    async fn park(&self, parked: Parked) -> Result<()>;

    /// Hints that another process wrote something of a kind. Polling remains the truth: a store may
    /// never give one.
    fn hints(&self, _of: Hint) -> Hints {
        Hints::none()
    }

    // ---- humans -----------------------------------------------------------------------------

    async fn holds(&self, open_only: bool) -> Result<Vec<Hold>>;
    async fn hold(&self, id: HoldId) -> Result<Option<Hold>>;
    /// Records what a person said of a hold. Releasing asks for a run that applies the newest
    /// staged content anew; the pull stage finds it through [`Store::released_holds`].
    async fn decide_hold(
        &self,
        id: HoldId,
        released: bool,
        who: &str,
        why: &str,
        at: Timestamp,
    ) -> Result<bool>;
    /// Holds that a person released and that no run has applied yet.
    async fn released_holds(&self) -> Result<Vec<Hold>>;
    /// Writes a decision and the rechecks that it causes, in one transaction.
    async fn decide(&self, decision: Decision, events: Vec<Event>) -> Result<()>;
    async fn decisions(&self) -> Result<Vec<Decision>>;
    /// Asks the daemon to run connectors now; answered through [`Store::take_requests`].
    async fn request_runs(&self, connectors: &[ConnectorName], at: Timestamp) -> Result<()>;
    async fn take_requests(&self) -> Result<Vec<ConnectorName>>;
    /// Connectors whose requested run has not ended yet.
    async fn pending_requests(&self) -> Result<Vec<ConnectorName>>;
    /// Marks a requested run as done (its run id, or none when it could not start).
    async fn request_done(&self, connector: &ConnectorName) -> Result<()>;

    // ---- operations -------------------------------------------------------------------------

    /// Live postings, holds, parked, vacancies: what `/metrics` shows.
    async fn statistics(&self) -> Result<Statistics>;
    /// All posting ids of `connector`, or of all, live and closed: what `replay` walks.
    async fn posting_ids(&self, connector: Option<&ConnectorName>) -> Result<Vec<PostingId>>;
    /// Everything known of one posting (law 5).
    async fn trace(&self, id: PostingId) -> Result<Option<Trace>>;
    async fn meta(&self, key: &str) -> Result<Option<String>>;
    async fn set_meta(&self, key: &str, value: &str) -> Result<()>;
    /// Every note whose key begins with `prefix`, by key: what sinks remember.
    async fn notes(&self, prefix: &str) -> Result<Vec<(String, String)>>;
    /// Erases the subjects of `decisions` (law 6), in one transaction: the decisions, the closing as
    /// erased with its events, and at once every raw payload, staged and refused record of theirs
    /// and what sinks noted of them. The stages then replace their texts by tombstones; what was
    /// erased before stays so. Gives how many postings were erased now.
    ///
    /// `refused` are records that never became a posting, by connector and reference: what is kept
    /// of them goes too, and their key stays as that of something erased. Reasons of other decisions
    /// about what is erased, and errors of parked messages about it, are blanked: they are words.
    async fn erase(
        &self,
        decisions: Vec<Decision>,
        refused: Vec<(ConnectorName, String)>,
        at: Timestamp,
    ) -> Result<u64>;
    /// Everything that was ever erased: postings, and records that never became one.
    async fn erased(&self) -> Result<Vec<PostingId>>;
    /// Overwrites what was deleted wherever the backend leaves it in its files.
    async fn scrub(&self) -> Result<()>;
    /// Writes the whole store, as of one moment, into a new file.
    async fn backup(&self, into: &std::path::Path) -> Result<()>;
    /// Writes notes, or drops those with `None`, in one transaction.
    async fn write_notes(&self, notes: Vec<(String, Option<String>)>) -> Result<()>;
    // ---- registers ----------------------------------------------------------------------------

    /// Begins a load of `register` and gives its number; one of it that never ended is dropped.
    async fn begin_register(&self, register: Register, at: Timestamp) -> Result<u64>;
    /// Adds entries, each under its keys; nobody sees them before the load ends. Of one
    /// number, the first entry counts.
    async fn add_to_register(&self, load: u64, entries: Vec<KeyedEntry>) -> Result<()>;
    /// The load takes the place of what was loaded of its register before, in one transaction.
    async fn finish_register(&self, load: u64, at: Timestamp) -> Result<RegisterState>;
    /// Forgets a load that has not ended.
    async fn abandon_register(&self, load: u64) -> Result<()>;
    /// The registers that are loaded.
    async fn registers(&self) -> Result<Vec<RegisterState>>;
    /// The entries of loaded registers under any of `keys`, by register and number, each once. A
    /// key of more than [`REGISTER_KEY_LIMIT`] entries tells nobody apart and gives none.
    async fn register_entries(&self, keys: &[String]) -> Result<Vec<RegisterEntry>>;

    // ---- retention ----------------------------------------------------------------------------

    /// Drops what retention no longer asks for: payloads without an owner, closed postings' texts
    /// and tombstones older than `sketches_before`, run rows before `runs_before`. The note
    /// [`FLOOR`] then says below which change number tombstones may be missing; the newest change
    /// stays, since its number is the head.
    async fn prune(&self, runs_before: Timestamp, sketches_before: Timestamp) -> Result<u64>;
    /// `(current, newest known)` schema versions; applies what is missing when `apply`. A store of a
    /// newer program is an error, unless that one left what this one needs.
    async fn migrate(&self, apply: bool) -> Result<(u32, u32)>;
}

/// Public state under the hub-wide lock. Dropping it without [`PublicTx::commit`] changes nothing.
#[async_trait]
pub trait PublicTx: Send {
    /// As [`Store::candidates`], read under the lock. A key found to have become generic, or to be
    /// it no longer, makes the commit ask for a recheck of all its postings: what came first makes
    /// no difference.
    async fn candidates(
        &mut self,
        ids: &[PostingId],
        cap: usize,
    ) -> Result<Vec<(PostingId, PostingId)>>;
    /// As [`Store::load_normalised`], read under the lock.
    async fn load_normalised(&mut self, ids: &[PostingId]) -> Result<Vec<StoredPosting>>;
    /// As [`Store::digests`], read under the lock.
    async fn digests(&mut self, ids: &[PostingId]) -> Result<Vec<(PostingId, BodyDigest)>>;
    /// As [`Store::features`], read under the lock.
    async fn features(&mut self, ids: &[PostingId]) -> Result<Vec<KeptFeatures>>;
    /// As [`Store::bodies`], read under the lock.
    async fn bodies(&mut self, ids: &[PostingId]) -> Result<Vec<(Posting, BodyDigest)>>;
    /// Stored edges that touch any of `ids`.
    async fn edges(&mut self, ids: &[PostingId]) -> Result<Vec<Edge>>;
    /// Members of the clusters that contain any of `ids`, the `ids` included.
    async fn clusters(&mut self, ids: &[PostingId]) -> Result<Vec<(PostingId, VacancyId)>>;
    /// Vacancies by exact id, closed ones included; the record may be left out of one that has a
    /// body, which says the same.
    async fn vacancies(&mut self, ids: &[VacancyId]) -> Result<Vec<StoredVacancy>>;
    /// Decisions that name any of `ids`.
    async fn decisions(&mut self, ids: &[PostingId]) -> Result<Vec<Decision>>;
    /// Writes edges, clusters, vacancies, change rows, events and inbox, gives the change numbers,
    /// and releases the lock.
    async fn commit(self: Box<Self>, commit: PublicCommit, inbox: &Inbox) -> Result<()>;
}
