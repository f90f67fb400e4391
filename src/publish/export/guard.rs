//! An export that would lose more than a share of offers that are still open waits for a person,
//! as a feed does: meanwhile the last good document stays served.
//!
//! What it is compared with is every offer that it had that day, so that many small steps count like
//! one. An offer that has closed, or that a person took out (hidden, erased, a mandate withdrawn),
//! is not missing: it leaves the document at once, the one that is held too (law 2).

use super::{
    preflight::{Preflight, PreflightItem},
    profile::Profile,
    render::Pieces,
};
use crate::{
    model::{TombstoneReason, VacancyId, VacancyStatus},
    publish::{PublicState, Publish, PublishError},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    io::Write as _,
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

const NOTE: &str = "export.guard/";
/// For how long an offer that was in the document counts.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What an export held back, and what a person said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportHold {
    /// `open`, `rejected`, `released` and then `applied`, or `cleared` when the offers came back.
    pub status: String,
    pub opened: Timestamp,
    /// Offers of that day that are still open, and how many of them are in the document that waits.
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
    /// Whether the last good document is served instead.
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
    /// Every offer that the document had since then.
    #[serde(default)]
    ids: BTreeSet<VacancyId>,
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

impl Memory {
    /// What the guard makes of a document with this report: the new memory. More than `least`
    /// offers and more than `share` of them may not be lost.
    pub(super) fn after(
        &self,
        report: &Preflight,
        (share, least): (f64, usize),
        now: Timestamp,
    ) -> Self {
        let ready = |item: &&PreflightItem| item.blockers.is_empty();
        let open = report.items.iter().filter(|item| !item.refused());
        let known = open.filter(|item| self.ids.contains(&item.id));
        let before = known.clone().count();
        let there = known.filter(ready).count();
        let lost = before - there;
        let doubtful = lost > least && lost as f64 > share * before as f64;
        let ids: BTreeSet<VacancyId> = report.items.iter().filter(ready).map(|i| i.id).collect();
        let held = |hold: ExportHold| ExportHold {
            before,
            now: there,
            ..hold
        };
        let status = |status: &str, hold: &ExportHold| ExportHold {
            status: status.into(),
            ..hold.clone()
        };
        match &self.hold {
            // A person let it through: it is what later ones are compared with.
            Some(hold) if doubtful && hold.status == "released" => Self {
                since: now,
                ids,
                hold: Some(held(status("applied", hold))),
            },
            Some(hold) if doubtful && hold.holds() => Self {
                hold: Some(held(hold.clone())),
                ..self.clone()
            },
            _ if doubtful => Self {
                hold: Some(ExportHold {
                    status: "open".into(),
                    opened: now,
                    before,
                    now: there,
                    decided: None,
                }),
                ..self.clone()
            },
            hold => {
                let hold = hold.as_ref().map(|hold| match hold.status.as_str() {
                    "open" | "rejected" => status("cleared", hold),
                    "released" => status("applied", hold),
                    _ => hold.clone(),
                });
                self.with(ids, report, now, hold)
            }
        }
    }

    /// With what the document has now.
    fn with(
        &self,
        ids: BTreeSet<VacancyId>,
        report: &Preflight,
        now: Timestamp,
        hold: Option<ExportHold>,
    ) -> Self {
        if now.duration_since(self.since) >= DAY {
            let since = now;
            return Self { since, ids, hold };
        }
        let mut known = self.ids.clone();
        if !ids.is_subset(&known) {
            // Written anew anyway: without what has closed.
            let open: BTreeSet<VacancyId> = report.items.iter().map(|item| item.id).collect();
            known.retain(|id| open.contains(id));
            known.extend(ids);
        }
        Self {
            ids: known,
            hold,
            ..*self
        }
    }
}

/// The last good document, by its pieces.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    /// The newest date of its offers.
    pub updated: Option<Timestamp>,
    /// Whose each piece is.
    owners: Vec<VacancyId>,
    pieces: Pieces,
}

impl Kept {
    /// `pieces` of which the first ones are the offers of `owners`, one by one.
    pub fn new(updated: Option<Timestamp>, owners: Vec<VacancyId>, mut pieces: Pieces) -> Self {
        pieces.items.truncate(owners.len());
        Self {
            updated,
            owners,
            pieces,
        }
    }

