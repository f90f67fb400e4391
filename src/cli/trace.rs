//! `trace ID`: everything known of one posting or vacancy, from the bytes to the feed (law 5).

use super::{Exit, out, table};
use crate::daemon::Hub;
use crate::model::{Became, PostingId, VacancyId, VacancyStatus};
use crate::store::{StoredVacancy, Trace};
use anyhow::bail;
use serde_json::{Value, json};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Id of a vacancy or of a posting, or CONNECTOR/REFERENCE as the source calls the offer
    #[arg(value_parser = named)]
    id: uuid::Uuid,
    #[arg(long)]
    json: bool,
}

/// An id, or the posting that a connector knows by a reference.
fn named(text: &str) -> Result<uuid::Uuid, String> {
    match text.split_once('/') {
        Some((connector, reference)) => Ok(PostingId::new(&connector.into(), reference).0),
        None => super::id(text)
            .map_err(|error| format!("{error}, and an offer of a source CONNECTOR/REFERENCE")),
    }
}

pub async fn run(hub: &Hub, args: &Args) -> anyhow::Result<Exit> {
    let posting = PostingId(args.id);
    let vacancy = hub.store.vacancy(VacancyId(posting.0)).await?;
    let mut ids: Vec<PostingId> = vacancy
        .as_ref()
        .map(|vacancy| vacancy.postings.clone())
        .unwrap_or_default();
    if !ids.contains(&posting) {
        ids.insert(0, posting);
    }
    let mut traces = Vec::new();
    for id in ids {
        traces.extend(hub.store.trace(id).await?);
    }
    if traces.is_empty() && vacancy.is_none() {
        bail!("nothing is known of {}", args.id);
    }
    if args.json {
        out::json(&json!({
            "id": args.id,
            "vacancy": vacancy.as_ref().map(vacancy_json),
            "postings": traces.iter().map(trace_json).collect::<Vec<_>>(),
        }))?;
        return Ok(Exit::Done);
    }
    if let Some(vacancy) = &vacancy {
        say_vacancy(vacancy)?;
    }
    for trace in &traces {
        say_posting(trace)?;
    }
    Ok(Exit::Done)
}

fn status(status: &VacancyStatus) -> String {
    match status {
        VacancyStatus::Live => "live and public".into(),
        VacancyStatus::Private => "live, kept inside (no mandate, internal or hidden)".into(),
        VacancyStatus::Closed { at, reason } => {
            format!("closed {} ({reason:?})", out::instant(*at))
        }
        VacancyStatus::Merged { into } => format!("merged into {into}"),
    }
}

fn say_vacancy(stored: &StoredVacancy) -> std::io::Result<()> {
    out::line(format!(
        "vacancy {} · {}",
        stored.id,
        status(&stored.status)
    ))?;
    if let Some(vacancy) = &stored.vacancy {
        out::line(format!("  title     {}", vacancy.offer.title))?;
        if let Some(member) = &vacancy.member {
            out::line(format!("  member    {member}"))?;
        }
    }
    if let Some(at) = stored.changed_at {
        out::line(format!(
            "  change    {} of {}",
            stored.seq,
            out::instant(at)
        ))?;
    }
    if let Some(body) = &stored.body {
        out::line(format!("  published {} bytes", body.len()))?;
    }
    let provenance: Value = stored
        .provenance
        .as_ref()
        .and_then(|bytes| serde_json::from_slice(bytes).ok())
        .unwrap_or(Value::Null);
    if let Value::Object(fields) = provenance {
        let rows = fields
            .iter()
            .map(|(pointer, of)| {
                let text = |key: &str| of[key].as_str().unwrap_or_default().to_owned();
                vec![
                    format!("  {pointer}"),
                    text("source"),
                    table::cut(&text("raw"), 40),
                    text("rule"),
                ]
            })
            .collect();
        out::line(table::table(
            &["  field", "source", "raw", "rule"],
            rows,
            &[],
        ))?;
    }
    Ok(())
}

