//! Asking for work again: after a change of rules, of files, or of a person's mind.

use super::Hub;
use crate::model::{ConnectorName, Event, EventKind, PostingId, RULES, Revision};
use crate::store::StoreError;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Events written at a time.
const BATCH: usize = 1000;

/// Asks for every posting of `connector`, or of all, to be made again by the rules and files of
/// today. Ids stay. Returns how many.
///
/// # Errors
/// The store's.
pub async fn replay(hub: &Hub, connector: Option<&ConnectorName>) -> Result<u64, StoreError> {
    let ids = hub.store.posting_ids(connector).await?;
    recheck(hub, EventKind::PostingRecheck, &ids, hub.clock.now()).await
}

/// Writes rechecks of one kind for `ids`.
///
/// # Errors
/// The store's.
pub async fn recheck(
    hub: &Hub,
    kind: EventKind,
    ids: &[PostingId],
    now: Timestamp,
) -> Result<u64, StoreError> {
    for part in ids.chunks(BATCH) {
        let events = part.iter().map(|id| rechecked(kind, *id, now)).collect();
        hub.store.enqueue(events).await?;
    }
    hub.bus.wake(kind.stage());
    Ok(ids.len() as u64)
}

/// One recheck; its revision says only by which rules it was asked for.
pub(crate) fn rechecked(kind: EventKind, id: PostingId, now: Timestamp) -> Event {
    let revision = Revision {
        observation: 0,
        rules: RULES,
    };
    Event::new(kind, id, revision, now)
}

/// Compares digests of the files that results depend on with those of the last time, and replays
/// what they changed: all postings for `network`, one connector's for its own file. Called at
/// start and after a reload. Returns how many postings are made again.
///
/// # Errors
/// The store's.
pub async fn follow_files(
    hub: &Hub,
    network: &str,
    connectors: &BTreeMap<ConnectorName, String>,
) -> Result<u64, StoreError> {
    let key = "files.network".to_owned();
    let now = format!("{RULES} {network}");
    let before = hub.store.meta(&key).await?;
    let mut count = 0;
    let all = before.as_ref() != Some(&now);
    if all {
        // A first start has nothing to make again.
        if before.is_some() {
            count += replay(hub, None).await?;
        }
        hub.store.set_meta(&key, &now).await?;
    }
    for (name, digest) in connectors {
        let key = format!("files.connector.{name}");
        let before = hub.store.meta(&key).await?;
        if before.as_ref() == Some(digest) {
            continue;
        }
        if before.is_some() && !(all && count > 0) {
            count += replay(hub, Some(name)).await?;
        }
        hub.store.set_meta(&key, digest).await?;
    }
    Ok(count)
}