    /// Its pieces, but for those of offers that have closed or may not go there; and how many offers
    /// that are.
    pub fn open(self, report: &Preflight) -> (Pieces, usize) {
        let open = report.items.iter().filter(|item| !item.refused());
        let open: BTreeSet<VacancyId> = open.map(|item| item.id).collect();
        let left = self.without(|id| !open.contains(id));
        let owners: BTreeSet<VacancyId> = left.owners.into_iter().collect();
        (left.pieces, owners.len())
    }

    fn without(mut self, gone: impl Fn(&VacancyId) -> bool) -> Self {
        let pieces = std::mem::take(&mut self.pieces.items);
        let both = std::mem::take(&mut self.owners).into_iter().zip(pieces);
        (self.owners, self.pieces.items) = both.filter(|(id, _)| !gone(id)).unzip();
        self
    }

    /// One that a power cut tore is none.
    fn read(place: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(place).ok()?).ok()
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
        file: &str,
        before: &Memory,
        after: &Memory,
    ) -> Result<(), PublishError> {
        if after == before {
            return Ok(());
        }
        let status = |memory: &Memory| memory.hold.as_ref().map(|hold| hold.status.clone());
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

    /// Where the last good document of `file` lies.
    fn place(&self, file: &str) -> Option<PathBuf> {
        Some(self.settings().kept.as_ref()?.join(format!("{file}.kept")))
    }

    /// Keeps a document in case the next one is doubtful. That it cannot be kept is no reason not
    /// to send it.
    pub(super) fn keep(&self, file: &str, kept: &Kept) {
        let Some(place) = self.place(file) else {
            return;
        };
        let written = serde_json::to_vec(kept).map_err(std::io::Error::from);
        let written = written.and_then(|text| {
            if std::fs::read(&place).is_ok_and(|there| there == text) {
                return Ok(());
            }
            put(&place, &text)
        });
        if let Err(error) = written {
            tracing::warn!(place = %place.display(), %error, "the last good export is not kept");
        }
    }

    /// The last good document of `file`.
    pub(super) fn kept(&self, file: &str) -> Option<Kept> {
        Kept::read(&self.place(file)?)
    }

    /// Takes what was erased out of every kept document.
    ///
    /// # Errors
    /// The store's; the first file that cannot be written.
    pub async fn forget_erased(&self) -> Result<(), PublishError> {
        let Some(folder) = self.settings().kept.clone() else {
            return Ok(());
        };
        for place in documents(&folder) {
            let Some(kept) = Kept::read(&place) else {
                continue;
            };
            let mut erased = BTreeSet::new();
            for id in &kept.owners {
                let status = self.store().vacancy(*id).await?.map(|stored| stored.status);
                if let Some(VacancyStatus::Closed {
                    reason: TombstoneReason::Erased,
                    ..
                }) = status
                {
                    erased.insert(*id);
                }
            }
            if erased.is_empty() {
                continue;
            }
            let left = kept.without(|id| erased.contains(id));
            let text = serde_json::to_vec(&left).map_err(std::io::Error::from);
            text.and_then(|text| replace(&place, &text))
                .map_err(|error| {
                    let place = place.display();
                    let error = anyhow::Error::from(error);
                    PublishError::Index(
                        error.context(format!("{place} still has erased texts: remove it")),
                    )
                })?;
        }
        Ok(())
    }
}

/// Every kept document below `folder`.
fn documents(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            found.extend(documents(&path));
        } else if path.extension().is_some_and(|e| e == "kept") {
            found.push(path);
        }
    }
    found
}

/// Replaces a file at once: a reader sees the old bytes or the new ones, never a part, even after
/// a power cut.
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let file = beside_it(path, bytes)?;
    file.as_file().sync_all()?;
    persist(file, path)
}

/// As [`replace`], but that a power cut may tear it.
fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    persist(beside_it(path, bytes)?, path)
}

fn beside_it(path: &Path, bytes: &[u8]) -> std::io::Result<NamedTempFile> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(".export-")
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    Ok(file)
}

fn persist(file: NamedTempFile, path: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.as_file()
            .set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
