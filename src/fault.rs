//! Floor 1: named points at which a test makes the process die, as `kill -9` would, or wait for
//! another process.
//!
//! `PASSERELLE_FAULT=NAME` aborts at the first passing of point NAME, `NAME:3` at the third.
//! `PASSERELLE_BARRIER=NAME:2:FOLDER` stops at each passing of barrier NAME until two processes
//! are there. `PASSERELLE_LIMIT=NAME:N` makes resource NAME end at N. `PASSERELLE_SKEW=SECONDS` sets the
//! clock of the bus ahead or back. Only builds with debug assertions look at these; in others a point is
//! nothing.

/// A place where a crash must do no harm. Names are `area.moment`: `pull.apply`, `stage.committed`.
#[inline]
pub fn point(name: &str) {
    #[cfg(debug_assertions)]
    armed(name);
    #[cfg(not(debug_assertions))]
    let _ = name;
}

#[cfg(debug_assertions)]
fn armed(name: &str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static FAULT: LazyLock<Option<(String, u32)>> =
        LazyLock::new(|| parse(&std::env::var("PASSERELLE_FAULT").ok()?));
    static PASSED: AtomicU32 = AtomicU32::new(0);

    if let Some((wanted, times)) = &*FAULT
        && wanted == name
        && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *times
    {
        eprintln!("fault: dying at {name}");
        std::process::abort();
    }
}

/// A place where processes are made to be at the same moment. The nth passing of each meets the
/// nth of the others: `FOLDER/N.PID` says who came, `FOLDER/N.PID.met` who found all the others.
pub async fn barrier(name: &str) {
    #[cfg(debug_assertions)]
    meet(name).await;
    #[cfg(not(debug_assertions))]
    let _ = name;
}

#[cfg(debug_assertions)]
async fn meet(name: &str) {
    use std::path::PathBuf;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::{Duration, Instant};

    static BARRIER: LazyLock<Option<(String, usize, PathBuf)>> = LazyLock::new(|| {
        let text = std::env::var("PASSERELLE_BARRIER").ok()?;
        let mut parts = text.splitn(3, ':');
        let (name, count) = (parts.next()?, parts.next()?.parse().ok()?);
        Some((name.to_owned(), count, parts.next()?.into()))
    });
    static PASSED: AtomicU32 = AtomicU32::new(0);

    let Some((_, count, folder)) = BARRIER.as_ref().filter(|(wanted, _, _)| wanted == name) else {
        return;
    };
    let passing = format!("{}.", PASSED.fetch_add(1, Ordering::SeqCst) + 1);
    let own = folder.join(format!("{passing}{}", std::process::id()));
    let arrived = || {
        let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let of_passing = names.filter(|n| n.starts_with(&passing) && !n.ends_with(".met"));
        of_passing.count()
    };
    if std::fs::write(&own, "").is_err() {
        return;
    }
    // The others may have no work left: then nobody comes, and it goes on alone.
    let began = Instant::now();
    while arrived() < *count {
        if began.elapsed() > Duration::from_secs(5) {
            let _ = std::fs::remove_file(&own);
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let _ = std::fs::write(
        own.with_extension(format!("{}.met", std::process::id())),
        "",
    );
}

/// The end of a resource that a test makes scarce.
pub fn limit(name: &str) -> Option<u32> {
    if cfg!(debug_assertions) {
        let text = std::env::var("PASSERELLE_LIMIT").ok()?;
        let (limited, most) = text.rsplit_once(':')?;
        return most.parse().ok().filter(|_| limited == name);
    }
    None
}

/// Seconds by which a test has this machine's clock be wrong. The time of the bus runs by it; the world's
/// does not, which is an input of what is published.
pub fn skew() -> i64 {
    if cfg!(debug_assertions) {
        let skew = std::env::var("PASSERELLE_SKEW").ok();
        return skew.and_then(|text| text.parse().ok()).unwrap_or(0);
    }
    0
}

/// `NAME` or `NAME:N` as the name and which passing.
#[cfg(debug_assertions)]
fn parse(text: &str) -> Option<(String, u32)> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    match text.rsplit_once(':') {
        Some((name, times)) => Some((name.to_owned(), times.parse().ok()?)),
        None => Some((text.to_owned(), 1)),
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_a_point_and_a_passing() {
        assert_eq!(parse("pull.apply"), Some(("pull.apply".into(), 1)));
        assert_eq!(parse("pull.apply:3"), Some(("pull.apply".into(), 3)));
        assert_eq!(parse(""), None);
        assert_eq!(parse("pull.apply:x"), None);
        point("nobody.asked");
    }
}
