//! Occupation: from a title, and the source's code, to ROME 4.60 and its version-3 parent.

mod curated;
mod labels;
mod rome;
mod spelling;
mod words;

use super::fold::pattern;
use super::input::Input;
use super::record::{Record, TEXT, TITLE};
use super::text::line;
use crate::model::{Field, Occupation};
use regex::Regex;
use std::sync::LazyLock;

/// What a title says of the occupation.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// ROME 4.60, where the title is that precise.
    pub rome: Option<String>,
    pub rome_v3: String,
    /// The gender-neutral title that goes with it.
    pub title: Option<String>,
    pub rule: &'static str,
    pub confidence: f64,
}

/// The occupation of a cleaned title alone: the trade's own table first, then the 11,118 titles of
/// ROME. `None` where neither is sure enough to be said.
pub fn classify(title: &str) -> Option<Verdict> {
    let tokens = words::tokens(title);
    curated::find(&tokens).or_else(|| labels::find(&tokens))
}

/// The other names under which people look for the occupation that `phrase` names: for "ide" also
/// "infirmier". Folded words; `None` where the phrase names no occupation of the trade.
pub fn trade_names(phrase: &str) -> Option<Vec<&'static str>> {
    curated::names(phrase)
}

/// The word of the trade that `word`, folded, may be a slip of; `None` where none is near, or more
/// than one as near.
pub fn spelt(word: &str) -> Option<String> {
    curated::spelt(word)
}

/// Whether a stem is a word of some title of ROME.
pub fn is_word_of_titles(stem: &str) -> bool {
    labels::knows(stem)
}

/// Below this the title's verdict is no answer.
const LEAST: f64 = 0.38;
/// From here on a title contradicts its source's code.
const SURE: f64 = 0.93;

pub fn occupation(
    input: &Input<'_>,
    clean_title: &str,
    record: &mut Record,
) -> (Option<Occupation>, Option<String>) {
    let mut out = Occupation::default();
    if let Some(raw) = input.raw(Field::OccupationLabel) {
        let label = line(raw.value());
        if !label.is_empty() {
            record.mapped("/occupation/label", raw, "occupation.source_label", 1.0);
            out.label = Some(label);
        }
    }
    let tokens = words::tokens(clean_title);
    let sure = curated::find(&tokens);
    let coded = input.raw(Field::OccupationCode).and_then(|raw| {
        let code = raw.value().trim().to_ascii_uppercase();
        rome::fold(&code, out.label.as_deref()).map(|folded| (raw, folded))
    });
    let mut title = None;
    match (coded, sure) {
        (Some((raw, folded)), Some(verdict))
            if verdict.rome_v3 != folded.rome_v3 && verdict.confidence >= SURE =>
        {
            // Boards guess codes by machine; a plain title of the trade is the better witness.
            record.find(
                "occupation.contradiction",
                "occupation",
                &format!("{} / {clean_title}", raw.value()),
            );
            title = adopt(&verdict, &mut out, TITLE, clean_title, record);
        }
        (Some((raw, folded)), verdict) => {
            out.rome = folded.rome.clone();
            out.rome_v3 = Some(folded.rome_v3.clone());
            record.mapped("/occupation/rome_v3", raw, "occupation.source_code", 0.95);
            if let Some(verdict) = verdict.filter(|verdict| verdict.rome_v3 == folded.rome_v3) {
                // The title may be finer than a code of version 3.
                if verdict.rome.is_some() && (out.rome.is_none() || folded.coarse) {
                    out.rome = verdict.rome.clone();
                    record.set(
                        "/occupation/rome",
                        TITLE,
                        clean_title,
                        verdict.rule,
                        verdict.confidence,
                    );
                }
                title = verdict.title;
            }
            if out.rome.is_some() && !record.provenance.contains_key("/occupation/rome") {
                record.mapped("/occupation/rome", raw, "occupation.source_code", 0.95);
            }
        }
        (None, Some(verdict)) => title = adopt(&verdict, &mut out, TITLE, clean_title, record),
        (None, None) => {
            if let Some(verdict) =
                labels::find(&tokens).filter(|verdict| verdict.confidence >= LEAST)
            {
                title = adopt(&verdict, &mut out, TITLE, clean_title, record);
            } else if let Some(label) = &out.label
                && let Some(verdict) = classify(label).filter(|verdict| verdict.confidence >= 0.8)
            {
                let label = label.clone();
                let path = input
                    .raw(Field::OccupationLabel)
                    .map_or("", |raw| raw.path.as_str())
                    .to_owned();
                title = adopt(&verdict, &mut out, &path, &label, record);
            } else if let Some((source, raw, verdict)) = beyond_title(input, clean_title) {
                title = adopt(&verdict, &mut out, &source, &raw, record);
            }
        }
    }
    let code = out.rome.clone().or_else(|| out.rome_v3.clone());
    if let Some(code) = &code {
        out.family = rome::family(code);
        // An occupation that is none may be of a parent that is one, and the other way round: only
        // a fine code says no.
        out.regulated = rome::entry(code)
            .and_then(|entry| entry.regulated)
            .filter(|regulated| *regulated || out.rome.is_some());
        for (set, pointer) in [
            (out.family.is_some(), "/occupation/family"),
            (out.regulated.is_some(), "/occupation/regulated"),
        ] {
            if set {
                record.set(pointer, "occupation", code, "occupation.of_code", 0.95);
            }
        }
    } else {
        record.find("occupation.absent", "occupation", clean_title);
    }
    if title.is_none()
        && let Some(entry) = out.rome.as_deref().and_then(rome::entry)
    {
        title = Some(entry.label.clone());
    }
    if let Some(title) = &title {
        record.set(
            "/title_canonical",
            "occupation",
            title,
            "occupation.canonical_title",
            0.9,
        );
    }
    ((out != Occupation::default()).then_some(out), title)
}

