//! The preflight: which offers a board would take, and what keeps the others out.

use super::{
    ExportError,
    context::Bench,
    html,
    ledger::{self, Ledger, Sent},
    memo::{Memo, Offer},
    movements,
    profile::FieldLine,
    render,
};
use crate::{
    model::{MemberId, Vacancy, VacancyId},
    publish::{
        labels,
        mandate::{self, Refusal},
    },
};
use minijinja::Value;
use regex::Regex;
use schemars::JsonSchema;
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

/// One thing that keeps an offer out of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Blocker {
    /// Stable dotted name.
    pub rule: String,
    pub field: String,
    /// The offending value, cut at 200 characters.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// What to do, in French.
    pub fr: String,
    /// What to do, in English.
    pub en: String,
}

/// What the preflight says of one offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PreflightItem {
    pub id: VacancyId,
    /// `ready` or `blocked`.
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberId>,
    pub title: String,
    /// The file that it goes into, where a board takes each offer in one feed only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feed: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<Blocker>,
    /// What a person should know of an offer that goes out all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<Blocker>,
}

impl PreflightItem {
    /// Whether a person decided that the offer may not go there: a mandate that its member has not
    /// given, or that ended.
    pub(super) fn refused(&self) -> bool {
        let decided = |blocker: &Blocker| {
            blocker.rule == AGGREGATOR_ONLY
                || self.member.is_some() && blocker.rule.starts_with("mandate.")
        };
        self.blockers.iter().any(decided)
    }
}

/// The rule of an offer that only an aggregator has: a mandate of its own lets it go out.
const AGGREGATOR_ONLY: &str = "source.aggregator_only";

/// The preflight of a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Preflight {
    pub profile: String,
    pub ready: usize,
    pub blocked: usize,
    /// Rule → number of offers that it blocks.
    pub by_rule: BTreeMap<String, usize>,
    /// Rule → number of ready offers that it has a notice for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub noticed: BTreeMap<String, usize>,
    /// By id.
    pub items: Vec<PreflightItem>,
}

/// The report, and the ready offers for rendering.
pub struct Checked {
    pub report: Preflight,
    pub ready: Vec<(Arc<Vacancy>, Arc<Offer>)>,
    /// Of each ready offer, the fields that the board will not change once it has them.
    pub fixed: Vec<(VacancyId, Sent)>,
}

/// Checks every offer against the mandates and the profile's rules; `sent` is what the board has
/// of fields that it will not change.
///
/// # Errors
/// A pattern or a table of the profile cannot be used at all.
pub fn check(
    bench: &Bench<'_>,
    vacancies: Vec<Arc<Vacancy>>,
    sent: &Ledger,
    memo: Option<&Memo>,
) -> Result<Checked, ExportError> {
    let patterns = patterns(bench);
    let mut ready = Vec::new();
    let mut fixed = Vec::new();
    let mut report = Preflight {
        profile: bench.profile.name.clone(),
        ready: 0,
        blocked: 0,
        by_rule: BTreeMap::new(),
        noticed: BTreeMap::new(),
        items: Vec::with_capacity(vacancies.len()),
    };
    for vacancy in vacancies {
        let make = || offer(bench, &patterns, &vacancy);
        let offer = match memo {
            Some(memo) => memo.offer(&vacancy, make),
            None => Arc::new(make()),
        };
        let mut item = offer.item.clone();
        if item.blockers.is_empty() {
            report.ready += 1;
            if let Some(before) = sent.get(&vacancy.id) {
                item.notices = ledger::notices(bench.profile, before, &offer.fixed);
            }
            for notice in &item.notices {
                *report.noticed.entry(notice.rule.clone()).or_default() += 1;
            }
            if !offer.fixed.is_empty() {
                fixed.push((vacancy.id, offer.fixed.clone()));
            }
            ready.push((vacancy, offer));
        } else {
            report.blocked += 1;
            for blocker in &item.blockers {
                *report.by_rule.entry(blocker.rule.clone()).or_default() += 1;
            }
        }
        report.items.push(item);
    }
    Ok(Checked {
        report,
        ready,
        fixed,
    })
}

