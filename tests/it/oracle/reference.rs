//! The plain reference: the laws applied in memory, one step after the other, by one thread, with
//! the pure rules of the trade and nothing else of the hub.

use super::world::{SOURCES, World};
use crate::support::hub::Hub;
use jiff::{SignedDuration, Timestamp};
use passerelle::dedupe::{block_keys, compare, derive, public_body, unread};
use passerelle::model::{
    CloseReason, ConnectorName, PostingId, PostingState, Revision, StoredPosting, VacancyStatus,
};
use passerelle::normalise::{Context, normalise};
use passerelle::pull::connector::Catalogue;
use passerelle::pull::network::NetworkFiles;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The defaults of every connector.
const MISSES: u32 = 2;
const MISS_GAP: SignedDuration = SignedDuration::from_hours(1);

pub struct Reference {
    files: NetworkFiles,
    postings: BTreeMap<PostingId, (PostingState, Value)>,
}

impl Reference {
    pub fn new(hub: &Hub) -> Self {
        let (connectors, members) = (hub.path("connectors"), hub.path("members"));
        let files = NetworkFiles::load(&connectors, &members, &Catalogue::embedded());
        assert!(files.problems.is_empty(), "{:?}", files.problems);
        Self {
            files,
            postings: BTreeMap::new(),
        }
    }

    /// Whatever was ever seen.
    pub fn postings(&self) -> Vec<PostingId> {
        self.postings.keys().copied().collect()
    }

    /// How many live postings each source shows no more.
    pub fn absent(&self, world: &World) -> BTreeMap<&'static str, usize> {
        let absent = |source: &'static str| {
            let shown = world.shown.get(source);
            let live = self.postings.values().map(|(state, _)| state);
            let live = live.filter(|s| s.connector.as_str() == source && s.closed.is_none());
            let gone = live.filter(|s| shown.is_none_or(|all| !all.contains_key(&s.reference)));
            (source, gone.count())
        };
        SOURCES.iter().map(|source| absent(source.name)).collect()
    }

    /// Every source but the `failed` shows its complete list at `now`.
    pub fn observe(&mut self, world: &World, failed: &BTreeSet<&str>, now: Timestamp) {
        for source in SOURCES.iter().filter(|s| !failed.contains(s.name)) {
            let connector = ConnectorName::from(source.name);
            let mut shown = BTreeSet::new();
            for record in world.records(source.name) {
                let reference = record["ref"].as_str().unwrap_or_default().to_owned();
                let id = PostingId::new(&connector, &reference);
                shown.insert(id);
                let fresh = || PostingState {
                    id,
                    connector: connector.clone(),
                    reference: reference.clone(),
                    hash: String::new(),
                    observation: 1,
                    first_seen: now,
                    closed: None,
                    misses: 0,
                    last_miss: None,
                };
                let (state, payload) = self
                    .postings
                    .entry(id)
                    .or_insert_with(|| (fresh(), Value::Null));
                (state.closed, state.misses, state.last_miss) = (None, 0, None);
                *payload = record;
            }
            let live = self.postings.values_mut().map(|(state, _)| state);
            for state in live.filter(|s| s.connector == connector && s.closed.is_none()) {
                let counts = |last: Timestamp| now.duration_since(last) >= MISS_GAP;
                if shown.contains(&state.id) || !state.last_miss.is_none_or(counts) {
                    continue;
                }
                state.misses += 1;
                state.last_miss = Some(now);
                if state.misses >= MISSES {
                    state.closed = Some((now, CloseReason::Absent));
                }
            }
        }
    }

    /// What is to be public: the canonical bytes of each live vacancy, by id.
    pub fn published(&self, now: Timestamp) -> BTreeMap<String, String> {
        let network = &*self.files.network;
        let postings: Vec<StoredPosting> = self
            .postings
            .values()
            .map(|(state, payload)| {
                let connector = &self.files.connectors[&state.connector];
                let draft = connector.map(payload).unwrap();
                let member = network.connectors.get(&state.connector);
                let context = Context {
                    connector: &state.connector,
                    member: member.and_then(Option::as_ref),
                    network,
                    first_seen: state.first_seen,
                };
                StoredPosting {
                    state: state.clone(),
                    posting: normalise(&draft, &context),
                    made_from: Revision::default(),
                    deduped: None,
                }
            })
            .collect();
        let mut blocks: HashMap<u64, Vec<usize>> = HashMap::new();
        for (at, posting) in postings.iter().enumerate() {
            for key in block_keys(&posting.posting) {
                blocks.entry(key).or_default().push(at);
            }
        }
        let mut pairs = BTreeSet::new();
        for block in blocks.values() {
            for (i, a) in block.iter().enumerate() {
                pairs.extend(block[i + 1..].iter().map(|b| (*a, *b)));
            }
        }
        let edges: Vec<_> = pairs
            .into_iter()
            .map(|(a, b)| compare(&postings[a].posting, &postings[b].posting))
            .collect();
        let postings: Vec<&StoredPosting> = postings.iter().collect();
        derive(&postings, &unread, &edges, &[], network, now, 0)
            .into_iter()
            .filter(|derived| derived.status == VacancyStatus::Live)
            .map(|derived| {
                let body = String::from_utf8(public_body(&derived.vacancy)).unwrap();
                (derived.id.to_string(), body)
            })
            .collect()
    }
}
