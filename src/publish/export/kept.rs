//! What each document was made of last: kept for the day on which the guard doubts the next one.
//!
//! **Invariant:** nothing that was erased is here once its erasure has been carried out, whoever
//! renders meanwhile and in whatever process. One at a time writes in the folder, and who does
//! leaves out what is erased by then: a rendering that began before an erasure and ends after it
//! brings nothing back, and what it wrote before, the erasure finds.

use super::memo::Offer;
use crate::{
    model::{PostingId, TombstoneReason, Vacancy, VacancyId, VacancyStatus},
    publish::{
        Publish, PublishError,
        files::{put, replace},
        respond::chain,
    },
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Locked by whoever writes in the folder.
const LOCK: &str = ".lock";
/// How long a document waits for its turn: it goes out at once, kept or not.
const MOMENT: Duration = Duration::from_secs(1);
/// How long an erasure does.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(2);

/// What a document was made of last.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Kept {
    /// What its pieces fit into.
    pub frame: String,
    pub offers: BTreeMap<VacancyId, Piece>,
}

/// The items of one offer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Piece {
    pub updated: Option<Timestamp>,
    /// As they stand in the document; where that tells movements, as of an offer that is new.
    items: Vec<String>,
    /// Where the document tells movements: as of an offer that the board has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    again: Vec<String>,
    /// The postings whose texts it may have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    postings: Vec<PostingId>,
}

impl Piece {
    pub fn of(vacancy: &Vacancy, offer: &Offer) -> Self {
        Self {
            updated: offer.updated,
            items: offer.pieces.clone(),
            again: offer.again.clone(),
            postings: vacancy.sources.iter().map(|s| s.posting).collect(),
        }
    }

    /// The items for a board that has the offer, or has not.
    pub fn items(&self, has: bool) -> &[String] {
        match has && !self.again.is_empty() {
            true => &self.again,
            false => &self.items,
        }
    }
}

impl Kept {
    /// The offers, if they fit into `frame`.
    pub fn offers_of(self, frame: &str) -> BTreeMap<VacancyId, Piece> {
        match self.frame == frame {
            true => self.offers,
            false => BTreeMap::new(),
        }
    }

    fn leave_out(&mut self, erased: &BTreeSet<PostingId>) {
        let told = |piece: &Piece| piece.postings.iter().any(|id| erased.contains(id));
        self.offers.retain(|_, piece| !told(piece));
    }
}

impl Publish {
    /// Where the pieces of `file` lie.
    fn place(&self, file: &str) -> Option<PathBuf> {
        Some(self.settings().kept.as_ref()?.join(format!("{file}.kept")))
    }

    /// Keeps what a document is made of, in case the next one is doubtful. That it cannot be kept is
    /// no reason not to send it.
    pub(super) async fn keep(&self, file: &str, kept: Kept) {
        if let Err(error) = self.put_kept(file, kept).await {
            tracing::warn!(export = file, error = %chain(&error), "the last good export is not kept");
        }
    }

    async fn put_kept(&self, file: &str, mut kept: Kept) -> Result<(), PublishError> {
        let (Some(folder), Some(place)) = (&self.settings().kept, self.place(file)) else {
            return Ok(());
        };
        let turn = turn(folder, MOMENT).await?;
        let erased = self.store().erased().await?;
        let written = tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
            kept.leave_out(&erased);
            let text = serde_json::to_vec(&kept)?;
            if !std::fs::read(&place).is_ok_and(|there| there == text) {
                put(&place, &text)?;
            }
            drop(turn);
            Ok(())
        });
        let written = written.await.map_err(anyhow::Error::from).flatten();
        written.map_err(PublishError::Kept)
    }

    /// What `file` was made of last, if a power cut has not torn it.
    pub(super) fn kept(&self, file: &str) -> Kept {
        let place = self.place(file);
        place.and_then(|place| read(&place)).unwrap_or_default()
    }

    /// Takes what was erased out of everything that is kept.
    ///
    /// # Errors
    /// The store's; the first file that cannot be written.
    pub async fn forget_erased(&self) -> Result<(), PublishError> {
        let Some(folder) = self.settings().kept.clone().filter(|f| f.is_dir()) else {
            return Ok(());
        };
        let turn = turn(&folder, PATIENCE).await?;
        let erased = self.store().erased().await?;
        let mut gone: HashMap<VacancyId, bool> = HashMap::new();
        for place in files(&folder) {
            // What nobody can read, nobody needs: torn, begun by who is no more, or of another
            // program.
            let Some(mut kept) = read(&place) else {
                std::fs::remove_file(&place).map_err(|error| still_there(&place, error))?;
                continue;
            };
            let before = kept.offers.len();
            kept.leave_out(&erased);
            for id in kept.offers.keys() {
                if !gone.contains_key(id) {
                    gone.insert(*id, self.is_erased(*id).await?);
                }
            }
            kept.offers
                .retain(|id, _| !gone.get(id).is_some_and(|gone| *gone));
            if kept.offers.len() < before {
                let text = serde_json::to_vec(&kept).map_err(io::Error::from);
                text.and_then(|text| replace(&place, &text))
                    .map_err(|error| still_there(&place, error))?;
            }
        }
        drop(turn);
        Ok(())
    }

    /// Whether the vacancy was erased as a whole: a piece need not say of which postings it was made.
    async fn is_erased(&self, id: VacancyId) -> Result<bool, PublishError> {
        let found = self.store().vacancy(id).await?;
        let reason = found.and_then(|stored| match stored.status {
            VacancyStatus::Closed { reason, .. } => Some(reason),
            _ => None,
        });
        Ok(reason == Some(TombstoneReason::Erased))
    }
}

/// Waits for the turn to write in `folder`; it ends when the file is closed, so that no process that
/// dies keeps it.
async fn turn(folder: &Path, patience: Duration) -> Result<File, PublishError> {
    let place = folder.join(LOCK);
    let failed = |error: io::Error| {
        let place = place.display();
        PublishError::Kept(anyhow::Error::from(error).context(format!("{place} cannot be locked")))
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    let file = options.open(&place).map_err(failed)?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if begun.elapsed() < patience => {
                tokio::time::sleep(LOOK).await;
            }
            Err(TryLockError::WouldBlock) => {
                let why = io::Error::new(io::ErrorKind::TimedOut, "another process has it");
                return Err(failed(why));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
}

fn read(place: &Path) -> Option<Kept> {
    serde_json::from_slice(&std::fs::read(place).ok()?).ok()
}

fn still_there(place: &Path, error: io::Error) -> PublishError {
    let place = place.display();
    let error = anyhow::Error::from(error);
    PublishError::Kept(error.context(format!("{place} may still have erased texts: remove it")))
}

/// Every file below `folder` but its lock.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.file_name().is_none_or(|name| name != LOCK) {
            found.push(path);
        }
    }
    found
}
