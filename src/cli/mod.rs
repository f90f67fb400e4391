//! Floor 5: the command line.
//!
//! Exit codes: 0 done, 1 error, 2 usage, 3 done but something needs a human. Results go to standard
//! output, everything else to standard error.

mod out;
mod schema;

use crate::settings;
use anyhow::Context as _;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

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
    /// Print a JSON Schema: connector, member, settings, posting, vacancy, event
    Schema(schema::Args),
}

/// Reads the arguments, does the command, and gives the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(Exit::Done) => ExitCode::SUCCESS,
        Ok(Exit::Attention) => ExitCode::from(3),
        Err(error) if out::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", crate::telemetry::chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<Exit> {
    match cli.command {
        Command::Schema(args) => schema::run(&args),
    }
}

/// The settings of this command, with their warnings said.
#[expect(dead_code)]
fn load(config: Option<&std::path::Path>) -> anyhow::Result<settings::Loaded> {
    let loaded = settings::load(config).context("nothing was done")?;
    for warning in &loaded.warnings {
        tracing::warn!(key = warning.key, "{}", warning.message);
    }
    Ok(loaded)
}
