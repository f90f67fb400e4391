//! What a run would do with a snapshot, for `connectors preview`: compared and doubted as a run
//! does, and nothing of it written.

use super::diff::Diff;
use super::guards::{Closing, Evidence, Fill, Miss, miss, rule};
use super::run::Map;
use super::source::{ReadEnd, SourceRecord};
use super::stage;
use crate::model::ConnectorName;
use crate::pull::connector::Guards;
use crate::store::{Counts, SnapshotKind, StagedRow, Store, StoreError};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// The records of a snapshot, by what a comparison needs of them.
#[derive(Debug, Default)]
pub struct Forecast {
    rows: BTreeMap<String, StagedRow>,
    filled: BTreeMap<String, u64>,
    open: u64,
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
        let (row, fields) = stage::row(source, record);
        if row.verdict == crate::store::RecordVerdict::Open
            && !self.rows.contains_key(&row.reference)
        {
            self.open += 1;
            for field in fields {
                *self.filled.entry(field).or_default() += 1;
            }
        }
        self.rows.insert(row.reference.clone(), row);
    }

    /// Compares with what `store` knows.
    ///
    /// # Errors
    /// The store's own.
    pub async fn conclude(
        self,
        store: &dyn Store,
        name: &ConnectorName,
        guards: &Guards,
        end: &ReadEnd,
        now: Timestamp,
    ) -> Result<Would, StoreError> {
        let states = store.posting_states(name).await?;
        let before = store.connector_state(name).await?;
        let rows: Vec<StagedRow> = self.rows.into_values().collect();
        let kind = match end.snapshot {
            SnapshotKind::Complete if rows.is_empty() => SnapshotKind::Empty,
            kind => kind,
        };
        let diff = Diff::new(&states, &rows, kind, end.error.is_some());
        let fill = Fill {
            records: self.open,
            filled: self.filled,
        };
        let ruling = rule(
            &diff,
            &Evidence {
                kind,
                now,
                fill: &fill,
                fill_before: &before.fill,
                history: &before.history,
                rekeyed: &[],
                nameless: 0,
                empties: &[],
                removed: false,
                released: None,
            },
            guards,
        );
        let closing = Closing {
            now: ruling.close_now,
            allowed: ruling.may_close,
        };
        let gone = diff
            .missing
            .iter()
            .filter(|_| ruling.apply_absences)
            .filter(|state| matches!(miss(state, now, guards, &closing), Miss::Closes(_)))
            .count();
        let explicit = if ruling.apply_closed {
            diff.closed.len()
        } else {
            0
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
            closed: (gone + explicit) as u64,
            held: ruling.doubt.as_ref().map_or(0, |doubt| doubt.postings),
            doubt: ruling.doubt.map(|doubt| doubt.why),
        })
    }
}
