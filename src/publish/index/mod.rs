//! The search index of one serving node: live public vacancies, kept from the change stream.

mod facet;
mod query;
mod terms;

pub use facet::{Facets, Tally};
pub use query::{Area, Filter, Key, Mark, Search, Sort};

use super::{labels, territory};
use crate::{
    model::{Vacancy, VacancyId},
    store::{Change, ChangeOp},
};
use bytes::Bytes;
use jiff::Timestamp;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};
use terms::Terms;

/// One live vacancy as the index holds it.
#[derive(Debug)]
pub struct Doc {
    /// Canonical JSON.
    pub body: Bytes,
    pub vacancy: Vacancy,
    title_key: String,
    places: Vec<(f64, f64)>,
}

impl Doc {
    pub fn id(&self) -> VacancyId {
        self.vacancy.id
    }

    /// When its content changed last; the date of `since`.
    pub fn updated(&self) -> Option<Timestamp> {
        self.vacancy.offer.updated.or(self.vacancy.offer.published)
    }

    /// Kilometres from `point` to its nearest place.
    fn distance(&self, point: (f64, f64)) -> Option<f64> {
        self.places
            .iter()
            .map(|place| territory::distance(point, *place))
            .min_by(f64::total_cmp)
    }
}

/// Characters of a title that its place in the alphabet depends on: cursors carry them.
const TITLE_KEY: usize = 60;

/// One page of results.
#[derive(Debug, Default)]
pub struct Page {
    /// All matches, not only this page's.
    pub total: usize,
    pub hits: Vec<Arc<Doc>>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Mark>,
    pub facets: Facets,
}

/// A vacancy that is no longer public.
#[derive(Clone, Copy, Debug)]
pub struct Tombstone {
    pub id: VacancyId,
    pub at: Timestamp,
}

/// Closings that are remembered, for feeds that show them.
const TOMBSTONES: usize = 500;

#[derive(Debug, Default)]
pub struct Index {
    head: u64,
    slots: Vec<Option<Arc<Doc>>>,
    free: Vec<u32>,
    by_id: HashMap<VacancyId, u32>,
    /// The newest closings, oldest first.
    tombstones: VecDeque<Tombstone>,
    terms: Terms,
}

impl Index {
    pub fn new() -> Self {
        Self::default()
    }

    /// The change number up to which the index is complete.
    pub fn head(&self) -> u64 {
        self.head
    }

    pub fn set_head(&mut self, head: u64) {
        self.head = self.head.max(head);
    }

    /// Takes changes over, in their order.
    pub fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            self.remove(change.id);
            self.tombstones.retain(|gone| gone.id != change.id);
            match &change.op {
                ChangeOp::Upsert { body } => match serde_json::from_slice::<Vacancy>(body) {
                    Ok(vacancy) => self.insert(body.clone(), vacancy),
                    // Written by a newer program: it stays reachable by id and in the delta feed.
                    Err(error) => {
                        tracing::warn!(vacancy = %change.id, %error, "vacancy cannot be indexed");
                    }
                },
                ChangeOp::Delete { .. } => {
                    if self.tombstones.len() == TOMBSTONES {
                        self.tombstones.pop_front();
                    }
                    self.tombstones.push_back(Tombstone {
                        id: change.id,
                        at: change.changed_at,
                    });
                }
            }
            self.set_head(change.seq);
        }
    }

    fn insert(&mut self, body: Bytes, vacancy: Vacancy) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        self.terms.insert(slot, &vacancy);
        self.by_id.insert(vacancy.id, slot);
        let places = vacancy
            .offer
            .places
            .iter()
            .filter_map(|place| {
                let centre = || territory::centre(place.insee.as_deref()?);
                place.lat.zip(place.lon).or_else(centre)
            })
            .collect();
        self.slots[slot as usize] = Some(Arc::new(Doc {
            body,
            title_key: super::text::fold(&vacancy.offer.title)
                .chars()
                .take(TITLE_KEY)
                .collect(),
            places,
            vacancy,
        }));
    }

    fn remove(&mut self, id: VacancyId) {
        if let Some(slot) = self.by_id.remove(&id) {
            self.terms.remove(slot);
            self.slots[slot as usize] = None;
            self.free.push(slot);
        }
    }

    /// The newest closings, oldest first.
    pub fn tombstones(&self) -> impl DoubleEndedIterator<Item = &Tombstone> {
        self.tombstones.iter()
    }

    /// Every live vacancy, in no particular order.
    pub fn docs(&self) -> impl Iterator<Item = &Arc<Doc>> {
        self.slots.iter().flatten()
    }

    /// The page of `search`, with facet counts: each counts what would remain if its own
    /// dimension were not filtered.
    pub fn search(&self, search: &Search) -> Page {
        let mut page = Page::default();
        let mut found: Vec<(Mark, &Arc<Doc>)> = Vec::new();
        let mut look = |doc: &Arc<Doc>, score: u32| {
            let Some(distance) = search.filter.admits(doc) else {
                return;
            };
            let failed = search.filter.failed_dimensions(&doc.vacancy);
            page.facets.count(&doc.vacancy, &failed);
            if !failed.is_empty() {
                return;
            }
            page.total += 1;
            let mark = Mark {
                key: search.sort.key(doc, score, distance),
                id: doc.id(),
            };
            if search.after.as_ref().is_none_or(|after| mark > *after) {
                let doc = self
                    .by_id
                    .get(&doc.id())
                    .and_then(|s| self.slots[*s as usize].as_ref());
                found.extend(doc.map(|doc| (mark, doc)));
            }
        };
        match self.terms.matches(&search.filter.q) {
            Some(scores) => {
                for (slot, score) in scores {
                    if let Some(doc) = self.slots.get(slot as usize).and_then(Option::as_ref) {
                        look(doc, score);
                    }
                }
            }
            None => self.docs().for_each(|doc| look(doc, 0)),
        }
        found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        found.drain(..search.skip.min(found.len()));
        if found.len() > search.limit {
            found.truncate(search.limit);
            page.next = found.last().map(|(mark, _)| mark.clone());
        }
        page.hits = found.into_iter().map(|(_, doc)| doc.clone()).collect();
        page
    }
}

