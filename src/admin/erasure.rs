//! Erasing offers for a person's privacy (law 6): raw payloads, texts, index, exports; what stays is
//! the id, its tombstone and the decision.

use crate::model::{ConnectorName, Decision, DecisionKind, PostingId, VacancyId, VacancyStatus};
use crate::normalise::fold;
use crate::store::{Store, StoreError};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// Postings that are read at once when texts are searched.
const PAGE: usize = 200;
/// Shorter texts would name half of the hub.
pub const SHORTEST_TEXT: usize = 3;

/// Why nothing was erased.
#[derive(Debug, thiserror::Error)]
pub enum ErasureError {
    #[error("there is no offer {0}: give the id of a vacancy or of one of its postings")]
    Unknown(VacancyId),
    #[error("the text {0:?} is too short to search for: give at least {SHORTEST_TEXT} letters")]
    TooShort(String),
    #[error("the erasure could not be carried out")]
    Store(#[from] StoreError),
}

/// Every posting that goes with the offer `id`, which is that of a vacancy or of a posting: the
/// copies tell of the same person.
///
/// # Errors
/// An id that nobody knows, or the store's.
pub async fn of_offer(
    store: &dyn Store,
    id: VacancyId,
) -> Result<BTreeSet<PostingId>, ErasureError> {
    let posting = PostingId(id.0);
    let mut found = BTreeSet::new();
    let mut next = Some(id);
    // A merged vacancy leads to the one that it was merged into.
    for _ in 0..8 {
        let Some(vacancy) = (match next {
            Some(id) => store.vacancy(id).await?,
            None => None,
        }) else {
            break;
        };
        found.extend(&vacancy.postings);
        next = match vacancy.status {
            VacancyStatus::Merged { into } => Some(into),
            _ => None,
        };
    }
    if !store.load_pulled(&[posting]).await?.is_empty() {
        found.insert(posting);
    }
    if found.is_empty() {
        return Err(ErasureError::Unknown(id));
    }
    Ok(found)
}

/// What an erasure takes away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    pub postings: BTreeSet<PostingId>,
    /// Records that were refused and never became a posting.
    pub refused: BTreeSet<(ConnectorName, String)>,
}

impl Erased {
    pub fn is_empty(&self) -> bool {
        self.postings.is_empty() && self.refused.is_empty()
    }
}

/// Every posting in whose raw payload, refused record or normalised text `text` stands, whatever
/// its case, accents and spaces, with the other postings of its vacancy; and every refused record
/// that is no posting.
///
/// # Errors
/// A text that is too short, or the store's.
pub async fn of_text(store: &dyn Store, text: &str) -> Result<Erased, ErasureError> {
    let wanted = plain(text);
    if wanted.chars().filter(|c| c.is_alphanumeric()).count() < SHORTEST_TEXT {
        return Err(ErasureError::TooShort(text.to_owned()));
    }
    let mut found = BTreeSet::new();
    for ids in store.posting_ids(None).await?.chunks(PAGE) {
        for pulled in store.load_pulled(ids).await? {
            let payload = pulled.payload.as_deref().map(serde_json::from_slice);
            if let Some(Ok(tree)) = payload
                && holds(&tree, &wanted)
            {
                found.insert(pulled.state.id);
            }
        }
        for stored in store.load_normalised(ids).await? {
            let tree = serde_json::to_value(&stored.posting).unwrap_or_default();
            if holds(&tree, &wanted) {
                found.insert(stored.state.id);
            }
        }
    }
    let mut refused = BTreeSet::new();
    for reject in store.refused().await? {
        let problems = serde_json::to_value(&reject.problems).unwrap_or_default();
        // The record is kept as it came, cut at some length: it need not be whole.
        let read = serde_json::from_str(&reject.payload).is_ok_and(|tree| holds(&tree, &wanted));
        if read || plain(&reject.payload).contains(&wanted) || holds(&problems, &wanted) {
            let id = PostingId::new(&reject.connector, &reject.reference);
            if store.load_pulled(&[id]).await?.is_empty() {
                refused.insert((reject.connector, reject.reference));
            } else {
                found.insert(id);
            }
        }
    }
    let mut all = found.clone();
    for id in found {
        if let Some(vacancy) = store.vacancy(id.vacancy()).await? {
            all.extend(vacancy.postings);
        }
    }
    Ok(Erased {
        postings: all,
        refused,
    })
}

/// Whether `text` would go on standing in a reason that is kept.
pub fn names(text: &str, why: &str) -> bool {
    plain(why).contains(&plain(text))
}

/// Whether any text of the tree holds `wanted`.
fn holds(tree: &serde_json::Value, wanted: &str) -> bool {
    use serde_json::Value;
    match tree {
        Value::String(text) => plain(text).contains(wanted),
        Value::Array(items) => items.iter().any(|item| holds(item, wanted)),
        Value::Object(fields) => fields.values().any(|field| holds(field, wanted)),
        Value::Number(number) => number.to_string().contains(wanted),
        Value::Bool(_) | Value::Null => false,
    }
}

/// Folded, with single spaces.
fn plain(text: &str) -> String {
    let folded = fold(text);
    let words: Vec<&str> = folded.split_whitespace().collect();
    words.join(" ")
}

/// Erases what was found, once and for all. The stages then write the tombstones.
///
/// # Errors
/// The store's.
pub async fn erase(
    store: &dyn Store,
    erased: &Erased,
    who: &str,
    why: &str,
    at: Timestamp,
) -> Result<u64, ErasureError> {
    let refused = erased.refused.iter();
    let refused = refused.map(|(connector, reference)| PostingId::new(connector, reference));
    let decisions = erased
        .postings
        .iter()
        .copied()
        .chain(refused)
        .map(|id| Decision {
            kind: DecisionKind::Erase,
            subject: id,
            object: None,
            who: who.to_owned(),
            why: why.to_owned(),
            at,
            shown: None,
        })
        .collect();
    let refused = erased.refused.iter().cloned().collect();
    Ok(store.erase(decisions, refused, at).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_as_people_write_them() {
        let tree = serde_json::json!({
            "description": "<p>Contact : Mme  Hélène\nDUPRÉ</p>", "n": 384_123_456_u32, "l": ["a"],
        });
        for text in ["helene dupre", "Dupré", "84123456"] {
            assert!(holds(&tree, &plain(text)), "{text}");
        }
        assert!(!holds(&tree, &plain("Hélène Dupont")));
    }
}
