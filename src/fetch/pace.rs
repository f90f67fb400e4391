//! Politeness: requests to one host are spaced out, and a 429 makes all of them wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// When the next request to each host may start.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    next: Arc<Mutex<HashMap<String, Instant>>>,
}

impl Pace {
    /// Waits for the turn of a request to `host` at `per_second` requests a second; the turn is
    /// taken before the wait, so that concurrent requests queue up.
    pub(super) async fn turn(&self, host: &str, per_second: f64) {
        if !(per_second.is_finite() && per_second > 0.0) {
            return;
        }
        let at = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let slot = next.entry(host.to_owned()).or_insert(now);
            let at = (*slot).max(now);
            *slot = at + Duration::from_secs_f64(1.0 / per_second);
            at
        };
        tokio::time::sleep_until(at).await;
    }

    /// Nobody asks `host` again before `wait` has passed.
    pub(super) fn hold(&self, host: &str, wait: Duration) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let until = Instant::now() + wait;
        let slot = next.entry(host.to_owned()).or_insert(until);
        *slot = (*slot).max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_are_spaced() {
        let pace = Pace::default();
        let start = Instant::now();
        for _ in 0..4 {
            pace.turn("a.example", 50.0).await;
        }
        assert!(start.elapsed() >= Duration::from_millis(60));
        // Were the hosts one, this would wait for a quarter of an hour.
        pace.turn("b.example", 0.001).await;
        assert!(start.elapsed() < Duration::from_secs(500));
    }
}
