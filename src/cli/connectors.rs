//! `connectors`: what is there, what is wrong with it, what it would bring.

use super::raw::{self, Reading};
use super::{Exit, out, table};
use crate::daemon::{Access, Files, Hub, files};
use crate::model::{Posting, Problem};
use crate::pull::connector::{Connector, FileProblem, Level, load_file};
use crate::pull::forecast::{Forecast, Would};
use crate::pull::source::{self, RecordSink, SourceRecord};
use crate::pull::unread;
use crate::settings::Loaded;
use crate::store::{ConnectorState, Repeats, SnapshotKind};
use async_trait::async_trait;
use clap::Subcommand;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

#[derive(Debug, Subcommand)]
pub enum Connectors {
    /// All connectors, with their newest run
    List {
        #[arg(long)]
        json: bool,
    },
    /// What is wrong with connector and member files, all at once
    Check {
        /// Files or names [default: everything in the folders]
        connectors: Vec<String>,
        /// One problem a line
        #[arg(long)]
        json: bool,
    },
    /// Read a source once and show its postings; nothing is saved
    Preview {
        /// Connector file or name
        connector: String,
        /// Show at most so many postings; all are read and counted
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        #[arg(long)]
        json: bool,
    },
    /// Find out what an address is, and write its connector file
    Detect(super::detect::DetectArgs),
    /// The same by questions, into the connectors' folder
    New,
}

pub async fn run(loaded: Loaded, command: Connectors) -> anyhow::Result<Exit> {
    match command {
        Connectors::List { json } => list(loaded, json).await,
        Connectors::Check { connectors, json } => check(&loaded, &connectors, json),
        Connectors::Preview {
            connector,
            limit,
            json,
        } => preview(loaded, &connector, limit, json).await,
        Connectors::Detect(args) => super::detect::run(loaded, args).await,
        Connectors::New => super::detect::new(loaded).await,
    }
}

/// One connector on one line, `id` first.
#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preset: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<&'a str>,
    file: String,
    live: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

async fn list(loaded: Loaded, json: bool) -> anyhow::Result<Exit> {
    let hub = Hub::open(loaded, Access::Beside).await?;
    let files = hub.files();
    let live = hub.store.statistics().await?.live_postings;
    let mut rows = Vec::new();
    for connector in files.connectors.values() {
        let name = &connector.name;
        let run = hub.store.runs(Some(name), 1).await?.into_iter().next();
        let row = Row {
            id: name.as_str(),
            member: connector.member.as_ref().map(|member| member.as_str()),
            preset: connector.preset.as_deref(),
            schedule: connector.schedule.as_deref(),
            file: files
                .file_of(name.as_str())
                .map_or(String::new(), |path| path.display().to_string()),
            live: live.get(name).copied().unwrap_or(0),
            last: run.as_ref().map(|run| {
                json!({
                    "run": run.id, "started": run.started,
                    "snapshot": crate::daemon::metrics::snapshot(run.snapshot),
                    "pulled": run.counts.pulled, "held": run.counts.held,
                    "repeated": run.repeats().map_or(0, |repeats| repeats.records),
                })
            }),
            error: hub.store.connector_state(name).await?.error,
        };
        if json {
            out::json(&row)?;
            continue;
        }
        rows.push(vec![
            row.id.to_owned(),
            row.member.unwrap_or("–").to_owned(),
            row.preset.unwrap_or("–").to_owned(),
            row.schedule.unwrap_or("on request").to_owned(),
            row.live.to_string(),
            run.as_ref()
                .map_or("never".into(), |run| out::instant(run.started)),
            match (&row.error, &run) {
                (Some(error), _) => table::cut(error, 60),
                (None, Some(run)) => crate::daemon::metrics::snapshot(run.snapshot).to_owned(),
                (None, None) => String::new(),
            },
        ]);
    }
    if !json {
        out::line(table::table(
            &[
                "connector",
                "member",
                "preset",
                "schedule",
                "live",
                "last run",
                "outcome",
            ],
            rows,
            &[4],
        ))?;
    }
    for problem in &files.problems {
        eprintln!("{problem}");
    }
    Ok(Exit::Done)
}

