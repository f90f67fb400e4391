//! `holds`: what a guard kept back, and what a person says of it.

use super::{Exit, Who, out, table};
use crate::daemon::Hub;
use crate::model::{HoldId, PostingId};
use crate::publish::{self, ExportHold};
use crate::store::{Hold, HoldStatus};
use anyhow::bail;
use clap::Subcommand;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Debug, Subcommand)]
pub enum Holds {
    /// Holds that wait for a decision
    List {
        /// Decided ones too
        #[arg(long)]
        all: bool,
        #[arg(long)]
        json: bool,
    },
    /// One hold: what it keeps back, and why
    Show {
        /// Number of a source's hold, or file of an export
        id: String,
        #[arg(long)]
        json: bool,
    },
    /// Let the newest state of the source through
    Release {
        /// Number of a source's hold, or file of an export
        id: String,
        #[command(flatten)]
        who: Who,
    },
    /// Keep the offers as they are
    Reject {
        /// Number of a source's hold, or file of an export
        id: String,
        #[command(flatten)]
        who: Who,
    },
}

/// One hold on one line, `id` first.
#[derive(Serialize)]
struct Row<'a> {
    id: i64,
    connector: &'a str,
    status: HoldStatus,
    guard: &'a str,
    why: &'a str,
    postings: u64,
    opened: jiff::Timestamp,
    run: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided: Option<Decided<'a>>,
}

#[derive(Serialize)]
struct Decided<'a> {
    at: jiff::Timestamp,
    who: &'a str,
    why: &'a str,
}

impl<'a> Row<'a> {
    fn new(hold: &'a Hold) -> Self {
        Self {
            id: hold.id.0,
            connector: hold.connector.as_str(),
            status: hold.status,
            guard: &hold.doubt.guard,
            why: &hold.doubt.why,
            postings: hold.doubt.postings,
            opened: hold.opened,
            run: hold.run.0,
            decided: hold
                .decided
                .as_ref()
                .map(|(at, who, why)| Decided { at: *at, who, why }),
        }
    }
}

pub async fn run(hub: &Hub, command: Holds) -> anyhow::Result<Exit> {
    match command {
        Holds::List { all, json } => list(hub, all, json).await,
        Holds::Show { id, json } => match id.parse() {
            Ok(id) => show(hub, id, json).await,
            Err(_) => show_export(hub, &id, json).await,
        },
        Holds::Release { id, who } => either(hub, &id, true, &who).await,
        Holds::Reject { id, who } => either(hub, &id, false, &who).await,
    }
}

async fn either(hub: &Hub, id: &str, released: bool, who: &Who) -> anyhow::Result<Exit> {
    match id.parse() {
        Ok(id) => decide(hub, id, released, who).await,
        Err(_) => decide_export(hub, id, released, who).await,
    }
}

/// An export's hold on one line, `id` first.
#[derive(Serialize)]
struct ExportRow<'a> {
    id: &'a str,
    #[serde(flatten)]
    hold: &'a ExportHold,
    why: String,
}

async fn show_export(hub: &Hub, file: &str, json: bool) -> anyhow::Result<Exit> {
    let all = publish::export_holds(&hub.store, false).await?;
    let Some((file, hold)) = all.iter().find(|(own, _)| own == file) else {
        bail!("there is no hold {file:?}: `passerelle holds list --all` shows them");
    };
    if json {
        out::json(&ExportRow {
            id: file,
            hold,
            why: hold.why(),
        })?;
        return Ok(Exit::Done);
    }
    out::line(format!(
        "hold of the export {file} · {} · {} · opened {}",
        hold.status,
        hold.why(),
        out::instant(hold.opened)
    ))?;
    if let Some(decided) = &hold.decided {
        let at = out::instant(decided.at);
        out::line(format!("decided {at} by {}: {}", decided.who, decided.why))?;
    }
    if hold.status == "open" {
        out::line(format!(
            "next: `passerelle preflight` says what is blocked; `passerelle holds release {file}` lets it through, `passerelle holds reject {file}` keeps the last good one"
        ))?;
    }
    Ok(Exit::Done)
}

async fn decide_export(hub: &Hub, file: &str, released: bool, who: &Who) -> anyhow::Result<Exit> {
    let decided = publish::Decided {
        at: hub.clock.now(),
        who: who.name(),
        why: who.why.clone(),
    };
    if !publish::decide_export_hold(&hub.store, file, released, decided).await? {
        bail!("no export {file:?} is held: `passerelle holds list` shows what is");
    }
    out::line(match released {
        true => format!("{file} released: the newest document is served from now on"),
        false => format!(
            "{file} rejected: the last good document stays, until the offers are back or it is released"
        ),
    })?;
    Ok(Exit::Done)
}

