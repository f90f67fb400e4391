//! What other processes may have written.

/// What another process may have written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hint {
    /// Rows of `changes`: those who serve and publish.
    Changes,
    /// Requests, releases of holds: those who pull.
    Requests,
    /// Events that no stage's commit carries: the relays.
    Outbox,
}

impl Hint {
    pub const ALL: [Hint; 3] = [Hint::Changes, Hint::Requests, Hint::Outbox];

    pub fn name(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Requests => "requests",
            Self::Outbox => "outbox",
        }
    }
}

/// Hints of one kind, as they come.
pub struct Hints(Option<tokio::sync::watch::Receiver<u64>>);

impl Hints {
    /// None ever comes.
    pub fn none() -> Self {
        Self(None)
    }

    /// Waits for the next; several at once are one. To be waited for beside a time-out.
    pub async fn next(&mut self) {
        let ended = match &mut self.0 {
            Some(heard) => heard.changed().await.is_err(),
            None => true,
        };
        if ended {
            std::future::pending().await
        }
    }
}

impl From<tokio::sync::watch::Receiver<u64>> for Hints {
    fn from(mut heard: tokio::sync::watch::Receiver<u64>) -> Self {
        heard.mark_unchanged();
        Self(Some(heard))
    }
}
