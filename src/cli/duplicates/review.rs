//! `duplicates list`, `explain`, `same`, `different`, `unsure`: what people see and say of pairs.

use crate::admin::decisions;
use crate::cli::{Exit, Who, out, table};
use crate::daemon::Hub;
use crate::dedupe::{self, Agreement, Answer, Question, probability};
use crate::model::{
    Decision, DecisionKind, Edge, Outcome, PostingId, StoredPosting, VacancyId, VacancyStatus,
};
use anyhow::{Context as _, bail};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Rows read at a time.
const AT_ONCE: usize = 500;

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
    let world = World::read(hub).await?;
    let found = dedupe::questions(&world.postings, &world.home, &world.edges, &world.decisions);
    let shown: Vec<&Question> = found.iter().filter(|q| args.all || q.open).collect();
    let open = found.iter().any(|q| q.open);
    let titles: BTreeMap<PostingId, &str> = world
        .postings
        .iter()
        .map(|p| (p.state.id, p.posting.offer.title.as_str()))
        .collect();
    if args.json {
        for question in &shown {
            out::json(&question_json(question, &titles))?;
        }
    } else if shown.is_empty() {
        out::line("no question is open")?;
    } else {
        let rows = shown.iter().map(|q| row(q, &titles)).collect();
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
        say_agreement(dedupe::agreement(&world.postings, &world.decisions))?;
    }
    Ok(if open { Exit::Attention } else { Exit::Done })
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

fn state(question: &Question) -> &'static str {
    match (question.answer, question.open) {
        _ if question.asked_again => "asked again",
        (Some(Answer::Same), _) => "same",
        (Some(Answer::Different), _) => "different",
        (None, true) => "open",
        (None, false) => "minor",
    }
}

fn row(question: &Question, titles: &BTreeMap<PostingId, &str>) -> Vec<String> {
    let (one, other) = question.vacancies;
    let title = titles.get(&question.best.a).copied().unwrap_or_default();
    let evidence = question.best.evidence.iter().take(3).cloned();
    vec![
        one.to_string(),
        other.to_string(),
        chance(question.weight),
        question.postings.to_string(),
        state(question).to_owned(),
        table::cut(title, 40),
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

/// One question on one line, `id` first.
#[derive(Serialize)]
struct Row<'a> {
    id: VacancyId,
    other: VacancyId,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    /// Thousandths of a bit, the mean over all pairs between the two.
    weight: i64,
    probability: f64,
    postings: usize,
    best: Value,
}

fn question_json<'a>(question: &Question, titles: &BTreeMap<PostingId, &'a str>) -> Row<'a> {
    let (id, other) = question.vacancies;
    Row {
        id,
        other,
        state: state(question).replace(' ', "_"),
        title: titles.get(&question.best.a).copied(),
        weight: question.weight,
        probability: f64::from(probability(question.weight)) / 1000.0,
        postings: question.postings,
        best: edge_json(&question.best),
    }
}

fn edge_json(edge: &Edge) -> Value {
    json!({
        "postings": [edge.a, edge.b],
        "outcome": edge.outcome,
        "weight": edge.weight,
        "evidence": edge.evidence,
    })
}

