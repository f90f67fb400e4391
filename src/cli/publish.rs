//! `export` and `preflight`: what leaves the hub, and what does not, and why.

use super::{Exit, Lang, Usage, out, table};
use crate::daemon::Hub;
use crate::model::MemberId;
use crate::publish::{ExportError, PreflightItem, PublishError};
use anyhow::Context as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Export {
    /// Name of an export profile, such as linkedin
    profile: String,
    /// Only this member's offers
    #[arg(long, value_name = "ID")]
    member: Option<String>,
    /// File to write, replaced as a whole [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The board is given this file: the next one tells what became of its offers
    #[arg(long)]
    deposit: bool,
}

#[derive(Debug, clap::Args)]
pub struct Preflight {
    /// Name of an export profile, such as linkedin
    profile: String,
    /// Only this member's offers
    #[arg(long, value_name = "ID")]
    member: Option<String>,
    /// Ready ones too
    #[arg(long)]
    all: bool,
    /// Language of the remedies
    #[arg(long, value_enum, default_value_t = Lang::En)]
    lang: Lang,
    /// One object a line, ready ones too
    #[arg(long)]
    json: bool,
}

pub async fn export(hub: &Hub, args: &Export) -> anyhow::Result<Exit> {
    let member = args.member.as_deref().map(MemberId::from);
    let publish = hub.publish(None)?;
    let export = publish
        .export(&args.profile, member.as_ref())
        .await
        .map_err(named)?;
    if args.deposit && !export.tells_movements() {
        return Err(Usage(format!(
            "--deposit: the profile {} tells no movements: each of its files is whole by itself",
            args.profile
        ))
        .into());
    }
    match &args.out {
        None => {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(&export.bytes)?;
            stdout.flush()?;
        }
        Some(path) => write_whole(path, &export.bytes)?,
    }
    if let Some(hold) = &export.held {
        eprintln!(
            "{}: held, this is the last good one ({}); `passerelle holds release {}` lets the newest through",
            args.profile,
            hold.why(),
            export.file
        );
        return Ok(Exit::Attention);
    }
    if args.deposit {
        publish.deposited(&export).await?;
    }
    eprintln!(
        "{}: {} offers, {} blocked (`passerelle preflight {}` says why)",
        args.profile, export.ready, export.blocked, args.profile
    );
    Ok(if export.blocked > 0 {
        Exit::Attention
    } else {
        Exit::Done
    })
}

/// A name that there is not is a matter of usage.
pub(super) fn named(error: PublishError) -> anyhow::Error {
    match error {
        PublishError::Export(
            error @ (ExportError::UnknownProfile { .. } | ExportError::UnknownMember(_)),
        ) => Usage(error.to_string()).into(),
        error => error.into(),
    }
}

/// A reader sees the old file or the new one, never a part.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let failed = || format!("{} cannot be written", path.display());
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
    file.write_all(bytes).with_context(failed)?;
    file.as_file().sync_all().with_context(failed)?;
    file.persist(path).with_context(failed)?;
    Ok(())
}

/// A row for each thing that is said of an offer; which offer it is, on the first alone.
fn said_of(item: &PreflightItem, lang: Lang) -> Vec<Vec<String>> {
    let mut said: Vec<(String, String)> = item
        .blockers
        .iter()
        .chain(&item.notices)
        .map(|one| {
            let value = match one.value.is_empty() {
                true => String::new(),
                false => format!(" = {:?}", one.value),
            };
            let remedy = lang.of(&one.fr, &one.en);
            (one.rule.clone(), format!("{}{value}: {remedy}", one.field))
        })
        .collect();
    if said.is_empty() {
        said.push(Default::default());
    }
    let mut offer = [
        item.id.to_string(),
        item.status.to_owned(),
        table::cut(&item.title, 44),
    ];
    let rows = said.into_iter().map(|(rule, what)| {
        let mut row = std::mem::take(&mut offer).to_vec();
        row.extend([rule, what]);
        row
    });
    rows.collect()
}

pub async fn preflight(hub: &Hub, args: &Preflight) -> anyhow::Result<Exit> {
    let member = args.member.as_deref().map(MemberId::from);
    let report = hub
        .publish(None)?
        .preflight(&args.profile, member.as_ref())
        .await
        .map_err(named)?;
    if args.json {
        for item in &report.items {
            out::json(item)?;
        }
    } else {
        let rows = report
            .items
            .iter()
            .filter(|item| args.all || !item.blockers.is_empty() || !item.notices.is_empty())
            .flat_map(|item| said_of(item, args.lang))
            .collect();
        out::line(table::table(
            &["id", "status", "title", "rule", "what and remedy"],
            rows,
            &[],
        ))?;
        out::line(format!(
            "\n{}: {} ready, {} blocked",
            report.profile, report.ready, report.blocked
        ))?;
        for (rule, count) in &report.by_rule {
            out::line(format!("  {count:>5}  {rule}"))?;
        }
        for (rule, count) in &report.noticed {
            out::line(format!("  {count:>5}  {rule} (sent all the same)"))?;
        }
    }
    Ok(if report.blocked > 0 {
        Exit::Attention
    } else {
        Exit::Done
    })
}
