//! Which vacancies a replay would merge and which it would part: all postings as today's rules make
//! them, grouped as the dedupe stage would group them from nothing, against the stored clusters.

use super::component::Gathered;
use super::{Hub, caught};
use crate::dedupe::{Features, KEY_CAP};
use crate::model::{Outcome, PostingId, StoredPosting, VacancyId};
use crate::store::StoreError;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Postings read at a time.
const BATCH: usize = 500;
/// Examples kept of each kind.
const EXAMPLES: usize = 20;
/// The longest title shown, in characters.
const SHOWN: usize = 60;

/// What becomes of the vacancies.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Regrouped {
    /// Vacancies stored, and those that would be, closed ones among them.
    pub before: u64,
    pub after: u64,
    /// Vacancies that would take up postings of several stored ones.
    pub merges: u64,
    /// Stored vacancies whose postings would end in several.
    pub splits: u64,
    pub examples: Vec<Regrouping>,
}

/// One vacancy made of several (`from` many, `to` one), or several made of one.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Regrouping {
    pub from: Vec<VacancyId>,
    pub to: Vec<VacancyId>,
    pub title: String,
}

/// Groups `postings`, all that are stored, and compares with the stored clusters.
///
/// # Errors
/// The store's.
pub(super) async fn regrouped(
    hub: &Hub,
    postings: Vec<StoredPosting>,
) -> Result<Regrouped, StoreError> {
    let ids: Vec<PostingId> = postings.iter().map(|p| p.state.id).collect();
    let decisions = hub.store.decisions().await?;
    let mut before: BTreeMap<PostingId, VacancyId> = BTreeMap::new();
    let mut tx = hub.store.lock_public().await?;
    for part in ids.chunks(BATCH) {
        before.extend(tx.clusters(part).await?);
    }
    drop(tx);
    let (files, rules, now) = (hub.files.get(), hub.rules, hub.clock.now());
    let grouped = tokio::task::spawn_blocking(move || {
        let mut titles = BTreeMap::new();
        let mut after = BTreeMap::new();
        let mut gathered = gather(&rules, postings);
        for decision in decisions {
            gathered.decide(decision);
        }
        gathered.find_steps();
        for component in gathered.components() {
            // What the rules break down on stays as it is, as in the stage.
            let Ok(derived) = caught(|| component.derive(&rules, &files.network, now)) else {
                continue;
            };
            for vacancy in derived {
                titles.insert(vacancy.id, vacancy.vacancy.offer.title);
                after.extend(vacancy.postings.into_iter().map(|p| (p, vacancy.id)));
            }
        }
        (after, titles)
    });
    // A lost thread means that the program is ending.
    let (after, titles) = grouped.await.unwrap_or_default();
    Ok(compare(&before, &after, &titles))
}

/// All postings with the verdicts on those that share a key, as the stage finds them.
fn gather(rules: &super::Rules, postings: Vec<StoredPosting>) -> Gathered {
    let known: BTreeMap<PostingId, Arc<StoredPosting>> = postings
        .into_iter()
        .map(|p| (p.state.id, Arc::new(p)))
        .collect();
    let ids: Vec<PostingId> = known.keys().copied().collect();
    let features: Vec<Option<Arc<Features>>> = known
        .values()
        .map(|p| caught(|| (rules.features)(&p.posting)).ok().map(Arc::new))
        .collect();
    let mut blocks: HashMap<u64, Vec<usize>> = HashMap::new();
    for (at, features) in features.iter().enumerate() {
        for key in features.iter().flat_map(|features| features.keys()) {
            blocks.entry(key).or_default().push(at);
        }
    }
    blocks.retain(|_, block| (2..=KEY_CAP).contains(&block.len()));
    let mut gathered = Gathered::new(ids.iter().copied().collect());
    gathered.steps = ids.iter().map(|id| (*id, 0)).collect();
    let mut near: Vec<Vec<usize>> = vec![Vec::new(); ids.len()];
    for block in blocks.into_values() {
        for (place, at) in block.iter().enumerate() {
            near[*at].extend(&block[place + 1..]);
        }
    }
    for (at, mut others) in near.into_iter().enumerate() {
        others.sort_unstable();
        others.dedup();
        for other in others {
            let (Some(a), Some(b)) = (&features[at], &features[other]) else {
                continue;
            };
            let Ok(Some(edge)) = caught(|| (rules.compare)(a, b)) else {
                continue;
            };
            let tie = (rules.tie)(edge.weight, &known[&edge.a], &known[&edge.b]);
            if tie > 0 || edge.outcome != Outcome::Different {
                gathered.edges.push((edge, tie));
            }
        }
    }
    let read = ids.into_iter().zip(features);
    let read = read.filter_map(|(id, features)| Some((id, features?)));
    gathered.features = read.collect();
    gathered.take(&known);
    gathered
}

fn compare(
    before: &BTreeMap<PostingId, VacancyId>,
    after: &BTreeMap<PostingId, VacancyId>,
    titles: &BTreeMap<VacancyId, String>,
) -> Regrouped {
    let mut into: BTreeMap<VacancyId, BTreeSet<VacancyId>> = BTreeMap::new();
    let mut of: BTreeMap<VacancyId, BTreeSet<VacancyId>> = BTreeMap::new();
    for (posting, new) in after {
        let sources = of.entry(*new).or_default();
        if let Some(old) = before.get(posting) {
            sources.insert(*old);
            into.entry(*old).or_default().insert(*new);
        }
    }
    let stored: BTreeSet<VacancyId> = before.values().copied().collect();
    let mut found = Regrouped {
        before: stored.len() as u64,
        after: of.len() as u64,
        ..Regrouped::default()
    };
    let title = |id: Option<&VacancyId>| -> String {
        let title = id.and_then(|id| titles.get(id));
        title.map_or_else(String::new, |t| t.chars().take(SHOWN).collect())
    };
    let several = |of: BTreeMap<VacancyId, BTreeSet<VacancyId>>| {
        let many = of.into_iter().filter(|(_, others)| others.len() > 1);
        many.map(|(one, others)| (one, others.into_iter().collect()))
            .collect::<Vec<(VacancyId, Vec<VacancyId>)>>()
    };
    let (merges, splits) = (several(of), several(into));
    (found.merges, found.splits) = (merges.len() as u64, splits.len() as u64);
    let merges = merges.into_iter().map(|(one, from)| Regrouping {
        title: title(Some(&one)),
        from,
        to: vec![one],
    });
    let splits = splits.into_iter().map(|(one, to)| Regrouping {
        title: title(to.first()),
        from: vec![one],
        to,
    });
    found.examples = merges.take(EXAMPLES).chain(splits.take(EXAMPLES)).collect();
    found
}