async fn list(hub: &Hub, all: bool, json: bool) -> anyhow::Result<Exit> {
    let holds = hub.store.holds(!all).await?;
    let exports = publish::export_holds(&hub.store, !all).await?;
    if json {
        for hold in &holds {
            out::json(&Row::new(hold))?;
        }
        for (id, hold) in &exports {
            let why = hold.why();
            out::json(&ExportRow { id, hold, why })?;
        }
    } else if holds.is_empty() && exports.is_empty() {
        out::line("no hold waits")?;
    } else {
        let exports = exports.iter().map(|(file, hold)| {
            vec![
                file.clone(),
                "an export".into(),
                hold.status.clone(),
                "volume".into(),
                hold.before.saturating_sub(hold.now).to_string(),
                out::instant(hold.opened),
                hold.why(),
            ]
        });
        let rows = holds
            .iter()
            .map(|hold| {
                vec![
                    hold.id.to_string(),
                    hold.connector.to_string(),
                    status(hold.status).into(),
                    hold.doubt.guard.clone(),
                    hold.doubt.postings.to_string(),
                    out::instant(hold.opened),
                    table::cut(&hold.doubt.why, 90),
                ]
            })
            .chain(exports)
            .collect();
        out::line(table::table(
            &[
                "id",
                "connector",
                "status",
                "guard",
                "postings",
                "opened",
                "why",
            ],
            rows,
            &[0, 4],
        ))?;
    }
    Ok(Exit::Done)
}

async fn find(hub: &Hub, id: i64) -> anyhow::Result<Hold> {
    match hub.store.hold(HoldId(id)).await? {
        Some(hold) => Ok(hold),
        None => bail!("there is no hold {id}: `passerelle holds list --all` shows them"),
    }
}

async fn show(hub: &Hub, id: i64, json: bool) -> anyhow::Result<Exit> {
    let hold = find(hub, id).await?;
    if json {
        out::json(&hold)?;
        return Ok(Exit::Done);
    }
    let doubt = &hold.doubt;
    out::line(format!(
        "hold {} of {} · {} · {} guard · {} postings · opened {} by run {}",
        hold.id,
        hold.connector,
        status(hold.status),
        doubt.guard,
        doubt.postings,
        out::instant(hold.opened),
        hold.run
    ))?;
    out::line(&doubt.why)?;
    if let Some((at, who, why)) = &hold.decided {
        let why = if why.is_empty() {
            String::new()
        } else {
            format!(": {why}")
        };
        out::line(format!("decided {} by {who}{why}", out::instant(*at)))?;
    }
    for (old, new) in &doubt.rekey {
        out::line(format!("  {old} became {new}?"))?;
    }
    let kinds = [
        ("new", &doubt.new),
        ("changed", &doubt.changed),
        ("missing", &doubt.missing),
        ("closed", &doubt.closed),
    ];
    let titles = titles(
        hub,
        &hold,
        kinds.iter().flat_map(|(_, references)| *references),
    )
    .await?;
    for (kind, references) in kinds {
        for reference in references {
            let title = titles.get(reference).map_or("", String::as_str);
            out::line(format!("  {kind:<8}{reference}  {title}").trim_end())?;
        }
    }
    if hold.status == HoldStatus::Open {
        out::line(format!(
            "next: `passerelle holds release {id}` applies the newest state of the source, `passerelle holds reject {id}` keeps the offers"
        ))?;
    }
    Ok(Exit::Done)
}

/// Titles of the offers that are known under these references; a new one has none yet.
async fn titles(
    hub: &Hub,
    hold: &Hold,
    references: impl Iterator<Item = &String>,
) -> anyhow::Result<BTreeMap<String, String>> {
    let ids: Vec<PostingId> = references
        .map(|reference| PostingId::new(&hold.connector, reference))
        .collect();
    let known = hub.store.load_normalised(&ids).await?;
    Ok(known
        .into_iter()
        .map(|known| (known.state.reference, known.posting.offer.title))
        .collect())
}

async fn decide(hub: &Hub, id: i64, released: bool, who: &Who) -> anyhow::Result<Exit> {
    let hold = find(hub, id).await?;
    let decided = hub
        .store
        .decide_hold(HoldId(id), released, &who.name(), &who.why, hub.clock.now())
        .await?;
    if !decided {
        bail!(
            "hold {id} is {} already: only an open one can be decided",
            status(hold.status)
        );
    }
    out::line(if released {
        format!(
            "hold {id} released: the next run of {} applies the newest state (a running daemon does so at once, else `passerelle sync {}`)",
            hold.connector, hold.connector
        )
    } else {
        format!(
            "hold {id} rejected: the offers of {} stay as they are",
            hold.connector
        )
    })?;
    Ok(Exit::Done)
}

fn status(status: HoldStatus) -> &'static str {
    match status {
        HoldStatus::Open => "open",
        HoldStatus::Released => "released",
        HoldStatus::Rejected => "rejected",
        HoldStatus::Cleared => "cleared",
        HoldStatus::Replaced => "replaced",
        HoldStatus::Applied => "applied",
    }
}
