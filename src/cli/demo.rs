//! `demo`: the whole product on a synthetic network, pulled once, served, kept in sync.

use super::{Exit, out};
use crate::daemon::{Access, Hub, Observer, Roles, Unwatched, process, shutdown};
use crate::model::ConnectorName;
use crate::{demo, settings};
use anyhow::Context as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Longest first pass.
const PATIENCE: Duration = Duration::from_secs(600);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder that keeps the demo's data and settings [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub async fn run(args: Args) -> anyhow::Result<Exit> {
    let stop = shutdown::on_signal()?;
    // Removed when the demo ends, however it ends in order.
    let temporary = match &args.data {
        Some(_) => None,
        None => Some(tempfile::tempdir().context("no temporary folder can be made")?),
    };
    let root = match (&args.data, &temporary) {
        (Some(data), _) => data.clone(),
        (None, Some(folder)) => folder.path().to_owned(),
        (None, None) => unreachable!("one of the two is set"),
    };
    let demo = demo::start(settings::clock()?, &root).await?;
    let loaded = settings::load(Some(&demo.folder.settings()))?;
    let hub = Hub::open(loaded, Access::Pipeline).await?;
    let hub = Arc::new(hub);
    for problem in &hub.files().problems {
        eprintln!("{problem}");
    }
    let names: Vec<ConnectorName> = hub.files().connectors.keys().cloned().collect();
    let unwatched: Arc<dyn Observer> = Arc::new(Unwatched);
    tokio::select! {
        () = stop.cancelled() => return Ok(Exit::Done),
        synced = hub.sync_here(&names, &unwatched, PATIENCE) => { synced?; }
    }
    let process = process::start(Arc::clone(&hub), &Roles::all(), stop).await?;
    if let Some(address) = process.address {
        out::line(format!("ready http://{address}"))?;
    }
    eprintln!(
        "the demo's systems answer on {} · settings for other commands: --config {} · ends with Ctrl-C",
        demo.server.base(),
        demo.folder.settings().display()
    );
    process.wait().await;
    Ok(Exit::Done)
}
