//! Rows as the store gives and takes them.

use crate::model::{
    Became, ConnectorName, Decision, Edge, Event, HoldId, MessageId, Posting, PostingId,
    PostingState, Problem, RegisterEntry, ReopenReason, Revision, RunId, Stage, StoredPosting,
    TombstoneReason, Turn, Vacancy, VacancyId, VacancyStatus,
};
use bytes::Bytes;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What went wrong in a store, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Worth another try: a lock, a lost connection, a full disk.
    #[error("the store is busy or away while it should {doing}")]
    Transient {
        doing: String,
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// Will fail again: a row that cannot be read, a constraint.
    #[error("the store refused to {doing}: {why}")]
    Permanent { doing: String, why: String },
    /// Written by a newer program.
    #[error("the store has schema {found}, this program knows {known}: start the newer program")]
    Newer { found: u32, known: u32 },
    /// Another process has the pipeline of this embedded store.
    #[error(
        "another process ({pid}) runs the pipeline of this store: stop it, or use PostgreSQL and RabbitMQ for several processes"
    )]
    Locked { pid: String },
}

impl StoreError {
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transient { .. })
    }
}

/// How much of a source one run saw; completeness is proved, never assumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotKind {
    Complete,
    Partial,
    Unchanged,
    Empty,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    Staging,
    Applying,
    Applied,
    Failed,
}

/// What a run compares itself with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectorState {
    pub etag: Option<String>,
    pub last_modified: Option<String>,
    /// blake3 of the whole body of a one-document source.
    pub body_hash: Option<String>,
    /// Start of the last applied complete run.
    pub last_complete: Option<Timestamp>,
    /// Incremental position, as the connector's paging defines it.
    pub watermark: Option<String>,
    /// Records of the last complete runs, oldest first, at most 10.
    pub history: Vec<u64>,
    /// Records of the last complete run of which not even the reference could be read.
    #[serde(default)]
    pub nameless: u64,
    /// Fill rate of each mapped field in the last complete run, per mille.
    pub fill: BTreeMap<String, u32>,
    /// The missing posting whose page was asked for last, where more are to be asked.
    #[serde(default)]
    pub probed: Option<String>,
    /// Error of the last run; cleared by the next good one.
    pub error: Option<String>,
    /// Whether the last applied complete snapshot had absences that a guard holds.
    pub absences_held: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRun {
    pub connector: ConnectorName,
    pub started: Timestamp,
    /// `schedule`, `request`, `sync`, `release`, `push`.
    pub trigger: String,
}

/// Counters of a run; `new + changed + unchanged + rejected = pulled`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Records read, a repeated key once.
    pub pulled: u64,
    pub new: u64,
    pub changed: u64,
    pub unchanged: u64,
    pub rejected: u64,
    /// Live and not seen.
    pub missing: u64,
    pub closed: u64,
    /// Postings whose change a guard keeps back.
    pub held: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub id: RunId,
    pub connector: ConnectorName,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    pub trigger: String,
    pub status: RunStatus,
    pub snapshot: Option<SnapshotKind>,
    pub counts: Counts,
    pub error: Option<String>,
    pub plan: Option<Plan>,
}

impl Run {
    /// The references that its records shared, if there were any.
    pub fn repeats(&self) -> Option<&Repeats> {
        let repeats = &self.plan.as_ref()?.repeats;
        (repeats.records > 0).then_some(repeats)
    }
}

/// Records of a run whose reference an earlier record of it had: of each reference the last usable
/// record counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeats {
    pub records: u64,
    /// The first of the references, each once, at most 20.
    pub references: Vec<String>,
}

impl Repeats {
    /// References that are named to a person.
    const NAMED: usize = 5;

    /// Counts one more record of `reference`.
    pub fn add(&mut self, reference: &str) {
        self.records += 1;
        if self.references.len() < 20 && !self.references.iter().any(|r| r == reference) {
            self.references.push(reference.to_owned());
        }
    }

    /// The first few references, as a list for people.
    pub fn named(&self) -> String {
        let mut named = self.references[..self.references.len().min(Self::NAMED)].join(", ");
        if self.references.len() > Self::NAMED {
            named.push_str(", …");
        }
        named
    }
}

