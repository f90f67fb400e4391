//! Contract: legal form, duration, renewal, public status and mobility.

mod span;

use super::fold::{fold, pattern};
use super::input::{Input, cents, decimal};
use super::phrases::Topic;
use super::record::{Record, TEXT, TITLE};
use super::tables::{self, Map};
use crate::model::{Contract, ContractForm, Field, PublicStatus, Raw};
use regex::Regex;
use std::sync::LazyLock;

#[derive(serde::Deserialize)]
struct Row {
    text: String,
    form: ContractForm,
}

static LABELS: LazyLock<Map<String, ContractForm>> = LazyLock::new(|| {
    tables::rows::<Row>(include_bytes!("../data/contracts.csv"))
        .into_iter()
        .map(|row| (row.text, row.form))
        .collect()
});

/// "6 mois", "60 Jour(s)", "1 an", "2 semaines", folded.
static DURATION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(r"(\d{1,3}(?:[.,]\d+)?)\s*(mois|month|an\b|ans\b|year|semaine|week|jour|day)")
});
/// The same in a running text, where it must follow the contract's name.
static TEXT_DURATION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?:cdd|contrat|duree determinee|mission|duree|remplacement|interim)[^.\n]{0,30}?\b(\d{1,3}(?:[.,]\d+)?)\s*(mois|an\b|ans\b|semaine|jour)",
    )
});
/// "Type de contrat : CDD", folded.
static DECLARED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?:type (?:de |d')?(?:contrat|emploi)|nature du contrat|contrat propose|statut|contrat)\s*[:=]\s*(?:\w+ ){0,2}?(cdi|cdd|interim|vacation|apprentissage|stage|liberal)\b",
    )
});

pub fn contract(input: &Input<'_>, record: &mut Record) -> Option<Contract> {
    let mut contract = Contract::default();
    let mut form = from_fields(input, record);
    let stated = in_title(input).or_else(|| in_text(input));
    match (&form, &stated) {
        (None, Some(stated)) => {
            form = Some(stated.form);
            record.set(
                "/contract/form",
                stated.source,
                &stated.raw,
                stated.rule,
                stated.confidence,
            );
        }
        (Some(form), Some(stated))
            if stated.confidence >= 0.9 && contradicts(*form, stated.form) =>
        {
            record.find(
                "contract.contradiction",
                "contract",
                &format!("{} / {}", token(*form), stated.raw),
            );
        }
        _ => {}
    }
    contract.form = form;
    contract.duration_months = duration(input, form, record);
    public(input, &mut contract, record);
    renewal(input, &mut contract, record);
    if contract.form.is_none() {
        match input.raw(Field::Contract) {
            // A status or a route of mobility was understood, though it is no form.
            Some(_) if !contract.public_status.is_empty() || !contract.mobility.is_empty() => {}
            Some(raw) => record.find("contract.unknown", "contract", raw.source_text()),
            None => record.find("contract.absent", "contract", ""),
        }
    }
    (contract != Contract::default()).then_some(contract)
}

/// The lower-case name of a form, as it stands in JSON.
pub fn token(form: ContractForm) -> &'static str {
    match form {
        ContractForm::Cdi => "cdi",
        ContractForm::Cdd => "cdd",
        ContractForm::Interim => "interim",
        ContractForm::Vacation => "vacation",
        ContractForm::Apprenticeship => "apprenticeship",
        ContractForm::Professionalisation => "professionalisation",
        ContractForm::Internship => "internship",
        ContractForm::Liberal => "liberal",
        ContractForm::Takeover => "takeover",
        ContractForm::Other => "other",
    }
}

/// The form of a token of `contract.form`.
fn form_of(token: &str) -> Option<ContractForm> {
    serde_json::from_value(serde_json::Value::String(token.to_owned())).ok()
}

