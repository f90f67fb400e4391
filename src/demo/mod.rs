//! Floor 5: the demo, a whole synthetic network in one process.
//!
//! `tables` and `world` are the truth: about 220 openings of ten invented members. `wire` shows them
//! in each source's own format, `server` serves these as the services would, and `files` writes the
//! connector and member files that read them. Nothing here exists in reality, and every link leads
//! to a host under `.example`.
//!
//! **Invariant (law 4):** the network is a function of the instant at which the demo began and of
//! what was done to it since.

mod files;
mod opening;
mod rng;
pub mod server;
mod tables;
mod text;
mod wire;
mod world;

pub use files::{Folder, WriteError};
pub use opening::{Echo, Opening};
pub use world::{Change, Story, World};

use crate::model::Clock;
use server::{Server, ServerError};
use std::path::Path;

#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("the demo's folder {} cannot be made", path.display())]
    Folder {
        path: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// The synthetic network, served, with the files that read it. Keep it alive while it is used.
pub struct Demo {
    pub server: Server,
    pub folder: Folder,
}

/// Starts the network of the folder `root`, a new one or that of the last time, and writes its
/// files. The caller loads `folder.settings()` and runs the hub on them.
///
/// # Errors
/// The folder cannot be written, or no loopback port is free.
pub async fn start(clock: Clock, root: &Path) -> Result<Demo, DemoError> {
    std::fs::create_dir_all(root).map_err(|source| DemoError::Folder {
        path: root.to_owned(),
        source,
    })?;
    let root = std::path::absolute(root).map_err(|source| DemoError::Folder {
        path: root.to_owned(),
        source,
    })?;
    let folder = Folder { root };
    let server = Server::start(clock, Some(&folder.story())).await?;
    folder.write(server.base())?;
    Ok(Demo { server, folder })
}
