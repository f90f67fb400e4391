//! Stage one: from the stored payload, by the connector's map and the rules, to a posting.

use super::pipeline::inbox;
use super::verdicts::Known;
use super::{Exceptions, Failure, Files, Hub, Rules, Worker, caught, registers};
use crate::bus::Verdict;
use crate::dedupe::Features;
use crate::model::{
    CloseReason, Event, EventKind, Offer, Posting, PostingId, PostingState, RULES, Revision, Stage,
};
use crate::normalise::Context;
use crate::store::{NormalisedOutput, Pulled, StoreError};
use async_trait::async_trait;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

#[derive(Clone)]
pub(super) struct Normalise {
    hub: Hub,
    known: Known,
}

impl Normalise {
    pub fn new(hub: Hub, known: Known) -> Self {
        Self { hub, known }
    }

    /// Postings that keep their stored form: the payload is gone, or no map reads it any more.
    async fn keep(&self, ids: &[PostingId]) -> Result<HashMap<PostingId, Posting>, Failure> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let stored = self.hub.store.load_normalised(ids).await?;
        Ok(stored
            .into_iter()
            .map(|s| (s.state.id, s.posting))
            .collect())
    }
}

impl Normalise {
    /// What registers add to postings just made, with their features read anew.
    async fn identify(&self, made: &mut [(PostingState, Made)]) -> Result<(), StoreError> {
        let (mut postings, mut read) = (Vec::new(), Vec::new());
        for (_, made) in made {
            // An erased posting names nobody.
            if let Made::Posting(made) = made {
                let (posting, own) = &mut **made;
                postings.push(posting);
                read.push(own);
            }
        }
        let changed = registers::identify(&*self.hub.store, &mut postings).await?;
        for at in changed {
            *read[at] = features(&self.hub.rules, postings[at]);
        }
        Ok(())
    }
}

#[async_trait]
impl Worker for Normalise {
    fn stage(&self) -> Stage {
        Stage::Normalise
    }

    async fn work(&self, events: &[Event]) -> Result<Exceptions, Failure> {
        let now = self.hub.clock.now();
        let mut exceptions = Exceptions::new();
        let wanted = wanted(events, &mut exceptions);
        let ids: Vec<PostingId> = wanted.keys().copied().collect();
        let pulled = self.hub.store.load_pulled(&ids).await?;
        let due: Vec<Pulled> = pulled
            .into_iter()
            .filter(|p| wanted[&p.state.id] || !covered(p))
            .collect();
        let (files, rules) = (self.hub.files.get(), self.hub.rules);
        let mut made = tokio::task::spawn_blocking(move || {
            due.into_iter()
                .map(|pulled| make(pulled, &files, &rules))
                .collect::<Vec<_>>()
        })
        .await?;
        self.identify(&mut made).await?;
        let kept: Vec<PostingId> = made
            .iter()
            .filter(|(_, made)| !matches!(made, Made::Posting(_)))
            .map(|(state, _)| state.id)
            .collect();
        let mut kept = self.keep(&kept).await?;
        let mut outputs = Vec::with_capacity(made.len());
        let mut read = HashMap::with_capacity(made.len());
        for (state, made) in made {
            let made = match made {
                Made::Posting(made) => *made,
                // Rules that break down may be mended by a newer program: up the ladder.
                Made::Panic(error) => {
                    refuse(events, state.id, &Verdict::Retry(error), &mut exceptions);
                    continue;
                }
                Made::Unreadable(error) => match kept.remove(&state.id) {
                    Some(posting) => {
                        let features = features(&self.hub.rules, &posting);
                        (posting, features)
                    }
                    None => {
                        refuse(events, state.id, &Verdict::Park(error), &mut exceptions);
                        continue;
                    }
                },
            };
            let (posting, features) = made;
            outputs.push(output(
                &state,
                posting,
                features.as_deref(),
                wanted[&state.id],
                now,
            ));
            read.extend(features.map(|features| (state.id, features)));
        }
        let inbox = inbox(Stage::Normalise, events, &exceptions, now);
        let written = self.hub.store.commit_normalised(outputs, &inbox).await?;
        for (id, digest) in written {
            if let Some(features) = read.remove(&id) {
                self.known.add(id, digest, features);
            }
        }
        Ok(exceptions)
    }
}

