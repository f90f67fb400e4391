//! The scorecard: levels in, thousandths of a bit and words out.

use super::signals::{LINES, Line, Signals};
use crate::model::Outcome;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A level that weighs less, in thousandths of a bit, is not told.
const TOLD: i64 = 200;

/// No line has more levels.
const LEVELS: usize = 16;

/// Thresholds on a mean weight, in thousandths of a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bands {
    /// At least this: one vacancy, unless another cluster contests it.
    pub same: i64,
    /// At least this: one vacancy, even so.
    pub contested: i64,
    /// At least this: a third cluster that goes with one side, but not with the other, contests.
    pub rival: i64,
    /// At least this: a person may be asked. A pair below is *different*: unless a person joins
    /// them, the two never stand in one vacancy.
    pub ask: i64,
    /// A question is not asked either where it would put a pair below this into one vacancy.
    pub different: i64,
}

/// On what the weights rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FitRecord {
    pub data: String,
    pub date: String,
    #[serde(default, flatten)]
    pub figures: BTreeMap<String, toml::Value>,
}

/// `weights.toml` as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeightFile {
    pub fit: FitRecord,
    pub bands: Bands,
    pub lines: BTreeMap<String, BTreeMap<String, i64>>,
}

/// The scorecard, ready to be added up.
#[derive(Clone, Debug, PartialEq)]
pub struct Scorecard {
    pub bands: Bands,
    prior: i64,
    weights: [[i64; LEVELS]; LINES.len()],
    /// The most that each line gives.
    most: [i64; LINES.len()],
    /// What is said of each level, where it weighs enough to be told.
    said: Vec<Vec<Option<String>>>,
}

/// Why a weights table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    #[error("the weights table cannot be read")]
    Syntax(#[from] toml::de::Error),
    #[error("the weights table has no weight for {line}.{level}")]
    Missing { line: String, level: String },
    #[error("the bands must rise: different, ask, rival, same, contested; they are {0:?}")]
    Bands(Bands),
}

impl Scorecard {
    /// Reads a table in the form of `weights.toml`.
    ///
    /// # Errors
    /// It is not TOML of that form, lacks a level, or its bands do not rise.
    pub fn parse(text: &str) -> Result<Self, WeightsError> {
        Self::of(&toml::from_str(text)?)
    }

    /// The scorecard of a table.
    ///
    /// # Errors
    /// As [`Scorecard::parse`].
    pub fn of(file: &WeightFile) -> Result<Self, WeightsError> {
        let weight = |line: &str, level: &str| {
            file.lines
                .get(line)
                .and_then(|levels| levels.get(level))
                .copied()
                .ok_or_else(|| WeightsError::Missing {
                    line: line.to_owned(),
                    level: level.to_owned(),
                })
        };
        let bands = file.bands;
        let rising = [
            bands.different,
            bands.ask,
            bands.rival,
            bands.same,
            bands.contested,
        ];
        if !rising.is_sorted() {
            return Err(WeightsError::Bands(bands));
        }
        let mut weights = [[0; LEVELS]; LINES.len()];
        for ((line, levels), weights) in LINES.iter().zip(&mut weights) {
            for (level, of) in levels.iter().zip(weights) {
                *of = weight(line, level)?;
            }
        }
        let most = |line: usize| weights[line][..LINES[line].1.len()].iter().max();
        let said = LINES.iter().zip(&weights).map(|((line, levels), weights)| {
            let said = levels.iter().zip(weights).map(|(level, weight)| {
                let told = words(line, level).filter(|_| weight.abs() >= TOLD)?;
                Some(format!("{told} ({})", points(*weight)))
            });
            said.collect()
        });
        Ok(Self {
            bands,
            prior: weight("prior", "prior")?,
            said: said.collect(),
            most: std::array::from_fn(|line| most(line).copied().unwrap_or(0)),
            weights,
        })
    }

    /// The weight of a pair in thousandths of a bit.
    pub fn weigh(&self, signals: &Signals) -> i64 {
        let weights = self.parts(signals).map(|(_, _, weight)| weight);
        self.prior + weights.sum::<i64>()
    }

