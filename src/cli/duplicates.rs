//! `duplicates`: how well pairs are judged, and what people say of them.

mod measure;
mod review;

use super::{Exit, load, wait};
use crate::daemon::{Access, Hub};
use crate::model::DecisionKind;
use clap::Subcommand;
use std::path::Path;

#[derive(Debug, Subcommand)]
pub enum Duplicates {
    /// Vacancies that may be one: what waits for an answer
    List(review::List),
    /// What the machine says of two offers, and why
    Explain(review::Explain),
    /// These two are one opening
    Same(review::Pair),
    /// These two are two openings
    Different(review::Pair),
    /// Take an answer back: the machine decides again
    Unsure(review::Pair),
    /// Judge a labelled corpus with the shipped rules
    Evaluate(measure::Evaluate),
    /// Make a table of weights from labelled corpora
    Fit(measure::Fit),
}

pub fn run(config: Option<&Path>, command: Duplicates) -> anyhow::Result<Exit> {
    // Labelled corpora need no hub.
    let command = match command {
        Duplicates::Evaluate(args) => return measure::evaluate(&args),
        Duplicates::Fit(args) => return measure::fit(&args),
        other => other,
    };
    wait(async {
        let hub = Hub::open(load(config)?, Access::Beside).await?;
        match command {
            Duplicates::List(args) => review::list(&hub, &args).await,
            Duplicates::Explain(args) => review::explain(&hub, &args).await,
            Duplicates::Same(pair) => review::decide(&hub, DecisionKind::Same, &pair).await,
            Duplicates::Different(pair) => {
                review::decide(&hub, DecisionKind::Different, &pair).await
            }
            Duplicates::Unsure(pair) => review::decide(&hub, DecisionKind::Unsure, &pair).await,
            Duplicates::Evaluate(_) | Duplicates::Fit(_) => unreachable!("done above"),
        }
    })
}
