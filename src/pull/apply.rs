//! Applying a frozen plan: idempotent batches, then one last transaction. A resumed run comes
//! here again with the states as they are now, and does what is left.

use super::connector::Guards;
use super::diff::{Change, change};
use super::guards::{Closing, Miss, miss};
use crate::model::{
    CloseReason, ConnectorName, Event, EventKind, PostingId, PostingState, RULES, ReopenReason,
    Revision,
};
use crate::store::{Compared, Plan, PostingChange, StagedRow};
use jiff::Timestamp;

/// What the plan does with a staged record.
pub fn of_record(
    compared: Compared,
    plan: &Plan,
    connector: &ConnectorName,
    now: Timestamp,
) -> Option<PostingChange> {
    let change = change(&compared);
    let Compared { row, known } = compared;
    match (change, known) {
        (Change::New, None) if plan.apply_new => Some(found(connector, row, now)),
        (Change::Changed, Some(state)) if plan.apply_changed => Some(shown_again(state, row, now)),
        (Change::Closed(reason), Some(state)) if plan.apply_closed => {
            Some(closing(state, reason, now))
        }
        _ => None,
    }
}

fn found(connector: &ConnectorName, row: StagedRow, now: Timestamp) -> PostingChange {
    announced(
        PostingState {
            id: PostingId::new(connector, &row.reference),
            connector: connector.clone(),
            reference: row.reference,
            hash: row.hash,
            observation: 1,
            first_seen: now,
            closed: None,
            misses: 0,
            last_miss: None,
        },
        now,
    )
}

/// New bytes, or live again under its old id.
fn shown_again(state: PostingState, row: StagedRow, now: Timestamp) -> PostingChange {
    let reopened = state.closed.map(|(_, reason)| match reason {
        CloseReason::Absent | CloseReason::Gone => ReopenReason::Listed,
        CloseReason::Explicit | CloseReason::Withdrawn => ReopenReason::Open,
        // An erased one never comes here: see `diff::change`.
        CloseReason::Expired | CloseReason::Erased => ReopenReason::Changed,
    });
    let change = announced(
        PostingState {
            hash: row.hash,
            observation: state.observation + 1,
            closed: None,
            misses: 0,
            last_miss: None,
            ..state
        },
        now,
    );
    PostingChange { reopened, ..change }
}

/// A closing keeps the last open content: the record that announces it may be bare.
fn closing(state: PostingState, reason: CloseReason, now: Timestamp) -> PostingChange {
    announced(
        PostingState {
            observation: state.observation + 1,
            closed: Some((now, reason)),
            ..state
        },
        now,
    )
}

fn announced(state: PostingState, now: Timestamp) -> PostingChange {
    let revision = Revision {
        observation: state.observation,
        rules: RULES,
    };
    let mut event = Event::new(EventKind::PostingPulled, state.id, revision, now);
    event.payload.clone_from(&state.hash);
    PostingChange {
        state,
        reopened: None,
        events: vec![event],
    }
}

/// What the last transaction says of the postings that were missing.
#[derive(Debug, Default)]
pub struct Absences {
    /// New miss counts.
    pub misses: Vec<PostingState>,
    pub closings: Vec<PostingChange>,
}

impl Absences {
    /// Takes a posting whose own page is gone.
    pub fn page_gone(&mut self, state: PostingState, now: Timestamp) {
        self.closings.push(closing(state, CloseReason::Gone, now));
    }

    /// Takes one missing posting.
    pub fn take(&mut self, state: PostingState, guards: &Guards, rule: &Closing, now: Timestamp) {
        let counted = |misses| PostingState {
            misses,
            last_miss: Some(now),
            ..state.clone()
        };
        match miss(&state, now, guards, rule) {
            Miss::InsideGap => {}
            Miss::Counted(misses) => self.misses.push(counted(misses)),
            Miss::Closes(misses) => {
                self.closings
                    .push(closing(counted(misses), CloseReason::Absent, now));
            }
        }
    }
}