/// The postings that events ask for, and whether one of them must not be skipped.
pub(super) fn wanted(events: &[Event], exceptions: &mut Exceptions) -> BTreeMap<PostingId, bool> {
    let mut wanted = BTreeMap::new();
    for event in events {
        match event.key.parse::<PostingId>() {
            Ok(id) => *wanted.entry(id).or_insert(false) |= event.kind.is_recheck(),
            Err(_) => {
                let error = format!("{:?} is no posting id", event.key);
                exceptions.insert(event.id, Verdict::Park(error));
            }
        }
    }
    wanted
}

/// The same verdict for every event of one posting.
pub(super) fn refuse(
    events: &[Event],
    id: PostingId,
    verdict: &Verdict,
    exceptions: &mut Exceptions,
) {
    let key = id.to_string();
    let own = events.iter().filter(|event| event.key == key);
    exceptions.extend(own.map(|event| (event.id, verdict.clone())));
}

fn covered(pulled: &Pulled) -> bool {
    let wanted = revision(&pulled.state);
    pulled.made_from.is_some_and(|made| made.covers(wanted))
}

fn revision(state: &PostingState) -> Revision {
    Revision {
        observation: state.observation,
        rules: RULES,
    }
}

enum Made {
    Posting(Box<(Posting, Option<Arc<Features>>)>),
    /// No payload, or none that the connector's map still reads; a stored form is kept.
    Unreadable(String),
    Panic(String),
}

fn make(pulled: Pulled, files: &Arc<Files>, rules: &Rules) -> (PostingState, Made) {
    let Pulled { state, payload, .. } = pulled;
    if matches!(state.closed, Some((_, CloseReason::Erased))) {
        let bare = (erased(&state), None);
        return (state, Made::Posting(Box::new(bare)));
    }
    let made = match (&payload, files.maps.get(&state.connector)) {
        (None, _) => Made::Unreadable("the payload is no longer kept".to_owned()),
        (_, None) => Made::Unreadable(format!(
            "there is no connector {} any more to read its payload",
            state.connector
        )),
        (Some(payload), Some(map)) => caught(|| {
            let tree = serde_json::from_slice(payload).map_err(|e| e.to_string())?;
            let draft = map.map(&tree).map_err(|problems| {
                let words = problems
                    .iter()
                    .map(|p| format!("{}: {}", p.rule, p.message));
                words.collect::<Vec<_>>().join("; ")
            })?;
            let network = &files.network;
            let context = Context {
                connector: &state.connector,
                member: network
                    .connectors
                    .get(&state.connector)
                    .and_then(Option::as_ref),
                network,
                first_seen: state.first_seen,
            };
            Ok((rules.normalise)(&draft, &context))
        })
        .map_or_else(Made::Panic, |made: Result<Posting, String>| {
            made.map_or_else(Made::Unreadable, |posting| {
                let features = features(rules, &posting);
                Made::Posting(Box::new((posting, features)))
            })
        }),
    };
    (state, made)
}

/// The posting that the rules and files of today make of a stored payload; `None` where the payload
/// is gone or no longer read, and the stored form stays.
pub(super) fn made_today(pulled: Pulled, files: &Arc<Files>, rules: &Rules) -> Option<Posting> {
    match make(pulled, files, rules).1 {
        Made::Posting(made) => Some(made.0),
        Made::Unreadable(_) | Made::Panic(_) => None,
    }
}

/// What is left of an erased posting: its key.
fn erased(state: &PostingState) -> Posting {
    Posting {
        id: state.id,
        connector: state.connector.clone(),
        reference: state.reference.clone(),
        member: None,
        offer: Offer::default(),
        findings: Vec::new(),
        contacts: Vec::new(),
        provenance: BTreeMap::new(),
    }
}

/// What dedupe knows of a posting, its keys with it; closed postings keep theirs: a re-issue must
/// find what it re-issues (law 2).
fn features(rules: &Rules, posting: &Posting) -> Option<Arc<Features>> {
    caught(|| (rules.features)(posting)).ok().map(Arc::new)
}

/// A recheck goes on as a recheck: its revision may be one that dedupe has seen.
fn output(
    state: &PostingState,
    posting: Posting,
    features: Option<&Features>,
    recheck: bool,
    now: Timestamp,
) -> NormalisedOutput {
    let revision = revision(state);
    let kind = if recheck {
        EventKind::VacancyRecheck
    } else {
        EventKind::PostingNormalised
    };
    let mut event = Event::new(kind, state.id, revision, now);
    event.payload.clone_from(&state.hash);
    NormalisedOutput {
        revision,
        posting,
        keys: features.map_or_else(Vec::new, Features::keys),
        features: features.map(|features| features.pack().into()),
        events: vec![event],
    }
}
