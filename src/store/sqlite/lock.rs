//! The pipeline lock: of all processes that open an embedded store, one runs its pipeline.

use crate::store::{Result, StoreError};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Held until it is dropped or its process ends in any way: the system's file lock is the lock, the
/// pid in the file only tells people who holds it.
#[derive(Debug)]
pub struct PipelineLock {
    file: File,
}

impl PipelineLock {
    /// The lock of the store at `store`.
    ///
    /// # Errors
    /// [`StoreError::Locked`] with the holder's pid; [`StoreError::Permanent`] when the lock file
    /// cannot be written.
    pub fn acquire(store: &Path) -> Result<Self> {
        let path = lock_path(store);
        let refused = |error: std::io::Error| StoreError::Permanent {
            doing: format!("lock {}", path.display()),
            why: error.to_string(),
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(refused)?;
        }
        // Not truncated before the lock is ours: the pid in it belongs to the holder.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(refused)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                return Err(StoreError::Locked {
                    pid: pid.trim().to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(refused(error)),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(refused)?;
        Ok(Self { file })
    }

    /// The pid that runs the pipeline of the store at `store`, if any process does.
    pub fn holder(store: &Path) -> Option<String> {
        match Self::acquire_probe(store) {
            Some(TryLockError::WouldBlock) => std::fs::read_to_string(lock_path(store))
                .ok()
                .map(|pid| pid.trim().to_owned()),
            _ => None,
        }
    }

    /// A shared lock, given back at once, so that two probes never take each other for a holder.
    fn acquire_probe(store: &Path) -> Option<TryLockError> {
        File::open(lock_path(store))
            .ok()
            .and_then(|file| file.try_lock_shared().err())
    }
}

impl Drop for PipelineLock {
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

/// The lock file beside the database.
fn lock_path(store: &Path) -> PathBuf {
    let mut path = store.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_a_stale_pid_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("deep/passerelle.db");
        assert_eq!(PipelineLock::holder(&store), None);

        let lock = PipelineLock::acquire(&store).unwrap();
        let pid = std::process::id().to_string();
        match PipelineLock::acquire(&store) {
            Err(StoreError::Locked { pid: holder }) => assert_eq!(holder, pid),
            other => panic!("{other:?}"),
        }
        assert_eq!(PipelineLock::holder(&store), Some(pid));
        drop(lock);

        // What kill -9 leaves behind: a file with a pid, and no lock.
        std::fs::write(lock_path(&store), "999999\n").unwrap();
        assert_eq!(PipelineLock::holder(&store), None);
        PipelineLock::acquire(&store).unwrap();
    }
}
