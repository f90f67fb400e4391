//! `run`: the daemon.

use super::Exit;
use crate::daemon::{Access, Hub, Roles, process, shutdown};
use crate::settings::{BusUrl, Loaded};
use anyhow::bail;
use std::sync::Arc;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// What this process does: pull, normalise, dedupe, publish, serve [default: all]
    #[arg(long, value_name = "ROLE,…")]
    roles: Option<Roles>,
}

pub async fn run(loaded: Loaded, args: Args) -> anyhow::Result<Exit> {
    let roles = args.roles.unwrap_or_else(Roles::all);
    if !roles.are_all() && loaded.settings.bus_url()? == BusUrl::Embedded {
        bail!(
            "the embedded bus serves one process with all roles: leave --roles out, or set bus.url to \"amqp://…\" and store.url to \"postgres://…\""
        );
    }
    let stop = shutdown::on_signal()?;
    let stages = roles.stages();
    // A broker or database that is away is waited for, but not against a person's will.
    let hub = tokio::select! {
        hub = Hub::open_for(loaded, Access::Pipeline, &stages) => Arc::new(hub?),
        () = stop.cancelled() => return Ok(Exit::Done),
    };
    for problem in &hub.files().problems {
        tracing::warn!("{}", problem.english());
    }
    let process = process::start(Arc::clone(&hub), &roles, stop).await?;
    let files = hub.files();
    tracing::info!(
        connectors = files.connectors.len(),
        members = files.network.members.len(),
        address = process.address.map(|address| address.to_string()),
        health = process.health.map(|address| address.to_string()),
        "running"
    );
    let ended = process.wait().await;
    tracing::info!("stopped");
    if !ended {
        bail!("some work was given up after 25 s; the next start resumes it");
    }
    Ok(Exit::Done)
}
