//! Floor 5: the command line.
//!
//! Exit codes: 0 done, 1 error, 2 usage, 3 done but something needs a human. Results go to standard
//! output, everything else to standard error. Reading commands read, deciding commands write their
//! decision and its outbox row; the pipeline itself runs in `run`, `sync` and `demo` only.

mod asyncapi;
mod backup;
mod connectors;
mod decide;
mod demo;
mod detect;
mod duplicates;
mod erase;
mod holds;
mod kit;
mod mandates;
mod normalise;
mod operations;
mod out;
mod parked;
mod progress;
mod publish;
mod raw;
mod registers;
mod replay;
mod report;
mod run;
mod schema;
mod sync;
mod table;
mod trace;

use crate::daemon::{Access, Hub};
use crate::settings::{self, Loaded};
use crate::telemetry;
use clap::{Parser, Subcommand};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done,
    /// Done, but a source failed, a hold waits or an export is blocked.
    Attention,
}

/// Keeps job offers in sync across the HR systems of a network of employers.
#[derive(Debug, Parser)]
#[command(name = "passerelle", version, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 done, 1 error, 2 usage, 3 done but something needs a human.")]
struct Cli {
    /// Settings file [default: passerelle.toml, then /etc/passerelle/passerelle.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The whole product on a synthetic network, in a temporary folder
    Demo(demo::Args),
    /// The daemon: schedules, stages, portal, API, exports
    Run(run::Args),
    /// Pull every source once, and follow what comes of it to the end
    Sync(sync::Args),
    /// Connector files: list, check, preview
    #[command(subcommand)]
    Connectors(connectors::Connectors),
    /// What a guard kept back, because it looks like a bad feed
    #[command(subcommand)]
    Holds(holds::Holds),
    /// Messages that could not be processed after their retries
    #[command(subcommand)]
    Parked(parked::Parked),
    /// Which offers are one: how well pairs are judged
    #[command(subcommand)]
    Duplicates(duplicates::Duplicates),
    /// Keep one offer from the public, or show it again
    Hide(decide::Hide),
    /// Erase an offer, or whatever holds a text, for a person's privacy: for good
    Erase(erase::Erase),
    /// Everything known of a vacancy or posting, from bytes to feed
    Trace(trace::Args),
    /// Normalise raw records (JSON lines) with a connector, without a hub
    Normalise(normalise::Args),
    /// Apply the present rules and files to stored postings again
    Replay(replay::Args),
    /// Public registers of employers (FINESS, Sirene): load published files, list
    #[command(subcommand)]
    Registers(registers::Registers),
    /// Write an export, such as linkedin
    Export(publish::Export),
    /// For each vacancy: ready for an export, or blocked and why
    Preflight(publish::Preflight),
    /// Texts and cards ready for LinkedIn, of the offers that may go there, as one ZIP
    Kit(kit::Args),
    /// Which member's offers may go where, until when, and every change of it
    #[command(subcommand)]
    Mandates(mandates::Mandates),
    /// A member's offers: what is online, what is refused or blocked, and what to mend (in French)
    Report(report::Report),
    /// Copy the embedded store into one file, beside a running daemon too
    Backup(backup::Backup),
    /// Put a backup in the place of the embedded store
    Restore(backup::Restore),
    /// Check settings, files, store and bus
    Doctor(operations::Doctor),
    /// Bring the store to this program's schema
    Migrate(operations::Migrate),
    /// Print a JSON Schema: connector, member, settings, posting, vacancy, event; or asyncapi
    Schema(schema::Args),
}

/// Who decides, and why: kept with the decision.
#[derive(Debug, clap::Args)]
pub struct Who {
    /// Who decides [default: the system's user]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// The reason, for whoever looks at it later
    #[arg(
        long,
        default_value = "",
        value_name = "TEXT",
        hide_default_value = true
    )]
    why: String,
}

impl Who {
    fn name(&self) -> String {
        self.by
            .clone()
            .or_else(|| std::env::var("USER").ok().filter(|user| !user.is_empty()))
            .unwrap_or_else(|| "operator".into())
    }
}

