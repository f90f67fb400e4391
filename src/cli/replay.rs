//! `replay`: the present rules and files over stored postings. Ids stay.

use super::{Exit, out};
use crate::daemon::Hub;
use crate::model::ConnectorName;
use crate::stages;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this connector's postings
    connector: Option<String>,
}

pub async fn run(hub: &Hub, args: &Args) -> anyhow::Result<Exit> {
    let connector = args.connector.as_deref().map(ConnectorName::from);
    if let Some(name) = &connector
        && hub.store.posting_ids(Some(name)).await?.is_empty()
    {
        anyhow::bail!("no posting of a connector {name} is stored");
    }
    let count = stages::replay(&hub.work(), connector.as_ref()).await?;
    out::line(format!(
        "{count} postings are made again: a running daemon does so now, else `passerelle sync` does"
    ))?;
    Ok(Exit::Done)
}