fn from_fields(input: &Input<'_>, record: &mut Record) -> Option<ContractForm> {
    let read = |raw: &Raw| -> Vec<ContractForm> {
        let mut forms: Vec<ContractForm> = raw
            .values
            .iter()
            .flat_map(|value| {
                if raw.mapped {
                    form_of(value).into_iter().collect()
                } else {
                    labels(value)
                }
            })
            .collect();
        forms.dedup();
        forms
    };
    let code = input.raw(Field::Contract);
    let nature = input.raw(Field::ContractNature);
    let forms = code.map(read).unwrap_or_default();
    let refined = nature.map(read).unwrap_or_default();
    // An apprenticeship is signed as a CDD or CDI: the nature says more than the type.
    if let (Some(&form), Some(raw)) = (refined.first(), nature)
        && (forms.is_empty() || specific(form))
        && (form != ContractForm::Liberal || forms.is_empty())
    {
        record.mapped("/contract/form", raw, "contract.nature", 0.97);
        return Some(form);
    }
    let raw = code?;
    let form = *forms.first()?;
    // CDD by its code, apprenticeship by the title: "Apprenti aide-soignant".
    if matches!(form, ContractForm::Cdd | ContractForm::Cdi)
        && let Some(hit) = input.title_hits(Topic::Form).find_map(|hit| {
            form_of(&hit.phrase.value).filter(|form| {
                matches!(
                    form,
                    ContractForm::Apprenticeship | ContractForm::Professionalisation
                )
            })
        })
        && form == ContractForm::Cdd
    {
        record.set(
            "/contract/form",
            TITLE,
            &input.title,
            "contract.title_refines",
            0.9,
        );
        return Some(hit);
    }
    if forms.len() > 1 {
        let names: Vec<&str> = forms.iter().map(|form| token(*form)).collect();
        record.find("contract.several", "contract", &names.join(", "));
    }
    let confidence = if forms.len() > 1 {
        0.6
    } else if raw.mapped {
        0.99
    } else {
        0.97
    };
    let rule = if raw.mapped {
        "contract.value_table"
    } else {
        "contract.label"
    };
    record.mapped("/contract/form", raw, rule, confidence);
    Some(form)
}

/// Forms that a nature of contract may set over its type.
fn specific(form: ContractForm) -> bool {
    matches!(
        form,
        ContractForm::Apprenticeship
            | ContractForm::Professionalisation
            | ContractForm::Internship
            | ContractForm::Vacation
    )
}

/// The forms of a code or label: known as a whole, else by the phrases in it, else by its first
/// words. "CDD ou CDI" has two; "CDD pouvant déboucher sur un CDI" is signed as the first.
fn labels(text: &str) -> Vec<ContractForm> {
    let folded = fold(text.trim());
    let bare = folded.split(" - ").next().unwrap_or(&folded).trim();
    let bare = bare.split('(').next().unwrap_or(bare).trim();
    let without_points = || folded.replace('.', "");
    let whole = LABELS
        .get(folded.as_str())
        .or_else(|| LABELS.get(bare))
        .or_else(|| LABELS.get(without_points().trim()));
    if let Some(&form) = whole {
        return vec![form];
    }
    let mut forms: Vec<ContractForm> = Vec::new();
    for hit in super::phrases::find(&folded) {
        if hit.phrase.topic == Topic::Form
            && !hit.negated
            && let Some(form) = form_of(&hit.phrase.value)
            && !forms.contains(&form)
        {
            let later = [
                "debouch",
                "evolu",
                "possib",
                "transform",
                "puis",
                "perspective",
                "vue d",
                "avant",
            ];
            let before = &folded[..hit.range.start];
            if !forms.is_empty() && later.iter().any(|word| before.contains(word)) {
                break;
            }
            forms.push(form);
        }
    }
    if forms.is_empty() {
        let words: Vec<&str> = folded.split(' ').collect();
        let known = (1..=words.len().min(4)).rev().find_map(|count| {
            // "Titulaire ou contractuel", "stagiaire de la fonction publique": a status, no form.
            let next = words.get(count).copied().unwrap_or_default();
            let status = matches!(words[0], "titulaire" | "stagiaire");
            (!status && !matches!(next, "ou" | "et" | "/" | "-"))
                .then(|| LABELS.get(words[..count].join(" ").as_str()))
                .flatten()
        });
        forms.extend(known);
    }
    forms
}

/// A form that a text states.
struct Stated {
    form: ContractForm,
    source: &'static str,
    raw: String,
    rule: &'static str,
    confidence: f64,
}

fn in_title(input: &Input<'_>) -> Option<Stated> {
    let mut hits = input.title_hits(Topic::Form);
    let first = hits.next()?;
    let form = form_of(&first.phrase.value)?;
    let several = hits.any(|hit| hit.phrase.value != first.phrase.value);
    Some(Stated {
        form,
        source: TITLE,
        raw: first.phrase.phrase.clone(),
        rule: "contract.title",
        confidence: if several { 0.6 } else { 0.95 },
    })
}

fn in_text(input: &Input<'_>) -> Option<Stated> {
    if let Some(found) = DECLARED
        .as_ref()
        .and_then(|regex| regex.captures(&input.text_folded))
        && let (Some(whole), Some(word)) = (found.get(0), found.get(1))
        && let Some(&form) = labels(word.as_str()).first()
    {
        return Some(Stated {
            form,
            source: TEXT,
            raw: input.excerpt(whole.range()).to_owned(),
            rule: "contract.text_declared",
            confidence: 0.93,
        });
    }
    let mut counts: Vec<(&str, u32)> = Vec::new();
    for hit in input.text_hits(Topic::Form) {
        if hit.phrase.phrase.contains("alterna") {
            continue;
        }
        let value = hit.phrase.value.as_str();
        match counts.iter_mut().find(|(known, _)| *known == value) {
            Some((_, count)) => *count += 1,
            None => counts.push((value, 1)),
        }
    }
    // A text that speaks of one form only means it; one that names several says nothing sure.
    let (value, _) = match counts.as_slice() {
        [only] => *only,
        _ => return None,
    };
    Some(Stated {
        form: form_of(value)?,
        source: TEXT,
        raw: value.to_owned(),
        rule: "contract.text_only_form",
        confidence: 0.8,
    })
}

