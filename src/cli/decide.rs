//! `hide`: what a person says of one offer. The pipeline acts on it.

use super::{Exit, Who, out};
use crate::admin::decisions;
use crate::daemon::Hub;
use crate::model::{DecisionKind, VacancyId};

#[derive(Debug, clap::Args)]
pub struct Hide {
    /// Id of a vacancy or of one of its postings
    #[arg(value_parser = super::id)]
    id: uuid::Uuid,
    /// Show it again
    #[arg(long)]
    undo: bool,
    #[command(flatten)]
    who: Who,
}

pub async fn hide(hub: &Hub, args: &Hide) -> anyhow::Result<Exit> {
    let kind = if args.undo {
        DecisionKind::Show
    } else {
        DecisionKind::Hide
    };
    let now = hub.clock.now();
    decisions::decide(
        &*hub.store,
        kind,
        VacancyId(args.id),
        None,
        &args.who.name(),
        &args.who.why,
        now,
    )
    .await?;
    out::line(format!(
        "{} is {}: a running daemon acts on it at once, else `passerelle sync` does",
        args.id,
        if args.undo { "shown again" } else { "hidden" }
    ))?;
    Ok(Exit::Done)
}