/// "recrute un(e) infirmier(ère)", "Poste : aide-soignant": words that announce an occupation in a
/// folded description. Group 1 is what follows.
static ANNOUNCED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"\b(?:recherch(?:e|ons|ent)|recrut(?:e|ons|ent)|embauche|en tant qu[e']|(?:le |un |ce )?(?:poste|metier|emploi|fonction)s?\s*(?::|d'|d[eu] |est )|intitule(?: du poste)?\s*:)\s*(?:pour [^.:\n]{0,80}?[,:]?\s)?(?:(?:actuellement|aujourd'hui|activement|immediatement|urgemment)\s)?(?:son |sa |ses |leur |notre |nos |votre |[0-9]{1,2} |plusieurs |des |de |une?(?:\s?[/(.·-]\s?une?\)?|\(e\)|[.·]e)?\s)?([^.,;:\n]{2,70})",
    )
});
/// Where in a description the occupation is announced, in bytes of the folded text.
const BEGINNING: usize = 1_500;
/// Of the confidence of a title, what the service beside it and the description are worth.
const BESIDE: f64 = 0.85;
const IN_TEXT: f64 = 0.75;

/// The occupation that the service or the description names where the title says none: where it
/// stood, its words, and the verdict.
fn beyond_title(input: &Input<'_>, clean_title: &str) -> Option<(String, String, Verdict)> {
    let less = |verdict: Verdict, share: f64, rule: &'static str| Verdict {
        rule,
        confidence: (verdict.confidence * share * 100.0).round() / 100.0,
        ..verdict
    };
    if let Some(raw) = input.raw(Field::Service) {
        let both = format!("{clean_title} {}", line(raw.value()));
        if let Some(verdict) = classify(&both).filter(|verdict| verdict.confidence >= 0.6) {
            let verdict = less(verdict, BESIDE, "occupation.with_service");
            return Some((raw.path.clone(), both, verdict));
        }
    }
    let mut end = input.text_folded.len().min(BEGINNING);
    while !input.text_folded.is_char_boundary(end) {
        end -= 1;
    }
    let beginning = &input.text_folded[..end];
    ANNOUNCED.iter().find_map(|regex| {
        regex.captures_iter(beginning).find_map(|found| {
            let words = found.get(1)?;
            let verdict = curated::find(&words::tokens(words.as_str()))
                .filter(|verdict| verdict.confidence >= 0.8)?;
            let verdict = less(verdict, IN_TEXT, "occupation.in_text");
            let raw = input.excerpt(words.range()).to_owned();
            Some((TEXT.to_owned(), raw, verdict))
        })
    })
}

fn adopt(
    verdict: &Verdict,
    out: &mut Occupation,
    source: &str,
    raw: &str,
    record: &mut Record,
) -> Option<String> {
    out.rome.clone_from(&verdict.rome);
    out.rome_v3 = Some(verdict.rome_v3.clone());
    record.set(
        "/occupation/rome_v3",
        source,
        raw,
        verdict.rule,
        verdict.confidence,
    );
    if out.rome.is_some() {
        record.set(
            "/occupation/rome",
            source,
            raw,
            verdict.rule,
            verdict.confidence,
        );
    }
    verdict.title.clone()
}

#[cfg(test)]
mod tests;
