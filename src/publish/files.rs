//! Files that are replaced as a whole: a reader sees the old bytes or the new ones, never a part.

use std::{
    fs::{OpenOptions, TryLockError},
    io::{self, Write as _},
    path::Path,
};
use tempfile::NamedTempFile;

/// How the name of a file begins that is being written, and how many letters or digits follow.
const BEGUN: &str = ".export-";
const RANDOM: usize = 6;

/// Replaces a file at once: a reader sees the old bytes or the new ones, never a part, even after
/// a power cut.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = beside_it(path, bytes)?;
    file.as_file().sync_all()?;
    persist(file, path)
}

/// As [`replace`], but that a power cut may tear it.
pub fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    persist(beside_it(path, bytes)?, path)
}

fn beside_it(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = begin(folder)?;
    file.write_all(bytes)?;
    Ok(file)
}

/// A new file, locked until it has its name: so [`clear_begun`] knows it from one that was left.
fn begin(folder: &Path) -> io::Result<NamedTempFile> {
    loop {
        let file = tempfile::Builder::new()
            .prefix(BEGUN)
            .rand_bytes(RANDOM)
            .tempfile_in(folder)?;
        // On a disk without locks nobody clears up.
        let locked = file.as_file().lock().is_ok();
        // It may have been cleared between the two.
        if !locked || file.path().exists() {
            return Ok(file);
        }
    }
}

fn persist(file: NamedTempFile, path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.as_file()
            .set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Removes the files of `folder` that a writer began and did not live to end; those that one is
/// writing, in whatever process, stay.
///
/// # Errors
/// The folder cannot be read, or a file not removed.
pub fn clear_begun(folder: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let begun = name.to_str().and_then(|name| name.strip_prefix(BEGUN));
        let begun = begun.is_some_and(|rest| {
            rest.len() == RANDOM && rest.bytes().all(|b| b.is_ascii_alphanumeric())
        });
        if begun && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            clear(&entry.path())?;
        }
    }
    Ok(())
}

fn clear(path: &Path) -> io::Result<()> {
    let gone = |error: io::Error| match error.kind() {
        // Its writer was done meanwhile.
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    };
    // For writing: network disks lock nothing else.
    let file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) => return gone(error),
    };
    match file.try_lock() {
        Ok(()) => std::fs::remove_file(path).or_else(gone),
        Err(TryLockError::WouldBlock) => Ok(()),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_goes_and_what_is_in_use_stays() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let used = beside_it(&at("out.xml"), b"half").unwrap();
        for name in [
            ".export-Ab3dEf",
            ".export-Ab3dEfg",
            ".export-",
            "x.export-Ab3dEf",
        ] {
            std::fs::write(at(name), "left").unwrap();
        }
        std::fs::create_dir(at(".export-folder")).unwrap();
        clear_begun(folder.path()).unwrap();
        let kept = [
            ".export-Ab3dEfg",
            ".export-",
            "x.export-Ab3dEf",
            ".export-folder",
        ];
        assert!(!at(".export-Ab3dEf").exists());
        assert!(kept.iter().all(|name| at(name).exists()) && used.path().exists());
        persist(used, &at("out.xml")).unwrap();
        assert_eq!(std::fs::read(at("out.xml")).unwrap(), b"half");
        // Once its writer is gone it is nobody's.
        let (_, left) = beside_it(&at("out.xml"), b"more").unwrap().keep().unwrap();
        clear_begun(folder.path()).unwrap();
        assert!(!left.exists() && at("out.xml").exists());
        clear_begun(&at("nowhere")).unwrap();
    }

    /// Whoever clears up while others write takes nothing from them.
    #[test]
    fn writers_and_who_clears_up_do_not_meet() {
        let folder = tempfile::tempdir().unwrap();
        let ends = std::sync::atomic::AtomicBool::new(false);
        let ends = &ends;
        std::thread::scope(|threads| {
            threads.spawn(|| {
                while !ends.load(std::sync::atomic::Ordering::Relaxed) {
                    clear_begun(folder.path()).unwrap();
                }
            });
            let writers = ["a", "b"].map(|name| {
                let place = folder.path().join(name);
                threads.spawn(move || {
                    for n in 0..500_u32 {
                        put(&place, &n.to_le_bytes()).unwrap();
                    }
                })
            });
            for writer in writers {
                let _ = writer.join();
            }
            ends.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        for name in ["a", "b"] {
            let last = std::fs::read(folder.path().join(name)).unwrap();
            assert_eq!(last, 499_u32.to_le_bytes());
        }
    }
}