impl Filter {
    /// Whether `doc` passes what is not a facet, with its distance where an area is asked for.
    fn admits(&self, doc: &Doc) -> Option<Option<f64>> {
        let offer = &doc.vacancy.offer;
        if let Some(since) = self.since
            && doc.updated().is_none_or(|updated| updated < since)
        {
            return None;
        }
        if !self.romes.is_empty() {
            let occupation = offer.occupation.as_ref()?;
            let codes = [&occupation.rome, &occupation.rome_v3];
            if !codes
                .iter()
                .any(|code| code.as_ref().is_some_and(|code| self.romes.contains(code)))
            {
                return None;
            }
        }
        if !self.communes.is_empty()
            && !offer.places.iter().any(|place| {
                place
                    .insee
                    .as_deref()
                    .is_some_and(|own| self.communes.iter().any(|c| query::same_commune(own, c)))
            })
        {
            return None;
        }
        if !self.areas.is_empty()
            && !offer.places.iter().any(|place| {
                place
                    .department
                    .as_ref()
                    .is_some_and(|own| self.areas.contains(own))
            })
        {
            return None;
        }
        match &self.area {
            None => Some(None),
            Some(area) => {
                let distance = doc.distance(area.centre)?;
                (distance <= area.km).then_some(Some(distance))
            }
        }
    }
}

impl Sort {
    /// Ascending keys, so that one comparison serves all.
    fn key(self, doc: &Doc, score: u32, distance: Option<f64>) -> Key {
        let newest_first =
            |at: Option<Timestamp>| Key::Number(at.map_or(i64::MAX, |at| -at.as_microsecond()));
        match self {
            Self::Published => newest_first(doc.vacancy.offer.published),
            Self::Updated => newest_first(doc.updated()),
            Self::Title => Key::Text(doc.title_key.clone()),
            Self::Relevance => Key::Number(-i64::from(score)),
            // Metres: what is nearer than one another is a matter of houses.
            Self::Distance => Key::Number(distance.map_or(i64::MAX, |km| (km * 1000.0) as i64)),
        }
    }
}

/// The facets' names and the words of each, in the order in which they are shown.
pub fn vocabulary() -> [(&'static str, Vec<(String, &'static str)>); 3] {
    use crate::model::Time;
    [
        (
            "family",
            labels::FAMILIES
                .map(|f| (labels::code(&f), labels::family(f)))
                .to_vec(),
        ),
        (
            "contract",
            labels::CONTRACTS
                .map(|c| (labels::code(&c), labels::contract(c)))
                .to_vec(),
        ),
        (
            "time",
            [Time::Full, Time::Part]
                .map(|t| (labels::code(&t), labels::time(t)))
                .to_vec(),
        ),
    ]
}
