//! What a run knows of its records beside the staging table, and a preview of the records it reads.

use super::record::{ReadRecord, field_name, short_hash};
use crate::model::Field;
use crate::pull::guards::Fill;
use crate::pull::recall::{Known, LIMIT, Recall};
use crate::store::{RecordVerdict, Repeats, StagedRecord};
use aho_corasick::AhoCorasick;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Nameless rejected records whose text is kept to look for a reference in it.
const NAMELESS_KEPT: usize = 1000;
/// … and bytes of them in all.
const NAMELESS_BYTES: usize = 16 << 20;
/// A shorter reference may stand in a text by chance.
const SHORTEST: usize = 3;

/// What a run remembers of its records.
#[derive(Debug, Default)]
pub struct Seen {
    pub fill: Fill,
    pub repeats: Repeats,
    /// Rejected records that no known reference could be found in.
    pub nameless: u64,
}

/// Counts records as they come.
#[derive(Debug)]
pub struct Tally {
    shown: Shown,
    /// Records for the next run to recall; `None` once there are too many.
    recall: Option<Recall>,
    nameless: Vec<Nameless>,
    nameless_bytes: usize,
    filled: BTreeMap<Field, u64>,
    seen: Seen,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            shown: Shown::default(),
            recall: Some(Recall::new()),
            nameless: Vec::new(),
            nameless_bytes: 0,
            filled: BTreeMap::new(),
            seen: Seen::default(),
        }
    }
}

#[derive(Debug)]
struct Nameless {
    record: StagedRecord,
    text: String,
}

impl Tally {
    /// Takes a record, and gives it back where it is now the one of its reference.
    pub fn take(&mut self, read: ReadRecord) -> Option<StagedRecord> {
        let ReadRecord {
            record,
            fields,
            known,
            nameless,
        } = read;
        let sight = self.shown.sight(&record);
        if let Some(text) = nameless {
            // The very same bytes again: a repeated record, but of no reference that anyone gave.
            if !sight.first {
                return None;
            }
            self.seen.nameless += 1;
            self.nameless_bytes += record.payload.len() + text.len();
            if self.nameless.len() < NAMELESS_KEPT && self.nameless_bytes < NAMELESS_BYTES {
                self.nameless.push(Nameless { record, text });
                return None;
            }
            return Some(record);
        }
        if !sight.first {
            self.seen.repeats.add(&record.reference);
        }
        if !sight.counts {
            return None;
        }
        if record.verdict == RecordVerdict::Open {
            self.seen.fill.records += 1;
            for field in fields {
                *self.filled.entry(field).or_default() += 1;
            }
            if let Some(known) = known {
                self.remember(known);
            }
        }
        Some(record)
    }

    /// Keeps a record for the next run, unless there are too many of them.
    fn remember(&mut self, known: Arc<Known>) {
        if let Some(recall) = &mut self.recall {
            recall.insert(known.digest, known);
            if recall.len() > LIMIT {
                self.recall = None;
            }
        }
    }

    /// What the next run may recall.
    pub fn recall(&mut self) -> Recall {
        self.recall.take().unwrap_or_default()
    }

    /// Whether the references of what is missing could name records that have none.
    pub fn asks_for_names(&self) -> bool {
        !self.nameless.is_empty()
    }

    /// The refused records without a reference of their own. One counts as the live posting whose
    /// reference stands in its text as a word, so that this one is not taken for missing (law 7);
    /// `missing` are the references of the live postings that no other record speaks of.
    pub fn name_the_nameless(&mut self, mut missing: Vec<String>) -> Vec<StagedRecord> {
        missing.retain(|reference| reference.len() >= SHORTEST);
        missing.sort_unstable();
        let finder = (!missing.is_empty())
            .then(|| AhoCorasick::new(&missing).ok())
            .flatten();
        let mut named: HashSet<usize> = HashSet::new();
        let mut rows = Vec::new();
        for Nameless { mut record, text } in std::mem::take(&mut self.nameless) {
            let found = finder.as_ref().and_then(|finder| {
                finder
                    .find_overlapping_iter(text.as_str())
                    .filter(|m| is_word(&text, m.start(), m.end()))
                    .map(|m| m.pattern().as_usize())
                    .find(|index| !named.contains(index))
            });
            if let Some(index) = found {
                named.insert(index);
                record.reference.clone_from(&missing[index]);
                self.seen.nameless -= 1;
            }
            rows.push(record);
        }
        rows
    }

    pub fn finish(mut self) -> Seen {
        self.seen.fill.filled = self
            .filled
            .iter()
            .map(|(field, n)| (field_name(field), *n))
            .collect();
        self.seen
    }
}

/// The references of a run, by their hashes, and which of them have had no usable record yet. Two
/// references that share a hash would be counted as one that is repeated, and both be staged.
#[derive(Debug, Default)]
struct Shown {
    all: HashSet<u64>,
    refused: HashSet<u64>,
}

struct Sight {
    /// Of its reference.
    first: bool,
    /// As the last it counts, unless it is a refused one after a usable one.
    counts: bool,
}

impl Shown {
    fn sight(&mut self, record: &StagedRecord) -> Sight {
        let key = short_hash(record.reference.as_bytes());
        let first = self.all.insert(key);
        let refused = matches!(record.verdict, RecordVerdict::Rejected(_));
        let counts = match (refused, first) {
            (true, true) => self.refused.insert(key),
            (true, false) => self.refused.contains(&key),
            (false, _) => {
                self.refused.remove(&key);
                true
            }
        };
        Sight { first, counts }
    }
}

fn is_word(text: &str, start: usize, end: usize) -> bool {
    let before = text[..start].chars().next_back();
    let after = text[end..].chars().next();
    ![before, after]
        .into_iter()
        .flatten()
        .any(char::is_alphanumeric)
}
