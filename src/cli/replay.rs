//! `replay`: the present rules and files over stored postings. Ids stay. What would change is shown
//! before it is applied.

use super::{Exit, out};
use crate::daemon::Hub;
use crate::model::{ConnectorName, VacancyId};
use crate::stages::{self, Difference, Regrouping};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this connector's postings
    connector: Option<String>,
    /// Show what would change, and change nothing
    #[arg(long)]
    preview: bool,
    /// The difference as one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(hub: &Hub, args: &Args) -> anyhow::Result<Exit> {
    let connector = args.connector.as_deref().map(ConnectorName::from);
    if let Some(name) = &connector
        && hub.store.posting_ids(Some(name)).await?.is_empty()
    {
        anyhow::bail!("no posting of a connector {name} is stored");
    }
    let work = hub.work();
    let difference = stages::difference(&work, connector.as_ref()).await?;
    if args.json {
        out::json(&difference)?;
    } else {
        show(&difference)?;
    }
    if args.preview {
        return Ok(Exit::Done);
    }
    let count = stages::replay(&work, connector.as_ref()).await?;
    if !args.json {
        out::line(format!(
            "{count} postings are made again: a running daemon does so now, else `passerelle sync` does"
        ))?;
    }
    Ok(Exit::Done)
}

fn show(difference: &Difference) -> anyhow::Result<()> {
    out::line(format!(
        "{} of {} postings change, {} keep their stored form",
        difference.changed, difference.postings, difference.kept
    ))?;
    for (pointer, change) in &difference.fields {
        out::line(format!("  {pointer}: {}", change.count))?;
        for example in &change.examples {
            out::line(format!(
                "    {}  {} → {}",
                example.id, example.from, example.to
            ))?;
        }
    }
    let vacancies = &difference.vacancies;
    out::line(format!(
        "{} vacancies become {}: {} merges, {} splits",
        vacancies.before, vacancies.after, vacancies.merges, vacancies.splits
    ))?;
    for Regrouping { from, to, title } in &vacancies.examples {
        let list = |ids: &[VacancyId]| {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            ids.join(" + ")
        };
        out::line(format!("    {} → {}  {title}", list(from), list(to)))?;
    }
    Ok(())
}
