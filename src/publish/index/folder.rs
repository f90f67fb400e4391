//! The index's folder: one a process, rebuilt when anything about it is doubtful.

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

/// Serving processes that may share a data folder, each with an index of its own.
const MOST: usize = 64;

/// A folder that is this process's alone for as long as this lives.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// The first folder below `base` that no other process has.
    pub fn take(base: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(base).with_context(|| format!("{} cannot be made", base.display()))?;
        for number in 0..MOST {
            let lock = base.join(format!("{number}.lock"));
            let file = File::options()
                .create(true)
                .append(true)
                .open(&lock)
                .with_context(|| format!("{} cannot be written", lock.display()))?;
            match file.try_lock() {
                Ok(()) => {
                    return Ok(Self {
                        path: base.join(number.to_string()),
                        _lock: file,
                    });
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("{}", lock.display()));
                }
            }
        }
        bail!("all {MOST} index folders of {} are in use", base.display())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it empty.
    pub fn clear(&self) -> anyhow::Result<()> {
        let cannot = || format!("{} cannot be emptied", self.path.display());
        match fs::remove_dir_all(&self.path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(cannot),
        }
        fs::create_dir_all(&self.path).with_context(cannot)
    }
}

/// What the index says of itself, written with each commit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Payload {
    /// [`super::schema::fingerprint`] of the program that made it.
    pub form: String,
    /// The store that it was made from.
    pub store: String,
    /// The change number up to which it is complete.
    pub head: u64,
    /// Newest closings, oldest first.
    pub gone: Vec<super::Tombstone>,
    /// Something erased may still stand in a file of it.
    #[serde(default)]
    pub purge: bool,
}
