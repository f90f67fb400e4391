//! The drop folder: every export profile as files, for partners who fetch them by other means.
//!
//! **Invariants:** no file that this program wrote keeps an offer that has left its document, not even
//! when no profile and no member makes the file any more; no other file is touched. A file that is gone
//! closes nothing at a board, an empty one does: what nobody makes any more is emptied, never removed.

use crate::{
    model::MemberId,
    publish::{
        ExportError, Publish, PublishError, Vintage,
        files::{clear_begun, replace},
        live::Mark,
        respond::chain,
    },
};
use futures::{StreamExt as _, stream};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

const SINK: &str = "drop-folder";
/// The store remembers every file that was ever written, by its name, and what it says without offers.
/// The note is older than the file, and outlives it.
const NOTE: &str = "drop-folder/";
/// After an export that failed.
const PAUSE: Duration = Duration::from_secs(1);
/// A change is heard of at once; what changes without one is looked for that often.
const QUIET: Duration = Duration::from_secs(1);
/// Expressions may ask for the age of an offer: the files are looked at again that often.
const REVIEW: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub enum DropError {
    #[error("could not write {path}")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// Exports that are made at a time.
const SIDE_BY_SIDE: usize = 4;

/// Writes exports into a folder whenever public state changes.
pub struct DropFolder {
    publish: Publish,
    folder: PathBuf,
    /// File → hash of what was written last, so that an equal export is not written again.
    written: BTreeMap<String, blake3::Hash>,
    /// File → what it says without offers, as the store has it.
    noted: BTreeMap<String, String>,
    /// Files of members of whom it is unsure whether they are any → what was live of them as that was
    /// first seen.
    frozen: BTreeMap<String, Mark>,
    /// The files and mandates that the exports were looked at with.
    vintage: Option<Vintage>,
    /// Of each member, what all its own files were made of.
    marks: BTreeMap<MemberId, Mark>,
}

impl DropFolder {
    pub fn new(publish: Publish, folder: impl Into<PathBuf>) -> Self {
        Self {
            publish,
            folder: folder.into(),
            written: BTreeMap::new(),
            noted: BTreeMap::new(),
            frozen: BTreeMap::new(),
            vintage: None,
            marks: BTreeMap::new(),
        }
    }

    /// Follows the store until `stop`. An export that fails is tried again with the next look.
    pub async fn follow(mut self, stop: CancellationToken) {
        let mut reviewed = None::<tokio::time::Instant>;
        while !stop.is_cancelled() {
            let due = reviewed.is_none_or(|at| at.elapsed() >= REVIEW);
            let begun = tokio::time::Instant::now();
            let mut rest = Duration::ZERO;
            let done = match self.step(due).await {
                Ok((looked, done)) => {
                    if looked || due {
                        reviewed = Some(tokio::time::Instant::now());
                        // While much changes, a third of the time is others'.
                        rest = (begun.elapsed() / 2).min(QUIET);
                    }
                    Some(done)
                }
                Err(error) => {
                    tracing::error!(error = %chain(&error), "drop folder is behind");
                    None
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.wait(rest, done) => {}
            }
        }
    }

    /// Rests, then waits for a change behind `done`; where there is none to wait behind, for a while.
    async fn wait(&self, rest: Duration, done: Option<u64>) {
        tokio::time::sleep(rest).await;
        match done {
            Some(done) if self.publish.news(done, QUIET).await.is_ok() => {}
            _ => tokio::time::sleep(PAUSE).await,
        }
    }

    /// Writes what changed since the sink's cursor; with `review`, whatever the cursor says.
    /// Returns whether it looked at the exports, and up to which change they are good.
    pub(in crate::publish) async fn step(
        &mut self,
        review: bool,
    ) -> Result<(bool, u64), DropError> {
        let store = self.publish.store();
        let head = store.head().await.map_err(PublishError::from)?;
        let done = store.cursor(SINK).await.map_err(PublishError::from)?;
        let vintage = self.publish.vintage().await?;
        if head == done && !review && self.vintage.as_ref() == Some(&vintage) {
            return Ok((false, head));
        }
        let same = |own: &Vintage| own.made_alike(&vintage);
        if review || !self.vintage.as_ref().is_some_and(same) {
            self.marks.clear();
        }
        self.write_changed().await?;
        self.vintage = Some(vintage);
        self.publish
            .store()
            .set_cursor(SINK, head)
            .await
            .map_err(PublishError::from)?;
        Ok((true, head))
    }

    /// Writes every profile, consolidated and for each member that gave its mandate.
    ///
    /// # Errors
    /// The first export that cannot be rendered or written; its file stays as it was, and the
    /// others are written.
    pub async fn write_all(&mut self) -> Result<(), DropError> {
        self.marks.clear();
        self.write_changed().await
    }

    /// As [`DropFolder::write_all`], but for the files of members whose offers are as they were.
    async fn write_changed(&mut self) -> Result<(), DropError> {
        let profiles = self.publish.profiles();
        let network = self.publish.network();
        let now = self.publish.clock().now();
        let mut failed = None;
        // What may be made is another, or may be.
        let anew = self.marks.is_empty();
        // Read once for all of them.
        let live = self.publish.live().await?;
        if anew || network.unsure {
            let makes: BTreeSet<String> = profiles
                .iter()
                .flat_map(|profile| {
                    let members = network.members.values().map(|own| Some(own.member_id()));
                    let files = members.chain([None]);
                    files.map(|member| profile.file(member.as_ref()))
                })
                .collect();
            self.read_notes().await?;
            self.clear_begun();
            self.empty_others(&makes, network.unsure, &live.own).await;
        }
        let marks: BTreeMap<MemberId, Mark> = network
            .members
            .values()
            .map(|member| member.member_id())
            .map(|id| (id.clone(), live.own.get(&id).copied().unwrap_or_default()))
            .collect();
        let mut wanted = Vec::new();
        for profile in profiles.iter() {
            let channel = profile.channel();
            let members = network
                .members
                .values()
                .filter(|member| {
                    let id = member.member_id();
                    self.marks.get(&id) != marks.get(&id)
                })
                .filter(|member| {
                    // A member whose mandate ended keeps its file, empty: the board then closes
                    // its offers, which a missing file would not do.
                    let id = member.member_id();
                    let own = !profile.one_feed || profile.has_own_feed(&network, Some(&id));
                    own && member.mandate(channel).allows(now)
                        || self.folder.join(profile.file(Some(&id))).exists()
                })
                .map(|member| Some(member.member_id()))
                .chain([None]);
            wanted.extend(members.map(|member| (profile.name.clone(), member)));
        }
        // One is rendered while another waits for the disk.
        let this = &*self;
        let done: Vec<_> = stream::iter(wanted)
            .map(|(profile, member)| this.write(profile, member, anew))
            .buffered(SIDE_BY_SIDE)
            .collect()
            .await;
        for one in done {
            match one {
                Ok(Written { file, hash, bare }) => {
                    match hash {
                        Some(hash) => self.written.insert(file.clone(), hash),
                        None => self.written.remove(&file),
                    };
                    if let Some(bare) = bare {
                        self.noted.insert(file, bare);
                    }
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        self.marks = marks;
        Ok(())
    }

    /// Writes an export that is not there yet; with `anew`, what it says without offers may be another.
    async fn write(
        &self,
        profile: String,
        member: Option<MemberId>,
        anew: bool,
    ) -> Result<Written, DropError> {
        let export = match self.publish.export(&profile, member.as_ref()).await {
            Ok(export) => export,
            // Held, and nothing that may stay: a file that is gone closes nothing.
            Err(PublishError::Export(ExportError::Held { file, .. })) => {
                let path = self.folder.join(&file);
                return match std::fs::remove_file(&path) {
                    Err(source) if source.kind() != io::ErrorKind::NotFound => {
                        Err(DropError::Write { path, source })
                    }
                    _ => Ok(Written {
                        file,
                        hash: None,
                        bare: None,
                    }),
                };
            }
            Err(error) => return Err(error.into()),
        };
        let bare = match anew {
            true => self.note(&profile, member.as_ref(), &export.file).await?,
            false => None,
        };
        let hash = blake3::hash(&export.bytes);
        let path = self.folder.join(&export.file);
        if self.written.get(&export.file) != Some(&hash) || !path.exists() {
            put(path, move |path| replace(path, &export.bytes)).await?;
        }
        Ok(Written {
            file: export.file,
            hash: Some(hash),
            bare,
        })
    }

    async fn read_notes(&mut self) -> Result<(), DropError> {
        let notes = self.publish.store().notes(NOTE).await;
        let notes = notes.map_err(PublishError::from)?.into_iter();
        let file = |key: String| key.strip_prefix(NOTE).map(str::to_owned);
        let notes = notes.filter_map(|(key, bare)| Some((file(key)?, bare)));
        self.noted = notes.collect();
        Ok(())
    }

    /// Notes that `file` is this program's, before it is there; gives what it says without offers,
    /// `None` for a profile that cannot say it.
    async fn note(
        &self,
        profile: &str,
        member: Option<&MemberId>,
        file: &str,
    ) -> Result<Option<String>, DropError> {
        let bare = match self.publish.emptied(profile, member).await {
            Ok(bare) => bare,
            // No reason to keep what the file says now.
            Err(error) => {
                tracing::warn!(
                    file,
                    error = chain(&error),
                    "what it says without offers is unknown: it stays as it is once nobody makes it"
                );
                return Ok(None);
            }
        };
        if self.noted.get(file) != Some(&bare) {
            let note = (format!("{NOTE}{file}"), Some(bare.clone()));
            let written = self.publish.store().write_notes(vec![note]).await;
            written.map_err(PublishError::from)?;
        }
        Ok(Some(bare))
    }

    /// Takes the offers out of every file that was written once and that is none of those that a
    /// profile makes now, for a member or for all; one that cannot be written is told. Where `unsure`,
    /// a member's file is nobody's only when its profile is gone: it stays as it is while the member's
    /// `live` offers do, then it is removed, since nobody can say what it should have.
    async fn empty_others(
        &mut self,
        makes: &BTreeSet<String>,
        unsure: bool,
        live: &BTreeMap<MemberId, Mark>,
    ) {
        let profiles = self.publish.profiles();
        self.frozen
            .retain(|file, _| unsure && !makes.contains(file));
        for (file, bare) in &self.noted {
            if makes.contains(file) {
                continue;
            }
            let (own, name) = file.split_once('/').unwrap_or((file, ""));
            let own = own.split_once('.').map_or(own, |(own, _)| own);
            if profiles.get(own).is_none() && profiles.unsure {
                continue;
            }
            if unsure && profiles.get(own).is_some() && !name.is_empty() {
                let member = name.rsplit_once('.').map_or(name, |(member, _)| member);
                let now = live
                    .get(&MemberId::from(member))
                    .copied()
                    .unwrap_or_default();
                if *self.frozen.entry(file.clone()).or_insert(now) != now {
                    let path = self.folder.join(file);
                    tracing::warn!(
                        path = %path.display(),
                        "offers of it have changed, and its member's file cannot be read: it is removed"
                    );
                    if let Err(error) = std::fs::remove_file(&path)
                        && error.kind() != io::ErrorKind::NotFound
                    {
                        tracing::error!(path = %path.display(), %error, "it is still there");
                    }
                }
                continue;
            }
            self.written.remove(file);
            let (name, bare) = (file.clone(), bare.clone());
            let emptied = put(self.folder.join(file), move |path| {
                if !path.symlink_metadata().is_ok_and(|there| there.is_file())
                    || std::fs::read(path)? == bare.as_bytes()
                {
                    return Ok(());
                }
                tracing::info!(
                    file = name,
                    "no profile or member makes it any more: its offers are taken out"
                );
                replace(path, bare.as_bytes())
            });
            if let Err(error) = emptied.await {
                tracing::error!(
                    error = chain(&error),
                    "offers that nobody shows any more stay in it"
                );
            }
        }
    }

    /// What a writer that was killed has left may have texts that were erased since.
    fn clear_begun(&self) {
        let files = self.noted.keys().map(|file| self.folder.join(file));
        let mut folders: BTreeSet<PathBuf> = files
            .filter_map(|path| Some(path.parent()?.to_owned()))
            .collect();
        folders.insert(self.folder.clone());
        for folder in folders {
            if let Err(error) = clear_begun(&folder) {
                tracing::warn!(folder = %folder.display(), %error, "what a writer has left cannot be cleared");
            }
        }
    }
}

/// What was made of a file.
struct Written {
    file: String,
    /// Of what is there now.
    hash: Option<blake3::Hash>,
    /// What it says without offers, if that was looked at.
    bare: Option<String>,
}

/// Works on a file away from the runtime's own threads.
async fn put(
    path: PathBuf,
    work: impl FnOnce(&Path) -> io::Result<()> + Send + 'static,
) -> Result<(), DropError> {
    let place = path.clone();
    let written = tokio::task::spawn_blocking(move || work(&place));
    let written = written.await.map_err(io::Error::other).flatten();
    written.map_err(|source| DropError::Write { path, source })
}
