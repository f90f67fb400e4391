//! `duplicates`: how well pairs are judged, and what people say of them.

mod measure;

use super::Exit;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum Duplicates {
    /// Judge a labelled corpus with the shipped rules
    Evaluate(measure::Evaluate),
}

/// Commands that need no hub.
pub fn run(command: &Duplicates) -> anyhow::Result<Exit> {
    match command {
        Duplicates::Evaluate(args) => measure::evaluate(args),
    }
}
