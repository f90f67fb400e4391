//! `doctor` and `migrate`: is everything in place, and is the schema this program's.

use super::{Exit, out};
use crate::daemon::{Access, Hub};
use crate::settings::{self, Loaded, StoreUrl, redact_url};
use crate::store::PipelineLock;
use anyhow::bail;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub struct Doctor {
    /// Check the settings file alone
    #[arg(long)]
    settings_only: bool,
}

#[derive(Debug, clap::Args)]
pub struct Migrate {
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// Collects what was found, one line each.
#[derive(Default)]
struct Findings {
    wrong: bool,
}

impl Findings {
    fn good(&self, subject: &str, text: &str) -> std::io::Result<()> {
        out::line(format!("ok     {subject:<10} {text}"))
    }

    fn look(&mut self, subject: &str, text: &str) -> std::io::Result<()> {
        self.wrong = true;
        out::line(format!("LOOK   {subject:<10} {text}"))
    }
}

pub async fn doctor(config: Option<&Path>, args: Doctor) -> anyhow::Result<Exit> {
    let mut found = Findings::default();
    let loaded = settings::load(config)?;
    found.good(
        "settings",
        &loaded
            .file
            .as_ref()
            .map_or("no file: embedded defaults".into(), |file| {
                file.display().to_string()
            }),
    )?;
    for warning in &loaded.warnings {
        found.look("settings", &warning.to_string())?;
    }
    if args.settings_only {
        return Ok(exit(&found));
    }
    let url = loaded.settings.store_url()?;
    match &url {
        StoreUrl::Sqlite(path) => match PipelineLock::holder(path) {
            Some(pid) => found.good("daemon", &format!("process {pid} runs the pipeline"))?,
            None => found.look("daemon", "no process runs the pipeline: `passerelle run`")?,
        },
        StoreUrl::Postgres(url) => found.good("store", &redact_url(url))?,
    }
    let hub = Hub::open(loaded, Access::Beside).await?;
    let (schema, _) = hub.store.migrate(false).await?;
    if let StoreUrl::Sqlite(path) = &url {
        found.good("store", &format!("{}, schema {schema}", path.display()))?;
    }
    let files = hub.files();
    let settings = hub.settings();
    found.good(
        "files",
        &format!(
            "{} connectors in {}, {} members in {}",
            files.connectors.len(),
            settings.paths.connectors.display(),
            files.network.members.len(),
            settings.members().display()
        ),
    )?;
    for problem in &files.problems {
        found.look("files", &problem.english())?;
    }
    let statistics = hub.store.statistics().await?;
    found.good(
        "offers",
        &format!(
            "{} live vacancies from {} live postings",
            statistics.vacancies,
            statistics.live_postings.values().sum::<u64>()
        ),
    )?;
    for connector in files.connectors.values() {
        if let Some(error) = hub.store.connector_state(&connector.name).await?.error {
            found.look("source", &format!("{}: {error}", connector.name))?;
        }
    }
    if statistics.holds > 0 {
        let text = format!("{} wait: `passerelle holds list`", statistics.holds);
        found.look("holds", &text)?;
    }
    if statistics.parked > 0 {
        let text = format!("{} wait: `passerelle parked list`", statistics.parked);
        found.look("parked", &text)?;
    }
    let depth = hub.store.outbox_depth().await?;
    match depth.oldest {
        Some(oldest) if hub.clock.now().duration_since(oldest).as_secs() > 300 => found.look(
            "events",
            &format!(
                "{} wait, the oldest since {}: is a daemon running?",
                depth.events,
                out::instant(oldest)
            ),
        )?,
        _ => found.good("events", &format!("{} wait", depth.events))?,
    }
    Ok(exit(&found))
}

fn exit(found: &Findings) -> Exit {
    if found.wrong {
        Exit::Attention
    } else {
        Exit::Done
    }
}

pub async fn migrate(loaded: Loaded, args: Migrate) -> anyhow::Result<Exit> {
    let url = loaded.settings.store_url()?;
    let store = Hub::open_store(&loaded.settings).await?;
    let (current, known) = store.migrate(false).await?;
    if current == known {
        out::line(format!("the store has schema {current}: nothing to do"))?;
    } else if args.dry_run {
        out::line(format!(
            "the store has schema {current}, this program wants {known}"
        ))?;
    } else {
        if let StoreUrl::Sqlite(path) = &url
            && let Some(pid) = PipelineLock::holder(path)
        {
            bail!("process {pid} runs the pipeline of this store: stop it first");
        }
        store.migrate(true).await?;
        out::line(format!("the store went from schema {current} to {known}"))?;
    }
    Ok(Exit::Done)
}
