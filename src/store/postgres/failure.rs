//! What PostgreSQL says, as the store's callers can act on it.

use crate::store::{StoreError, codec::Unreadable};
use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;

/// An error inside an operation, before it is told what the operation was for.
#[derive(Debug)]
pub(super) enum Failure {
    Postgres(tokio_postgres::Error),
    /// Will fail again.
    Refused(String),
    /// Worth another try.
    Away(String),
}

impl Failure {
    /// No answer came within `patience`.
    pub fn silent(patience: std::time::Duration) -> Self {
        let seconds = patience.as_secs_f32();
        Self::Away(format!(
            "the server has not answered for {seconds} s; the connection is given up"
        ))
    }
}

pub(super) type Result<T> = std::result::Result<T, Failure>;

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<Unreadable> for Failure {
    fn from(error: Unreadable) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::Postgres(error),
            other => Self::Away(other.to_string()),
        }
    }
}

impl Failure {
    pub fn refused(why: impl Into<String>) -> Self {
        Self::Refused(why.into())
    }

    /// Names who is trusted where TLS said no: no waiting mends a certificate.
    pub fn trusting(self, trusted: &str) -> Self {
        match &self {
            Self::Postgres(error) => match super::tls::objection(error) {
                Some(said) => Self::Refused(format!(
                    "TLS said no: {said}; the server was checked against {trusted}"
                )),
                None => self,
            },
            _ => self,
        }
    }

    /// At the start wrong settings are refused; later the same answers are waited out.
    pub fn at_start(self) -> Self {
        match &self {
            Self::Postgres(error) if error.code().is_some_and(is_setting) => {
                let said = error.as_db_error().map(|said| said.message().to_owned());
                Self::Refused(said.unwrap_or_else(|| error.to_string()))
            }
            _ => self,
        }
    }

    pub fn told(self, doing: &str) -> StoreError {
        let doing = doing.to_owned();
        match self {
            Self::Postgres(error) if is_transient(&error) => StoreError::Transient {
                doing,
                source: Some(Box::new(error)),
            },
            Self::Postgres(error) => StoreError::Permanent {
                doing,
                why: match error.as_db_error() {
                    Some(said) => said.message().to_owned(),
                    None => error.to_string(),
                },
            },
            Self::Refused(why) => StoreError::Permanent { doing, why },
            Self::Away(why) => StoreError::Transient {
                doing,
                source: Some(why.into()),
            },
        }
    }
}

/// A lost connection, a lost race for locks, a server that is full, starting or going down.
fn is_transient(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        Some(code) => is_transient_state(code),
        // Without a code it never reached the server, or lost it; a value of a wrong type is ours.
        None => error.is_closed() || std::error::Error::source(error).is_some_and(is_io),
    }
}

fn is_io(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<std::io::Error>()
}

/// By class of SQLSTATE: the server, its rights or its schema are not as they should be, which is no
/// message's fault. A server that became read-only, a grant that was lost: the work waits, and nothing
/// is parked for it.
fn is_transient_state(code: &SqlState) -> bool {
    let waits = [
        "08", "25", "28", "3D", "40", "42", "53", "55", "57", "58", "XX",
    ];
    waits.contains(&class(code))
}

/// What no waiting mends while a program starts: the password, the name of the database, rights.
fn is_setting(code: &SqlState) -> bool {
    ["28", "3D", "42"].contains(&class(code))
}

fn class(code: &SqlState) -> &str {
    let text = code.code();
    text.get(..2).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_servers_and_races_are_worth_another_try() {
        for transient in [
            SqlState::CONNECTION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::DISK_FULL,
            SqlState::TOO_MANY_CONNECTIONS,
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::READ_ONLY_SQL_TRANSACTION,
            SqlState::INSUFFICIENT_PRIVILEGE,
            SqlState::UNDEFINED_TABLE,
            SqlState::INVALID_PASSWORD,
            SqlState::INVALID_CATALOG_NAME,
        ] {
            assert!(is_transient_state(&transient), "{}", transient.code());
        }
        for permanent in [
            SqlState::UNIQUE_VIOLATION,
            SqlState::NOT_NULL_VIOLATION,
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            SqlState::CHARACTER_NOT_IN_REPERTOIRE,
        ] {
            assert!(!is_transient_state(&permanent), "{}", permanent.code());
        }
        for setting in [SqlState::INVALID_PASSWORD, SqlState::INVALID_CATALOG_NAME] {
            assert!(is_setting(&setting), "{}", setting.code());
        }
        assert!(!is_setting(&SqlState::CANNOT_CONNECT_NOW));
    }
}
