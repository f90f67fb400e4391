//! `parked`: messages that could not be processed after their retries.

use super::{Exit, Who, out, table};
use crate::bus::cloudevent;
use crate::daemon::Hub;
use crate::model::{Event, MessageId, Stage};
use crate::store::{Parked as Message, StoreError};
use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum Parked {
    /// Messages that wait for a decision
    List {
        #[arg(long)]
        json: bool,
    },
    /// One message, as it came
    Show {
        id: String,
        #[arg(long)]
        json: bool,
    },
    /// Put a message back on its way
    Retry {
        /// Its id, or `all`
        id: String,
        /// File with the message as it should be
        #[arg(long, value_name = "FILE")]
        edited: Option<PathBuf>,
    },
    /// Give a message up
    Discard {
        id: String,
        #[command(flatten)]
        who: Who,
    },
}

/// One message on one line, `id` first.
#[derive(Serialize)]
struct Row<'a> {
    id: MessageId,
    stage: Stage,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Event>,
    error: &'a str,
    attempts: u32,
    at: jiff::Timestamp,
    /// The bytes, where they are no event that this program knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

impl<'a> Row<'a> {
    fn new(message: &'a Message) -> Self {
        let event = cloudevent::decode_parked(&message.body).ok();
        Self {
            id: message.id,
            stage: message.stage,
            body: event
                .is_none()
                .then(|| String::from_utf8_lossy(&message.body).into_owned()),
            event,
            error: &message.error,
            attempts: message.attempts,
            at: message.at,
        }
    }
}

pub async fn run(hub: &Hub, command: Parked) -> anyhow::Result<Exit> {
    match command {
        Parked::List { json } => list(hub, json).await,
        Parked::Show { id, json } => show(hub, &id, json).await,
        Parked::Retry { id, edited } => retry(hub, &id, edited).await,
        Parked::Discard { id, who } => discard(hub, &id, &who).await,
    }
}

async fn list(hub: &Hub, json: bool) -> anyhow::Result<Exit> {
    let parked = hub.store.parked().await?;
    if json {
        for message in &parked {
            out::json(&Row::new(message))?;
        }
    } else if parked.is_empty() {
        out::line("no message is parked")?;
    } else {
        let rows = parked
            .iter()
            .map(|message| {
                let row = Row::new(message);
                vec![
                    message.id.to_string(),
                    message.stage.name().into(),
                    row.event.map_or("undecodable".into(), |event| {
                        format!("{} {}", event.kind.routing_key(), event.key)
                    }),
                    message.attempts.to_string(),
                    out::instant(message.at),
                    table::cut(&message.error, 90),
                ]
            })
            .collect();
        out::line(table::table(
            &["id", "stage", "event", "attempts", "parked", "error"],
            rows,
            &[3],
        ))?;
    }
    Ok(Exit::Done)
}

async fn find(hub: &Hub, id: &str) -> anyhow::Result<Message> {
    let wanted: MessageId = id.parse().map_err(|_| {
        super::Usage(format!(
            "{id:?} is no message id: `passerelle parked list` shows them"
        ))
    })?;
    let parked = hub.store.parked().await?;
    match parked.into_iter().find(|message| message.id == wanted) {
        Some(message) => Ok(message),
        None => bail!("no message {id} is parked: `passerelle parked list` shows them"),
    }
}

async fn show(hub: &Hub, id: &str, json: bool) -> anyhow::Result<Exit> {
    let message = find(hub, id).await?;
    if json {
        out::json(&Row::new(&message))?;
        return Ok(Exit::Done);
    }
    out::line(format!(
        "message {} of stage {} · {} attempts · parked {}",
        message.id,
        message.stage.name(),
        message.attempts,
        out::instant(message.at)
    ))?;
    out::line(&message.error)?;
    out::line(&message.body)?;
    Ok(Exit::Done)
}

/// The store's form of an event whose bytes came from the broker; `None` where they are in it already,
/// or are of a kind that this program does not know either.
fn known(body: &[u8]) -> Option<Vec<u8>> {
    let event = cloudevent::decode(body).ok()?;
    serde_json::to_vec(&event).ok()
}

async fn retry(hub: &Hub, id: &str, edited: Option<PathBuf>) -> anyhow::Result<Exit> {
    let now = hub.clock.now();
    if id == "all" {
        let mut count = 0_u64;
        let mut stay = Vec::new();
        for message in hub.store.parked().await? {
            let body = known(&message.body);
            match hub.store.retry_parked(message.id, body, now).await {
                Ok(went) => count += u64::from(went),
                // Such as an undecodable one: the others go all the same.
                Err(StoreError::Permanent { why, .. }) => {
                    stay.push(format!("{}: {why}", message.id));
                }
                Err(error) => return Err(error.into()),
            }
        }
        let plural = if count == 1 { " is" } else { "s are" };
        out::line(format!("{count} message{plural} on the way again"))?;
        if !stay.is_empty() {
            bail!(
                "these stay parked, to be edited (`parked retry ID --edited FILE`) or discarded:\n{}",
                stay.join("\n")
            );
        }
        return Ok(Exit::Done);
    }
    let message = find(hub, id).await?;
    let body = match edited {
        None => known(&message.body),
        Some(path) => {
            let body = std::fs::read(&path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            let event = cloudevent::decode_parked(&body)
                .with_context(|| format!("{} is no event", path.display()))?;
            if event.kind.stage() != message.stage {
                bail!(
                    "{} is an event of stage {}, the message of stage {}",
                    path.display(),
                    event.kind.stage().name(),
                    message.stage.name()
                );
            }
            Some(serde_json::to_vec(&event)?)
        }
    };
    if !hub.store.retry_parked(message.id, body, now).await? {
        bail!("message {id} is not parked any more");
    }
    out::line(format!("message {id} is on its way again"))?;
    Ok(Exit::Done)
}

async fn discard(hub: &Hub, id: &str, who: &Who) -> anyhow::Result<Exit> {
    if who.why.is_empty() {
        bail!("say why: `passerelle parked discard {id} --why \"…\"`");
    }
    let message = find(hub, id).await?;
    let now = hub.clock.now();
    let discarded = hub
        .store
        .discard_parked(message.id, &who.why, &who.name(), now)
        .await?;
    if !discarded {
        bail!("message {id} is not parked any more");
    }
    out::line(format!("message {id} discarded"))?;
    Ok(Exit::Done)
}