fn check(loaded: &Loaded, wanted: &[String], json: bool) -> anyhow::Result<Exit> {
    let files = files::load(&loaded.settings, &Files::default());
    let mut problems: Vec<FileProblem> = Vec::new();
    let mut good: BTreeSet<String> = BTreeSet::new();
    if wanted.is_empty() {
        problems.clone_from(&files.problems);
        good.extend(files.connectors.keys().map(ToString::to_string));
    }
    let catalogue = files::catalogue(&loaded.settings).map_err(raw::refusal)?;
    for name in wanted {
        let path = match files.file_of(name) {
            Some(path) => path.to_owned(),
            None => Path::new(name).to_owned(),
        };
        let named: Vec<_> = files.problems_of(name).cloned().collect();
        if !path.is_file() && !named.is_empty() {
            problems.extend(named);
            continue;
        }
        let loaded = load_file(&path, &catalogue);
        if let Some(connector) = &loaded.connector {
            good.insert(connector.name.to_string());
        }
        problems.extend(loaded.problems);
    }
    let errors = problems.iter().filter(|p| p.level == Level::Error).count();
    for problem in &problems {
        if json {
            out::json(problem)?;
        } else {
            out::line(problem.to_string())?;
        }
    }
    if !json {
        out::line(format!(
            "{} connecteurs et {} structures en ordre, {errors} erreurs, {} avertissements \
             ({0} connectors and {1} members are in order, {errors} errors, {2} warnings)",
            good.len(),
            files.network.members.len(),
            problems.len() - errors
        ))?;
    }
    if errors > 0 {
        anyhow::bail!("{errors} errors in connector or member files");
    }
    Ok(Exit::Done)
}

/// Maps what streams in, prints it, and counts.
struct Preview<'a> {
    reading: Reading,
    limit: usize,
    json: bool,
    shown: usize,
    /// A repeated reference counts once.
    references: BTreeSet<String>,
    tally: Tally,
    forecast: Forecast,
    failed: &'a mut Option<std::io::Error>,
}

/// What a preview has counted.
#[derive(Default)]
struct Tally {
    repeats: Repeats,
    mapped: u64,
    rejected: u64,
    filled: BTreeMap<String, u64>,
    /// Values that no table knew, by field, and how often each came.
    unknown: BTreeMap<(String, String), u64>,
    /// The first records that were refused, and why.
    refusals: Vec<(String, String)>,
}

/// Refused records that a preview names.
const REFUSALS: usize = 20;

impl Tally {
    fn unknown(&mut self, posting: &Posting) {
        let unknown = posting
            .findings
            .iter()
            .filter(|found| found.rule.ends_with("unknown") && !found.value.is_empty());
        for found in unknown {
            let key = (found.field.clone(), table::cut(&found.value, 60));
            *self.unknown.entry(key).or_default() += 1;
        }
    }

    fn refuse(&mut self, reference: Option<&str>, problems: &[Problem]) {
        self.rejected += 1;
        if self.refusals.len() < REFUSALS {
            let why: Vec<&str> = problems.iter().map(|p| p.message.as_str()).collect();
            self.refusals
                .push((reference.unwrap_or("?").to_owned(), why.join(" ; ")));
        }
    }
}

