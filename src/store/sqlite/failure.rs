//! What SQLite says, as the store's callers can act on it.

use crate::store::{StoreError, codec::Unreadable};
use rusqlite::ErrorCode;

/// An error inside a job, before it is told what the job was for.
#[derive(Debug)]
pub(super) enum Failure {
    Sqlite(rusqlite::Error),
    /// Will fail again.
    Refused(String),
    /// Worth another try.
    Away(String),
}

pub(super) type Result<T> = std::result::Result<T, Failure>;

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Unreadable> for Failure {
    fn from(error: Unreadable) -> Self {
        Self::Refused(error.to_string())
    }
}

impl Failure {
    pub fn refused(why: impl Into<String>) -> Self {
        Self::Refused(why.into())
    }

    pub fn told(self, doing: &str) -> StoreError {
        let doing = doing.to_owned();
        match self {
            Self::Sqlite(error) if is_transient(&error) => StoreError::Transient {
                doing,
                source: Some(Box::new(error)),
            },
            Self::Sqlite(error) => StoreError::Permanent {
                doing,
                why: error.to_string(),
            },
            Self::Refused(why) => StoreError::Permanent { doing, why },
            Self::Away(why) => StoreError::Transient {
                doing,
                source: Some(why.into()),
            },
        }
    }
}

/// A lock held elsewhere, a full or failing disk, no memory, a file that is away: not the row's
/// fault, so the same work is worth another try.
fn is_transient(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::OutOfMemory
                | ErrorCode::CannotOpen
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::OperationInterrupted
                | ErrorCode::ReadOnly
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(code: i32) -> StoreError {
        Failure::Sqlite(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(code),
            None,
        ))
        .told("try")
    }

    #[test]
    fn locks_and_disks_are_worth_another_try() {
        use rusqlite::ffi;
        for transient in [
            ffi::SQLITE_BUSY,
            ffi::SQLITE_FULL,
            ffi::SQLITE_IOERR_WRITE,
            ffi::SQLITE_CANTOPEN,
        ] {
            assert!(code(transient).is_transient(), "{transient}");
        }
        for permanent in [
            ffi::SQLITE_CONSTRAINT_UNIQUE,
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_NOTADB,
            ffi::SQLITE_ERROR,
        ] {
            assert!(!code(permanent).is_transient(), "{permanent}");
        }
        assert!(!Failure::refused("no").told("try").is_transient());
    }
}
