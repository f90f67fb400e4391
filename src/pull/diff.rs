//! What a snapshot changes, as a pure function of staged records and the postings they speak of.
//!
//! A run may show a million records: of each kind of change the number is kept, and a few
//! references for people.

use crate::model::{CloseReason, PostingState};
use crate::store::{Compared, Counts, RecordVerdict, SnapshotKind};
use std::collections::BTreeSet;

/// References listed for people, by kind of change.
const LISTED: usize = 200;

/// The postings of one kind of change: their number, and the first of their references.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    pub count: u64,
    first: BTreeSet<String>,
}

impl Listed {
    fn add(&mut self, reference: &str) {
        self.count += 1;
        if self.first.len() < LISTED {
            self.first.insert(reference.to_owned());
        } else if self.first.last().is_some_and(|last| reference < &**last) {
            self.first.insert(reference.to_owned());
            self.first.pop_last();
        }
    }

    fn remove(&mut self, reference: &str) {
        self.count = self.count.saturating_sub(1);
        self.first.remove(reference);
    }

    /// The first references, in order.
    pub fn references(&self) -> Vec<String> {
        self.first.iter().cloned().collect()
    }
}

/// What a staged record does to its posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: it was refused, and only keeps its posting from being missed.
    Rejected,
    /// Nothing: the same bytes, or closed and known as such, or never seen while open.
    Unchanged,
    /// Open, and never seen before.
    New,
    /// Live with other bytes, or closed and shown again.
    Changed,
    /// Live, and the source says that it is closed, for this reason.
    Closed(CloseReason),
}

/// What one record changes.
pub fn change(compared: &Compared) -> Change {
    let Compared { row, known } = compared;
    match (&row.verdict, known) {
        (RecordVerdict::Rejected(_), _) => Change::Rejected,
        (RecordVerdict::Open, None) => Change::New,
        (RecordVerdict::Open, Some(state)) if state.is_live() && state.hash != row.hash => {
            Change::Changed
        }
        (RecordVerdict::Open, Some(state)) if reopens(state, &row.hash) => Change::Changed,
        (RecordVerdict::Closed, Some(state)) if state.is_live() => {
            Change::Closed(CloseReason::Explicit)
        }
        (RecordVerdict::Withdrawn, Some(state)) if state.is_live() => {
            Change::Closed(CloseReason::Withdrawn)
        }
        (RecordVerdict::Open | RecordVerdict::Closed | RecordVerdict::Withdrawn, _) => {
            Change::Unchanged
        }
    }
}

/// Whether showing a closed posting as open makes it live again.
fn reopens(state: &PostingState, hash: &str) -> bool {
    match state.closed {
        None => false,
        Some((_, reason)) => match reason {
            // What said that it was closed or withdrawn were other bytes than these.
            CloseReason::Absent
            | CloseReason::Explicit
            | CloseReason::Gone
            | CloseReason::Withdrawn => true,
            // The same bytes carry the same expiry date.
            CloseReason::Expired => state.hash != hash,
            // A later pull does not bring an erased person back (law 6).
            CloseReason::Erased => false,
        },
    }
}

/// The posting of a record, where it had been missed and is seen again, rejected or not, whatever
/// else is done with it.
pub fn came_back(compared: &Compared) -> Option<&PostingState> {
    compared
        .known
        .as_ref()
        .filter(|state| state.is_live() && state.misses > 0)
}

/// Whether the absence of a live posting from a snapshot means something.
pub fn is_missing(state: &PostingState, kind: SnapshotKind) -> bool {
    match kind {
        SnapshotKind::Complete | SnapshotKind::Empty => true,
        // What the confirmed snapshot lacked is what has misses: each later sight of a posting
        // clears them, and every applied run but a complete one drops the validators by which a
        // snapshot is confirmed.
        SnapshotKind::Unchanged => state.misses > 0,
        SnapshotKind::Partial | SnapshotKind::Failed => false,
    }
}

/// The difference between what is known and what one run saw.
#[derive(Clone, Debug, Default)]
pub struct Diff {
    pub new: Listed,
    pub changed: Listed,
    /// By the word of the source, or because the offer's page is gone.
    pub closed: Listed,
    /// Live, and absent from a snapshot whose absences mean something.
    pub missing: Listed,
    /// Everything but `closed` and `held`, which depend on the guards.
    pub counts: Counts,
    /// Live postings before the run.
    pub live: u64,
}

impl Diff {
    /// Takes a record that was staged.
    pub fn shown(&mut self, compared: &Compared) {
        self.live += u64::from(compared.known.as_ref().is_some_and(PostingState::is_live));
        self.counts.pulled += 1;
        let reference = &compared.row.reference;
        match change(compared) {
            Change::Rejected => self.counts.rejected += 1,
            Change::Unchanged => self.counts.unchanged += 1,
            Change::New => {
                self.counts.new += 1;
                self.new.add(reference);
            }
            Change::Changed => {
                self.counts.changed += 1;
                self.changed.add(reference);
            }
            Change::Closed(_) => {
                self.counts.changed += 1;
                self.closed.add(reference);
            }
        }
    }

    /// Takes a live posting that no record speaks of. `broken_off` tells a partial snapshot that
    /// was cut from one that shows a window by nature; it matters for the `missing` counter only.
    pub fn absent(&mut self, state: &PostingState, kind: SnapshotKind, broken_off: bool) {
        self.live += 1;
        if is_missing(state, kind) {
            self.counts.missing += 1;
            self.missing.add(&state.reference);
        } else if broken_off {
            self.counts.missing += 1;
        }
    }

    /// The page of an absent posting is gone: it is closed, and no longer missed.
    pub fn gone(&mut self, state: &PostingState, kind: SnapshotKind) {
        if is_missing(state, kind) {
            self.missing.remove(&state.reference);
        }
        self.closed.add(&state.reference);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_references_are_listed_in_any_order_of_coming() {
        let mut listed = Listed::default();
        for n in (0..1000).rev() {
            listed.add(&format!("{n:04}"));
        }
        let expected: Vec<String> = (0..200).map(|n| format!("{n:04}")).collect();
        assert_eq!((listed.count, listed.references()), (1000, expected));
    }
}
