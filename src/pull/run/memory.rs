//! What a connector remembers from run to run.

use crate::pull::connector::Guards;
use crate::pull::guards::Ruling;
use crate::pull::source::ReadEnd;
use crate::pull::stage::Seen;
use crate::store::{ConnectorState, SnapshotKind};
use jiff::Timestamp;

/// Complete runs whose record counts are remembered.
const HISTORY: usize = 10;

/// A run that is about to be applied.
#[derive(Clone)]
pub struct Ended<'a> {
    pub end: &'a ReadEnd,
    pub seen: &'a Seen,
    pub kind: SnapshotKind,
    pub ruling: &'a Ruling,
    pub pulled: u64,
    pub probed: Option<String>,
    pub started: Timestamp,
}

/// What the next run compares itself with. Validators are kept only by a run that applied all of
/// a complete snapshot: only that is what a 304 may confirm.
pub fn next_state(before: &ConnectorState, ended: &Ended<'_>, guards: &Guards) -> ConnectorState {
    let Ended {
        end,
        seen,
        kind,
        ruling,
        pulled,
        ref probed,
        started,
    } = *ended;
    let all = ruling.doubt.is_none();
    let mut next = ConnectorState {
        etag: None,
        last_modified: None,
        body_hash: None,
        error: end.error.clone(),
        probed: probed.clone(),
        absences_held: match kind {
            SnapshotKind::Partial => before.absences_held,
            _ => !ruling.apply_absences,
        },
        ..before.clone()
    };
    match kind {
        SnapshotKind::Complete if all => {
            next.etag.clone_from(&end.state.etag);
            next.last_modified.clone_from(&end.state.last_modified);
            next.body_hash.clone_from(&end.state.body_hash);
            next.nameless = seen.nameless;
            next.history.push(pulled);
            let surplus = next.history.len().saturating_sub(HISTORY);
            next.history.drain(..surplus);
        }
        SnapshotKind::Unchanged => {
            let kept = |new: &Option<String>, old: &Option<String>| new.clone().or(old.clone());
            next.etag = kept(&end.state.etag, &before.etag);
            next.last_modified = kept(&end.state.last_modified, &before.last_modified);
            next.body_hash = kept(&end.state.body_hash, &before.body_hash);
        }
        _ => {}
    }
    let whole = all && (kind != SnapshotKind::Partial || end.error.is_none());
    if whole {
        next.watermark.clone_from(&end.state.watermark);
    }
    if all && kind != SnapshotKind::Partial {
        next.last_complete = Some(started);
    }
    if kind == SnapshotKind::Complete && (all || ruling.fill_accepted) {
        let accepted = ruling.fill_accepted;
        next.fill = seen
            .fill
            .remember(&before.fill, guards.min_fill_ratio, accepted);
    }
    next
}
