//! An export that would lose more than a share of offers that are still open waits for a person,
//! as a feed does: meanwhile what it would lose stays in it, as it was last, and the rest goes on.
//!
//! What it is compared with is every offer that it had that day, so that many small steps count like
//! one. An offer that has closed, or that a person took out (hidden, erased, a mandate withdrawn),
//! is not missing: it leaves the document at once, the one that is held too (law 2).

use super::{
    preflight::{Preflight, PreflightItem},
    profile::Profile,
};
use crate::{
    model::{MemberId, Network, VacancyId},
    publish::{PublicState, Publish, PublishError},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const NOTE: &str = "export.guard/";
/// For how long an offer that was in the document counts.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What an export held back, and what a person said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportHold {
    /// `open`, `rejected`, `released` and then `applied`, or `cleared` when the offers came back.
    pub status: String,
    pub opened: Timestamp,
    /// Offers of that day, and how many of them would be left.
    pub before: usize,
    pub now: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Decided>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    pub at: Timestamp,
    pub who: String,
    pub why: String,
}

impl ExportHold {
    /// Whether what would be lost stays.
    pub(super) fn holds(&self) -> bool {
        matches!(self.status.as_str(), "open" | "rejected")
    }

    pub fn why(&self) -> String {
        format!(
            "{} of {} offers would leave the export",
            self.before.saturating_sub(self.now),
            self.before
        )
    }
}

/// What the hub remembers of one export.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Memory {
    since: Timestamp,
    /// Every offer that the document had since then, and its member.
    #[serde(default)]
    known: BTreeMap<VacancyId, Option<MemberId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<ExportHold>,
}

/// Every export's newest hold, by its file; those that wait for a person, or all.
///
/// # Errors
/// The store's.
pub async fn export_holds(
    store: &dyn PublicState,
    open: bool,
) -> Result<Vec<(String, ExportHold)>, PublishError> {
    let notes = store.notes(NOTE).await?;
    let held = notes.into_iter().filter_map(|(key, text)| {
        let memory: Memory = serde_json::from_str(&text).ok()?;
        Some((key.strip_prefix(NOTE)?.to_owned(), memory.hold?))
    });
    Ok(held
        .filter(|(_, hold)| !open || hold.status == "open")
        .collect())
}

/// Writes what a person decides of the hold of `file`; `false` where none waits.
///
/// # Errors
/// The store's.
pub async fn decide_export_hold(
    store: &dyn PublicState,
    file: &str,
    released: bool,
    decided: Decided,
) -> Result<bool, PublishError> {
    let key = format!("{NOTE}{file}");
    let Some(text) = store.meta(&key).await? else {
        return Ok(false);
    };
    let Ok(mut memory) = serde_json::from_str::<Memory>(&text) else {
        return Ok(false);
    };
    let Some(hold) = memory.hold.as_mut().filter(|hold| hold.holds()) else {
        return Ok(false);
    };
    hold.status = if released { "released" } else { "rejected" }.into();
    hold.decided = Some(decided);
    remember(store, key, &memory).await?;
    Ok(true)
}

async fn remember(
    store: &dyn PublicState,
    key: String,
    memory: &Memory,
) -> Result<(), PublishError> {
    let text = serde_json::to_string(memory).map_err(|e| PublishError::Index(e.into()))?;
    Ok(store.write_notes(vec![(key, Some(text))]).await?)
}

/// The live offers that a document is made of.
pub(super) struct Open<'a> {
    pub report: &'a Preflight,
    /// Live offers that this program cannot read: one of them is not closed.
    pub unread: &'a BTreeSet<VacancyId>,
    pub network: &'a Network,
}

impl Open<'_> {
    /// Whether a person took the member away: where a file cannot be read, it may be its own.
    fn is_gone(&self, member: &MemberId) -> bool {
        !self.network.unsure && self.network.member(member).is_none()
    }

    /// Whether a person decided that the offer does not go there.
    fn is_refused(&self, item: &PreflightItem) -> bool {
        let known = |id| self.network.member(id).is_some() || self.is_gone(id);
        item.refused() && item.member.as_ref().is_none_or(known)
    }
}

impl Memory {
    /// Of what the document had, the offers that are open and would not be in it. What a person took
    /// out, by a mandate or a member's file, is none.
    pub(super) fn lost(&self, open: &Open<'_>) -> BTreeSet<VacancyId> {
        let blocked = |item: &&PreflightItem| !item.blockers.is_empty() && !open.is_refused(item);
        let blocked = open.report.items.iter().filter(blocked).map(|item| item.id);
        let lost = blocked.chain(open.unread.iter().copied());
        let stays = |id: &VacancyId| match self.known.get(id) {
            None => false,
            Some(None) => true,
            Some(Some(member)) => !open.is_gone(member),
        };
        lost.filter(stays).collect()
    }