impl Preview<'_> {
    fn take(&mut self, record: SourceRecord) -> std::io::Result<()> {
        let outcome = match &record {
            SourceRecord::Broken {
                reference,
                raw,
                why,
            } => Err((reference.clone(), vec![raw::unreadable(raw, why.clone())])),
            SourceRecord::Known(_) => return Ok(()),
            SourceRecord::Tree(source::Record { tree, .. }) => self
                .reading
                .posting(tree)
                .map_err(|problems| (self.reading.connector.reference(tree), problems)),
        };
        match outcome {
            Ok((draft, posting)) => {
                if !self.references.insert(draft.reference.clone()) {
                    self.tally.repeats.add(&draft.reference);
                    return Ok(());
                }
                self.tally.mapped += 1;
                let places = draft.places.iter().flat_map(BTreeMap::keys);
                let fields: BTreeSet<_> = draft.fields.keys().chain(places).collect();
                for field in fields {
                    *self.tally.filled.entry(name(field)).or_default() += 1;
                }
                self.tally.unknown(&posting);
                self.show(Ok(&posting), &draft.problems)
            }
            Err((reference, problems)) => {
                if let Some(reference) = &reference
                    && !self.references.insert(reference.clone())
                {
                    self.tally.repeats.add(reference);
                    return Ok(());
                }
                self.tally.refuse(reference.as_deref(), &problems);
                self.show(Err(reference.as_deref()), &problems)
            }
        }
    }

    fn show(
        &mut self,
        posting: Result<&Posting, Option<&str>>,
        problems: &[Problem],
    ) -> std::io::Result<()> {
        // For people, the refused ones stand together at the end.
        if self.shown >= self.limit || (posting.is_err() && !self.json) {
            return Ok(());
        }
        if self.shown == 0 && !self.json {
            out::line(row("référence", "titre", "lieu", "contrat"))?;
        }
        self.shown += 1;
        if self.json {
            return match posting {
                Ok(posting) => out::json(&json!({ "posting": posting, "problems": problems })),
                Err(reference) => out::json(&json!({
                    "rejected": { "reference": reference }, "problems": problems
                })),
            };
        }
        match posting {
            Ok(posting) => {
                let offer = &posting.offer;
                let place = offer.places.first().and_then(|place| place.name.as_deref());
                let form = offer.contract.as_ref().and_then(|contract| contract.form);
                let form = form.map_or("–".into(), |form| name(&form));
                out::line(row(
                    &posting.reference,
                    &offer.title,
                    place.unwrap_or("–"),
                    &form,
                ))?;
            }
            Err(reference) => out::line(format!("rejected {}", reference.unwrap_or("?")))?,
        }
        for problem in problems {
            out::line(format!(
                "  {} {}: {:?}: {}",
                problem.field,
                problem.rule,
                table::cut(&problem.value, 60),
                problem.message
            ))?;
        }
        Ok(())
    }
}

#[async_trait]
impl RecordSink for Preview<'_> {
    async fn push(&mut self, records: Vec<SourceRecord>) -> anyhow::Result<()> {
        for record in records {
            self.forecast.take(&*self.reading.connector, record.clone());
            if let Err(error) = self.take(record) {
                let kind = error.kind();
                *self.failed = Some(error);
                anyhow::bail!("standard output: {kind}");
            }
        }
        Ok(())
    }
}

/// One offer on one line.
fn row(reference: &str, title: &str, place: &str, form: &str) -> String {
    format!(
        "{:<24} {:<60} {:<24} {form}",
        table::cut(reference, 24),
        table::cut(title, 60),
        table::cut(place, 24),
    )
}

/// The name that serde gives a plain enumeration.
fn name<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name,
        _ => String::new(),
    }
}

async fn preview(
    loaded: Loaded,
    wanted: &str,
    limit: Option<usize>,
    json: bool,
) -> anyhow::Result<Exit> {
    let files = files::load(&loaded.settings, &Files::default());
    let (connector, problems) = raw::connector(wanted, &loaded.settings, &files)?;
    raw::say(&problems);
    let env = Hub::source_env(&loaded.settings)?;
    let now = env.clock.now();
    let mut failed = None;
    let mut sink = Preview {
        reading: Reading {
            network: raw::network_for(&files, &connector),
            connector: Arc::clone(&connector),
            now,
        },
        limit: limit.unwrap_or(if json { usize::MAX } else { 20 }),
        json,
        shown: 0,
        references: BTreeSet::new(),
        tally: Tally::default(),
        forecast: Forecast::default(),
        failed: &mut failed,
    };
    let end = source::read(&connector, &ConnectorState::default(), &env, &mut sink).await;
    let Preview {
        tally, forecast, ..
    } = sink;
    if let Some(error) = failed {
        return Err(error.into());
    }
    let would = match known_store(&loaded.settings).await {
        Some(store) if end.snapshot != SnapshotKind::Failed => {
            let (name, guards) = (&connector.name, &connector.guards);
            let would = forecast.conclude(&*store, &*connector, name, guards, &end, now);
            Some(would.await?)
        }
        _ => None,
    };
    summary(&connector, &end, &tally, would.as_ref(), json)?;
    Ok(
        if end.snapshot == SnapshotKind::Failed || tally.rejected > 0 {
            Exit::Attention
        } else {
            Exit::Done
        },
    )
}

