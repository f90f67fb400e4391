//! What a run would do with a snapshot, for `connectors preview`: compared and doubted as a run
//! does, and nothing of it written.

use super::connector::Guards;
use super::diff::{Diff, is_missing};
use super::guards::{Closing, Evidence, Miss, miss, rekey_pairs, rekey_suspected, rule};
use super::run::{Map, empties};
use super::source::{ReadEnd, SourceRecord};
use super::stage::{Seen, Tally, prints, read_record};
use crate::model::{ConnectorName, PostingId, PostingState};
use crate::store::{
    Compared, Counts, RecordVerdict, SnapshotKind, StagedRecord, StagedRow, Store, StoreError,
};
use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// The records of a snapshot, as a run would stage them.
#[derive(Debug, Default)]
pub struct Forecast {
    rows: BTreeMap<String, StagedRecord>,
    tally: Tally,
}

/// What a run would come to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Would {
    pub new: u64,
    pub changed: u64,
    pub unchanged: u64,
    pub missing: u64,
    pub closed: u64,
    pub held: u64,
    /// Why something would be held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
}

impl Forecast {
    /// Notes one record.
    pub fn take(&mut self, source: &dyn Map, record: SourceRecord) {
        let row = self.tally.take(read_record(source, record));
        self.rows
            .extend(row.map(|row| (row.reference.clone(), row)));
    }

    /// Compares with what `store` knows.
    ///
    /// # Errors
    /// The store's own.
    pub async fn conclude(
        mut self,
        store: &dyn Store,
        source: &dyn Map,
        name: &ConnectorName,
        guards: &Guards,
        end: &ReadEnd,
        now: Timestamp,
    ) -> Result<Would, StoreError> {
        let states = store.posting_states(name).await?;
        let before = store.connector_state(name).await?;
        self.name_the_nameless(&states);
        let kind = match end.snapshot {
            SnapshotKind::Complete if self.rows.is_empty() => SnapshotKind::Empty,
            kind => kind,
        };
        let known: HashMap<&str, &PostingState> =
            states.iter().map(|s| (&*s.reference, s)).collect();
        let mut diff = Diff::default();
        for row in self.rows.values() {
            diff.shown(&Compared {
                row: StagedRow {
                    reference: row.reference.clone(),
                    hash: row.hash.clone(),
                    verdict: row.verdict.clone(),
                },
                known: known.get(&*row.reference).copied().cloned(),
            });
        }
        let absent: Vec<&PostingState> = self.absent(&states).collect();
        for state in &absent {
            diff.absent(state, kind, end.error.is_some());
        }
        let rekeyed = match kind == SnapshotKind::Complete && rekey_suspected(&diff) {
            true => self.rekeyed(store, source, &known, &absent).await?,
            false => Vec::new(),
        };
        let Seen { fill, nameless, .. } = self.tally.finish();
        let ruling = rule(
            &diff,
            &Evidence {
                kind,
                now,
                fill: &fill,
                fill_before: &before.fill,
                history: &before.history,
                rekeyed: &rekeyed,
                nameless,
                nameless_before: before.nameless,
                empties: &empties(store, name, kind, None).await?,
                removed: false,
                released: None,
            },
            guards,
        );
        let closing = Closing {
            now: ruling.close_now,
            allowed: ruling.may_close,
        };
        let gone = absent
            .iter()
            .filter(|state| ruling.apply_absences && is_missing(state, kind))
            .filter(|state| matches!(miss(state, now, guards, &closing), Miss::Closes(_)))
            .count();
        let explicit = match ruling.apply_closed {
            true => diff.closed.count,
            false => 0,
        };
        let Counts {
            new,
            changed,
            unchanged,
            missing,
            ..
        } = diff.counts;
        Ok(Would {
            new,
            changed,
            unchanged,
            missing,
            closed: gone as u64 + explicit,
            held: ruling.doubt.as_ref().map_or(0, |doubt| doubt.postings),
            doubt: ruling.doubt.map(|doubt| doubt.why),
        })
    }

    /// Live postings that no record speaks of.
    fn absent<'s>(&self, states: &'s [PostingState]) -> impl Iterator<Item = &'s PostingState> {
        states
            .iter()
            .filter(|state| state.is_live() && !self.rows.contains_key(&state.reference))
    }

    fn name_the_nameless(&mut self, states: &[PostingState]) {
        if !self.tally.asks_for_names() {
            return;
        }
        let missing = self.absent(states).map(|s| s.reference.clone()).collect();
        for row in self.tally.name_the_nameless(missing) {
            self.rows.insert(row.reference.clone(), row);
        }
    }

    /// As a run compares the texts of what is missing and of what is new.
    async fn rekeyed(
        &self,
        store: &dyn Store,
        source: &dyn Map,
        known: &HashMap<&str, &PostingState>,
        absent: &[&PostingState],
    ) -> Result<Vec<(String, String)>, StoreError> {
        let ids: Vec<PostingId> = absent.iter().map(|state| state.id).collect();
        let pulled = store.load_pulled(&ids).await?.into_iter();
        let missing: Vec<(String, Bytes)> = pulled
            .filter_map(|pulled| Some((pulled.state.reference, pulled.payload?)))
            .collect();
        let new = self.rows.values();
        let new: Vec<(String, Bytes)> = new
            .filter(|row| row.verdict == RecordVerdict::Open)
            .filter(|row| !known.contains_key(&*row.reference))
            .map(|row| (row.reference.clone(), row.payload.clone()))
            .collect();
        Ok(rekey_pairs(
            &prints(source, &missing),
            &prints(source, &new),
        ))
    }
}

#[cfg(test)]
mod tests;
