//! The titles of ROME, searched by rare words in common.

use super::super::tables::{self, Map};
use super::words::{self, Token};
use super::{Verdict, rome};
use std::sync::LazyLock;

#[derive(serde::Deserialize)]
struct Row {
    rome_v3: String,
    title: String,
}

struct Label {
    /// ROME 4.60 code for a label of that version, else the version-3 code.
    code: String,
    fine: bool,
    /// Sum of the weights of its stems.
    weight: f32,
    head: u32,
}

#[derive(Default)]
struct Index {
    labels: Vec<Label>,
    stems: Map<String, u32>,
    weights: Vec<f32>,
    /// Labels of each stem.
    postings: Vec<Vec<u32>>,
}

static INDEX: LazyLock<Index> = LazyLock::new(Index::load);

impl Index {
    fn load() -> Self {
        let mut this = Self::default();
        let mut stems_of: Vec<Vec<u32>> = Vec::new();
        let titles = tables::inflate(include_bytes!("../data/rome_titles.csv.zst"));
        let titles = tables::rows::<Row>(&titles)
            .into_iter()
            .map(|row| (row.rome_v3, row.title, false));
        let mut fine: Vec<_> = rome::entries()
            .map(|entry| (entry.code.clone(), entry.label.clone(), true))
            .collect();
        fine.sort();
        for (code, title, fine) in titles.chain(fine) {
            let mut ids: Vec<u32> = Vec::new();
            for token in words::tokens(&title) {
                let next = u32::try_from(this.stems.len()).unwrap_or(u32::MAX);
                let id = *this.stems.entry(token.stem).or_insert(next);
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            let Some(&head) = ids.first() else {
                continue;
            };
            stems_of.push(ids);
            this.labels.push(Label {
                code,
                fine,
                weight: 0.0,
                head,
            });
        }
        this.postings = vec![Vec::new(); this.stems.len()];
        for (label, ids) in stems_of.iter().enumerate() {
            for &id in ids {
                this.postings[id as usize].push(u32::try_from(label).unwrap_or(u32::MAX));
            }
        }
        let total = this.labels.len() as f32;
        this.weights = this
            .postings
            .iter()
            .map(|labels| (total / labels.len() as f32).ln())
            .collect();
        for (label, ids) in this.labels.iter_mut().zip(&stems_of) {
            label.weight = ids.iter().map(|&id| this.weights[id as usize]).sum();
        }
        this
    }
}

/// Whether a stem is a word of some title of ROME.
pub fn knows(stem: &str) -> bool {
    INDEX.stems.contains_key(stem)
}

/// Weight of a word of the title that no label knows.
const UNKNOWN_WEIGHT: f32 = 4.0;

/// The label that shares most with the title. Confidence falls with what either has alone.
pub fn find(tokens: &[Token]) -> Option<Verdict> {
    let index = &*INDEX;
    let mut scores: Map<u32, f32> = Map::default();
    let mut title_weight = 0.0;
    let mut seen: Vec<u32> = Vec::new();
    for token in tokens {
        // What stands after a dash or bracket is a detail.
        let share = if token.part == 0 { 1.0 } else { 0.35 };
        let Some(&id) = index.stems.get(&token.stem) else {
            title_weight += UNKNOWN_WEIGHT * share * 0.5;
            continue;
        };
        if seen.contains(&id) {
            continue;
        }
        seen.push(id);
        let weight = index.weights[id as usize] * share;
        title_weight += weight;
        for &label in &index.postings[id as usize] {
            *scores.entry(label).or_insert(0.0) += weight;
        }
    }
    let first = *seen.first()?;
    let mut ranked: Vec<(f32, u32)> = scores
        .into_iter()
        .map(|(id, common)| {
            let label = &index.labels[id as usize];
            // What both share, against what both say; a label that stands whole in a longer title
            // is nearly as good.
            let dice = 2.0 * common / (label.weight + title_weight);
            let mut score =
                0.6 * dice + 0.4 * (common / label.weight).min(1.0) * (0.4 + 0.6 * dice);
            if label.head != first {
                score *= if seen.contains(&label.head) {
                    0.85
                } else {
                    0.6
                };
            }
            (score, id)
        })
        .collect();
    ranked.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
    let &(best, top) = ranked.first()?;
    // Near ties vote by parent, so that one odd label does not decide.
    let mut votes: Vec<(&str, f32)> = Vec::new();
    for &(score, id) in ranked
        .iter()
        .take(8)
        .filter(|(score, _)| *score >= best * 0.85)
    {
        let parent = parent(&index.labels[id as usize]);
        match votes.iter_mut().find(|(known, _)| *known == parent) {
            Some((_, sum)) => *sum += score,
            None => votes.push((parent, score)),
        }
    }
    let all: f32 = votes.iter().map(|(_, sum)| sum).sum();
    let (winner, most) = votes
        .iter()
        .max_by(|one, other| one.1.total_cmp(&other.1).then(other.0.cmp(one.0)))?;
    let agreement = most / all;
    let label = &index.labels[top as usize];
    let exact = best > 0.999 && parent(label) == *winner;
    // One general word ("vendeur", "technicien") says less than an occupation.
    if seen.len() == 1 && !exact {
        return None;
    }
    let confidence = if exact && agreement > 0.5 {
        0.93
    } else {
        f64::from((best * (0.6 + 0.4 * agreement)).min(0.89))
    };
    if confidence < 0.3 {
        return None;
    }
    let fine = exact && label.fine;
    Some(Verdict {
        rome: fine.then(|| label.code.clone()),
        rome_v3: (*winner).to_owned(),
        title: None,
        rule: if exact {
            "occupation.rome_title"
        } else {
            "occupation.rome_title_near"
        },
        confidence: (confidence * 100.0).round() / 100.0,
    })
}

fn parent(label: &Label) -> &str {
    if label.fine {
        rome::entry(&label.code).map_or(label.code.as_str(), |entry| entry.parent.as_str())
    } else {
        &label.code
    }
}
