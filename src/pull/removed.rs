//! A connector whose file is gone: its live offers are asked about, never closed silently.

use super::connector::Guards;
use super::run::{Map, Source};
use super::source::{ReadEnd, RecordSink};
use crate::model::{ConnectorName, Draft, Problem};
use crate::store::{ConnectorState, SnapshotKind};
use async_trait::async_trait;
use serde_json::Value;

/// Stands in for the source: it shows nothing, which the guards hold until a person has said
/// whether the offers are to close. A file that comes back ends the question.
#[derive(Clone, Debug)]
pub struct Removed {
    name: ConnectorName,
    guards: Guards,
}

impl Removed {
    pub fn new(name: ConnectorName) -> Self {
        Self {
            name,
            guards: Guards {
                dead_looks_empty: true,
                ..Guards::default()
            },
        }
    }
}

impl Map for Removed {
    fn map(&self, _: &Value) -> Result<Draft, Vec<Problem>> {
        Err(Vec::new())
    }

    fn reference(&self, _: &Value) -> Option<String> {
        None
    }
}

#[async_trait]
impl Source for Removed {
    fn name(&self) -> &ConnectorName {
        &self.name
    }

    fn guards(&self) -> &Guards {
        &self.guards
    }

    fn is_removed(&self) -> bool {
        true
    }

    async fn read(&self, before: &ConnectorState, _: &mut dyn RecordSink) -> ReadEnd {
        ReadEnd {
            snapshot: SnapshotKind::Empty,
            error: Some("its connector file is gone".to_owned()),
            state: before.clone(),
            requests: 0,
            bytes: 0,
        }
    }
}
