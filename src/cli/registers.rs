//! `registers`: public registers of employers, as the operator downloads them.

use super::{Exit, out};
use crate::admin::registers::{Source, Wish, load};
use crate::daemon::Hub;
use crate::stages;
use anyhow::Context as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

/// FINESS and Sirene, from which employers get their numbers and names
#[derive(Debug, clap::Subcommand)]
pub enum Registers {
    /// Load published CSV files: FINESS establishments or legal entities, Sirene StockEtablissement
    /// or StockUniteLegale. Each file replaces what was loaded of its register before
    Load(Load),
    /// What is loaded
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
pub struct Load {
    /// CSV files; `-` is standard input (unzip -p StockEtablissement_utf8.zip | …)
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Establishments of these départements alone [default: territory.departments, else all]
    #[arg(long, value_delimiter = ',', value_name = "CODES")]
    departments: Option<Vec<String>>,
    /// Replace a register by one of less than half its size
    #[arg(long)]
    smaller: bool,
    /// Do not make the stored postings again
    #[arg(long)]
    no_replay: bool,
    /// The outcome as one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(hub: &Hub, command: Registers) -> anyhow::Result<Exit> {
    match command {
        Registers::Load(args) => fill(hub, args).await,
        Registers::List { json } => list(hub, json).await,
    }
}

async fn list(hub: &Hub, json: bool) -> anyhow::Result<Exit> {
    for state in hub.store.registers().await? {
        if json {
            let id = state.register.name();
            out::json(&serde_json::json!({
                "id": id, "entries": state.entries, "loaded": state.loaded
            }))?;
        } else {
            out::line(format!(
                "{:<16} {:>9} entries, loaded {}",
                state.register.name(),
                state.entries,
                out::instant(state.loaded)
            ))?;
        }
    }
    Ok(Exit::Done)
}

async fn fill(hub: &Hub, args: Load) -> anyhow::Result<Exit> {
    let mut sources = Vec::new();
    for path in &args.files {
        let reader: Box<dyn Read + Send> = if path.as_os_str() == "-" {
            Box::new(io::stdin())
        } else {
            let file =
                File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
            Box::new(file)
        };
        sources.push(Source {
            name: path.display().to_string(),
            reader,
        });
    }
    let wish = Wish {
        departments: args
            .departments
            .unwrap_or_else(|| hub.settings().territory.departments.clone()),
        smaller: args.smaller,
    };
    let (reports, states) = load(&*hub.store, &hub.clock, sources, &wish).await?;
    for report in &reports {
        for (line, why) in &report.problems {
            eprintln!("{}, line {line}: {why}", report.file);
        }
    }
    let replayed = if args.no_replay {
        0
    } else {
        stages::replay(&hub.work(), None).await?
    };
    if args.json {
        out::json(&serde_json::json!({
            "files": reports, "registers": states, "replayed": replayed
        }))?;
        return Ok(Exit::Done);
    }
    for report in &reports {
        out::line(format!(
            "{}: {} lines, {} kept, {} skipped, {} refused",
            report.file, report.lines, report.kept, report.skipped, report.rejected
        ))?;
    }
    for state in states {
        out::line(format!(
            "{}: {} entries",
            state.register.name(),
            state.entries
        ))?;
    }
    if replayed > 0 {
        out::line(format!(
            "{replayed} postings are made again: a running daemon does so now, else `passerelle sync` does"
        ))?;
    }
    Ok(Exit::Done)
}
