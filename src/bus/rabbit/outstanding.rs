//! Deliveries that a worker has in hand, and which of them may be acknowledged together.

use crate::model::Stage;
use lapin::Acker;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

struct Entry {
    acker: Acker,
    /// Whether a worker has it, or had it.
    handed_out: bool,
    settled: bool,
}

type Entries = BTreeMap<u64, Entry>;

/// Takes out whatever is settled without a gap from the oldest on; gives the last of it.
fn settled_first(entries: &mut Entries) -> Option<Acker> {
    let mut last = None;
    while entries
        .first_key_value()
        .is_some_and(|(_, entry)| entry.settled)
    {
        last = entries.pop_first();
    }
    last.map(|(_, entry)| entry.acker)
}

/// One map a stage, since each has a channel of its own; tokens grow in order of delivery.
#[derive(Default)]
pub struct Outstanding {
    /// Acknowledgements leave one after the other: a later one of several messages that overtakes
    /// an earlier one would make the earlier one unknown, and the broker close the channel.
    turn: tokio::sync::Mutex<()>,
    stages: Mutex<HashMap<Stage, Entries>>,
}

impl Outstanding {
    fn lock(&self) -> MutexGuard<'_, HashMap<Stage, Entries>> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn add(&self, stage: Stage, token: u64, acker: Acker) {
        self.lock().entry(stage).or_default().insert(
            token,
            Entry {
                acker,
                handed_out: false,
                settled: false,
            },
        );
    }

    /// Forgets everything: the channels are gone and the broker will deliver again.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Notes that a worker has it now; `false` where it does not belong to the channel that is open,
    /// or was given back.
    pub fn hand_out(&self, stage: Stage, token: u64) -> bool {
        let mut stages = self.lock();
        let entry = stages.get_mut(&stage).and_then(|e| e.get_mut(&token));
        entry.is_some_and(|entry| {
            entry.handed_out = true;
            true
        })
    }

    /// Gives back to the broker what no worker has: others get it at once.
    ///
    /// # Errors
    /// The channel is gone, and what was in it has gone back so.
    pub async fn give_back_waiting(&self, stage: Stage) -> lapin::Result<()> {
        let waiting: Vec<u64> = match self.lock().get(&stage) {
            Some(entries) => {
                let waiting = entries.iter().filter(|(_, entry)| !entry.handed_out);
                waiting.map(|(token, _)| *token).collect()
            }
            None => return Ok(()),
        };
        self.give_back(stage, &waiting).await
    }

    /// Gives `tokens` back to the broker as they came.
    ///
    /// # Errors
    /// The channel is gone, and what was in it has gone back so.
    pub async fn give_back(&self, stage: Stage, tokens: &[u64]) -> lapin::Result<()> {
        if tokens.is_empty() {
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        let (back, last) = {
            let mut stages = self.lock();
            let Some(entries) = stages.get_mut(&stage) else {
                return Ok(());
            };
            let back: Vec<Entry> = tokens.iter().filter_map(|t| entries.remove(t)).collect();
            (back, settled_first(entries))
        };
        for entry in back {
            let requeued = BasicNackOptions {
                requeue: true,
                multiple: false,
            };
            entry.acker.nack(requeued).await?;
        }
        if let Some(acker) = last {
            acker.ack(BasicAckOptions { multiple: true }).await?;
        }
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.lock().values().all(Entries::is_empty)
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
            settled_first(entries)
        };
        if let Some(acker) = last {
            acker.ack(BasicAckOptions { multiple: true }).await?;
        }
        Ok(())
    }
}