/// Whether the forms exclude each other: intérim is signed as a CDD of sorts, vacation too.
fn contradicts(field: ContractForm, text: ContractForm) -> bool {
    use ContractForm::{Cdd, Cdi, Interim, Liberal};
    matches!(
        (field, text),
        (Cdi, Cdd | Interim | Liberal) | (Cdd, Cdi) | (Interim, Cdi) | (Liberal, Cdi | Cdd)
    )
}

fn duration(input: &Input<'_>, form: Option<ContractForm>, record: &mut Record) -> Option<f64> {
    if matches!(
        form,
        Some(
            ContractForm::Cdi
                | ContractForm::Liberal
                | ContractForm::Takeover
                | ContractForm::Other
        )
    ) {
        return None;
    }
    let starts = input
        .raw(Field::Starts)
        .and_then(|raw| super::times::day(raw.value()));
    if let Some(raw) = input.raw(Field::ContractDuration) {
        for value in &raw.values {
            let months = decimal(value).filter(|months| (0.1..=120.0).contains(months));
            let read = || label_months(&fold(value), starts);
            if let Some(months) = months.or_else(read) {
                record.mapped("/contract/duration_months", raw, "contract.duration", 0.98);
                return Some(months);
            }
        }
    }
    if let Some(raw) = input.raw(Field::Contract).filter(|raw| !raw.mapped)
        && let Some(months) = label_months(&fold(raw.value()), starts)
    {
        record.mapped(
            "/contract/duration_months",
            raw,
            "contract.duration_in_label",
            0.97,
        );
        return Some(months);
    }
    form?;
    let title = months_in(&input.title_folded)
        .filter(|_| input.title_hits(Topic::Form).next().is_some())
        .or_else(|| span::months(&input.title_folded, starts).map(|(months, _)| months));
    if let Some(months) = title {
        record.set(
            "/contract/duration_months",
            TITLE,
            &input.title,
            "contract.duration_in_title",
            0.93,
        );
        return Some(months);
    }
    let stated = || {
        let found = TEXT_DURATION.as_ref()?.captures(&input.text_folded)?;
        let months = in_months(found.get(1)?.as_str(), found.get(2)?.as_str())?;
        Some((months, found.get(0)?.range()))
    };
    // Days are plainer than a number of months, which may be those of a trial.
    let (months, range) = span::months_in_text(&input.text_folded, starts).or_else(stated)?;
    let raw = input.excerpt(range);
    record.set(
        "/contract/duration_months",
        TEXT,
        raw,
        "contract.duration_in_text",
        0.75,
    );
    Some(months)
}

/// What a label of duration says: a number of months, or days from–to.
fn label_months(folded: &str, starts: Option<jiff::civil::Date>) -> Option<f64> {
    months_in(folded).or_else(|| span::months(folded, starts).map(|(months, _)| months))
}

fn months_in(folded: &str) -> Option<f64> {
    let found = DURATION.as_ref()?.captures(folded)?;
    in_months(found.get(1)?.as_str(), found.get(2)?.as_str())
}

fn in_months(number: &str, unit: &str) -> Option<f64> {
    let number = decimal(number)?;
    let months = match unit {
        "mois" | "month" => number,
        "an" | "ans" | "year" => number * 12.0,
        "semaine" | "week" => number * 12.0 / 52.0,
        _ => number / 30.0,
    };
    (months > 0.0 && months <= 120.0).then(|| cents(months))
}

/// Renewal, as the labels, the title or the text say it.
fn renewal(input: &Input<'_>, contract: &mut Contract, record: &mut Record) {
    let pointer = "/contract/renewable";
    for field in [
        Field::Contract,
        Field::ContractDuration,
        Field::ContractNature,
    ] {
        if let Some(raw) = input.raw(field)
            && let Some(said) = renewable(&fold(raw.source_text()))
        {
            contract.renewable = Some(said);
            record.mapped(pointer, raw, "contract.renewable", 0.97);
            return;
        }
    }
    for (source, folded) in [(TITLE, &input.title_folded), (TEXT, &input.text_folded)] {
        if let Some(said) = renewable(folded) {
            contract.renewable = Some(said);
            record.set(pointer, source, "renouvelable", "contract.renewable", 0.9);
            return;
        }
    }
}

