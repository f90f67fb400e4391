//! Applying a frozen plan: idempotent batches, then one last transaction. A resumed run comes
//! here again with the states as they are now, and does what is left.

use super::connector::Guards;
use super::diff::{Diff, Pair};
use super::guards::{Closing, Miss, miss};
use super::stage::chunks;
use crate::model::{
    CloseReason, ConnectorName, Event, EventKind, PostingId, PostingState, RULES, Revision,
};
use crate::store::{Plan, PostingChange, StagedRow};
use jiff::Timestamp;

/// Posting changes in one transaction.
pub const BATCH: usize = 500;

/// What is to be written before the last transaction, in batches.
pub fn batches(
    connector: &ConnectorName,
    diff: &Diff<'_>,
    plan: &Plan,
    now: Timestamp,
) -> impl Iterator<Item = Vec<PostingChange>> {
    let mut changes = Vec::new();
    if plan.apply_new {
        changes.extend(diff.new.iter().map(|row| found(connector, row, now)));
    }
    if plan.apply_changed {
        let pairs = diff.changed.iter().chain(&diff.reopened);
        changes.extend(pairs.map(|pair| shown_again(pair, now)));
    }
    if plan.apply_closed {
        let closed = diff.closed.iter();
        changes.extend(closed.map(|(state, _)| closing(state, CloseReason::Explicit, now)));
    }
    chunks(changes, BATCH)
}

fn found(connector: &ConnectorName, row: &StagedRow, now: Timestamp) -> PostingChange {
    change(
        PostingState {
            id: PostingId::new(connector, &row.reference),
            connector: connector.clone(),
            reference: row.reference.clone(),
            hash: row.hash.clone(),
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
fn shown_again((state, row): &Pair<'_>, now: Timestamp) -> PostingChange {
    change(
        PostingState {
            hash: row.hash.clone(),
            observation: state.observation + 1,
            closed: None,
            misses: 0,
            last_miss: None,
            ..(*state).clone()
        },
        now,
    )
}

/// A closing keeps the last open content: the record that announces it may be bare.
fn closing(state: &PostingState, reason: CloseReason, now: Timestamp) -> PostingChange {
    change(
        PostingState {
            observation: state.observation + 1,
            closed: Some((now, reason)),
            ..state.clone()
        },
        now,
    )
}

fn change(state: PostingState, now: Timestamp) -> PostingChange {
    let revision = Revision {
        observation: state.observation,
        rules: RULES,
    };
    let mut event = Event::new(EventKind::PostingPulled, state.id, revision, now);
    event.payload.clone_from(&state.hash);
    PostingChange {
        state,
        events: vec![event],
    }
}

/// What the last transaction says of the postings that the run did not touch.
#[derive(Debug, Default)]
pub struct Absences {
    /// New miss counts.
    pub misses: Vec<PostingState>,
    pub closings: Vec<PostingChange>,
    /// Seen again without another change.
    pub seen: Vec<PostingId>,
}

/// The effect of a plan on absent postings and on those that came back from a miss.
pub fn absences(
    diff: &Diff<'_>,
    plan: &Plan,
    guards: &Guards,
    may_close: bool,
    now: Timestamp,
) -> Absences {
    let mut result = Absences {
        seen: diff.seen.iter().map(|s| s.id).collect(),
        ..Absences::default()
    };
    if !plan.apply_absences {
        return result;
    }
    let rule = Closing {
        now: plan.close_now,
        allowed: may_close,
    };
    for state in &diff.missing {
        match miss(state, now, guards, &rule) {
            Miss::InsideGap => {}
            Miss::Counted(misses) => result.misses.push(PostingState {
                misses,
                last_miss: Some(now),
                ..(*state).clone()
            }),
            Miss::Closes(misses) => {
                let counted = PostingState {
                    misses,
                    last_miss: Some(now),
                    ..(*state).clone()
                };
                result
                    .closings
                    .push(closing(&counted, CloseReason::Absent, now));
            }
        }
    }
    result
}
