//! Deliveries that a worker has in hand, and which of them may be acknowledged together.

use crate::model::Stage;
use lapin::Acker;
use lapin::options::BasicAckOptions;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

struct Entry {
    acker: Acker,
    settled: bool,
}

/// One map a stage, since each has a channel of its own; tokens grow in order of delivery.
#[derive(Default)]
pub struct Outstanding {
    /// Acknowledgements leave one after the other: a later one of several messages that overtakes
    /// an earlier one would make the earlier one unknown, and the broker close the channel.
    turn: tokio::sync::Mutex<()>,
    stages: Mutex<HashMap<Stage, BTreeMap<u64, Entry>>>,
}

impl Outstanding {
    fn lock(&self) -> MutexGuard<'_, HashMap<Stage, BTreeMap<u64, Entry>>> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn add(&self, stage: Stage, token: u64, acker: Acker) {
        self.lock().entry(stage).or_default().insert(
            token,
            Entry {
                acker,
                settled: false,
            },
        );
    }

    /// Forgets everything: the channels are gone and the broker will deliver again.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Whether the delivery belongs to the channel that is open now.
    pub fn knows(&self, stage: Stage, token: u64) -> bool {
        self.lock()
            .get(&stage)
            .is_some_and(|entries| entries.contains_key(&token))
    }

    pub fn is_empty(&self) -> bool {
        self.lock().values().all(BTreeMap::is_empty)
    }

    /// Acknowledges `tokens`: whatever is settled without a gap from the oldest on goes in one
    /// frame, the rest waits for the gap to close.
    ///
    /// # Errors
    /// The channel is gone; the broker delivers again, and the store knows what is done.
    pub async fn acknowledge(&self, stage: Stage, tokens: &[u64]) -> lapin::Result<()> {
        let _turn = self.turn.lock().await;
        let last = {
            let mut stages = self.lock();
            let Some(entries) = stages.get_mut(&stage) else {
                return Ok(());
            };
            for token in tokens {
                if let Some(entry) = entries.get_mut(token) {
                    entry.settled = true;
                }
            }
            let mut last = None;
            while entries
                .first_key_value()
                .is_some_and(|(_, entry)| entry.settled)
            {
                last = entries.pop_first();
            }
            last
        };
        if let Some((_, entry)) = last {
            entry.acker.ack(BasicAckOptions { multiple: true }).await?;
        }
        Ok(())
    }
}
