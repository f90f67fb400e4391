//! Internal events: thin, so that a stage always reads the newest state from the store.

use super::MessageId;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a stored output was made from (law 3). Ordered: the observation first.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub struct Revision {
    /// Grows by one, under the connector's lock, whenever bytes or state change.
    pub observation: u64,
    /// Version of code, tables and reference data.
    pub rules: u32,
}

impl Revision {
    /// Whether an output made from `self` makes work for `wanted` superfluous.
    pub fn covers(self, wanted: Revision) -> bool {
        self.observation >= wanted.observation && self.rules >= wanted.rules
    }
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum EventKind {
    #[serde(rename = "fr.passerelle.posting.pulled.v1")]
    PostingPulled,
    #[serde(rename = "fr.passerelle.posting.normalised.v1")]
    PostingNormalised,
    /// A decision, mandate or file changed what a posting means: never skipped. Goes to normalise.
    #[serde(rename = "fr.passerelle.posting.recheck.v1")]
    PostingRecheck,
    /// The same for a vacancy: `key` is a posting of it. Goes to dedupe.
    #[serde(rename = "fr.passerelle.vacancy.recheck.v1")]
    VacancyRecheck,
    #[serde(rename = "fr.passerelle.vacancy.changed.v1")]
    VacancyChanged,
}

impl EventKind {
    /// The stage that consumes it.
    pub fn stage(self) -> Stage {
        match self {
            Self::PostingPulled | Self::PostingRecheck => Stage::Normalise,
            Self::PostingNormalised | Self::VacancyRecheck => Stage::Dedupe,
            Self::VacancyChanged => Stage::Publish,
        }
    }

    /// Rechecks are acted upon whatever revision the stored output was made from.
    pub fn is_recheck(self) -> bool {
        matches!(self, Self::PostingRecheck | Self::VacancyRecheck)
    }

    /// Routing key on `passerelle.events`: `posting.pulled`, …
    pub fn routing_key(self) -> &'static str {
        match self {
            Self::PostingPulled => "posting.pulled",
            Self::PostingNormalised => "posting.normalised",
            Self::PostingRecheck => "posting.recheck",
            Self::VacancyRecheck => "vacancy.recheck",
            Self::VacancyChanged => "vacancy.changed",
        }
    }

    /// The CloudEvents `type`.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::PostingPulled => "fr.passerelle.posting.pulled.v1",
            Self::PostingNormalised => "fr.passerelle.posting.normalised.v1",
            Self::PostingRecheck => "fr.passerelle.posting.recheck.v1",
            Self::VacancyRecheck => "fr.passerelle.vacancy.recheck.v1",
            Self::VacancyChanged => "fr.passerelle.vacancy.changed.v1",
        }
    }
}

/// The stages that consume events.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Normalise,
    Dedupe,
    Publish,
}

impl Stage {
    pub const ALL: [Stage; 3] = [Stage::Normalise, Stage::Dedupe, Stage::Publish];

    pub fn name(self) -> &'static str {
        match self {
            Self::Normalise => "normalise",
            Self::Dedupe => "dedupe",
            Self::Publish => "publish",
        }
    }
}

/// One message of the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    pub id: MessageId,
    pub kind: EventKind,
    /// The posting or vacancy that it is about, as UUID text.
    pub key: String,
    pub revision: Revision,
    /// blake3 of the payload, hex; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub payload: String,
    pub time: Timestamp,
}

impl Event {
    /// A new event with a fresh message id (UUIDv7: outbox order on every backend).
    pub fn new(kind: EventKind, key: impl ToString, revision: Revision, time: Timestamp) -> Self {
        Self {
            id: MessageId(uuid::Uuid::now_v7()),
            kind,
            key: key.to_string(),
            revision,
            payload: String::new(),
            time,
        }
    }
}
