//! An export that would shrink by more than a share waits for a person, as a feed does: meanwhile
//! the last good document stays served.
//!
//! What it is compared with is the fullest document of the day, so that many small steps count like
//! one. Members whose mandate ended are left out of the comparison, and a document that still holds
//! what a person took out (hidden, erased, a mandate withdrawn) is not served again: then there is
//! none until the decision.

use super::{Export, ExportError, preflight::Preflight, profile::Profile};
use crate::{
    model::{MemberId, TombstoneReason, VacancyId, VacancyStatus},
    publish::{PublicState, Publish, PublishError},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

const NOTE: &str = "export.guard/";
/// For how long the fullest document counts.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What an export held back, and what a person said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportHold {
    /// `open`, `rejected`, `released` and then `applied`, or `cleared` when the offers came back.
    pub status: String,
    pub opened: Timestamp,
    /// Offers of the last good document, and of the one that waits.
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
    fn holds(&self) -> bool {
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
struct Memory {
    /// When the fullest document of the day was made, and its offers by member.
    since: Timestamp,
    offers: BTreeMap<String, usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold: Option<ExportHold>,
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
    /// What the guard makes of a document with these offers: the new memory.
    fn after(
        &self,
        offers: BTreeMap<String, usize>,
        mandated: impl Fn(&str) -> bool,
        (share, least): (f64, usize),
        now: Timestamp,
    ) -> Self {
        let before = self.offers.iter();
        let before: usize = before.filter(|(id, _)| mandated(id)).map(|(_, n)| n).sum();
        let count: usize = offers.values().sum();
        let lost = before.saturating_sub(count);
        let doubtful = lost > least && lost as f64 > share * before as f64;
        let fresh = Self {
            since: now,
            offers,
            hold: None,
        };
        match &self.hold {
            // A person let it through: it is what later ones are compared with.
            Some(hold) if doubtful && hold.status == "released" => Self {
                hold: Some(ExportHold {
                    status: "applied".into(),
                    now: count,
                    ..hold.clone()
                }),
                ..fresh
            },
            Some(hold) if doubtful && hold.holds() => Self {
                hold: Some(ExportHold {
                    now: count,
                    before,
                    ..hold.clone()
                }),
                ..self.clone()
            },
            _ if doubtful => Self {
                hold: Some(ExportHold {
                    status: "open".into(),
                    opened: now,
                    before,
                    now: count,
                    decided: None,
                }),
                ..self.clone()
            },
            hold => {
                let hold = hold.clone().map(|mut hold| {
                    match hold.status.as_str() {
                        "open" | "rejected" => hold.status = "cleared".into(),
                        "released" => hold.status = "applied".into(),
                        _ => {}
                    }
                    hold
                });
                let fuller = count >= before || now.duration_since(self.since) >= DAY;
                let kept = if fuller { fresh } else { self.clone() };
                Self { hold, ..kept }
            }
        }
    }
}

/// The offers of a kept document, beside it.
#[derive(Serialize, Deserialize)]
struct Contents {
    ready: usize,
    ids: BTreeSet<VacancyId>,
    /// Of the document: a power cut may have torn either file.
    #[serde(default)]
    hash: String,
}

impl Publish {
    /// `export` if it may go out; else the last good one.
    pub(super) async fn guarded(
        &self,
        profile: &Profile,
        export: Export,
        report: &Preflight,
    ) -> Result<Export, PublishError> {
        let settings = self.settings();
        let share = profile.max_drop.unwrap_or(settings.export_max_drop);
        let least = profile.min_drop.unwrap_or(settings.export_min_drop);
        if share >= 1.0 {
            return Ok(export);
        }
        let ready = report.items.iter().filter(|item| item.blockers.is_empty());
        let mut offers: BTreeMap<String, usize> = BTreeMap::new();
        for item in ready.clone() {
            let member = item.member.as_ref().map_or("", MemberId::as_str);
            *offers.entry(member.to_owned()).or_default() += 1;
        }
        let now = self.clock().now();
        let network = self.network();
        let mandated = |id: &str| {
            let channel = profile.channel();
            let member = network.member(&MemberId::from(id));
            let id = MemberId::from(id);
            // Who has a file of its own now, or no longer, is in the other one.
            let moved = profile.one_feed
                && profile.has_own_feed(&network, Some(&id)) != export.file.contains('/');
            !moved
                && (id.as_str().is_empty()
                    || channel == "portal"
                    || member.is_some_and(|member| member.mandate(channel).allows(now)))
        };
        let key = format!("{NOTE}{}", export.file);
        let memory: Option<Memory> = match self.store().meta(&key).await? {
            Some(text) => serde_json::from_str(&text).ok(),
            None => None,
        };
        let before = memory.unwrap_or_default();
        let after = before.after(offers, mandated, (share, least), now);
        if after != before {
            if after.hold.as_ref().map(|h| &h.status) != before.hold.as_ref().map(|h| &h.status)
                && let Some(hold) = after.hold.as_ref().filter(|hold| hold.status == "open")
            {
                tracing::warn!(
                    export = export.file,
                    "{}: `passerelle holds release {}` lets it through",
                    hold.why(),
                    export.file
                );
            }
            remember(self.store(), key, &after).await?;
        }
        let ids = ready.map(|item| item.id).collect();
        match after.hold.filter(ExportHold::holds) {
            None => {
                self.keep(&export, ids);
                Ok(export)
            }
            Some(hold) => self.kept(export, &hold, ids, report).await,
        }
    }

    /// Where the last good document of `file` lies.
    fn place(&self, file: &str) -> Option<PathBuf> {
        Some(self.settings().kept.as_ref()?.join(file))
    }

    /// Keeps a document in case the next one is doubtful. That it cannot be kept is no reason not
    /// to send it.
    fn keep(&self, export: &Export, ids: BTreeSet<VacancyId>) {
        let Some(place) = self.place(&export.file) else {
            return;
        };
        if std::fs::read(&place).is_ok_and(|bytes| bytes == export.bytes) {
            return;
        }
        let contents = Contents {
            ready: export.ready,
            ids,
            hash: blake3::hash(&export.bytes).to_hex().to_string(),
        };
        let written = serde_json::to_vec(&contents)
            .map_err(std::io::Error::from)
            .and_then(|contents| {
                // The list first: a document without its list is never served.
                put(&beside(&place), &contents)?;
                put(&place, &export.bytes)
            });
        if let Err(error) = written {
            tracing::warn!(place = %place.display(), %error, "the last good export is not kept");
        }
    }

    /// Drops every kept document that holds something erased. The next rendering keeps another.
    ///
    /// # Errors
    /// The store's; the first file that cannot be removed.
    pub async fn forget_erased(&self) -> Result<(), PublishError> {
        let Some(kept) = self.settings().kept.clone() else {
            return Ok(());
        };
        for (place, contents) in lists(&kept) {
            for id in contents.ids {
                let status = self.store().vacancy(id).await?.map(|stored| stored.status);
                let erased = matches!(
                    status,
                    Some(VacancyStatus::Closed {
                        reason: TombstoneReason::Erased,
                        ..
                    })
                );
                if !erased {
                    continue;
                }
                for file in [beside(&place), place.clone()] {
                    match std::fs::remove_file(&file) {
                        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                            let place = file.display();
                            return Err(PublishError::Index(
                                anyhow::Error::from(error)
                                    .context(format!("{place} still has erased texts: remove it")),
                            ));
                        }
                        _ => {}
                    }
                }
                break;
            }
        }
        Ok(())
    }

    /// The last good document, unless a person has taken out something that it holds.
    async fn kept(
        &self,
        export: Export,
        hold: &ExportHold,
        ready: BTreeSet<VacancyId>,
        report: &Preflight,
    ) -> Result<Export, PublishError> {
        let held = ExportError::Held {
            file: export.file.clone(),
            why: hold.why(),
        };
        let read = self.place(&export.file).and_then(|place| {
            let bytes = std::fs::read(&place).ok()?;
            let contents = std::fs::read(beside(&place)).ok()?;
            let contents: Contents = serde_json::from_slice(&contents).ok()?;
            // Lists of older programs have no hash: their files were synchronised.
            let whole =
                contents.hash.is_empty() || blake3::hash(&bytes).to_hex().as_str() == contents.hash;
            whole.then_some((place, bytes, contents))
        });
        let Some((place, bytes, contents)) = read else {
            return Err(held.into());
        };
        let refused: BTreeSet<VacancyId> = report
            .items
            .iter()
            .filter(|item| item.blockers.iter().any(|b| b.rule.starts_with("mandate.")))
            .map(|item| item.id)
            .collect();
        for id in contents.ids.difference(&ready) {
            let status = self.store().vacancy(*id).await?.map(|stored| stored.status);
            let taken_out = match status {
                Some(VacancyStatus::Private) => true,
                Some(VacancyStatus::Closed { reason, .. }) => {
                    matches!(reason, TombstoneReason::Erased | TombstoneReason::Hidden)
                }
                _ => refused.contains(id),
            };
            if taken_out {
                for file in [beside(&place), place.clone()] {
                    let _ = std::fs::remove_file(file);
                }
                return Err(held.into());
            }
        }
        Ok(Export {
            bytes: bytes.into(),
            ready: contents.ready,
            held: Some(hold.clone()),
            ..export
        })
    }
}

/// Every kept document below `folder`, with its offers.
fn lists(folder: &Path) -> Vec<(PathBuf, Contents)> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut lists = Vec::new();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            lists.extend(self::lists(&path));
        } else if path.extension().is_some_and(|e| e == "ids")
            && let Ok(bytes) = std::fs::read(&path)
            && let Ok(contents) = serde_json::from_slice(&bytes)
        {
            lists.push((path.with_extension(""), contents));
        }
    }
    lists
}

fn beside(place: &Path) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push(".ids");
    name.into()
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
