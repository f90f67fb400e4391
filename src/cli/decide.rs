//! `hide`: what a person says of one offer. The pipeline acts on it.

use super::{Exit, Who, out};
use crate::admin::decisions;
use crate::daemon::Hub;
use crate::model::{DecisionKind, VacancyId};
use anyhow::Context as _;

#[derive(Debug, clap::Args)]
pub struct Hide {
    /// Id of a vacancy or of one of its postings
    id: String,
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
    decide(hub, kind, &args.id, None, &args.who).await?;
    out::line(format!(
        "{} is {}: a running daemon acts on it at once, else `passerelle sync` does",
        args.id,
        if args.undo { "shown again" } else { "hidden" }
    ))?;
    Ok(Exit::Done)
}

async fn decide(
    hub: &Hub,
    kind: DecisionKind,
    subject: &str,
    object: Option<&str>,
    who: &Who,
) -> anyhow::Result<()> {
    let id = |text: &str| -> anyhow::Result<VacancyId> {
        text.trim()
            .parse()
            .with_context(|| format!("{text:?} is no id: ids look like 0b7c2c1e-…"))
    };
    let object = object.map(id).transpose()?;
    let now = hub.clock.now();
    decisions::decide(
        &*hub.store,
        kind,
        id(subject)?,
        object,
        &who.name(),
        &who.why,
        now,
    )
    .await?;
    Ok(())
}
