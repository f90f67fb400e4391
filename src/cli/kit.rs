//! `kit`: what the person who animates the network's LinkedIn page needs, as one ZIP.

use super::{
    Exit, Usage, out,
    publish::{named, write_whole},
};
use crate::daemon::Hub;
use crate::model::MemberId;
use jiff::civil::Date;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Offers published since this day [default: a week ago]
    #[arg(long, value_name = "DATE", conflicts_with = "all")]
    since: Option<String>,
    /// Every offer that is online
    #[arg(long)]
    all: bool,
    /// Only this member's offers
    #[arg(long, value_name = "ID")]
    member: Option<String>,
    /// File to write, replaced as a whole [default: linkedin-DATE.zip in this folder]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// One object a line and offer, and no file unless --out names one
    #[arg(long)]
    json: bool,
}

pub async fn run(hub: &Hub, args: &Args) -> anyhow::Result<Exit> {
    let publish = hub.publish(None)?;
    let since = match (&args.since, args.all) {
        (_, true) => None,
        (Some(day), false) => Some(day.trim().parse::<Date>().map_err(|_| {
            Usage(format!(
                "--since: {day:?} is no day: write such as 2026-11-22"
            ))
        })?),
        (None, false) => Some(publish.kit_begins()),
    };
    let member = args.member.as_deref().map(MemberId::from);
    let collection = publish.kit(since, member.as_ref()).await.map_err(named)?;
    if args.json {
        for post in &collection.posts {
            out::json(post)?;
        }
    }
    let (offers, absent) = (collection.posts.len(), collection.absent());
    let left_out: Vec<String> = collection
        .left_out
        .iter()
        .map(|(rule, count)| format!("{count} {rule}"))
        .collect();
    let named = match (&args.out, args.json) {
        (Some(path), _) => Some(path.clone()),
        (None, true) => None,
        (None, false) => {
            let day = since.map_or("all".to_owned(), |day| day.to_string());
            Some(PathBuf::from(format!("linkedin-{day}.zip")))
        }
    };
    if let Some(path) = named {
        let bytes = publish.kit_archive(collection).await?;
        write_whole(&path, &bytes)?;
        eprint!("{}: ", path.display());
    }
    eprintln!(
        "{offers} offers{}{}",
        match absent {
            0 => String::new(),
            absent => format!(", {absent} of which LinkedIn's job feed does not have"),
        },
        match left_out.is_empty() {
            true => String::new(),
            false => format!(
                ", others stay out: {} (`passerelle preflight linkedin` says why)",
                left_out.join(", ")
            ),
        }
    );
    Ok(Exit::Done)
}
