//! What only time causes: expiry dates and the ends of mandates.

use super::{Hub, recheck};
use crate::model::{CloseReason, EventKind, PostingId};
use crate::store::StoreError;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Postings closed at a time.
const BATCH: usize = 1000;
/// Where the store remembers up to when mandates have been looked at.
const SWEPT: &str = "mandates.swept";

/// Further than the clocks of two machines may differ.
const AHEAD: SignedDuration = SignedDuration::from_hours(1);

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Postings whose own expiry date has passed.
    pub expired: u64,
    /// Postings looked at again because a mandate ended.
    pub rechecked: u64,
}

/// Closes what has expired by `now`, and asks for a look at what a mandate no longer covers.
/// Idempotent; the pipeline does the rest.
///
/// # Errors
/// The store's.
pub async fn sweep(hub: &Hub, now: Timestamp) -> Result<Swept, StoreError> {
    Ok(Swept {
        expired: expire(hub, now).await?,
        rechecked: end_mandates(hub, now).await?,
    })
}

/// A posting closes at its own date, whenever the sweep comes by (law 4).
async fn expire(hub: &Hub, now: Timestamp) -> Result<u64, StoreError> {
    let mut closed = 0;
    loop {
        let expired = hub.store.expired(now, BATCH).await?;
        let mut by_date: BTreeMap<Timestamp, Vec<(PostingId, CloseReason)>> = BTreeMap::new();
        for (id, at) in expired {
            by_date
                .entry(at)
                .or_default()
                .push((id, CloseReason::Expired));
        }
        let mut now_closed = 0;
        for (at, postings) in by_date {
            now_closed += hub.store.close(&postings, at).await?;
        }
        closed += now_closed;
        if now_closed == 0 {
            hub.bus.wake(crate::model::Stage::Normalise);
            return Ok(closed);
        }
    }
}

async fn end_mandates(hub: &Hub, now: Timestamp) -> Result<u64, StoreError> {
    let last = hub.store.meta(SWEPT).await?;
    let last = last.and_then(|text| text.parse::<Timestamp>().ok());
    let files = hub.files.get();
    let ends = files
        .network
        .members
        .values()
        .filter_map(|member| member.mandate("portal").ends());
    // A clock that was ahead has ended mandates before their day.
    let was_ahead = last.is_some_and(|last| last.duration_since(now) > AHEAD);
    let ended = was_ahead
        || ends
            .into_iter()
            .any(|end| end <= now && last.is_none_or(|last| last < end));
    let mut rechecked = 0;
    if ended {
        // Copies at aggregators are recognised as the member's: every posting is looked at.
        let ids = hub.store.posting_ids(None).await?;
        rechecked = recheck(hub, EventKind::VacancyRecheck, &ids, now).await?;
    }
    if ended || last.is_none() {
        hub.store.set_meta(SWEPT, &now.to_string()).await?;
    }
    Ok(rechecked)
}
