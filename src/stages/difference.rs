//! What a replay would change: the stored postings against those of today's rules and files.

use super::normalise::made_today;
use super::regroup::{self, Regrouped};
use super::{Hub, registers};
use crate::model::{ConnectorName, Posting, PostingId, StoredPosting};
use crate::store::StoreError;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Postings compared at a time.
const BATCH: usize = 500;
/// Examples kept for each field.
const EXAMPLES: usize = 3;
/// The longest value of an example, in characters.
const SHOWN: usize = 80;

/// How many postings a replay would change, and in which fields; and what becomes of the vacancies.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Difference {
    /// Postings stored.
    pub postings: u64,
    /// Those that would change.
    pub changed: u64,
    /// Those that keep their stored form: the payload is gone, or no map reads it any more.
    pub kept: u64,
    /// By JSON Pointer into the posting.
    pub fields: BTreeMap<String, FieldChange>,
    pub vacancies: Regrouped,
}

/// The changes of one field.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct FieldChange {
    pub count: u64,
    pub examples: Vec<Example>,
}

/// One change; `null` stands for an absent value.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Example {
    pub id: PostingId,
    pub from: Value,
    pub to: Value,
}

/// Makes the stored postings of `connector`, or of all, again and compares; then groups all postings
/// as they would be, and compares that with the vacancies. Nothing is written. Every posting is held
/// in memory meanwhile.
///
/// # Errors
/// The store's.
pub async fn difference(
    hub: &Hub,
    connector: Option<&ConnectorName>,
) -> Result<Difference, StoreError> {
    let mut difference = Difference::default();
    let ids = hub.store.posting_ids(connector).await?;
    let mut world = Vec::new();
    for part in ids.chunks(BATCH) {
        let pulled = hub.store.load_pulled(part).await?;
        let stored = hub.store.load_normalised(part).await?;
        let (files, rules) = (hub.files.get(), hub.rules);
        let pairs = tokio::task::spawn_blocking(move || {
            let mut stored: HashMap<PostingId, StoredPosting> = stored
                .into_iter()
                .map(|stored| (stored.state.id, stored))
                .collect();
            pulled
                .into_iter()
                .map(|pulled| {
                    let before = stored.remove(&pulled.state.id);
                    (before, made_today(pulled, &files, &rules))
                })
                .collect::<Vec<_>>()
        })
        .await;
        // Rules that break down are caught one by one; a lost thread means the program is ending.
        let Ok(mut pairs) = pairs else { break };
        let mut after: Vec<&mut Posting> = pairs
            .iter_mut()
            .filter_map(|(_, after)| after.as_mut())
            .collect();
        registers::identify(&*hub.store, &mut after).await?;
        for (before, after) in pairs {
            difference.postings += 1;
            match &after {
                None => difference.kept += 1,
                Some(after) => difference.add(before.as_ref().map(|b| &b.posting), after),
            }
            // One that has no stored form yet is in no vacancy: the stages are at it.
            if let Some(before) = before {
                let posting = after.unwrap_or(before.posting);
                world.push(StoredPosting { posting, ..before });
            }
        }
    }
    if connector.is_some() {
        let made: HashSet<PostingId> = ids.into_iter().collect();
        let mut others = hub.store.posting_ids(None).await?;
        others.retain(|id| !made.contains(id));
        for part in others.chunks(BATCH) {
            world.extend(hub.store.load_normalised(part).await?);
        }
    }
    difference.vacancies = regroup::regrouped(hub, world).await?;
    Ok(difference)
}

impl Difference {
    fn add(&mut self, before: Option<&Posting>, after: &Posting) {
        let before = before.map_or_else(BTreeMap::new, leaves);
        let after_leaves = leaves(after);
        let mut any = false;
        for pointer in before
            .keys()
            .chain(after_leaves.keys().filter(|key| !before.contains_key(*key)))
        {
            let (from, to) = (before.get(pointer), after_leaves.get(pointer));
            if from == to {
                continue;
            }
            any = true;
            let change = self.fields.entry(pointer.clone()).or_default();
            change.count += 1;
            if change.examples.len() < EXAMPLES {
                change.examples.push(Example {
                    id: after.id,
                    from: shown(from),
                    to: shown(to),
                });
            }
        }
        self.changed += u64::from(any);
    }
}

/// The values of a posting by JSON Pointer; lists as a whole, provenance left out.
fn leaves(posting: &Posting) -> BTreeMap<String, Value> {
    let mut leaves = BTreeMap::new();
    if let Ok(Value::Object(mut fields)) = serde_json::to_value(posting) {
        fields.remove("provenance");
        gather(Value::Object(fields), &mut String::new(), &mut leaves);
    }
    leaves
}

fn gather(value: Value, pointer: &mut String, leaves: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let length = pointer.len();
                pointer.push('/');
                pointer.push_str(&name);
                gather(value, pointer, leaves);
                pointer.truncate(length);
            }
        }
        leaf => {
            leaves.insert(pointer.clone(), leaf);
        }
    }
}

/// A value short enough to be read in a row.
fn shown(value: Option<&Value>) -> Value {
    match value {
        None => Value::Null,
        Some(Value::Array(list)) => {
            let mut text = Value::Array(list.clone()).to_string();
            shorten(&mut text);
            Value::String(text)
        }
        Some(Value::String(text)) => {
            let mut text = text.clone();
            shorten(&mut text);
            Value::String(text)
        }
        Some(other) => other.clone(),
    }
}

fn shorten(text: &mut String) {
    if let Some((at, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(at);
        text.push('…');
    }
}
