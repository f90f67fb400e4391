//! `backup` and `restore`: the embedded store in one file.

use super::{Exit, out};
use crate::daemon::Hub;
use crate::settings::{Loaded, StoreUrl};
use crate::store::{PipelineLock, SqliteStore};
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Backup {
    /// File to write; an existing one is replaced
    file: PathBuf,
}

#[derive(Debug, clap::Args)]
pub struct Restore {
    /// File that `backup` wrote
    file: PathBuf,
}

const POSTGRES: &str = "the store is PostgreSQL: use its own tools (pg_dump and pg_restore, or the server's archive), which also see to a consistent moment";

pub async fn backup(hub: &Hub, args: &Backup) -> anyhow::Result<Exit> {
    if let StoreUrl::Postgres(_) = hub.settings().store_url()? {
        bail!(POSTGRES);
    }
    let folder = match args.file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // Whole or not there: written beside its place, then moved.
    let work = tempfile::Builder::new()
        .prefix(".backup-")
        .tempdir_in(folder)
        .with_context(|| format!("{} cannot be written to", folder.display()))?;
    let fresh = work.path().join("store");
    hub.store.backup(&fresh).await?;
    private(&fresh)?;
    let size = std::fs::metadata(&fresh)?.len();
    std::fs::rename(&fresh, &args.file)
        .with_context(|| format!("{} cannot be written", args.file.display()))?;
    out::line(format!(
        "{}: {:.1} MB. Connector, member and settings files are not in it: keep them as well",
        args.file.display(),
        size as f64 / 1e6
    ))?;
    Ok(Exit::Done)
}

/// The store holds texts of offers as they came: for its owner alone.
fn private(path: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

pub async fn restore(loaded: Loaded, args: &Restore) -> anyhow::Result<Exit> {
    let StoreUrl::Sqlite(path) = loaded.settings.store_url()? else {
        bail!(POSTGRES);
    };
    // Nobody runs the pipeline meanwhile.
    let lock = PipelineLock::acquire(&path)
        .context("the daemon must be stopped before its store is replaced")?;
    let now = crate::settings::clock()?.now();
    let suffix = now.strftime(".before-%Y%m%dT%H%M%S").to_string();
    let (from, to) = (args.file.clone(), path.clone());
    let kept =
        tokio::task::spawn_blocking(move || SqliteStore::restore(&to, &from, &suffix)).await??;
    drop(lock);
    out::line(format!(
        "{} is now what {} holds",
        path.display(),
        args.file.display()
    ))?;
    if let Some(kept) = kept {
        out::line(format!("the store before is kept as {}", kept.display()))?;
    }
    out::line(
        "Offers erased after the backup are in it again: erase them again, before the daemon starts. \
         Readers of the delta feed begin with the snapshot again by themselves.",
    )?;
    Ok(Exit::Done)
}
