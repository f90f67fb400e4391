//! Connector and member files, as they were read last.

use crate::model::Network;
use crate::pull::connector::Connector;
use crate::settings::Settings;
use std::sync::Arc;

/// What the folders say. A file that is wrong is refused by itself; the others go on.
#[derive(Clone, Debug, Default)]
pub struct Files {
    pub network: Arc<Network>,
    /// By name.
    pub connectors: Vec<Arc<Connector>>,
    pub problems: Vec<String>,
}

impl Files {
    pub fn load(_settings: &Settings) -> Self {
        Self::default()
    }

    /// What is wrong with the file of the connector `name`, if it was refused.
    pub fn problem_of(&self, name: &str) -> Option<&String> {
        self.problems.iter().find(|problem| problem.contains(name))
    }
}
