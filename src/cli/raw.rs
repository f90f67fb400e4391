//! From a raw record to a posting, without a store: what `normalise` and `preview` share.

use crate::daemon::{Files, files};
use crate::model::{ConnectorName, Draft, Network, Posting, Problem};
use crate::normalise::{Context, normalise};
use crate::pull::connector::{Connector, FileProblem, Level, load_file, preset};
use crate::settings::Settings;
use anyhow::bail;
use jiff::Timestamp;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

/// A connector and everything else that a posting is a function of.
pub struct Reading {
    pub connector: Arc<Connector>,
    pub network: Arc<Network>,
    /// Taken for the first sight of every record.
    pub now: Timestamp,
}

impl Reading {
    /// The draft and the posting of `record`.
    ///
    /// # Errors
    /// Why the record cannot be a posting.
    pub fn posting(&self, record: &Value) -> Result<(Draft, Posting), Vec<Problem>> {
        let draft = self.connector.map(record)?;
        let context = Context {
            connector: &self.connector.name,
            member: self.connector.member.as_ref(),
            network: &self.network,
            first_seen: self.now,
        };
        let posting = normalise(&draft, &context);
        Ok((draft, posting))
    }
}

/// The connector of a file, of a name in the connectors' folder, or of a preset.
///
/// # Errors
/// There is none of the three, or its file is wrong: all problems, one a line.
pub fn connector(
    wanted: &str,
    settings: &Settings,
    all: &Files,
) -> anyhow::Result<(Arc<Connector>, Vec<FileProblem>)> {
    let catalogue = files::catalogue(settings).map_err(refusal)?;
    let path = Path::new(wanted);
    let loaded = if path.extension().is_some_and(|ext| ext == "toml") || path.is_file() {
        load_file(path, &catalogue)
    } else if let Some(connector) = all.connectors.get(&wanted.into()) {
        return Ok((Arc::clone(connector), Vec::new()));
    } else if let Some(problem) = all.problems_of(wanted).next() {
        bail!("the file of connector {wanted} was refused: {problem}");
    } else if let Some(loaded) = preset(wanted, &catalogue) {
        loaded
    } else {
        bail!(
            "{wanted:?} is no connector file, no connector in {} and no preset ({})",
            settings.paths.connectors.display(),
            catalogue.names().collect::<Vec<_>>().join(", ")
        );
    };
    match loaded.connector {
        Some(connector) => Ok((Arc::new(connector), loaded.problems)),
        None => {
            let lines: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
            bail!("{}", lines.join("\n"))
        }
    }
}

/// A problem that ends the command.
pub fn refusal(problem: Box<FileProblem>) -> anyhow::Error {
    anyhow::anyhow!("{problem}")
}

/// A record that could not even be parsed, as a problem like the others.
pub fn unreadable(raw: &str, why: String) -> Problem {
    Problem {
        field: String::new(),
        rule: "record.unreadable".into(),
        value: raw.chars().take(200).collect(),
        message: why,
    }
}

/// The network of the connector: it may name a member that only its own file knows.
pub fn network_for(files: &Files, connector: &Connector) -> Arc<Network> {
    let name: &ConnectorName = &connector.name;
    if files.network.connectors.contains_key(name) {
        return Arc::clone(&files.network);
    }
    let mut network = (*files.network).clone();
    network
        .connectors
        .insert(name.clone(), connector.member.clone());
    Arc::new(network)
}

/// Says warnings on standard error.
pub fn say(problems: &[FileProblem]) {
    for problem in problems {
        if problem.level == Level::Warning {
            eprintln!("{problem}");
        }
    }
}
