//! Decisions about offers: recorded once, with the rechecks that make them felt.

use crate::model::{
    Decision, DecisionKind, EventKind, PostingId, RULES, Revision, VacancyId, VacancyStatus,
};
use crate::store::{Store, StoreError};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// Why a decision was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum DecisionError {
    #[error("there is no offer {0}: give the id of a vacancy or of one of its postings")]
    Unknown(VacancyId),
    #[error("a decision of this kind is about two different offers")]
    NeedsTwo,
    #[error("the decision could not be recorded")]
    Store(#[from] StoreError),
}

/// Records what `who` said of the offer `subject` (and of `object`, for a pair), given by the id of
/// a vacancy or of a posting, and asks the stages to act on it: one transaction.
///
/// # Errors
/// An id that nobody knows, a pair of one, or the store's.
pub async fn decide(
    store: &dyn Store,
    kind: DecisionKind,
    subject: VacancyId,
    object: Option<VacancyId>,
    who: &str,
    why: &str,
    at: Timestamp,
) -> Result<Decision, DecisionError> {
    let (mut one, mut touched) = resolve(store, subject).await?;
    let mut other = None;
    let pair = matches!(
        kind,
        DecisionKind::Same | DecisionKind::Different | DecisionKind::Unsure | DecisionKind::Rekey
    );
    if pair {
        let object = object.ok_or(DecisionError::NeedsTwo)?;
        let (second, more) = resolve(store, object).await?;
        if second == one {
            return Err(DecisionError::NeedsTwo);
        }
        touched.extend(more);
        let swap = kind != DecisionKind::Rekey && second < one;
        (one, other) = if swap {
            (second, Some(one))
        } else {
            (one, Some(second))
        };
    }
    let shown = match (kind, other) {
        (DecisionKind::Same | DecisionKind::Different, Some(other)) => {
            let mut both = store.load_normalised(&[one, other]).await?;
            match both.pop().zip(both.pop()) {
                // What the rules break down on may be judged all the same.
                Some((a, b)) => {
                    let shown = move || crate::dedupe::shown(&a.posting, &b.posting);
                    tokio::task::spawn_blocking(shown).await.ok()
                }
                None => None,
            }
        }
        _ => None,
    };
    let decision = Decision {
        kind,
        subject: one,
        object: other,
        who: who.to_owned(),
        why: why.to_owned(),
        at,
        shown,
    };
    let revision = Revision {
        observation: 0,
        rules: RULES,
    };
    let recheck = |id| crate::model::Event::new(EventKind::VacancyRecheck, id, revision, at);
    let events = touched.into_iter().map(recheck).collect();
    store.decide(decision.clone(), events).await?;
    Ok(decision)
}

/// The posting that an id means, and every posting that a decision about it touches.
async fn resolve(
    store: &dyn Store,
    id: VacancyId,
) -> Result<(PostingId, BTreeSet<PostingId>), DecisionError> {
    let posting = PostingId(id.0);
    let mut touched: BTreeSet<PostingId> = BTreeSet::new();
    let vacancy = store.vacancy(id).await?;
    if let Some(vacancy) = &vacancy {
        touched.extend(&vacancy.postings);
        if let VacancyStatus::Merged { into } = vacancy.status {
            touched.insert(PostingId(into.0));
        }
    }
    if vacancy.is_none() && store.load_pulled(&[posting]).await?.is_empty() {
        return Err(DecisionError::Unknown(id));
    }
    touched.insert(posting);
    Ok((posting, touched))
}