/// What the profile makes of one offer. One on which an expression fails is blocked by that, and
/// holds up no other.
fn offer(bench: &Bench<'_>, patterns: &Patterns, vacancy: &Vacancy) -> Offer {
    let profile = bench.profile;
    let made = rendered(bench, patterns, vacancy).unwrap_or_else(|error| Rendered {
        blockers: vec![failed(&error)],
        ..Rendered::default()
    });
    let blockers = made.blockers;
    let item = PreflightItem {
        id: vacancy.id,
        status: if blockers.is_empty() {
            "ready"
        } else {
            "blocked"
        },
        title: labels::title(vacancy),
        feed: profile.one_feed.then(|| {
            let own = profile.has_own_feed(bench.network, vacancy.member.as_ref());
            profile.file(vacancy.member.as_ref().filter(|_| own))
        }),
        member: vacancy.member.clone(),
        blockers,
        notices: Vec::new(),
    };
    Offer {
        item,
        pieces: made.pieces,
        again: made.again,
        updated: vacancy.offer.updated,
        fixed: made.fixed,
    }
}

#[derive(Default)]
struct Rendered {
    blockers: Vec<Blocker>,
    pieces: Vec<String>,
    again: Vec<String>,
    fixed: Sent,
}

fn rendered(
    bench: &Bench<'_>,
    patterns: &Patterns,
    vacancy: &Vacancy,
) -> Result<Rendered, ExportError> {
    let profile = bench.profile;
    let (blockers, contexts) = one(bench, patterns, vacancy)?;
    let mut made = Rendered {
        blockers,
        ..Rendered::default()
    };
    if !made.blockers.is_empty() {
        return Ok(made);
    }
    if let Some(context) = contexts.first() {
        made.fixed = ledger::of(bench, context)?;
    }
    let pieces = |contexts: &[Value]| render::pieces(bench, &profile.fields, contexts);
    match &profile.movements {
        None => made.pieces = pieces(&contexts)?,
        Some(words) => {
            let told = |word: &str| -> Vec<Value> {
                let contexts = contexts.iter();
                contexts.map(|own| movements::told(word, own)).collect()
            };
            made.pieces = pieces(&told(&words.create))?;
            made.again = pieces(&told(&words.modify))?;
        }
    }
    Ok(made)
}

fn failed(error: &ExportError) -> Blocker {
    let (field, value) = match error {
        ExportError::Field { field, source, .. } => (field.clone(), source.to_string()),
        other => (String::new(), other.to_string()),
    };
    Blocker {
        rule: "profile.expression".into(),
        fr: format!(
            "Corrigez l’expression de « {field} » dans le profil : elle échoue pour cette offre."
        ),
        en: format!("Mend the expression of {field:?} in the profile: it fails for this offer."),
        field,
        value: value.chars().take(200).collect(),
    }
}

type Patterns = BTreeMap<String, Regex>;

fn patterns(bench: &Bench<'_>) -> Patterns {
    bench
        .profile
        .fields
        .iter()
        .filter_map(|line| {
            let pattern = line.pattern.as_ref()?;
            // Profiles are checked when they are read.
            Some((
                pattern.clone(),
                Regex::new(&format!("^(?:{pattern})$")).ok()?,
            ))
        })
        .collect()
}

fn one(
    bench: &Bench<'_>,
    patterns: &Patterns,
    vacancy: &Vacancy,
) -> Result<(Vec<Blocker>, Vec<Value>), ExportError> {
    let profile = bench.profile;
    let member = vacancy
        .member
        .as_ref()
        .and_then(|id| bench.network.member(id));
    let mut blockers = Vec::new();
    if let Err(refusal) = mandate::allows(
        bench.network,
        vacancy,
        profile.channel(),
        profile.own_only,
        bench.now,
    ) && !(profile.strangers && matches!(refusal, Refusal::NoMember { .. }))
    {
        blockers.push(refused(&refusal, profile.channel()));
        // Without a mandate nothing else matters: nobody is asked to mend what may not go out.
        if refusal != Refusal::AggregatorOnly {
            return Ok((blockers, Vec::new()));
        }
    }
    let contexts = bench.contexts(vacancy, member);
    for context in &contexts {
        for rule in &profile.rules {
            if bench.eval(&rule.blocks, context, &rule.field)?.is_true() {
                let value = match &rule.value {
                    Some(value) => short(&bench.eval(value, context, &rule.field)?),
                    None => String::new(),
                };
                blockers.push(Blocker {
                    rule: rule.rule.clone(),
                    field: rule.field.clone(),
                    value,
                    fr: rule.fr.clone(),
                    en: rule.en.clone(),
                });
            }
        }
        for line in &profile.fields {
            blockers.extend(field(bench, patterns, line, context)?);
        }
    }
    blockers.dedup();
    Ok((blockers, contexts))
}