fn say_posting(trace: &Trace) -> std::io::Result<()> {
    let state = &trace.pulled.state;
    out::line("")?;
    out::line(format!(
        "posting {} · {} {} · {}",
        state.id,
        state.connector,
        state.reference,
        match &state.closed {
            None => "live".into(),
            Some((at, reason)) => format!("closed {} ({reason:?})", out::instant(*at)),
        }
    ))?;
    out::line(format!(
        "  pulled     observation {} · first seen {} · {} misses · bytes {}",
        state.observation,
        out::instant(state.first_seen),
        state.misses,
        match &trace.pulled.payload {
            Some(payload) => format!("{} ({})", payload.len(), table::cut(&state.hash, 12)),
            None => "no longer kept".into(),
        }
    ))?;
    for turn in &trace.turns {
        let (became, reason) = match turn.became {
            Became::Closed(reason) => ("closed", format!("{reason:?}")),
            Became::Live(reason) => ("live again", format!("{reason:?}")),
        };
        out::line(format!(
            "  turned     {became} {} ({reason}), observation {}",
            out::instant(turn.at),
            turn.observation
        ))?;
    }
    if let Some(normalised) = &trace.normalised {
        let made = normalised.made_from;
        out::line(format!(
            "  normalised observation {} · rules {} · {}",
            made.observation, made.rules, normalised.posting.offer.title
        ))?;
        for finding in &normalised.posting.findings {
            out::line(format!(
                "  finding    {} {}: {} / {}",
                finding.field, finding.rule, finding.message, finding.message_en
            ))?;
        }
        let rows = normalised
            .posting
            .provenance
            .iter()
            .map(|(pointer, of)| {
                vec![
                    format!("  {pointer}"),
                    of.source.clone(),
                    table::cut(&of.raw, 40),
                    of.rule.clone(),
                    format!("{:.2}", of.confidence),
                ]
            })
            .collect();
        out::line(table::table(
            &["  field", "source", "raw", "rule", "confidence"],
            rows,
            &[4],
        ))?;
    }
    for edge in &trace.edges {
        let other = if edge.a == state.id { edge.b } else { edge.a };
        out::line(format!(
            "  pair       {other} {:?}: {}",
            edge.outcome,
            edge.evidence.join("; ")
        ))?;
    }
    for decision in &trace.decisions {
        out::line(format!(
            "  decision   {:?} by {} {}{}",
            decision.kind,
            decision.who,
            out::instant(decision.at),
            if decision.why.is_empty() {
                String::new()
            } else {
                format!(": {}", decision.why)
            }
        ))?;
    }
    for run in trace.runs.iter().take(5) {
        out::line(format!(
            "  run        {} {} {} · pulled {}",
            run.id,
            out::instant(run.started),
            crate::daemon::metrics::snapshot(run.snapshot),
            run.counts.pulled
        ))?;
        if let Some(repeats) = run.repeats() {
            out::line(format!("             {repeats}"))?;
        }
    }
    Ok(())
}

fn json_of(bytes: Option<&bytes::Bytes>) -> Value {
    bytes
        .and_then(|bytes| serde_json::from_slice(bytes).ok())
        .unwrap_or(Value::Null)
}

fn vacancy_json(stored: &StoredVacancy) -> Value {
    json!({
        "id": stored.id,
        "state": stored.status,
        "version": stored.seq,
        "changed_at": stored.changed_at,
        "postings": stored.postings,
        "vacancy": stored.vacancy,
        "published": json_of(stored.body.as_ref()),
        "provenance": json_of(stored.provenance.as_ref()),
    })
}

fn trace_json(trace: &Trace) -> Value {
    let state = &trace.pulled.state;
    json!({
        "id": state.id,
        "connector": state.connector,
        "reference": state.reference,
        "observation": state.observation,
        "first_seen": state.first_seen,
        "closed": state.closed.as_ref().map(|(at, reason)| json!({"at": at, "reason": reason})),
        "turns": trace.turns,
        "misses": state.misses,
        "hash": state.hash,
        "raw": json_of(trace.pulled.payload.as_ref()),
        "made_from": trace.normalised.as_ref().map(|n| n.made_from),
        "posting": trace.normalised.as_ref().map(|n| &n.posting),
        "pairs": trace.edges,
        "decisions": trace.decisions,
        "runs": trace.runs.iter().map(|run| json!({
            "id": run.id,
            "started": run.started,
            "snapshot": run.snapshot,
            "counts": run.counts,
            "error": run.error,
            "repeats": run.repeats(),
        })).collect::<Vec<_>>(),
    })
}