    /// Whether so many are more than may be lost: more than `least`, and more than `share` of all.
    pub(super) fn too_many(&self, lost: usize, (share, least): (f64, usize)) -> bool {
        lost > least && lost as f64 > share * self.known.len() as f64
    }

    /// Whether some of these are of a member whose file cannot be read: that one is too many.
    pub(super) fn is_unsure(&self, open: &Open<'_>, lost: &BTreeSet<VacancyId>) -> bool {
        let unknown = |member: &MemberId| open.network.member(member).is_none();
        let of = |id| self.known.get(id).and_then(Option::as_ref);
        open.network.unsure && lost.iter().filter_map(of).any(unknown)
    }

    /// What the guard makes of a document that would lose these: the new memory.
    pub(super) fn after(
        &self,
        open: &Open<'_>,
        lost: usize,
        limits: (f64, usize),
        now: Timestamp,
    ) -> Self {
        let doubtful = self.too_many(lost, limits);
        let before = self.known.len();
        let counted = |hold: &ExportHold| ExportHold {
            before,
            now: before - lost,
            ..hold.clone()
        };
        let status = |status: &str, hold: &ExportHold| ExportHold {
            status: status.into(),
            ..hold.clone()
        };
        let ready = open.report.items.iter();
        let ready = ready.filter(|item| item.blockers.is_empty());
        let ready = ready.map(|item| (item.id, item.member.clone()));
        match &self.hold {
            // A person let it through: it is what later ones are compared with.
            Some(hold) if doubtful && hold.status == "released" => Self {
                since: now,
                known: ready.collect(),
                hold: Some(counted(&status("applied", hold))),
            },
            Some(hold) if doubtful && hold.holds() => Self {
                hold: Some(counted(hold)),
                ..self.with(ready)
            },
            _ if doubtful => Self {
                hold: Some(ExportHold {
                    status: "open".into(),
                    opened: now,
                    before,
                    now: before - lost,
                    decided: None,
                }),
                ..self.with(ready)
            },
            hold => {
                let hold = hold.as_ref().map(|hold| match hold.status.as_str() {
                    "open" | "rejected" => status("cleared", hold),
                    "released" => status("applied", hold),
                    _ => hold.clone(),
                });
                if now.duration_since(self.since) >= DAY {
                    let (since, known) = (now, ready.collect());
                    return Self { since, known, hold };
                }
                Self {
                    hold,
                    ..self.with(ready)
                }
            }
        }
    }

    fn with(&self, ready: impl Iterator<Item = (VacancyId, Option<MemberId>)>) -> Self {
        let mut with = self.clone();
        with.known.extend(ready);
        with
    }
}

impl Publish {
    /// What is remembered of `file`; nothing where `profile` may shrink as it likes.
    pub(super) async fn memory(
        &self,
        profile: &Profile,
        file: &str,
    ) -> Result<Option<Memory>, PublishError> {
        if self.limits(profile).0 >= 1.0 {
            return Ok(None);
        }
        let text = self.store().meta(&format!("{NOTE}{file}")).await?;
        let memory = text.and_then(|text| serde_json::from_str(&text).ok());
        Ok(Some(memory.unwrap_or_default()))
    }

    /// The share and the number of its offers that an export may lose.
    pub(super) fn limits(&self, profile: &Profile) -> (f64, usize) {
        let settings = self.settings();
        (
            profile.max_drop.unwrap_or(settings.export_max_drop),
            profile.min_drop.unwrap_or(settings.export_min_drop),
        )
    }

    /// Notes what the guard made of `file`, and says so where a person is asked.
    pub(super) async fn learn(
        &self,
        profile: &Profile,
        file: &str,
        before: &Memory,
        after: &Memory,
    ) -> Result<(), PublishError> {
        if after == before {
            return Ok(());
        }
        let status = |memory: &Memory| memory.hold.as_ref().map(|hold| hold.status.clone());
        // A person may have decided meanwhile: the next look knows.
        let now = self.memory(profile, file).await?;
        if now.is_none_or(|now| status(&now) != status(before)) {
            return Ok(());
        }
        if status(after) != status(before)
            && let Some(hold) = after.hold.as_ref().filter(|hold| hold.status == "open")
        {
            tracing::warn!(
                export = file,
                "{}: `passerelle holds release {file}` lets it through",
                hold.why()
            );
        }
        remember(self.store(), format!("{NOTE}{file}"), after).await
    }
}