/// What is wrong with one field.
fn field(
    bench: &Bench<'_>,
    patterns: &Patterns,
    line: &FieldLine,
    context: &Value,
) -> Result<Option<Blocker>, ExportError> {
    let Some(value) = bench.value(line, context)? else {
        return Ok(line.required.then(|| {
            blocker(
                line,
                "missing",
                "",
                format!("Renseignez le champ « {} » de l’offre.", line.path),
                format!("Fill in the field {:?} of the offer.", line.path),
            )
        }));
    };
    let Some(text) = value.as_str() else {
        return Ok(None);
    };
    if let Some(min) = line.min {
        let length = html::plain(text)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .chars()
            .count();
        if length < min {
            return Ok(Some(blocker(
                line,
                "short",
                text,
                format!(
                    "Allongez « {} » : {length} caractères, il en faut au moins {min}.",
                    line.path
                ),
                format!(
                    "Lengthen {:?}: {length} characters, at least {min} are needed.",
                    line.path
                ),
            )));
        }
    }
    if let Some(max) = line.max.filter(|_| !line.cut) {
        let length = text.chars().count();
        if length > max {
            return Ok(Some(blocker(
                line,
                "long",
                text,
                format!(
                    "Raccourcissez « {} » : {length} caractères, {max} au plus.",
                    line.path
                ),
                format!(
                    "Shorten {:?}: {length} characters, at most {max}.",
                    line.path
                ),
            )));
        }
    }
    if let Some(pattern) = line.pattern.as_ref().and_then(|p| patterns.get(p))
        && !pattern.is_match(text)
    {
        return Ok(Some(blocker(
            line,
            "form",
            text,
            format!(
                "Corrigez « {} » : cette valeur n’a pas la forme attendue.",
                line.path
            ),
            format!(
                "Correct {:?}: this value does not have the form expected.",
                line.path
            ),
        )));
    }
    Ok(None)
}

fn blocker(line: &FieldLine, fault: &str, value: &str, fr: String, en: String) -> Blocker {
    let name = line.rule.as_deref().unwrap_or(&line.path);
    Blocker {
        rule: format!("{name}.{fault}"),
        field: line.path.clone(),
        value: value.chars().take(200).collect(),
        fr: line.fr.clone().unwrap_or(fr),
        en: line.en.clone().unwrap_or(en),
    }
}

fn refused(refusal: &Refusal, channel: &str) -> Blocker {
    let (rule, field, value, fr, en) = match refusal {
        Refusal::NoMember { employer } => (
            "mandate.no_member",
            "member",
            employer.clone(),
            format!(
                "L’offre de « {employer} » n’appartient à aucun membre du réseau : si c’en est un, ajoutez ce nom à « aliases », ou son SIRET, dans son fichier de membre ; sinon elle ne part pas."
            ),
            format!(
                "The offer of {employer:?} belongs to no member of the network: if it is one, add that name to `aliases`, or its SIRET, in its member file; else it does not leave."
            ),
        ),
        Refusal::NoMandate { member } => (
            "mandate.missing",
            "member",
            member.clone(),
            format!(
                "La structure n’a pas donné mandat : ajoutez « {channel} = true » sous [mandates] dans son fichier."
            ),
            format!(
                "The member has given no mandate: add `{channel} = true` under [mandates] in its file."
            ),
        ),
        Refusal::Ended { member, day } => (
            "mandate.ended",
            "member",
            format!("{member}, until {day}"),
            format!(
                "Le mandat de la structure a pris fin le {day} : prolongez « {channel} » sous [mandates]."
            ),
            format!("The member's mandate ended on {day}: extend `{channel}` under [mandates]."),
        ),
        Refusal::AggregatorOnly => (
            AGGREGATOR_ONLY,
            "sources",
            String::new(),
            format!(
                "L’offre n’est connue que par un agrégateur : publiez-la dans l’outil de recrutement de la structure, ou donnez le mandat « {channel}_aggregated »."
            ),
            format!(
                "The offer is only known from an aggregator: publish it in the member's own recruiting tool, or give the mandate `{channel}_aggregated`."
            ),
        ),
    };
    Blocker {
        rule: rule.into(),
        field: field.into(),
        value,
        fr,
        en,
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}
