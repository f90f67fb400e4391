//! Offers that a source sends instead of being asked: one, a batch, or everything it has.
//!
//! They take the road of a pulled snapshot: staged, compared, doubted and applied by
//! [`super::run`]. A batch is a window (absence means nothing); a full snapshot closes as others do.

use super::connector::file::Kind;
use super::connector::{Connector, Guards};
use super::run::{Map, Source};
use super::source::parse::{self, Item, Plan, Wholeness};
use super::source::{ReadEnd, Record, RecordSink, SourceRecord};
use crate::model::{ConnectorName, Draft, Problem};
use crate::store::{ConnectorState, SnapshotKind};
use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// The address of a connector that is only sent to.
pub const PUSH_ONLY: &str = "push:";

/// What became of one item of a body.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ItemResult {
    /// Place in the body, from 0.
    pub index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    pub accepted: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

/// A body that was sent, as a source that is read once.
#[derive(Debug)]
pub struct Pushed {
    connector: Arc<Connector>,
    records: Vec<SourceRecord>,
    kind: SnapshotKind,
}

impl Pushed {
    /// Takes a body apart. `whole` says that it is everything the source has.
    ///
    /// # Errors
    /// It cannot be read to its end: nothing of it is taken.
    pub fn new(connector: Arc<Connector>, body: &[u8], whole: bool) -> Result<Self, String> {
        let mut paths = connector.record_paths.clone();
        for more in [
            vec!["items".to_owned()],
            vec!["postings".to_owned()],
            Vec::new(),
        ] {
            if !paths.contains(&more) {
                paths.push(more);
            }
        }
        let mut csv = connector.source.csv.clone();
        // One offer, as JSON is written everywhere: nothing is made of what may have stood behind it.
        if connector.source.kind == Kind::Json && !whole {
            csv.final_newline = Some(false);
        }
        let plan = Plan {
            kind: connector.source.kind,
            paths,
            // A request that came whole may carry a file that was cut: the same rule for its last
            // row as for a pulled file.
            csv,
            html: connector.source.html.clone(),
            encoding: connector.source.encoding.clone(),
            record_bytes: usize::try_from(connector.limits.record_kb << 10).unwrap_or(usize::MAX),
            recall: None,
        };
        let mut records = Vec::new();
        // A single object is an offer, if a faulty one: it gets its reasons back.
        let is_record = |value: &Value| value.as_object().is_some_and(|map| !map.is_empty());
        let end = parse::parse(body, &plan, &is_record, &mut |item| {
            records.push(match item {
                Item::Record(record) => SourceRecord::Tree(record),
                Item::Known(known) => SourceRecord::Known(known),
                Item::Broken { raw, why } => SourceRecord::Broken {
                    reference: None,
                    raw,
                    why,
                },
            });
            true
        });
        match end.wholeness {
            Wholeness::Whole => Ok(Self {
                connector,
                records,
                kind: match whole {
                    true => SnapshotKind::Complete,
                    false => SnapshotKind::Partial,
                },
            }),
            Wholeness::Cut(why) | Wholeness::Alien(why) => Err(why),
        }
    }

    /// What becomes of each item.
    pub fn results(&self) -> Vec<ItemResult> {
        self.records
            .iter()
            .enumerate()
            .map(|(index, record)| match record {
                SourceRecord::Known(known) => ItemResult {
                    index,
                    reference: Some(known.reference.clone()),
                    accepted: true,
                    problems: Vec::new(),
                },
                SourceRecord::Tree(Record { tree, .. }) => match self.connector.map(tree) {
                    Ok(draft) => ItemResult {
                        index,
                        reference: Some(draft.reference),
                        accepted: true,
                        problems: draft.problems,
                    },
                    Err(problems) => ItemResult {
                        index,
                        reference: self.connector.reference(tree),
                        accepted: false,
                        problems,
                    },
                },
                SourceRecord::Broken { raw, why, .. } => ItemResult {
                    index,
                    reference: None,
                    accepted: false,
                    problems: vec![Problem {
                        field: String::new(),
                        rule: "record.broken".to_owned(),
                        value: raw.chars().take(200).collect(),
                        message: why.clone(),
                    }],
                },
            })
            .collect()
    }
}

impl Map for Pushed {
    fn map(&self, record: &Value) -> Result<Draft, Vec<Problem>> {
        self.connector.map(record)
    }

    fn reference(&self, record: &Value) -> Option<String> {
        self.connector.reference(record)
    }
}

#[async_trait]
impl Source for Pushed {
    fn name(&self) -> &ConnectorName {
        &self.connector.name
    }

    fn guards(&self) -> &Guards {
        &self.connector.guards
    }

    async fn read(&self, before: &ConnectorState, sink: &mut dyn RecordSink) -> ReadEnd {
        let kept: Vec<SourceRecord> = self
            .records
            .iter()
            .filter(|record| match record {
                SourceRecord::Tree(record) => self.connector.mapping().keeps(&record.tree),
                SourceRecord::Known(_) | SourceRecord::Broken { .. } => true,
            })
            .cloned()
            .collect();
        let failed = sink.push(kept).await.err();
        ReadEnd {
            snapshot: match failed {
                None => self.kind,
                Some(_) => SnapshotKind::Failed,
            },
            error: failed.map(|error| format!("{error:#}")),
            state: ConnectorState {
                etag: None,
                last_modified: None,
                body_hash: None,
                ..before.clone()
            },
            requests: 0,
            bytes: 0,
        }
    }
}