impl std::fmt::Display for Repeats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (noun, verb) = if self.records == 1 {
            ("record", "repeats")
        } else {
            ("records", "repeat")
        };
        write!(
            f,
            "{} {noun} {verb} the reference of another ({}): the last of each counts; \
             give every offer a reference of its own at the source",
            self.records,
            self.named()
        )
    }
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedRecord {
    pub reference: String,
    /// blake3 of `payload`, hex.
    pub hash: String,
    /// The record's tree as JSON.
    pub payload: Bytes,
    pub verdict: RecordVerdict,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordVerdict {
    Open,
    /// The source says that it is closed: filled.
    Closed,
    /// The source says that it was taken back, and not filled.
    Withdrawn,
    /// Kept, counted and shown; its posting, if known, is not taken for missing.
    Rejected(Vec<Problem>),
}

/// The narrow part of a staged record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedRow {
    pub reference: String,
    pub hash: String,
    pub verdict: RecordVerdict,
}

/// A staged record beside the posting of its reference, if there ever was one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    pub row: StagedRow,
    pub known: Option<PostingState>,
}

/// What a run will do, frozen before it does anything, so that a resumed run does the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub snapshot: SnapshotKind,
    pub counts: Counts,
    pub apply_new: bool,
    pub apply_changed: bool,
    pub apply_closed: bool,
    pub apply_absences: bool,
    /// What a guard keeps back, and why; becomes the hold.
    pub doubt: Option<Doubt>,
    /// What the connector's state becomes with the last batch.
    pub state: ConnectorState,
    /// The released hold that this run answers: marked applied with the last batch.
    pub releases: Option<HoldId>,
    /// References of missing postings whose own pages are gone.
    #[serde(default)]
    pub gone: BTreeSet<String>,
    /// A person released the absences: they close with the last batch, whatever their miss count.
    #[serde(default)]
    pub close_now: bool,
    /// Accepted pairs of a re-key (old reference, new reference), written as decisions.
    #[serde(default)]
    pub rekey: Vec<(String, String)>,
    #[serde(default)]
    pub repeats: Repeats,
}

/// The doubtful part of a run's changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Doubt {
    /// `empty`, `volume`, `closings`, `fill`, `rekey`.
    pub guard: String,
    /// In words, with the figures: for the operator.
    pub why: String,
    /// References kept back, at most 200 of them, by kind of change.
    pub new: Vec<String>,
    pub changed: Vec<String>,
    pub missing: Vec<String>,
    pub closed: Vec<String>,
    /// How many postings in all.
    pub postings: u64,
    /// Proposed pairs of a re-key: (old reference, new reference).
    pub rekey: Vec<(String, String)>,
}

/// One posting's new state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostingChange {
    /// The state to store; `observation` is the new one.
    pub state: PostingState,
    /// Why it is live again, where it was closed.
    pub reopened: Option<ReopenReason>,
    /// Its events (`posting.pulled`).
    pub events: Vec<Event>,
}

