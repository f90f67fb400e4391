//! The reviewed tables, compiled in and read once.

use super::text::{self, ByHash, Hashes, Words};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

/// How far a source is believed, field by field: 0 not at all, 2 against another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    pub place: u8,
    pub contract: u8,
    pub employer: u8,
    pub title: u8,
    pub openings: u8,
    pub time: u8,
    pub service: u8,
}

#[derive(Deserialize)]
struct SourceFile {
    own: Trust,
    aggregator: Trust,
    known: Vec<Known>,
    agencies: WordList,
}

#[derive(Deserialize)]
struct Known {
    names: Vec<String>,
    #[serde(flatten)]
    trust: Trust,
}

#[derive(Deserialize)]
struct WordList {
    words: Vec<String>,
}

/// `sources.toml`, read.
pub struct Sources {
    own: Trust,
    aggregator: Trust,
    known: Vec<Known>,
    agencies: Phrases,
}

impl Sources {
    /// The trust in a posting of `connector` that names these partners.
    pub fn trust<'a>(
        &self,
        own: bool,
        connector: &'a str,
        partners: impl Iterator<Item = &'a str>,
    ) -> Trust {
        if own {
            return self.own;
        }
        let mut trust = None;
        for name in std::iter::once(connector).chain(partners) {
            let squeezed: String = Words::of(name).iter().collect();
            if let Some(known) = self
                .known
                .iter()
                .find(|k| k.names.iter().any(|n| squeezed.contains(n.as_str())))
            {
                // Several partners: the least believed, since any of them may have written it.
                trust = Some(trust.map_or(known.trust, |t: Trust| Trust {
                    place: t.place.min(known.trust.place),
                    contract: t.contract.min(known.trust.contract),
                    employer: t.employer.min(known.trust.employer),
                    title: t.title.min(known.trust.title),
                    openings: t.openings.min(known.trust.openings),
                    time: t.time.min(known.trust.time),
                    service: t.service.min(known.trust.service),
                }));
            }
        }
        trust.unwrap_or(self.aggregator)
    }

    /// Whether this is the name of somebody who recruits for others.
    pub fn is_agency(&self, name: &Words) -> bool {
        let mut found = false;
        self.agencies.find(name, |_, _, _| found = true);
        found
    }
}

/// Phrases of one to five words, each with a number.
#[derive(Default)]
pub struct Phrases {
    by_hash: ByHash<u64, u8>,
    firsts: Hashes,
    longest: usize,
}

impl Phrases {
    fn insert(&mut self, phrase: &str, number: u8) {
        let words = Words::of(phrase);
        let hashes: Vec<u64> = words.iter().map(|w| text::hash(w.as_bytes())).collect();
        if let Some(first) = hashes.first() {
            self.firsts.insert(*first);
            self.longest = self.longest.max(hashes.len());
            self.by_hash.insert(text::combine(&hashes), number);
        }
    }

    /// Calls `found(number, at, words)` for the longest phrase that starts at each word.
    pub fn find(&self, words: &Words, mut found: impl FnMut(u8, usize, usize)) {
        let hashes: Vec<u64> = words.iter().map(|w| text::hash(w.as_bytes())).collect();
        self.find_hashed(&hashes, &mut found);
    }

    /// The same over word hashes.
    pub fn find_hashed(&self, hashes: &[u64], found: &mut impl FnMut(u8, usize, usize)) {
        let mut at = 0;
        while at < hashes.len() {
            let mut matched = 0;
            if self.firsts.contains(&hashes[at]) {
                for length in (1..=self.longest.min(hashes.len() - at)).rev() {
                    if let Some(number) = self.by_hash.get(&text::combine(&hashes[at..at + length]))
                    {
                        found(*number, at, length);
                        matched = length;
                        break;
                    }
                }
            }
            at += matched.max(1);
        }
    }
}

#[derive(Deserialize)]
struct FacetFile {
    services: BTreeMap<String, Vec<String>>,
    shifts: BTreeMap<String, Vec<String>>,
    levels: BTreeMap<String, Vec<String>>,
    noise: WordList,
    labels: WordList,
    trades: BTreeMap<String, Vec<String>>,
}