    /// The most that a pair may weigh of which `unread` are not read yet.
    pub fn weigh_at_most(&self, signals: &Signals, unread: &[Line]) -> i64 {
        let gain = |line: &Line| {
            let line = *line as usize;
            self.most[line] - self.at(line, signals[line])
        };
        self.weigh(signals) + unread.iter().map(gain).sum::<i64>()
    }

    /// Line, level and weight of each line.
    fn parts<'a>(&'a self, signals: &'a Signals) -> impl Iterator<Item = (usize, u8, i64)> + 'a {
        let signals = signals.iter().enumerate();
        signals.map(|(line, level)| (line, *level, self.at(line, *level)))
    }

    fn at(&self, line: usize, level: u8) -> i64 {
        let weight = self.weights[line].get(usize::from(level));
        weight.copied().unwrap_or(0)
    }

    /// What a pair gains when two postings of one own source turn out to have stood one after the
    /// other, not side by side.
    pub fn apart_bonus(&self, signals: &Signals) -> i64 {
        let line = Line::sources as usize;
        let now = self.at(line, signals[line]);
        (self.at(line, super::signals::SAME_OWN_APART) - now).max(0)
    }

    /// The most that [`Self::apart_bonus`] gives any pair.
    pub fn most_apart_bonus(&self) -> i64 {
        let line = Line::sources as usize;
        let least = self.weights[line].iter().take(LINES[line].1.len()).min();
        let apart = self.at(line, super::signals::SAME_OWN_APART);
        least.map_or(0, |least| (apart - least).max(0))
    }

    /// Whether a pair of this weight is neither a question nor ever one vacancy, whatever becomes
    /// of its two postings: nothing of it is kept.
    pub fn hopeless(&self, weight: i64) -> bool {
        weight < self.bands.ask && weight + self.most_apart_bonus() < self.bands.rival
    }

    /// The band of a weight.
    pub fn outcome(&self, weight: i64) -> Outcome {
        if weight >= self.bands.same {
            Outcome::Same
        } else if weight >= self.bands.ask {
            Outcome::Ask
        } else {
            Outcome::Different
        }
    }

    /// What speaks for and against, the weightiest first: "same apply link (+9.0)".
    pub fn evidence(&self, signals: &Signals) -> Vec<String> {
        let mut parts: Vec<(i64, &str)> = self
            .parts(signals)
            .filter_map(|(line, level, weight)| {
                let said = self.said.get(line)?.get(usize::from(level))?;
                Some((weight.abs(), said.as_deref()?))
            })
            .collect();
        // Ties in the order of the lines.
        parts.sort_by_key(|(weight, _)| -weight);
        parts.into_iter().map(|(_, said)| said.to_owned()).collect()
    }
}

/// Thousandths of a bit as they are shown: "+9.0".
pub fn points(weight: i64) -> String {
    let tenths = (weight.abs() + 50) / 100;
    let sign = if weight < 0 { '-' } else { '+' };
    format!("{sign}{}.{}", tenths / 10, tenths % 10)
}

/// The chance that a pair of this weight is one vacancy, per mille; the weights are fitted so that
/// they are log odds to the base two.
pub fn probability(weight: i64) -> u32 {
    let odds = (weight.clamp(-40_000, 40_000) as f64 / 1000.0).exp2();
    (odds / (1.0 + odds) * 1000.0).round() as u32
}

type Phrases = BTreeMap<String, BTreeMap<String, [String; 2]>>;

static EVIDENCE: LazyLock<Phrases> =
    LazyLock::new(|| match toml::from_str(include_str!("evidence.toml")) {
        Ok(phrases) => phrases,
        Err(error) => panic!("the compiled-in table evidence.toml is damaged: {error}"),
    });

