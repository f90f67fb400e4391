//! Questions and verdicts as people are shown them, on the command line and over HTTP.

use super::crowd::{self, Step};
use super::{Agreement, Answer, Question, agreement, compare, in_french, probability, questions};
use crate::model::{
    ConnectorName, Decision, Edge, Outcome, Place, PostingId, StoredPosting, VacancyId,
};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// What waits for an answer, and how the answers given compare with the machine.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Review {
    /// The weightiest first; ties by id.
    pub items: Vec<QuestionRow>,
    /// How many there are, those left off included.
    pub total: usize,
    /// How many of all questions want an answer.
    pub open: usize,
    pub agreement: Agreement,
}

/// One question on one line, `id` first.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct QuestionRow {
    /// The vacancy with the smaller id …
    pub id: VacancyId,
    /// … and the one that may be the same opening.
    pub other: VacancyId,
    pub state: QuestionState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Thousandths of a bit, the mean over all pairs between the two.
    pub weight: i64,
    /// That they are one opening.
    pub probability: f64,
    /// Postings of both.
    pub postings: usize,
    /// The pair that speaks most for one vacancy.
    pub best: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuestionState {
    /// An answer is wanted.
    Open,
    /// Nobody answered, and little hangs on it.
    Minor,
    Same,
    Different,
    /// A text changed since the answer, and the machine is sure of the contrary.
    AskedAgain,
}

/// What the machine says of two postings.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Verdict {
    /// The smaller id first.
    pub postings: [PostingId; 2],
    pub outcome: Outcome,
    /// Thousandths of a bit; above zero speaks for one vacancy.
    pub weight: i64,
    /// In words, the weightiest first.
    pub evidence: Vec<String>,
}

/// The evidence on two postings, with what a person needs to judge it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Explanation {
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The evidence in French.
    pub evidence_fr: Vec<String>,
    /// That they are one opening.
    pub probability: f64,
    /// Whether they stand in one vacancy.
    pub together: bool,
    /// Why they do not, though the machine would join them elsewhere: they are part of a crowd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crowd: Option<String>,
    /// The same in French.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crowd_fr: Option<String>,
    /// The two postings, in the order in which they were asked about.
    pub ads: [Ad; 2],
    /// What people said of the pair, oldest first.
    pub decisions: Vec<Decision>,
}

/// A posting as its source shows it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Ad {
    pub id: PostingId,
    /// Where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vacancy: Option<VacancyId>,
    /// The source, and its name for the posting.
    pub connector: ConnectorName,
    pub reference: String,
    pub title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub employer: Option<String>,
    pub places: Vec<Place>,
    /// Its page there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    pub live: bool,
}

/// A weight's probability as a share of one.
fn share(weight: i64) -> f64 {
    f64::from(probability(weight)) / 1000.0
}

impl Review {
    /// The questions between the vacancies of these postings ([`questions`]): with `all`, answered
    /// ones too and those on which little hangs.
    pub fn of(
        postings: &[StoredPosting],
        home: &BTreeMap<PostingId, VacancyId>,
        edges: &[Edge],
        decisions: &[Decision],
        all: bool,
    ) -> Self {
        let found = questions(postings, home, edges, decisions);
        let open = found.iter().filter(|q| q.open).count();
        let titles: BTreeMap<PostingId, &str> = postings
            .iter()
            .map(|p| (p.state.id, p.posting.offer.title.as_str()))
            .collect();
        let shown = found.into_iter().filter(|q| all || q.open);
        let items: Vec<_> = shown.map(|q| QuestionRow::of(q, &titles)).collect();
        Self {
            total: items.len(),
            items,
            open,
            agreement: agreement(postings, decisions),
        }
    }
}

impl QuestionRow {
    fn of(question: Question, titles: &BTreeMap<PostingId, &str>) -> Self {
        let (id, other) = question.vacancies;
        Self {
            id,
            other,
            state: QuestionState::of(&question),
            title: titles.get(&question.best.a).map(|t| (*t).to_owned()),
            weight: question.weight,
            probability: share(question.weight),
            postings: question.postings,
            best: question.best.into(),
        }
    }
}

impl QuestionState {
    fn of(question: &Question) -> Self {
        match (question.answer, question.open) {
            _ if question.asked_again => Self::AskedAgain,
            (Some(Answer::Same), _) => Self::Same,
            (Some(Answer::Different), _) => Self::Different,
            (None, true) => Self::Open,
            (None, false) => Self::Minor,
        }
    }

    /// As people read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Minor => "minor",
            Self::Same => "same",
            Self::Different => "different",
            Self::AskedAgain => "asked again",
        }
    }
}

impl From<Edge> for Verdict {
    fn from(edge: Edge) -> Self {
        Self {
            postings: [edge.a, edge.b],
            outcome: edge.outcome,
            weight: edge.weight,
            evidence: edge.evidence,
        }
    }
}

impl Explanation {
    /// The verdict on two postings, each with the vacancy in which it stands.
    pub fn of(
        one: (&StoredPosting, Option<VacancyId>),
        other: (&StoredPosting, Option<VacancyId>),
        decisions: &[Decision],
    ) -> Self {
        let edge = compare(&one.0.posting, &other.0.posting);
        let pair = Some((edge.a, edge.b));
        let mut said: Vec<Decision> = decisions
            .iter()
            .filter(|d| d.object.map(|o| (d.subject.min(o), d.subject.max(o))) == pair)
            .cloned()
            .collect();
        said.sort_by_key(|d| d.at);
        Self {
            evidence_fr: edge.evidence.iter().map(|line| in_french(line)).collect(),
            probability: share(edge.weight),
            together: one.1.is_some() && one.1 == other.1,
            crowd: None,
            crowd_fr: None,
            verdict: edge.into(),
            ads: [one, other].map(Ad::of),
            decisions: said,
        }
    }
}

impl Explanation {
    /// Whether two ads that the machine takes for one stand apart all the same.
    pub fn wants_reason(&self) -> bool {
        self.verdict.outcome == Outcome::Same && !self.together
    }

    /// Says that the two are part of a crowd in which so little counts.
    pub fn crowded(mut self, step: Step) -> Self {
        let note = crowd::note(step).map(Vec::from).unwrap_or_default();
        let mut note = note.into_iter();
        (self.crowd, self.crowd_fr) = (note.next(), note.next());
        self
    }
}

impl Ad {
    fn of((stored, vacancy): (&StoredPosting, Option<VacancyId>)) -> Self {
        let (state, offer) = (&stored.state, &stored.posting.offer);
        Self {
            id: state.id,
            vacancy,
            connector: state.connector.clone(),
            reference: state.reference.clone(),
            title: offer.title.clone(),
            employer: offer.employer.as_ref().and_then(|e| e.name.clone()),
            places: offer.places.clone(),
            url: offer.origin.as_ref().and_then(|o| o.url.clone()),
            live: state.is_live(),
        }
    }
}
