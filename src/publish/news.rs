//! Who waits for a change: one look at the store serves all of them.

use super::{Publish, PublishError};
use std::time::{Duration, Instant};

/// How old the last look may be.
const FRESH: Duration = Duration::from_millis(50);
/// Between two looks of one reader.
const LOOK: Duration = Duration::from_millis(100);

/// The newest change number, and when it was read.
#[derive(Default)]
pub struct News(tokio::sync::Mutex<Option<(Instant, u64)>>);

impl Publish {
    /// Waits until there is a change behind `after`, at most for `patience`; gives whether there is
    /// one. A thousand readers that wait ask the store as often as one.
    pub(super) async fn news(&self, after: u64, patience: Duration) -> Result<bool, PublishError> {
        let end = tokio::time::Instant::now() + patience;
        loop {
            if self.head_lately().await? > after {
                return Ok(true);
            }
            let left = end.saturating_duration_since(tokio::time::Instant::now());
            if left.is_zero() || self.is_stopping() {
                return Ok(false);
            }
            tokio::time::sleep(LOOK.min(left)).await;
        }
    }

    async fn head_lately(&self) -> Result<u64, PublishError> {
        let mut last = self.last_look().0.lock().await;
        if let Some((at, head)) = *last
            && at.elapsed() < FRESH
        {
            return Ok(head);
        }
        let head = self.store().head().await?;
        *last = Some((Instant::now(), head));
        Ok(head)
    }
}
