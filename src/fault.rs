//! Floor 1: named points at which a test makes the process die, as `kill -9` would.
//!
//! `PASSERELLE_FAULT=NAME` aborts at the first passing of point NAME, `NAME:3` at the third. Only
//! builds with debug assertions look at it; in others a point is nothing.

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
