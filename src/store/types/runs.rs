//! Runs of a connector: what they read, what they plan and what is held of it.

use crate::model::{
    Became, ConnectorName, Decision, Event, HoldId, PostingId, PostingState, Problem, ReopenReason,
    RunId, Turn,
};
use bytes::Bytes;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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
    /// `schedule`, `request`, `sync`, `release`, `push`, …
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
    pub(in crate::store) fn turn(&self) -> Option<Turn> {
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
