//! What is asked of candidates: diplomas, registration, experience.

use super::fold::{fold, pattern};
use super::input::Input;
use super::phrases::Topic;
use super::record::{Record, TEXT, cut};
use super::text::line;
use crate::model::{Experience, Field};
use regex::Regex;
use std::sync::LazyLock;

static YEARS: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"(\d{1,2})\s*(an|mois|year|month)"));
static TEXT_YEARS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(\d{1,2})\s*(ans?|annees?|mois) (?:minimum )?d'experience|experience (?:minimum |minimale |professionnelle )?(?:exigee |souhaitee |requise )?(?:de |d'au moins )?(\d{1,2})\s*(ans?|mois)",
    )
});

/// Short labels of diplomas and registrations, sources first, then the text.
pub fn diplomas(input: &Input<'_>, record: &mut Record) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    if let Some(raw) = input.raw(Field::Diplomas) {
        for value in &raw.values {
            let label = cut(&line(value), 120).trim().to_owned();
            if !label.is_empty() && !out.contains(&label) && out.len() < 20 {
                out.push(label);
            }
        }
        if !out.is_empty() {
            record.mapped("/diplomas", raw, "diploma.field", 0.97);
        }
    }
    let before = out.len();
    for hit in input
        .text_hits(Topic::Diploma)
        .chain(input.title_hits(Topic::Diploma))
    {
        if !out.contains(&hit.phrase.value) && out.len() < 20 {
            out.push(hit.phrase.value.clone());
        }
    }
    if before == 0 && !out.is_empty() {
        record.set("/diplomas", TEXT, "", "diploma.text", 0.85);
    }
    out
}

pub fn experience(input: &Input<'_>, record: &mut Record) -> Option<Experience> {
    let mut out = Experience::default();
    if let Some(raw) = input.raw(Field::Experience) {
        let label = cut(&line(raw.value()), 120).to_owned();
        let folded = fold(&label);
        // France Travail's codes, then words.
        out.required = match folded.as_str() {
            "d" | "0" => Some(false),
            "e" => Some(true),
            "s" => Some(false),
            _ if folded.contains("debutant")
                || folded.contains("souhait")
                || folded.contains("aucune") =>
            {
                Some(false)
            }
            _ if folded.contains("exige")
                || folded.contains("requis")
                || YEARS.as_ref().is_some_and(|r| r.is_match(&folded)) =>
            {
                Some(true)
            }
            _ => None,
        };
        out.months = YEARS
            .as_ref()
            .and_then(|regex| regex.captures(&folded))
            .and_then(|found| in_months(found.get(1)?.as_str(), found.get(2)?.as_str()));
        if label.chars().count() > 1 {
            out.label = Some(label);
        }
        record.mapped("/experience", raw, "experience.field", 0.97);
    } else if input.text_folded.contains("debutant accepte")
        || input.text_folded.contains("debutants acceptes")
        || input.text_folded.contains("debutant(e) accepte")
    {
        out.required = Some(false);
        record.set(
            "/experience",
            TEXT,
            "débutant accepté",
            "experience.text",
            0.9,
        );
    } else if let Some(found) = TEXT_YEARS
        .as_ref()
        .and_then(|regex| regex.captures(&input.text_folded))
    {
        let number = found.get(1).or_else(|| found.get(3));
        let unit = found.get(2).or_else(|| found.get(4));
        out.months = number
            .zip(unit)
            .and_then(|(number, unit)| in_months(number.as_str(), unit.as_str()));
        if out.months.is_some() {
            out.required = Some(true);
            let raw = found
                .get(0)
                .map(|whole| input.excerpt(whole.range()).to_owned());
            record.set(
                "/experience",
                TEXT,
                raw.as_deref().unwrap_or_default(),
                "experience.text",
                0.75,
            );
        }
    }
    (out != Experience::default()).then_some(out)
}

fn in_months(number: &str, unit: &str) -> Option<u32> {
    let number: u32 = number.parse().ok()?;
    let months = if unit.starts_with('m') {
        number
    } else {
        number * 12
    };
    (months <= 480).then_some(months)
}
