//! Connector and member files, as they were read last.

use crate::model::{ConnectorName, Network};
use crate::pull::connector::Connector;
use crate::pull::schedule::Schedule;
use crate::settings::Settings;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the folders say. A file that is wrong is refused by itself; the others go on.
#[derive(Clone, Debug, Default)]
pub struct Files {
    pub network: Arc<Network>,
    /// By name.
    pub connectors: Vec<Arc<Connector>>,
    /// Of the connectors that have one.
    pub schedules: BTreeMap<ConnectorName, Schedule>,
    /// What was refused, and why: one sentence each, with the file.
    pub problems: Vec<String>,
    /// Change with what a connector's records mean, or how they are read.
    pub digests: BTreeMap<ConnectorName, String>,
    /// Changes with anything that the members' files say.
    pub network_digest: String,
}

impl Files {
    pub fn load(_settings: &Settings) -> Self {
        Self::default()
    }

    pub fn has(&self, name: &ConnectorName) -> bool {
        self.connectors.iter().any(|c| c.name == *name)
    }

    /// What is wrong with the file of the connector `name`, if it was refused.
    pub fn problem_of(&self, name: &str) -> Option<&String> {
        self.problems.iter().find(|problem| problem.contains(name))
    }
}