/// The language of a text that both have. Members read French.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Lang {
    #[default]
    Fr,
    En,
}

impl Lang {
    fn of<'a>(self, french: &'a str, english: &'a str) -> &'a str {
        match self {
            Self::Fr => french,
            Self::En => english,
        }
    }
}

/// Arguments that mean nothing here: exit code 2, as for those that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// Reads the arguments, does the command, and gives the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    telemetry::init(match cli.command {
        Command::Run(_) => "info",
        _ => "error",
    });
    match dispatch(cli) {
        Ok(Exit::Done) => ExitCode::SUCCESS,
        Ok(Exit::Attention) => ExitCode::from(3),
        Err(error) if out::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", telemetry::chain(error.as_ref()));
            if error.is::<Usage>() {
                ExitCode::from(2)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn dispatch(cli: Cli) -> anyhow::Result<Exit> {
    let config = cli.config.as_deref();
    match cli.command {
        Command::Schema(args) => schema::run(&args),
        Command::Doctor(args) => wait(operations::doctor(config, args)),
        Command::Migrate(args) => wait(operations::migrate(load(config)?, args)),
        Command::Normalise(args) => normalise::run(config, &args),
        Command::Connectors(command) => wait(connectors::run(load(config)?, command)),
        Command::Duplicates(command) => duplicates::run(config, command),
        Command::Demo(args) => wait(demo::run(args)),
        Command::Run(args) => wait(run::run(load(config)?, args)),
        Command::Restore(args) => wait(async { backup::restore(load(config)?, &args).await }),
        Command::Erase(args) => wait(async {
            let hub = Hub::open(load(config)?, Access::PipelineIfFree).await?;
            erase::run(&hub, &args).await
        }),
        Command::Sync(args) => wait(async {
            let hub = Arc::new(Hub::open(load(config)?, Access::PipelineIfFree).await?);
            sync::run(&hub, &args).await
        }),
        other => wait(async {
            let hub = Hub::open(load(config)?, Access::Beside).await?;
            match other {
                Command::Holds(command) => holds::run(&hub, command).await,
                Command::Parked(command) => parked::run(&hub, command).await,
                Command::Hide(args) => decide::hide(&hub, &args).await,
                Command::Trace(args) => trace::run(&hub, &args).await,
                Command::Registers(command) => registers::run(&hub, command).await,
                Command::Replay(args) => replay::run(&hub, &args).await,
                Command::Export(args) => publish::export(&hub, &args).await,
                Command::Kit(args) => kit::run(&hub, &args).await,
                Command::Mandates(command) => mandates::run(&hub, command).await,
                Command::Report(args) => report::run(&hub, &args).await,
                Command::Backup(args) => backup::backup(&hub, &args).await,
                Command::Preflight(args) => publish::preflight(&hub, &args).await,
                _ => unreachable!("dispatched above"),
            }
        }),
    }
}

/// Runs `work` on the program's runtime.
fn wait(work: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(work);
    // Blocking work that was given up must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

/// The settings of this command, their warnings logged.
fn load(config: Option<&Path>) -> anyhow::Result<Loaded> {
    let loaded = settings::load(config)?;
    for warning in &loaded.warnings {
        tracing::warn!(key = warning.key, "{}", warning.message);
    }
    Ok(loaded)
}

/// The id of a vacancy or of a posting.
fn id(text: &str) -> Result<uuid::Uuid, String> {
    text.trim().parse().map_err(|_| {
        format!("{text:?} is no id: ids look like 0b7c2c1e-5d0a-5b7e-9c55-3f1e6a0d2b11")
    })
}

/// `90s`, `10m`, `1h`, or a number of seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration: write such as 90s, 10m or 1h");
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let span: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(span).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_are_written_as_people_write_them() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(duration("45"), Ok(Duration::from_secs(45)));
        assert!(duration("-3m").is_err() && duration("soon").is_err());
    }
}
