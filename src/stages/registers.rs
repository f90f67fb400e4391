//! What loaded registers say of the employers of a batch of postings.

use crate::model::{Posting, RegisterEntry};
use crate::normalise::register;
use crate::store::{Store, StoreError};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Completes `postings` from the registers that are loaded, and gives the places of those that
/// changed. Two questions to the store a batch: by names and numbers, then by what these lead to.
pub(super) async fn identify(
    store: &dyn Store,
    postings: &mut [&mut Posting],
) -> Result<Vec<usize>, StoreError> {
    if postings.is_empty() || store.registers().await?.is_empty() {
        return Ok(Vec::new());
    }
    let mut found: BTreeMap<String, RegisterEntry> = BTreeMap::new();
    let mut asked: BTreeSet<String> = BTreeSet::new();
    let mut wanted: Vec<Vec<String>> = postings
        .iter()
        .map(|posting| register::wanted(posting, &[]))
        .collect();
    for round in 0..2 {
        let keys: Vec<String> = wanted
            .iter()
            .flatten()
            .filter(|key| !asked.contains(*key))
            .cloned()
            .collect::<BTreeSet<String>>()
            .into_iter()
            .collect();
        if keys.is_empty() {
            break;
        }
        for entry in store.register_entries(&keys).await? {
            found.insert(format!("{:?} {}", entry.register, entry.number), entry);
        }
        asked.extend(keys);
        if round == 0 {
            let by_key = by_key(&found);
            for (posting, wanted) in postings.iter().zip(&mut wanted) {
                *wanted = register::wanted(posting, &of(wanted, &by_key));
            }
        }
    }
    let by_key = by_key(&found);
    let mut changed = Vec::new();
    for (at, posting) in postings.iter_mut().enumerate() {
        let entries = of(&wanted[at], &by_key);
        if register::identify(posting, &entries) {
            changed.push(at);
        }
    }
    Ok(changed)
}

/// A batch's entries by the keys that lead to them: what one posting asked for is its own affair.
fn by_key(found: &BTreeMap<String, RegisterEntry>) -> HashMap<String, Vec<&RegisterEntry>> {
    let mut by_key: HashMap<String, Vec<&RegisterEntry>> = HashMap::new();
    for entry in found.values() {
        for key in register::entry_keys(entry) {
            by_key.entry(key).or_default().push(entry);
        }
    }
    by_key
}

fn of(keys: &[String], by_key: &HashMap<String, Vec<&RegisterEntry>>) -> Vec<RegisterEntry> {
    let mut entries: Vec<RegisterEntry> = Vec::new();
    for entry in keys.iter().filter_map(|key| by_key.get(key)).flatten() {
        if !entries.contains(entry) {
            entries.push((*entry).clone());
        }
    }
    entries
}