impl PostingChange {
    /// What it is for the posting's history; most changes are none. An instant for a reopening is
    /// that of its event: the start of the run.
    pub(super) fn turn(&self) -> Option<Turn> {
        let (at, became) = match (&self.state.closed, self.reopened) {
            (Some((at, reason)), _) => (*at, Became::Closed(*reason)),
            (None, Some(reason)) => (self.events.first()?.time, Became::Live(reason)),
            (None, None) => return None,
        };
        Some(Turn {
            observation: self.state.observation,
            at,
            became,
        })
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunEnd {
    pub ended: Option<Timestamp>,
    /// Postings that this run missed without closing them: their new counts.
    pub misses: Vec<PostingState>,
    /// Postings seen again: miss count back to zero.
    pub seen: Vec<PostingId>,
    /// Closings by absence.
    pub closings: Vec<PostingChange>,
    /// The hold to open or to replace; `None` with `clear_hold` clears the open one.
    pub hold: Option<Doubt>,
    pub clear_hold: bool,
    pub decisions: Vec<Decision>,
    pub events: Vec<Event>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reject {
    pub connector: ConnectorName,
    pub reference: String,
    pub run: RunId,
    pub at: Timestamp,
    pub problems: Vec<Problem>,
    /// The record, cut at 4 kB.
    pub payload: String,
}

/// Entries of one key of a register that are given at most.
pub const REGISTER_KEY_LIMIT: usize = 50;

/// A register's entry, and what it is found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedEntry {
    pub entry: RegisterEntry,
    pub keys: Vec<String>,
}

/// What the normalise stage starts from.
#[derive(Clone, Debug, PartialEq)]
pub struct Pulled {
    pub state: PostingState,
    /// `None` once retention dropped it.
    pub payload: Option<Bytes>,
    /// What the stored normalised form was made from.
    pub made_from: Option<Revision>,
}

/// Of a normalised body: the first 16 bytes of its BLAKE3 hash.
pub type BodyDigest = [u8; 16];

/// Features of a posting as bytes, and the digest of the body that they were read of.
pub type KeptFeatures = (PostingId, BodyDigest, Bytes);

#[derive(Clone, Debug, PartialEq)]
pub struct NormalisedOutput {
    pub revision: Revision,
    pub posting: Posting,
    /// Blocking keys, sorted and distinct; empty for a posting that is closed or internal.
    pub keys: Vec<u64>,
    /// What dedupe knows of the posting, as bytes that mean nothing to the store; `None` drops what
    /// was kept of it.
    pub features: Option<Bytes>,
    pub events: Vec<Event>,
}

/// A vacancy row: public when `state` is live and nothing hides it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredVacancy {
    pub id: VacancyId,
    pub status: VacancyStatus,
    /// Merged record with everything, for admins; `None` for a tombstone that never was public.
    pub vacancy: Option<Vacancy>,
    /// The canonical bytes that were published last; `None` unless live and public.
    pub body: Option<Bytes>,
    pub provenance: Option<Bytes>,
    /// Its last change number; 0 while it was never public.
    pub seq: u64,
    pub changed_at: Option<Timestamp>,
    /// Its postings, live and closed.
    pub postings: Vec<PostingId>,
}

/// One live public vacancy as it is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicVacancy {
    pub id: VacancyId,
    pub seq: u64,
    pub changed_at: Timestamp,
    /// Canonical JSON.
    pub body: Bytes,
}

/// One row of `changes`: the last state of one vacancy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub seq: u64,
    pub id: VacancyId,
    pub changed_at: Timestamp,
    pub op: ChangeOp,
}

