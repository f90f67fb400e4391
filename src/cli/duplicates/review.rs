//! `duplicates list`, `explain`, `same`, `different`, `unsure`: what people see and say of pairs.

use crate::admin::{
    decisions,
    duplicates::{self, World},
};
use crate::cli::{Exit, Who, out, table};
use crate::daemon::Hub;
use crate::dedupe::{Agreement, QuestionRow, probability};
use crate::model::{DecisionKind, Outcome, VacancyId};
use anyhow::Context as _;

#[derive(Debug, clap::Args)]
pub struct List {
    /// Answered ones too, and those on which little hangs
    #[arg(long)]
    all: bool,
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct Explain {
    /// Id of a vacancy or of one of its postings
    one: String,
    /// Id of the other
    other: String,
    /// The evidence in French
    #[arg(long)]
    french: bool,
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct Pair {
    /// Id of a vacancy or of one of its postings
    one: String,
    /// Id of the other
    other: String,
    #[command(flatten)]
    who: Who,
}

pub async fn list(hub: &Hub, args: &List) -> anyhow::Result<Exit> {
    let review = World::read(&*hub.store).await?.review(args.all);
    if args.json {
        for question in &review.items {
            out::json(question)?;
        }
    } else if review.items.is_empty() {
        out::line("no question is open")?;
    } else {
        let rows = review.items.iter().map(row).collect();
        let head = [
            "id",
            "other",
            "chance",
            "ads",
            "state",
            "title",
            "for and against",
        ];
        out::line(table::table(&head, rows, &[2, 3]))?;
    }
    if !args.json {
        say_agreement(review.agreement)?;
    }
    Ok(if review.open > 0 {
        Exit::Attention
    } else {
        Exit::Done
    })
}

fn say_agreement(counts: Agreement) -> anyhow::Result<()> {
    let Agreement {
        agreed,
        contradicted,
        asked,
    } = counts;
    if agreed + contradicted + asked > 0 {
        out::line(format!(
            "people decided {} pairs: {agreed} as the machine would have, {contradicted} against it, {asked} that it had asked about",
            agreed + contradicted + asked
        ))?;
    }
    Ok(())
}

fn row(question: &QuestionRow) -> Vec<String> {
    let evidence = question.best.evidence.iter().take(3).cloned();
    vec![
        question.id.to_string(),
        question.other.to_string(),
        chance(question.weight),
        question.postings.to_string(),
        question.state.word().to_owned(),
        table::cut(question.title.as_deref().unwrap_or_default(), 40),
        evidence.collect::<Vec<_>>().join("; "),
    ]
}

/// The chance of a weight as people read it; rounding never makes it certain.
fn chance(weight: i64) -> String {
    match probability(weight) {
        0..5 => "<1 %".to_owned(),
        995.. => ">99 %".to_owned(),
        thousandths => format!("{} %", (thousandths + 5) / 10),
    }
}

pub async fn explain(hub: &Hub, args: &Explain) -> anyhow::Result<Exit> {
    let (one, other) = (id(&args.one)?, id(&args.other)?);
    let explained = duplicates::explain(&*hub.store, one, other).await?;
    if args.json {
        out::json(&explained)?;
        return Ok(Exit::Done);
    }
    for ad in &explained.ads {
        out::line(format!(
            "{} · {} · {} · {}",
            ad.id,
            ad.connector,
            ad.title,
            if ad.live { "live" } else { "closed" }
        ))?;
    }
    let edge = &explained.verdict;
    let verdict = match edge.outcome {
        Outcome::Same => "same",
        Outcome::Ask => "not sure",
        Outcome::Different => "different",
    };
    out::line(format!(
        "the machine says: {verdict} ({} that they are one opening, {:+.1} bits); they stand in {}",
        chance(edge.weight),
        edge.weight as f64 / 1000.0,
        if explained.together {
            "one vacancy"
        } else {
            "two vacancies"
        }
    ))?;
    let evidence = if args.french {
        &explained.evidence_fr
    } else {
        &edge.evidence
    };
    for line in evidence {
        out::line(format!("  {line}"))?;
    }
    let crowd = if args.french {
        &explained.crowd_fr
    } else {
        &explained.crowd
    };
    if let Some(crowd) = crowd {
        out::line(format!("  {crowd}"))?;
    }
    for decision in &explained.decisions {
        let why = match decision.why.as_str() {
            "" => String::new(),
            why => format!(": {why}"),
        };
        out::line(format!(
            "{} said {} on {}{why}",
            decision.who,
            word(decision.kind),
            out::instant(decision.at)
        ))?;
    }
    Ok(Exit::Done)
}

fn word(kind: DecisionKind) -> &'static str {
    match kind {
        DecisionKind::Same => "same",
        DecisionKind::Different => "different",
        DecisionKind::Unsure => "unsure",
        DecisionKind::Rekey => "the one became the other",
        DecisionKind::Hide | DecisionKind::Show | DecisionKind::Erase => "something of one",
    }
}

fn id(text: &str) -> anyhow::Result<VacancyId> {
    text.trim()
        .parse()
        .with_context(|| format!("{text:?} is no id: ids look like 0b7c2c1e-…"))
}

pub async fn decide(hub: &Hub, kind: DecisionKind, args: &Pair) -> anyhow::Result<Exit> {
    let (one, other) = (id(&args.one)?, id(&args.other)?);
    decisions::decide(
        &*hub.store,
        kind,
        one,
        Some(other),
        &args.who.name(),
        &args.who.why,
        hub.clock.now(),
    )
    .await?;
    let effect = match kind {
        DecisionKind::Same => "are one vacancy",
        DecisionKind::Different => "are two vacancies",
        _ => "are as the machine says",
    };
    out::line(format!(
        "{one} and {other} {effect}: a running daemon acts on it at once, else `passerelle sync` does"
    ))?;
    Ok(Exit::Done)
}
