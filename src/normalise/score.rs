//! A score for each offer: what candidates and the exports need, weighted.

use crate::model::{Finding, Offer, PlacePrecision};

/// How complete an offer is.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Score {
    /// 0 to 100.
    pub total: u8,
    /// What is missing or weak, the weightiest first.
    pub missing: Vec<Missing>,
}

/// One gap of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Missing {
    /// The field of the posting.
    pub field: &'static str,
    /// Points that it would bring.
    pub points: u8,
    /// The sentence for the member, in French.
    pub message: &'static str,
    /// The same in English.
    pub message_en: &'static str,
}

/// A description shorter than this says too little, in characters.
const SHORT: usize = 400;

/// The score of an offer with what was found about it. The weights sum to 100.
pub fn score(offer: &Offer, findings: &[Finding]) -> Score {
    let employer = offer.employer.as_ref();
    let contract = offer.contract.as_ref();
    let time = offer.working_time.as_ref();
    let pay = offer.pay.as_ref();
    let length = offer
        .description
        .as_ref()
        .map_or(0, |description| description.text.chars().count());
    let located = offer
        .places
        .iter()
        .any(|place| place.insee.is_some() || place.precision <= PlacePrecision::Commune);
    let clear_title =
        !offer.title.is_empty() && !findings.iter().any(|finding| finding.rule == "law.gender");
    let rows: [(bool, &'static str, u8, &'static str, &'static str); 13] = [
        (
            pay.is_some_and(|pay| pay.min.is_some() || pay.max.is_some()),
            "pay",
            18,
            "Indiquez une rémunération, ou au moins une fourchette.",
            "Give a pay, or a range at least.",
        ),
        (
            length >= SHORT,
            "description",
            14,
            "Développez le descriptif : missions, profil, conditions.",
            "Write more of a description: tasks, profile, conditions.",
        ),
        (
            located,
            "places",
            12,
            "Précisez la commune du poste.",
            "Name the commune of the post.",
        ),
        (
            contract.is_some_and(|contract| contract.form.is_some()),
            "contract",
            10,
            "Précisez le type de contrat.",
            "Name the kind of contract.",
        ),
        (
            offer.apply.is_some(),
            "apply",
            10,
            "Donnez un lien ou une adresse de service pour postuler.",
            "Give a link, or the address of a service, to apply to.",
        ),
        (
            employer
                .is_some_and(|employer| employer.name.is_some() || employer.intermediary.is_some()),
            "employer",
            8,
            "Nommez l'employeur.",
            "Name the employer.",
        ),
        (
            offer
                .occupation
                .as_ref()
                .is_some_and(|occupation| occupation.rome_v3.is_some()),
            "occupation",
            6,
            "Employez un intitulé de métier reconnaissable.",
            "Use a title that names a known occupation.",
        ),
        (
            time.is_some_and(|time| time.time.is_some() || time.hours_week.is_some()),
            "working_time",
            6,
            "Précisez temps plein ou partiel et les heures par semaine.",
            "Say full or part time, and the hours a week.",
        ),
        (
            clear_title,
            "title",
            4,
            "Ajoutez « F/H » à l'intitulé.",
            "Add “F/H” to the title.",
        ),
        (
            offer.published.is_some(),
            "published",
            4,
            "Datez l'offre.",
            "Date the offer.",
        ),
        (
            time.is_some_and(|time| !time.shifts.is_empty() || time.weekends.is_some()),
            "shifts",
            3,
            "Décrivez les horaires : jour, nuit, week-ends.",
            "Describe the hours: day, night, weekends.",
        ),
        (
            !offer.diplomas.is_empty() || offer.experience.is_some(),
            "requirements",
            3,
            "Indiquez le diplôme ou l'expérience attendus.",
            "Say which diploma or experience is expected.",
        ),
        (
            pay.is_some_and(|pay| !pay.benefits.is_empty()),
            "benefits",
            2,
            "Citez les avantages.",
            "Name the benefits.",
        ),
    ];
    let mut score = Score::default();
    for (present, field, points, message, message_en) in rows {
        if present {
            score.total += points;
        } else {
            score.missing.push(Missing {
                field,
                points,
                message,
                message_en,
            });
        }
    }
    score
}
