//! What a snapshot changes, as a pure function of the stored states and the staged rows.

use crate::model::{CloseReason, PostingState};
use crate::store::{Counts, RecordVerdict, SnapshotKind, StagedRow};
use std::collections::{HashMap, HashSet};

/// A posting that a record of the snapshot speaks of.
pub type Pair<'a> = (&'a PostingState, &'a StagedRow);

/// The difference between what is known and what one run saw.
#[derive(Debug, Default)]
pub struct Diff<'a> {
    /// Open, and never seen before.
    pub new: Vec<&'a StagedRow>,
    /// Live, with other bytes.
    pub changed: Vec<Pair<'a>>,
    /// Closed, and shown again.
    pub reopened: Vec<Pair<'a>>,
    /// Live, and the source says that it is closed.
    pub closed: Vec<Pair<'a>>,
    /// Live with misses, and shown again, rejected or not, whatever else is done with it.
    pub seen: Vec<&'a PostingState>,
    /// Live, and absent from a snapshot whose absences mean something.
    pub missing: Vec<&'a PostingState>,
    /// Everything but `closed` and `held`, which depend on the guards.
    pub counts: Counts,
    /// Live postings before the run.
    pub live: u64,
}

impl<'a> Diff<'a> {
    /// `broken_off` tells a partial snapshot that was cut from one that shows a window by nature;
    /// it matters for the `missing` counter only.
    pub fn new(
        states: &'a [PostingState],
        staged: &'a [StagedRow],
        kind: SnapshotKind,
        broken_off: bool,
    ) -> Self {
        let mut diff = Self::default();
        let known: HashMap<&str, &PostingState> =
            states.iter().map(|s| (s.reference.as_str(), s)).collect();
        let mut shown: HashSet<&str> = HashSet::with_capacity(staged.len());
        for row in staged {
            shown.insert(&row.reference);
            diff.place(known.get(row.reference.as_str()).copied(), row);
        }
        for state in states.iter().filter(|s| s.is_live()) {
            diff.live += 1;
            let absent = match kind {
                SnapshotKind::Complete | SnapshotKind::Empty => !shown.contains(&*state.reference),
                // What the confirmed snapshot lacked is what has misses: each later sight of a
                // posting clears them, and every applied run but a complete one drops the
                // validators by which a snapshot is confirmed.
                SnapshotKind::Unchanged => state.misses > 0,
                SnapshotKind::Partial | SnapshotKind::Failed => false,
            };
            if absent {
                diff.missing.push(state);
            } else if broken_off && !shown.contains(&*state.reference) {
                diff.counts.missing += 1;
            }
        }
        diff.counts.missing += diff.missing.len() as u64;
        diff.counts.pulled = staged.len() as u64;
        diff
    }

    fn place(&mut self, known: Option<&'a PostingState>, row: &'a StagedRow) {
        if let Some(state) = known
            && state.is_live()
            && state.misses > 0
        {
            self.seen.push(state);
        }
        let count = match (&row.verdict, known) {
            (RecordVerdict::Rejected(_), _) => &mut self.counts.rejected,
            (RecordVerdict::Open, None) => {
                self.new.push(row);
                &mut self.counts.new
            }
            (RecordVerdict::Open, Some(state)) if state.is_live() => {
                if state.hash == row.hash {
                    &mut self.counts.unchanged
                } else {
                    self.changed.push((state, row));
                    &mut self.counts.changed
                }
            }
            (RecordVerdict::Open, Some(state)) if reopens(state, row) => {
                self.reopened.push((state, row));
                &mut self.counts.changed
            }
            (RecordVerdict::Closed, Some(state)) if state.is_live() => {
                self.closed.push((state, row));
                &mut self.counts.changed
            }
            // Closed and known as such, or never seen while open.
            (RecordVerdict::Open | RecordVerdict::Closed, _) => &mut self.counts.unchanged,
        };
        *count += 1;
    }
}

/// Whether showing a closed posting as open makes it live again.
fn reopens(state: &PostingState, row: &StagedRow) -> bool {
    match state.closed {
        None => false,
        Some((_, reason)) => match reason {
            CloseReason::Absent | CloseReason::Explicit | CloseReason::Gone => true,
            // The same bytes carry the same expiry date, or what was withdrawn by hand.
            CloseReason::Expired | CloseReason::Withdrawn => state.hash != row.hash,
            // A later pull does not bring an erased person back (law 6).
            CloseReason::Erased => false,
        },
    }
}