fn words(line: &str, level: &str) -> Option<String> {
    let line = line
        .strip_prefix("agency_")
        .or(line.strip_prefix("reissue_"))
        .unwrap_or(line);
    if matches!(line, "containment" | "resemblance" | "rare") {
        let share = match level {
            "none" => "under 10 %".to_owned(),
            "all" => "100 %".to_owned(),
            "empty" => return Some("texts too short to compare".to_owned()),
            cut => format!("{} % or more", &cut[1..]),
        };
        return Some(match line {
            "containment" => format!("of the shorter text, {share} is in the longer"),
            "resemblance" => format!("of both texts together, {share} is common"),
            _ => format!("of the rare phrases of one text, {share} is in the other"),
        });
    }
    EVIDENCE
        .get(line)?
        .get(level)
        .map(|[english, _]| english.clone())
}

/// Why a pair that would weigh more is only a question: in English and French.
pub const TOO_LITTLE: [&str; 2] = [
    "held back: texts too short to be sure, and no link, reference or re-issue ties the two",
    "retenu : textes trop courts pour être sûr, et ni lien, ni référence, ni republication",
];

/// Lines that veto, in French.
const VETOED: [(&str, &str); 10] = [
    ("level", "niveau dans le titre"),
    ("designator", "numéro ou lettre dans le titre"),
    ("place", "lieu"),
    ("contract", "contrat"),
    ("shift", "horaire"),
    ("duration", "durée"),
    ("time", "temps de travail"),
    ("service", "service"),
    ("openings", "nombre de postes"),
    ("sources", "sources de deux adhérents"),
];

/// A sentence of evidence in French, for the review page; unknown ones as they are.
pub fn in_french(evidence: &str) -> String {
    static FRENCH: LazyLock<BTreeMap<&str, &str>> = LazyLock::new(|| {
        EVIDENCE
            .values()
            .flat_map(BTreeMap::values)
            .map(|[english, french]| (english.as_str(), french.as_str()))
            .chain([TOO_LITTLE.into()])
            .collect()
    });
    if let Some(line) = evidence.strip_prefix("veto: ") {
        let line = VETOED.iter().find(|(name, _)| *name == line);
        return line.map_or_else(
            || evidence.to_owned(),
            |(_, french)| format!("veto : {french}"),
        );
    }
    let (words, points) = evidence.rsplit_once(" (").unwrap_or((evidence, ""));
    let french = match FRENCH.get(words) {
        Some(french) => (*french).to_owned(),
        None => words
            .replace("of the shorter text, ", "du texte court, ")
            .replace("of both texts together, ", "des deux textes réunis, ")
            .replace(" is in the longer", " se trouve dans le long")
            .replace(
                "of the rare phrases of one text, ",
                "des tournures rares d'un texte, ",
            )
            .replace(" is in the other", " se trouve dans l'autre")
            .replace(" is common", " est commun")
            .replace(" or more", " ou plus")
            .replace("under", "moins de")
            .replace(
                "texts too short to compare",
                "textes trop courts pour être comparés",
            ),
    };
    if points.is_empty() {
        french
    } else {
        format!("{french} ({}", points.replace('.', ","))
    }
}

/// The shipped scorecard.
pub static SCORECARD: LazyLock<Scorecard> =
    LazyLock::new(|| match Scorecard::parse(include_str!("weights.toml")) {
        Ok(card) => card,
        Err(error) => panic!("the compiled-in table weights.toml is damaged: {error}"),
    });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_tables_are_whole() {
        assert!(SCORECARD.bands.ask < SCORECARD.bands.same);
        for (line, levels) in EVIDENCE.iter() {
            let known = LINES.iter().find(|(name, _)| name == line);
            let known = known.unwrap_or_else(|| panic!("{line} is no line")).1;
            for level in levels.keys() {
                assert!(known.contains(&level.as_str()), "{line}.{level}");
            }
        }
    }

    #[test]
    fn evidence_has_points_and_a_french_form() {
        assert_eq!(points(-6640), "-6.6");
        assert_eq!(in_french("same commune (+2.5)"), "même commune (+2,5)");
        assert_eq!(
            in_french("of the shorter text, 90 % or more is in the longer (+2.5)"),
            "du texte court, 90 % ou plus se trouve dans le long (+2,5)"
        );
    }

    #[test]
    fn probability_is_the_logistic_of_the_weight() {
        assert_eq!(probability(0), 500);
        assert_eq!(probability(1000), 667);
        assert_eq!(probability(-60_000), 0);
    }
}