/// The hub's store, if there is one yet: a preview makes none.
async fn known_store(settings: &crate::settings::Settings) -> Option<crate::store::DynStore> {
    match settings.store_url().ok()? {
        crate::settings::StoreUrl::Sqlite(path) if !path.exists() => None,
        _ => Hub::open_store(settings).await.ok(),
    }
}

fn summary(
    connector: &Connector,
    end: &source::ReadEnd,
    tally: &Tally,
    would: Option<&Would>,
    json: bool,
) -> std::io::Result<()> {
    let Tally {
        repeats,
        mapped,
        rejected,
        filled,
        unknown,
        refusals,
    } = tally;
    let (mapped, rejected) = (*mapped, *rejected);
    let snapshot = crate::daemon::metrics::snapshot(Some(end.snapshot));
    #[expect(clippy::cast_precision_loss, reason = "a share with three digits")]
    let share = |count: u64| (count as f64 / mapped.max(1) as f64 * 1000.0).round() / 1000.0;
    let fill: BTreeMap<&str, f64> = filled
        .iter()
        .map(|(k, n)| (k.as_str(), share(*n)))
        .collect();
    if json {
        let mut of = json!({
            "snapshot": snapshot, "records": mapped + rejected,
            "mapped": mapped, "rejected": rejected, "fill": fill,
        });
        if let Some(error) = &end.error {
            of["error"] = Value::String(error.clone());
        }
        if repeats.records > 0 {
            of["repeats"] = json!(repeats);
        }
        if !unknown.is_empty() {
            of["unknown"] = unknown
                .iter()
                .map(|((field, value), n)| json!({ "field": field, "value": value, "records": n }))
                .collect();
        }
        if let Some(would) = would {
            of["would"] = json!(would);
        }
        return out::json(&json!({ "summary": of }));
    }
    out::line(format!(
        "\n{} : lecture {}, {} offres, {mapped} comprises, {rejected} refusées, {} requêtes",
        connector.name,
        in_french(end.snapshot),
        mapped + rejected,
        end.requests
    ))?;
    out::line(format!(
        "({snapshot}, {} records, {mapped} mapped, {rejected} rejected)",
        mapped + rejected
    ))?;
    if let Some(error) = &end.error {
        let said = unread::said(error);
        out::line(format!("  {}\n  ({})", said.fr, said.en))?;
    }
    if repeats.records > 0 {
        out::line(format!("  {repeats}"))?;
    }
    if let Some(would) = would {
        out::line("\nUne vraie lecture (a run would):")?;
        for (count, french, english) in [
            (would.new, "ajouterait", "add"),
            (would.changed, "changerait", "change"),
            (would.unchanged, "laisserait", "leave"),
            (would.missing, "verrait manquer", "miss"),
            (would.closed, "fermerait", "close"),
            (would.held, "retiendrait", "hold"),
        ] {
            out::line(format!("  {count:>6}  {french} ({english})"))?;
        }
        if let Some(doubt) = &would.doubt {
            out::line(format!("  {doubt}"))?;
        }
    }
    out::line("\nChamps remplis (filled):")?;
    for (field, share) in &fill {
        out::line(format!("  {:>5.1} %  {field}", share * 100.0))?;
    }
    if !unknown.is_empty() {
        out::line(
            "\nValeurs qu'aucune table ne connaît (unknown values) : ajoutez-les sous [values.…]",
        )?;
        for ((field, value), count) in unknown {
            out::line(format!("  {count:>6}  {field} : « {value} »"))?;
        }
    }
    if !refusals.is_empty() {
        out::line("\nOffres refusées (rejected):")?;
        for (reference, why) in refusals {
            out::line(format!("  {reference} : {why}"))?;
        }
        let more = usize::try_from(rejected).unwrap_or(usize::MAX) - refusals.len();
        if more > 0 {
            out::line(format!("  … et {more} autres (--json les montre toutes)"))?;
        }
    }
    Ok(())
}

/// What a reading proved, for the admin.
fn in_french(snapshot: SnapshotKind) -> &'static str {
    match snapshot {
        SnapshotKind::Complete => "complète",
        SnapshotKind::Partial => "incomplète : rien ne fermerait",
        SnapshotKind::Unchanged => "sans changement",
        SnapshotKind::Empty => "vide",
        SnapshotKind::Failed => "échouée : rien ne changerait",
    }
}