impl Change {
    /// Whether it takes away what was erased.
    pub fn is_erasure(&self) -> bool {
        matches!(
            self.op,
            ChangeOp::Delete {
                reason: TombstoneReason::Erased,
                ..
            }
        )
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeOp {
    Upsert {
        body: Bytes,
    },
    Delete {
        reason: TombstoneReason,
        into: Option<VacancyId>,
    },
}

/// What one dedupe batch writes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PublicCommit {
    /// All stored edges of these postings are replaced by `edges`.
    pub replace_edges_of: BTreeSet<PostingId>,
    pub edges: Vec<Edge>,
    /// New cluster of each posting.
    pub clusters: Vec<(PostingId, VacancyId)>,
    pub vacancies: Vec<VacancyWrite>,
    /// What the verdicts of these postings were made from.
    pub deduped: Vec<(PostingId, Revision)>,
    /// Features that had to be read of bodies, to be kept.
    pub features: Vec<KeptFeatures>,
    pub events: Vec<Event>,
}

impl PublicCommit {
    /// Takes in what was worked out apart.
    pub fn append(&mut self, mut other: Self) {
        self.replace_edges_of.append(&mut other.replace_edges_of);
        self.edges.append(&mut other.edges);
        self.clusters.append(&mut other.clusters);
        self.vacancies.append(&mut other.vacancies);
        self.deduped.append(&mut other.deduped);
        self.features.append(&mut other.features);
        self.events.append(&mut other.events);
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct VacancyWrite {
    pub id: VacancyId,
    pub status: VacancyStatus,
    pub vacancy: Option<Vacancy>,
    /// Canonical bytes, when live.
    pub body: Option<Bytes>,
    pub provenance: Option<Bytes>,
    /// The change row that it causes: `None` when nothing public changed.
    pub change: Option<ChangeWrite>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeWrite {
    /// Given as a time to readers of the delta feed.
    pub at: Timestamp,
    /// `None` for an upsert of `body`.
    pub delete: Option<TombstoneReason>,
    pub into: Option<VacancyId>,
}

/// Messages that a commit settles in its own transaction: deleted from the embedded outbox, or
/// inserted into the inbox of `stage` where a broker delivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbox {
    pub stage: Stage,
    pub messages: Vec<MessageId>,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    pub event: Event,
    /// Deliveries that failed before this one.
    pub attempt: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    pub id: MessageId,
    pub outcome: SettlementOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettlementOutcome {
    Done,
    /// Handed to a broker, which confirmed it, or given back: due again at `resend_at` unless a
    /// stage's commit (its inbox) deleted the row by then. The attempt count stays.
    Sent {
        resend_at: Timestamp,
    },
    Retry {
        at: Timestamp,
        error: String,
    },
    Park {
        error: String,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxDepth {
    pub events: u64,
    pub oldest: Option<Timestamp>,
}

impl Parked {
    /// A row of the outbox that is no event to this program: of a newer one, or damaged.
    pub(super) fn unreadable(
        id: MessageId,
        stage: Stage,
        body: Vec<u8>,
        why: &str,
        attempts: u32,
        at: Timestamp,
    ) -> Self {
        let error = format!("not an event that this program knows: {why}");
        tracing::error!(stage = stage.name(), message = %id, error, "parked");
        Self {
            id,
            stage,
            body,
            error,
            attempts,
            at,
        }
    }
}

/// A message that could not be processed after its retries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    pub id: MessageId,
    pub stage: Stage,
    /// The message as it came; JSON of [`Event`] unless it was undecodable.
    pub body: Vec<u8>,
    pub error: String,
    pub attempts: u32,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub id: HoldId,
    pub connector: ConnectorName,
    pub run: RunId,
    pub opened: Timestamp,
    pub doubt: Doubt,
    pub status: HoldStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<(Timestamp, String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldStatus {
    Open,
    /// A person said go; the next run of the connector applies it.
    Released,
    Rejected,
    /// A later plausible run made it moot.
    Cleared,
    /// A later doubtful run took its place.
    Replaced,
    /// Released, and applied by a run.
    Applied,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Live postings of each connector.
    pub live_postings: BTreeMap<ConnectorName, u64>,
    pub vacancies: u64,
    pub holds: u64,
    pub parked: u64,
    pub head: u64,
}

/// Everything known of one posting.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    pub pulled: Pulled,
    /// When it closed and came back, oldest first.
    pub turns: Vec<Turn>,
    pub normalised: Option<StoredPosting>,
    pub edges: Vec<Edge>,
    pub decisions: Vec<Decision>,
    pub vacancy: Option<StoredVacancy>,
    pub runs: Vec<Run>,
}

/// What another process may have written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hint {
    /// Rows of `changes`: those who serve and publish.
    Changes,
    /// Requests, releases of holds: those who pull.
    Requests,
    /// Events that no stage's commit carries: the relays.
    Outbox,
}

impl Hint {
    pub const ALL: [Hint; 3] = [Hint::Changes, Hint::Requests, Hint::Outbox];

    pub fn name(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Requests => "requests",
            Self::Outbox => "outbox",
        }
    }
}

/// Hints of one kind, as they come.
pub struct Hints(Option<tokio::sync::watch::Receiver<u64>>);

impl Hints {
    /// None ever comes.
    pub fn none() -> Self {
        Self(None)
    }

    /// Waits for the next; several at once are one. To be waited for beside a time-out.
    pub async fn next(&mut self) {
        let ended = match &mut self.0 {
            Some(heard) => heard.changed().await.is_err(),
            None => true,
        };
        if ended {
            std::future::pending().await
        }
    }
}

impl From<tokio::sync::watch::Receiver<u64>> for Hints {
    fn from(mut heard: tokio::sync::watch::Receiver<u64>) -> Self {
        heard.mark_unchanged();
        Self(Some(heard))
    }
}
