//! `PASSERELLE_CLOCK`: the one place, beside the telemetry, that reads the system's time.

use crate::model::Clock;
use jiff::Timestamp;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    #[error(
        "PASSERELLE_CLOCK is {value:?}: write an instant such as 2026-11-02T08:00:00Z, or FILE:PATH of a file that holds one"
    )]
    Form { value: String },
    #[error("PASSERELLE_CLOCK names {}, which cannot be read", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// The clock of this process: `PASSERELLE_CLOCK` if set (RFC 3339, or `FILE:PATH`, read again at
/// each use), else the system's.
///
/// # Errors
/// The variable is set to something that is neither.
pub fn clock() -> Result<Clock, ClockError> {
    match std::env::var("PASSERELLE_CLOCK") {
        Ok(value) if !value.trim().is_empty() => parse(value.trim()),
        _ => {
            #[allow(clippy::disallowed_methods)]
            let system = Clock::new(Timestamp::now);
            Ok(system)
        }
    }
}

fn parse(value: &str) -> Result<Clock, ClockError> {
    let form = || ClockError::Form {
        value: value.to_owned(),
    };
    let Some(path) = value
        .strip_prefix("FILE:")
        .or_else(|| value.strip_prefix("file:"))
    else {
        return Ok(Clock::fixed(value.parse().map_err(|_| form())?));
    };
    let path = PathBuf::from(path);
    let first = read(&path)?.ok_or_else(form)?;
    // A file that is being rewritten may be short or absent for a moment: the last good reading
    // stands until the next.
    let last = std::sync::Mutex::new(first);
    Ok(Clock::new(move || {
        let mut last = last.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Ok(Some(now)) = read(&path) {
            *last = now;
        }
        *last
    }))
}

fn read(path: &Path) -> Result<Option<Timestamp>, ClockError> {
    let text = std::fs::read_to_string(path).map_err(|source| ClockError::File {
        path: path.to_owned(),
        source,
    })?;
    Ok(text.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again_at_each_use() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "2026-11-02T08:00:00Z\n").unwrap();
        let clock = parse(&format!("FILE:{}", file.path().display())).unwrap();
        assert_eq!(clock.now(), "2026-11-02T08:00:00Z".parse().unwrap());
        std::fs::write(file.path(), "2026-11-03T08:00:00+01:00").unwrap();
        assert_eq!(clock.now(), "2026-11-03T07:00:00Z".parse().unwrap());
        std::fs::write(file.path(), "").unwrap();
        assert_eq!(clock.now(), "2026-11-03T07:00:00Z".parse().unwrap());
    }

    #[test]
    fn another_form_is_refused_with_an_example() {
        let error = parse("yesterday").unwrap_err().to_string();
        assert!(error.contains("2026-11-02T08:00:00Z"), "{error}");
    }
}
