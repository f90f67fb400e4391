//! `mandates`: which member's offers may go where, until when, and since when that is so.

use super::{Exit, Usage, out, table};
use crate::admin::mandates::{self, MandateChange};
use crate::daemon::Hub;
use crate::model::{Channel, Mandate, MemberId};
use serde::Serialize;
use std::collections::BTreeSet;

/// Which member's offers may go where; the member files decide
#[derive(Debug, clap::Subcommand)]
pub enum Mandates {
    /// What the member files say now
    List(Which),
    /// Every change that the hub saw, with its date
    Log(Which),
}

#[derive(Debug, clap::Args)]
pub struct Which {
    /// Only this member's
    #[arg(long, value_name = "ID")]
    member: Option<String>,
    /// One object a line
    #[arg(long)]
    json: bool,
}

/// One mandate as a file says it.
#[derive(Serialize)]
struct Line<'a> {
    id: String,
    member: &'a str,
    channel: &'a str,
    mandate: Mandate,
    state: &'static str,
}

/// One change of the trail.
#[derive(Serialize)]
struct Entry<'a> {
    id: String,
    #[serde(flatten)]
    change: &'a MandateChange,
}

pub async fn run(hub: &Hub, command: Mandates) -> anyhow::Result<Exit> {
    match command {
        Mandates::List(which) => list(hub, &which),
        Mandates::Log(which) => log(hub, &which).await,
    }
}

/// Whether a mandate holds now, in a word that scripts may rely on.
fn state(mandate: Mandate, known: bool, now: jiff::Timestamp) -> &'static str {
    match mandate {
        _ if !known => "unknown channel",
        Mandate::Never => "refused",
        Mandate::Until(_) if !mandate.allows(now) => "ended",
        Mandate::Always | Mandate::Until(_) => "in force",
    }
}

fn word(mandate: Option<Mandate>) -> String {
    match mandate {
        None => "–".into(),
        Some(Mandate::Always) => "yes".into(),
        Some(Mandate::Never) => "no".into(),
        Some(Mandate::Until(day)) => format!("until {day}"),
    }
}

fn list(hub: &Hub, which: &Which) -> anyhow::Result<Exit> {
    let publish = hub.publish(None)?;
    let network = &hub.files().network;
    let now = hub.clock.now();
    let mut known: BTreeSet<String> = ["portal".to_owned()].into();
    for profile in publish.profiles().iter() {
        known.insert(profile.channel().to_owned());
        known.insert(format!("{}_aggregated", profile.channel()));
    }
    if let Some(id) = &which.member
        && network.member(&MemberId::from(id.as_str())).is_none()
    {
        return Err(Usage(format!("there is no member {id:?}")).into());
    }
    let (mut rows, mut wrong) = (Vec::new(), false);
    for member in network.members.values() {
        if which.member.as_ref().is_some_and(|id| *id != member.id) {
            continue;
        }
        let mut mandates = member.mandates.clone();
        let portal = Channel("portal".into());
        let standard = member.mandate("portal");
        mandates.entry(portal).or_insert(standard);
        for (Channel(channel), mandate) in mandates {
            let state = state(mandate, known.contains(&channel), now);
            wrong |= state == "unknown channel";
            if which.json {
                out::json(&Line {
                    id: format!("{}/{channel}", member.id),
                    member: &member.id,
                    channel: &channel,
                    mandate,
                    state,
                })?;
            }
            rows.push(vec![
                member.id.clone(),
                channel,
                word(Some(mandate)),
                state.to_owned(),
            ]);
        }
    }
    if !which.json {
        let header = ["member", "channel", "mandate", "state"];
        out::line(table::table(&header, rows, &[]))?;
    }
    if wrong {
        eprintln!("no export has an unknown channel: known are {}", {
            let plain = known.iter().filter(|name| !name.ends_with("_aggregated"));
            plain.cloned().collect::<Vec<_>>().join(", ")
        });
        return Ok(Exit::Attention);
    }
    Ok(Exit::Done)
}

async fn log(hub: &Hub, which: &Which) -> anyhow::Result<Exit> {
    let mut rows = Vec::new();
    for change in mandates::trail(&*hub.store).await? {
        if which
            .member
            .as_ref()
            .is_some_and(|id| *id != change.member.0)
        {
            continue;
        }
        if which.json {
            out::json(&Entry {
                id: format!("{}/{}/{}", change.at, change.member, change.channel.0),
                change: &change,
            })?;
        }
        rows.push(vec![
            out::instant(change.at),
            change.member.to_string(),
            change.channel.0.clone(),
            word(change.from),
            word(change.to),
        ]);
    }
    if !which.json {
        let header = ["at", "member", "channel", "before", "after"];
        out::line(table::table(&header, rows, &[]))?;
    }
    Ok(Exit::Done)
}
