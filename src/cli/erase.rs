//! `erase`: an offer, or whatever holds a text, leaves every place where the hub keeps it.

use super::{Exit, Usage, Who, out, table};
use crate::admin::erasure::{self, Erased};
use crate::daemon::Hub;
use crate::model::{PostingId, Stage, VacancyId};
use crate::publish::DropFolder;
use anyhow::{Context as _, bail};
use serde::Serialize;
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct Erase {
    /// Id of a vacancy or of one of its postings
    #[arg(group = "what")]
    id: Option<String>,
    /// Every offer in whose texts this stands, whatever its case and accents
    #[arg(long, value_name = "PATTERN", group = "what")]
    text: Option<String>,
    /// Only say what would be erased
    #[arg(long)]
    dry_run: bool,
    /// How long to wait for a daemon to publish the tombstones
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = super::duration)]
    timeout: Duration,
    /// One object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    who: Who,
}

/// One erased posting.
#[derive(Debug, Serialize)]
struct Line {
    id: PostingId,
    connector: String,
    reference: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    vacancy: Option<VacancyId>,
}

pub async fn run(hub: &Hub, args: &Erase) -> anyhow::Result<Exit> {
    if let Some(text) = &args.text
        && erasure::names(text, &args.who.why)
    {
        return Err(Usage(
            "--why: the reason is kept for good, and holds the text to be erased: say it otherwise"
                .into(),
        )
        .into());
    }
    let erased = match (&args.id, &args.text) {
        (Some(id), _) => {
            let id = id.trim().parse().with_context(|| {
                format!("{id:?} is no id: ids look like 0b7c2c1e-…; a text is given with --text")
            })?;
            Erased {
                postings: erasure::of_offer(&*hub.store, id).await?,
                ..Erased::default()
            }
        }
        (None, Some(text)) => erasure::of_text(&*hub.store, text).await?,
        (None, None) => bail!("say what to erase: an id, or --text"),
    };
    let lines = lines(hub, &erased).await?;
    if !args.dry_run {
        if !erased.is_empty() {
            let now = hub.clock.now();
            erasure::erase(&*hub.store, &erased, &args.who.name(), &args.who.why, now).await?;
        }
        // Without anything found, too: an erasure that could not be carried to its end is repeated.
        settle(hub, args.timeout).await?;
        hub.store.scrub().await?;
    }
    say(&lines, args)?;
    Ok(Exit::Done)
}

async fn lines(hub: &Hub, erased: &Erased) -> anyhow::Result<Vec<Line>> {
    let ids: Vec<PostingId> = erased.postings.iter().copied().collect();
    let mut lines = Vec::with_capacity(ids.len());
    for pulled in hub.store.load_pulled(&ids).await? {
        let state = pulled.state;
        let vacancy = hub.store.vacancy(state.id.vacancy()).await?;
        lines.push(Line {
            id: state.id,
            connector: state.connector.to_string(),
            reference: state.reference,
            vacancy: vacancy.map(|v| v.id),
        });
    }
    for (connector, reference) in &erased.refused {
        lines.push(Line {
            id: PostingId::new(connector, reference),
            connector: connector.to_string(),
            reference: reference.clone(),
            vacancy: None,
        });
    }
    Ok(lines)
}

/// Until the tombstones are public: by this process, or by the daemon beside it.
async fn settle(hub: &Hub, limit: Duration) -> anyhow::Result<()> {
    let publish = hub.publish(None)?;
    if hub.has_pipeline() {
        let drained = hub.pipeline(&Stage::ALL).drain(limit).await;
        if !drained.idle {
            bail!("the raw data are gone, but events still wait: `passerelle sync` goes on");
        }
        // What is held is made of what is kept.
        publish.forget_erased().await?;
        if let Some(folder) = &hub.settings().paths.exports {
            DropFolder::new(publish.clone(), folder).write_all().await?;
        }
        publish.forget_erased().await?;
        // No process searches it now, and the next one makes it anew.
        let index = hub.settings().paths.data.join("index");
        match std::fs::remove_dir_all(&index) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| {
                    format!("{} still has erased texts: remove it", index.display())
                });
            }
            _ => return Ok(()),
        }
    }
    let deadline = Instant::now() + limit;
    while hub.store.outbox_depth().await?.events > 0 {
        if Instant::now() >= deadline {
            bail!(
                "the raw data are gone, but the daemon has not published the tombstones yet: look at its log"
            );
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    publish.forget_erased().await?;
    Ok(())
}

fn say(lines: &[Line], args: &Erase) -> anyhow::Result<()> {
    if args.json {
        for line in lines {
            out::json(line)?;
        }
        return Ok(());
    }
    let rows = lines
        .iter()
        .map(|line| {
            let vacancy = line.vacancy.map(|id| id.to_string()).unwrap_or_default();
            vec![
                line.id.to_string(),
                line.connector.clone(),
                line.reference.clone(),
                vacancy,
            ]
        })
        .collect();
    out::line(table::table(
        &["posting", "connector", "reference", "vacancy"],
        rows,
        &[],
    ))?;
    out::line(match (lines.len(), args.dry_run) {
        (0, _) => "\nnothing to erase".to_owned(),
        (n, true) => format!("\n{n} postings would be erased"),
        (n, false) => format!(
            "\n{n} postings erased; a later pull does not bring them back. Backups and logs made before are yours to clear; the source itself still has the text"
        ),
    })?;
    Ok(())
}