/// `facets.toml`, read. Numbers are bits of a mask, by the order of the names.
pub struct Facets {
    pub services: Phrases,
    #[cfg(test)]
    pub service_names: Vec<String>,
    pub shifts: Phrases,
    pub levels: Phrases,
    /// Masks of levels of which no ad has two: those who lead or know the trade, beginners,
    /// trainees, stand-ins.
    level_kinds: [u32; 4],
    pub noise: Hashes,
    /// Core words of titles that are an occupation's label as it stands, joined by blanks.
    pub labels: Hashes,
    /// Core words of a title, joined by blanks → the trade's number from 1.
    pub trades: HashMap<String, u32>,
}

impl Facets {
    /// Whether titles of these levels, each with one at least, cannot be one post's.
    pub fn levels_part(&self, one: u32, other: u32) -> bool {
        let kinds = self.level_kinds.iter();
        let shared = kinds.filter(|kind| one & **kind != 0 && other & **kind != 0);
        shared.count() == 0
    }
}

pub const SHIFT_ALTERNATING: u8 = 1;
pub const SHIFT_DAY: u8 = 2;
pub const SHIFT_NIGHT: u8 = 4;
/// In titles only: office hours, which are day work.
pub const SHIFT_OFFICE: u8 = 8;

fn phrases(table: &BTreeMap<String, Vec<String>>) -> Phrases {
    let mut phrases = Phrases::default();
    for (number, (_, list)) in table.iter().enumerate() {
        for phrase in list {
            phrases.insert(phrase, number.min(127) as u8);
        }
    }
    phrases
}

/// A compiled-in table must parse: a unit test reads each, so this never fails in a release.
fn read<T: serde::de::DeserializeOwned>(name: &str, text: &str) -> T {
    match toml::from_str(text) {
        Ok(value) => value,
        Err(error) => panic!("the compiled-in table {name} is damaged: {error}"),
    }
}

pub static SOURCES: LazyLock<Sources> = LazyLock::new(|| {
    let file: SourceFile = read("sources.toml", include_str!("sources.toml"));
    let mut agencies = Phrases::default();
    for word in &file.agencies.words {
        agencies.insert(word, 0);
    }
    Sources {
        own: file.own,
        aggregator: file.aggregator,
        known: file.known,
        agencies,
    }
});

pub static FACETS: LazyLock<Facets> = LazyLock::new(|| {
    let file: FacetFile = read("facets.toml", include_str!("facets.toml"));
    let mut trades = HashMap::new();
    for (number, (_, list)) in file.trades.iter().enumerate() {
        for name in list {
            trades.insert(name.clone(), number as u32 + 1);
        }
    }
    let level = |name: &str| {
        let at = file.levels.keys().position(|known| known == name);
        at.map_or(0, |at| 1 << at)
    };
    Facets {
        level_kinds: [
            level("lead") | level("coordinator") | level("senior"),
            level("junior"),
            level("trainee"),
            level("replacement"),
        ],
        services: phrases(&file.services),
        #[cfg(test)]
        service_names: file.services.keys().cloned().collect(),
        shifts: phrases(&file.shifts),
        levels: phrases(&file.levels),
        noise: file
            .noise
            .words
            .iter()
            .map(|w| text::hash(w.as_bytes()))
            .collect(),
        labels: file
            .labels
            .words
            .iter()
            .map(|w| text::hash(w.as_bytes()))
            .collect(),
        trades,
    }
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiled_in_tables_parse() {
        assert!(FACETS.service_names.len() > 50 && FACETS.service_names.len() <= 128);
        assert!(SOURCES.is_agency(&Words::of("Adecco Medical")));
        assert!(FACETS.level_kinds.iter().all(|kind| *kind != 0));
        assert!(!SOURCES.is_agency(&Words::of("Centre hospitalier de Vesoul")));
    }

    #[test]
    fn a_source_is_known_by_connector_or_partner() {
        let direct = SOURCES.trust(false, "france-travail", ["DIRECTEMPLOI"].into_iter());
        assert_eq!((direct.place, direct.employer), (0, 0));
        assert_eq!(SOURCES.trust(true, "meteojob", [].into_iter()).title, 2);
        assert_eq!(
            SOURCES.trust(false, "france-travail", [].into_iter()).place,
            2
        );
    }

    #[test]
    fn the_longest_phrase_wins() {
        let mut found = Vec::new();
        FACETS
            .services
            .find(&Words::of("chirurgie viscérale"), |number, _, length| {
                found.push((FACETS.service_names[usize::from(number)].clone(), length));
            });
        assert_eq!(found, [("chirurgie_viscerale".to_owned(), 2)]);
    }
}
