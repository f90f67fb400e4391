//! The inverted index: stem → vacancies, with the part of the offer that it stands in.

use crate::{
    model::Vacancy,
    publish::{
        territory,
        text::{abbreviated, index_terms, is_stop, stem, tolerance, within, words},
    },
};
use std::collections::{BTreeMap, HashMap};

/// Parts of an offer, as bits; what they weigh in the order of relevance.
const HEAD: u8 = 1;
const PLACE: u8 = 2;
const EMPLOYER: u8 = 4;
const BODY: u8 = 8;
const WEIGHTS: [(u8, u32); 4] = [(HEAD, 12), (PLACE, 8), (EMPLOYER, 6), (BODY, 1)];

/// Words of a search that are looked at; more say nothing new.
const MOST_WORDS: usize = 16;
/// What a word found through a typing error counts, in quarters.
const FUZZY_QUARTERS: u32 = 2;

#[derive(Debug, Default)]
pub struct Terms {
    postings: BTreeMap<String, HashMap<u32, u8>>,
    of_slot: HashMap<u32, Vec<String>>,
}

impl Terms {
    pub fn insert(&mut self, slot: u32, vacancy: &Vacancy) {
        let mut parts: BTreeMap<String, u8> = BTreeMap::new();
        let offer = &vacancy.offer;
        let occupation = offer.occupation.as_ref();
        let head = [
            Some(offer.title.as_str()),
            offer.title_canonical.as_deref(),
            occupation.and_then(|o| o.label.as_deref()),
            offer.service.as_deref(),
        ];
        for text in head.into_iter().flatten() {
            add(&mut parts, index_terms(text, true), HEAD);
        }
        if let Some(shifts) = offer.working_time.as_ref().map(|w| &w.shifts) {
            for shift in shifts {
                add(
                    &mut parts,
                    index_terms(crate::publish::labels::shift(*shift), false),
                    HEAD,
                );
            }
        }
        for place in &offer.places {
            let department = place.department.as_deref();
            let names = [
                place.name.as_deref(),
                place.postal_code.as_deref(),
                department,
                department.and_then(territory::department),
            ];
            for name in names.into_iter().flatten() {
                add(&mut parts, index_terms(name, false), PLACE);
            }
        }
        if let Some(employer) = &offer.employer {
            for name in [&employer.name, &employer.establishment]
                .into_iter()
                .flatten()
            {
                add(&mut parts, index_terms(name, true), EMPLOYER);
            }
        }
        if let Some(description) = &offer.description {
            add(&mut parts, index_terms(&description.text, true), BODY);
        }
        for diploma in &offer.diplomas {
            add(&mut parts, index_terms(diploma, true), BODY);
        }
        for (term, part) in &parts {
            self.postings
                .entry(term.clone())
                .or_default()
                .insert(slot, *part);
        }
        self.of_slot.insert(slot, parts.into_keys().collect());
    }

    pub fn remove(&mut self, slot: u32) {
        for term in self.of_slot.remove(&slot).unwrap_or_default() {
            if let Some(slots) = self.postings.get_mut(&term) {
                slots.remove(&slot);
                if slots.is_empty() {
                    self.postings.remove(&term);
                }
            }
        }
    }

    /// The slots that hold every word of `q`, with their scores; `None` when `q` says nothing.
    pub fn matches(&self, q: &str) -> Option<HashMap<u32, u32>> {
        let asked: Vec<String> = words(q)
            .into_iter()
            .filter(|word| !is_stop(word))
            .take(MOST_WORDS)
            .collect();
        if asked.is_empty() {
            return None;
        }
        let mut found: Option<HashMap<u32, u32>> = None;
        for (i, word) in asked.iter().enumerate() {
            let last = i + 1 == asked.len();
            let scores = self.word(word, last);
            found = Some(match found {
                None => scores,
                Some(before) => before
                    .into_iter()
                    .filter_map(|(slot, score)| scores.get(&slot).map(|s| (slot, score + s)))
                    .collect(),
            });
        }
        found
    }

    /// The slots that hold one word: itself, what it abbreviates, and failing both, what may be
    /// meant by an unfinished word or a typing error. The last word of a search may be unfinished.
    fn word(&self, word: &str, last: bool) -> HashMap<u32, u32> {
        let mut scores = HashMap::new();
        let wanted = stem(word);
        self.take(&mut scores, &wanted, 4);
        if let Some(long) = abbreviated(word) {
            let mut all: Option<HashMap<u32, u32>> = None;
            for part in long {
                let mut here = HashMap::new();
                self.take(&mut here, &part, 4);
                // Words of an abbreviation mean the trade only where the offer's head has them.
                here.retain(|_, score| *score >= WEIGHTS[0].1 * 4);
                all = Some(match all {
                    None => here,
                    Some(before) => before
                        .into_iter()
                        .filter(|(slot, _)| here.contains_key(slot))
                        .collect(),
                });
            }
            for (slot, score) in all.unwrap_or_default() {
                let best: &mut u32 = scores.entry(slot).or_default();
                *best = (*best).max(score);
            }
        }
        if (last || scores.is_empty()) && word.chars().count() >= 3 {
            let end = format!("{wanted}\u{10ffff}");
            for (_, slots) in self.postings.range(wanted.clone()..end) {
                merge(&mut scores, slots, 3);
            }
        }
        if scores.is_empty() {
            self.fuzzy(&mut scores, &wanted, tolerance(word));
        }
        scores
    }

    /// Terms a few typing errors away. The first letter is taken to be right: it nearly always is,
    /// and only a part of the dictionary has to be compared.
    fn fuzzy(&self, scores: &mut HashMap<u32, u32>, wanted: &str, limit: usize) {
        let Some(first) = wanted.chars().next().filter(|_| limit > 0) else {
            return;
        };
        let range = first.to_string()..format!("{first}\u{10ffff}");
        for (term, slots) in self.postings.range(range) {
            if term.len().abs_diff(wanted.len()) <= limit && within(term, wanted, limit) {
                merge(scores, slots, FUZZY_QUARTERS);
            }
        }
    }

    fn take(&self, scores: &mut HashMap<u32, u32>, term: &str, quarters: u32) {
        if let Some(slots) = self.postings.get(term) {
            merge(scores, slots, quarters);
        }
    }
}

fn merge(scores: &mut HashMap<u32, u32>, slots: &HashMap<u32, u8>, quarters: u32) {
    for (slot, parts) in slots {
        let weight: u32 = WEIGHTS
            .iter()
            .filter(|(part, _)| parts & part != 0)
            .map(|(_, weight)| weight * quarters)
            .sum();
        let best = scores.entry(*slot).or_default();
        *best = (*best).max(weight);
    }
}

fn add(parts: &mut BTreeMap<String, u8>, terms: Vec<String>, part: u8) {
    for term in terms {
        *parts.entry(term).or_default() |= part;
    }
}