pub async fn explain(hub: &Hub, args: &Explain) -> anyhow::Result<Exit> {
    let (one, other) = (
        posting(hub, &args.one).await?,
        posting(hub, &args.other).await?,
    );
    if one.state.id == other.state.id {
        bail!("{} and {} are one posting: give two", args.one, args.other);
    }
    let edge = dedupe::compare(&one.posting, &other.posting);
    let decisions = hub.store.decisions().await?;
    let about = said(&decisions, edge.a, edge.b);
    let home = |id: PostingId| async move {
        let trace = hub.store.trace(id).await?;
        anyhow::Ok(trace.and_then(|t| t.vacancy).map(|v| v.id))
    };
    let homes = [home(edge.a).await?, home(edge.b).await?];
    let together = homes[0].is_some() && homes[0] == homes[1];
    if args.json {
        let mut value = edge_json(&edge);
        if let Some(map) = value.as_object_mut() {
            map.insert(
                "probability".into(),
                json!(f64::from(probability(edge.weight)) / 1000.0),
            );
            map.insert("together".into(), json!(together));
            map.insert("decisions".into(), json!(about));
        }
        out::json(&value)?;
        return Ok(Exit::Done);
    }
    for side in [&one, &other] {
        out::line(format!(
            "{} · {} · {} · {}",
            side.state.id,
            side.state.connector,
            side.posting.offer.title,
            if side.state.is_live() {
                "live"
            } else {
                "closed"
            }
        ))?;
    }
    let verdict = match edge.outcome {
        Outcome::Same => "same",
        Outcome::Ask => "not sure",
        Outcome::Different => "different",
    };
    out::line(format!(
        "the machine says: {verdict} ({} that they are one opening, {:+.1} bits); they stand in {}",
        chance(edge.weight),
        edge.weight as f64 / 1000.0,
        if together {
            "one vacancy"
        } else {
            "two vacancies"
        }
    ))?;
    for line in &edge.evidence {
        let line = if args.french {
            dedupe::in_french(line)
        } else {
            line.clone()
        };
        out::line(format!("  {line}"))?;
    }
    for decision in about {
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

/// What people said of a pair, oldest first.
fn said(decisions: &[Decision], a: PostingId, b: PostingId) -> Vec<&Decision> {
    let mut about: Vec<&Decision> = decisions
        .iter()
        .filter(|d| {
            let pair = d.object.map(|o| (d.subject.min(o), d.subject.max(o)));
            pair == Some((a.min(b), a.max(b)))
        })
        .collect();
    about.sort_by_key(|d| d.at);
    about
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

/// The posting that an id means: itself, or the founder of a vacancy.
async fn posting(hub: &Hub, text: &str) -> anyhow::Result<StoredPosting> {
    let id = PostingId(id(text)?.0);
    let mut found = hub.store.load_normalised(&[id]).await?;
    found.pop().with_context(|| {
        format!("there is no posting {text}: give the id of a vacancy or of one of its postings")
    })
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

/// What the questions are made from.
struct World {
    postings: Vec<StoredPosting>,
    home: BTreeMap<PostingId, VacancyId>,
    edges: Vec<Edge>,
    decisions: Vec<Decision>,
}

impl World {
    async fn read(hub: &Hub) -> anyhow::Result<Self> {
        let ids = hub.store.posting_ids(None).await?;
        let decisions = hub.store.decisions().await?;
        // One consistent view of edges and clusters; the lock is given back before any work.
        let mut tx = hub.store.lock_public().await?;
        let (mut home, mut edges) = (BTreeMap::new(), Vec::new());
        for part in ids.chunks(AT_ONCE) {
            home.extend(tx.clusters(part).await?);
            let stored = tx.edges(part).await?;
            edges.extend(
                stored
                    .into_iter()
                    .filter(|e| e.outcome != Outcome::Different),
            );
        }
        drop(tx);
        edges.sort_by_key(|e| (e.a, e.b));
        edges.dedup_by_key(|e| (e.a, e.b));
        let across = |e: &&Edge| home.get(&e.a) != home.get(&e.b);
        let mut wanted: BTreeSet<VacancyId> = BTreeSet::new();
        for edge in edges.iter().filter(across) {
            wanted.extend([home.get(&edge.a), home.get(&edge.b)].into_iter().flatten());
        }
        let decided: BTreeSet<PostingId> = decisions
            .iter()
            .flat_map(|d| [Some(d.subject), d.object])
            .flatten()
            .collect();
        wanted.extend(decided.iter().filter_map(|id| home.get(id)));
        let mut live = BTreeSet::new();
        for vacancy in wanted {
            let stored = hub.store.vacancy(vacancy).await?;
            let asked = |status: &VacancyStatus| {
                matches!(status, VacancyStatus::Live | VacancyStatus::Private)
            };
            if stored.is_some_and(|v| asked(&v.status)) {
                live.insert(vacancy);
            }
        }
        let needed: Vec<PostingId> = home
            .iter()
            .filter(|(_, vacancy)| live.contains(vacancy))
            .map(|(id, _)| *id)
            .collect();
        let mut postings = Vec::new();
        for part in needed.chunks(AT_ONCE) {
            postings.extend(hub.store.load_normalised(part).await?);
        }
        Ok(Self {
            postings,
            home,
            edges,
            decisions,
        })
    }
}
