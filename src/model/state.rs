//! The state of postings and vacancies, as the stages pass it on.

use super::{ConnectorName, Posting, PostingId, Revision, VacancyId};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// The source no longer lists it: presumed filled.
    Absent,
    /// The source says that it is closed.
    Explicit,
    /// The source's own expiry date has passed.
    Expired,
    /// The offer's page answers 404 or 410.
    Gone,
    /// The source says that it was taken back, and not filled.
    Withdrawn,
    /// Erased for a person's privacy.
    Erased,
}

/// Why a closed posting is live again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReopenReason {
    /// The source lists it again.
    Listed,
    /// The source had said that it was closed or withdrawn, and says that it is open.
    Open,
    /// It had expired, and the source shows it with other content.
    Changed,
}

/// A posting that closed, or came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Turn {
    /// The observation that it made.
    pub observation: u64,
    /// Start of the run that saw it, or the source's own date.
    pub at: Timestamp,
    #[serde(flatten)]
    pub became: Became,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "became", content = "reason", rename_all = "snake_case")]
pub enum Became {
    Closed(CloseReason),
    Live(ReopenReason),
}

/// The narrow state of a posting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostingState {
    pub id: PostingId,
    pub connector: ConnectorName,
    pub reference: String,
    /// blake3 of the payload, hex.
    pub hash: String,
    pub observation: u64,
    pub first_seen: Timestamp,
    /// `None` while live.
    pub closed: Option<(Timestamp, CloseReason)>,
    pub misses: u32,
    /// Start of the run that counted the last miss.
    pub last_miss: Option<Timestamp>,
}

impl PostingState {
    pub fn is_live(&self) -> bool {
        self.closed.is_none()
    }
}

/// A posting with everything that dedupe needs.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredPosting {
    pub state: PostingState,
    pub posting: Posting,
    pub made_from: Revision,
    /// What the stored verdicts and vacancy were made from.
    pub deduped: Option<Revision>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum VacancyStatus {
    /// In the feed.
    Live,
    /// Live, but no mandate or a hide keeps it inside.
    Private,
    Closed {
        at: Timestamp,
        reason: TombstoneReason,
    },
    /// Its postings belong to another vacancy now.
    Merged { into: VacancyId },
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TombstoneReason {
    Filled,
    Expired,
    Withdrawn,
    Merged,
    Erased,
    Hidden,
}
