//! Time as an input (law 4): only the assembly chooses where it comes from.

use jiff::Timestamp;
use std::sync::Arc;

/// Where "now" comes from. Cloning is cheap; each call reads the source again.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    pub fn new(read: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// A clock that stands still: tests and reproducible runs.
    pub fn fixed(at: Timestamp) -> Self {
        Self::new(move || at)
    }

    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}