fn renewable(folded: &str) -> Option<bool> {
    if let Some(at) = folded.find("renouvelable") {
        let before = folded[..at].trim_end();
        return Some(!before.ends_with("non") && !before.ends_with("pas"));
    }
    [
        "renouvellement possible",
        "renouvellement du contrat possible",
        "possibilite de renouvellement",
        "renouvele si",
        "reconductible",
        "possibilite de prolongation",
        "prolongation possible",
    ]
    .iter()
    .any(|words| folded.contains(words))
    .then_some(true)
}

fn public(input: &Input<'_>, contract: &mut Contract, record: &mut Record) {
    let add = |status: PublicStatus, list: &mut Vec<PublicStatus>| {
        if !list.contains(&status) {
            list.push(status);
        }
    };
    if let Some(raw) = input.raw(Field::PublicStatus) {
        for value in &raw.values {
            let folded = fold(value);
            for (word, status) in [
                ("titulaire", PublicStatus::Titulaire),
                ("fonctionnaire", PublicStatus::Titulaire),
                ("stagiaire", PublicStatus::Stagiaire),
                ("contractuel", PublicStatus::Contractuel),
                ("praticien", PublicStatus::PraticienHospitalier),
                ("vacataire", PublicStatus::Vacataire),
            ] {
                if folded.contains(word) {
                    add(status, &mut contract.public_status);
                }
            }
        }
        if !contract.public_status.is_empty() {
            record.mapped(
                "/contract/public_status",
                raw,
                "contract.public_status",
                0.95,
            );
        }
    }
    // "Mutation, détachement", "Titulaire", "Praticien hospitalier" stand where a form is asked.
    if let Some(raw) = input.raw(Field::Contract) {
        let text = fold(raw.source_text());
        let hits = super::phrases::find(&text);
        let before = contract.public_status.len();
        for (word, status) in [
            ("titulaire", PublicStatus::Titulaire),
            ("fonctionnaire", PublicStatus::Titulaire),
            ("stagiaire fph", PublicStatus::Stagiaire),
            ("stagiaire de la fonction publique", PublicStatus::Stagiaire),
            ("contractuel", PublicStatus::Contractuel),
            ("praticien hospitalier", PublicStatus::PraticienHospitalier),
            ("praticien contractuel", PublicStatus::PraticienHospitalier),
            ("vacataire", PublicStatus::Vacataire),
        ] {
            if text.contains(word) {
                add(status, &mut contract.public_status);
            }
        }
        if contract.public_status.len() > before {
            let pointer = "/contract/public_status";
            record.mapped(pointer, raw, "contract.status_in_form", 0.93);
        }
        for hit in hits
            .iter()
            .filter(|hit| hit.phrase.topic == Topic::Mobility)
        {
            if !contract.mobility.contains(&hit.phrase.value) {
                contract.mobility.push(hit.phrase.value.clone());
            }
        }
        if !contract.mobility.is_empty() {
            contract.mobility.sort_unstable();
            record.mapped("/contract/mobility", raw, "contract.mobility_in_form", 0.93);
        }
    }
    let is_public = input
        .hits
        .iter()
        .any(|hit| hit.phrase.topic == Topic::Public);
    let mut raws: Vec<&str> = Vec::new();
    for hit in input
        .text_hits(Topic::Status)
        .chain(input.title_hits(Topic::Status))
    {
        let Some(status) = status_of(&hit.phrase.value) else {
            continue;
        };
        // "contractuel" is an ordinary word; only a public employer makes it a status.
        if is_public || status == PublicStatus::PraticienHospitalier {
            if !contract.public_status.contains(&status) {
                raws.push(&hit.phrase.phrase);
            }
            add(status, &mut contract.public_status);
            if hit.phrase.phrase.contains("titulaire") && hit.phrase.phrase.contains("contractuel")
            {
                add(PublicStatus::Contractuel, &mut contract.public_status);
            }
        }
    }
    if !raws.is_empty() {
        record.set(
            "/contract/public_status",
            TEXT,
            &raws.join(" | "),
            "contract.public_status_in_text",
            0.85,
        );
    }
    contract.public_status.sort_unstable();
    if is_public {
        for hit in input.text_hits(Topic::Mobility) {
            if !contract.mobility.contains(&hit.phrase.value) {
                contract.mobility.push(hit.phrase.value.clone());
            }
        }
        contract.mobility.sort_unstable();
        if !contract.mobility.is_empty() {
            record.set(
                "/contract/mobility",
                TEXT,
                &contract.mobility.join(" | "),
                "contract.mobility",
                0.9,
            );
        }
    }
}

fn status_of(token: &str) -> Option<PublicStatus> {
    serde_json::from_value(serde_json::Value::String(token.to_owned())).ok()
}
