//! The canonical vocabularies as people read them, in French.

use crate::model::{
    ContractForm, Family, Pay, PayScale, Period, PublicStatus, Remote, Shift, Time,
    TombstoneReason, Vacancy, WorkingTime,
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

pub const FAMILIES: [Family; 9] = [
    Family::Nursing,
    Family::Care,
    Family::Medical,
    Family::Rehabilitation,
    Family::Technical,
    Family::Social,
    Family::Management,
    Family::Support,
    Family::Other,
];

pub const CONTRACTS: [ContractForm; 10] = [
    ContractForm::Cdi,
    ContractForm::Cdd,
    ContractForm::Interim,
    ContractForm::Vacation,
    ContractForm::Apprenticeship,
    ContractForm::Professionalisation,
    ContractForm::Internship,
    ContractForm::Liberal,
    ContractForm::Takeover,
    ContractForm::Other,
];

/// The word of an enumeration as JSON writes it.
pub fn code<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

pub fn family(family: Family) -> &'static str {
    match family {
        Family::Nursing => "Soins infirmiers",
        Family::Care => "Aide et accompagnement",
        Family::Medical => "Médical",
        Family::Rehabilitation => "Rééducation",
        Family::Technical => "Médico-technique",
        Family::Social => "Social et éducatif",
        Family::Management => "Encadrement",
        Family::Support => "Logistique et administration",
        Family::Other => "Autres métiers",
    }
}

pub fn contract(form: ContractForm) -> &'static str {
    match form {
        ContractForm::Cdi => "CDI",
        ContractForm::Cdd => "CDD",
        ContractForm::Interim => "Intérim",
        ContractForm::Vacation => "Vacation",
        ContractForm::Apprenticeship => "Apprentissage",
        ContractForm::Professionalisation => "Contrat de professionnalisation",
        ContractForm::Internship => "Stage",
        ContractForm::Liberal => "Exercice libéral",
        ContractForm::Takeover => "Reprise de cabinet",
        ContractForm::Other => "Autre contrat",
    }
}

pub fn time(time: Time) -> &'static str {
    match time {
        Time::Full => "Temps plein",
        Time::Part => "Temps partiel",
    }
}

pub fn shift(shift: Shift) -> &'static str {
    match shift {
        Shift::Day => "de jour",
        Shift::Night => "de nuit",
        Shift::Alternating => "en alternance jour et nuit",
        Shift::TwelveHours => "en 12 h",
        Shift::OnCall => "avec astreintes ou gardes",
        Shift::Split => "en horaires coupés",
    }
}

pub fn public_status(status: PublicStatus) -> &'static str {
    match status {
        PublicStatus::Titulaire => "titulaire",
        PublicStatus::Stagiaire => "stagiaire de la fonction publique",
        PublicStatus::Contractuel => "contractuel",
        PublicStatus::PraticienHospitalier => "praticien hospitalier",
        PublicStatus::Vacataire => "vacataire",
    }
}

/// "classe normale, échelon 3, indice 395"
pub fn scale(scale: &PayScale) -> Option<String> {
    let mut parts: Vec<String> = scale.grade.iter().cloned().collect();
    parts.extend(scale.step.map(|step| format!("échelon {step}")));
    parts.extend(scale.index.map(|index| format!("indice {index}")));
    parts.extend(
        scale
            .gross_index
            .map(|index| format!("indice brut {index}")),
    );
    parts.extend(
        scale
            .coefficient
            .map(|value| format!("coefficient {}", number(value))),
    );
    (!parts.is_empty()).then(|| parts.join(", "))
}

pub fn remote(remote: Remote) -> &'static str {
    match remote {
        Remote::None => "Non",
        Remote::Partial => "En partie",
        Remote::Full => "Entièrement",
    }
}

pub fn period(period: Period) -> &'static str {
    match period {
        Period::Hour => "par heure",
        Period::Day => "par jour",
        Period::Week => "par semaine",
        Period::Month => "par mois",
        Period::Year => "par an",
    }
}

/// Why an offer is gone, as its page says it.
pub fn tombstone(reason: TombstoneReason) -> &'static str {
    match reason {
        TombstoneReason::Filled => "Cette offre est pourvue ou a été retirée par l’employeur.",
        TombstoneReason::Expired => "Cette offre est arrivée à son terme.",
        TombstoneReason::Withdrawn => "Cette offre a été retirée par l’employeur.",
        TombstoneReason::Merged => "Cette offre a été réunie avec une autre.",
        TombstoneReason::Erased | TombstoneReason::Hidden => "Cette offre n’est plus publiée.",
    }
}

/// "12 novembre 2026", by the calendar of Paris.
pub fn day(at: Timestamp) -> String {
    civil_day(at.to_zoned(paris()).date())
}

pub fn civil_day(date: Date) -> String {
    const MONTHS: [&str; 12] = [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ];
    let month = usize::try_from(date.month() - 1)
        .ok()
        .and_then(|m| MONTHS.get(m))
        .unwrap_or(&"");
    let day = if date.day() == 1 {
        "1er".to_owned()
    } else {
        date.day().to_string()
    };
    format!("{day} {month} {}", date.year())
}

pub fn paris() -> TimeZone {
    TimeZone::get("Europe/Paris").unwrap_or(TimeZone::UTC)
}

/// "2 345,50" with narrow no-break spaces; cents only where there are any.
pub fn number(value: f64) -> String {
    let cents = (value * 100.0).round();
    let whole = (cents / 100.0).trunc();
    let rest = (cents - whole * 100.0).abs().round();
    let digits = format!("{:.0}", whole.abs());
    let mut out = String::new();
    if whole < 0.0 {
        out.push('-');
    }
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            out.push('\u{202f}');
        }
        out.push(c);
    }
    if rest >= 1.0 {
        out.push_str(&format!(",{rest:02.0}"));
    }
    out
}

/// "2 300 à 2 600 € brut par mois"; `None` without an amount or its period.
pub fn pay(pay: &Pay) -> Option<String> {
    let unit = match pay.currency.as_deref() {
        None | Some("EUR") => "€",
        Some(other) => other,
    };
    let amount = match (pay.min, pay.max) {
        (Some(min), Some(max)) if min < max => {
            format!("{} à {}\u{a0}{unit}", number(min), number(max))
        }
        (Some(min), Some(_)) => format!("{}\u{a0}{unit}", number(min)),
        (Some(min), None) => format!("À partir de {}\u{a0}{unit}", number(min)),
        (None, Some(max)) => format!("Jusqu’à {}\u{a0}{unit}", number(max)),
        (None, None) => return None,
    };
    let gross = match pay.gross {
        Some(true) => " brut",
        Some(false) => " net",
        None => "",
    };
    let per = pay
        .period
        .map(|p| format!(" {}", period(p)))
        .unwrap_or_default();
    let months = pay
        .months
        .filter(|months| *months > 12.0)
        .map(|months| format!(" sur {} mois", number(months)))
        .unwrap_or_default();
    Some(format!("{amount}{gross}{per}{months}"))
}

/// "Temps partiel, 28 h par semaine, de nuit".
pub fn working_time(time_of_work: &WorkingTime) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    if let Some(kind) = time_of_work.time {
        parts.push(time(kind).into());
    }
    if let Some(hours) = time_of_work.hours_week {
        parts.push(format!("{}\u{a0}h par semaine", number(hours)));
    } else if let Some(share) = time_of_work.fte.filter(|share| *share < 1.0) {
        parts.push(format!("{}\u{a0}%", number(share * 100.0)));
    }
    parts.extend(time_of_work.shifts.iter().map(|s| shift(*s).to_owned()));
    match (time_of_work.weekends, time_of_work.weekend_every) {
        (_, Some(every)) if every > 1 => parts.push(format!("un week-end sur {every}")),
        (Some(true), _) => parts.push("week-ends travaillés".into()),
        (Some(false), _) => parts.push("sans week-end".into()),
        _ => {}
    }
    (!parts.is_empty()).then(|| {
        let text = parts.join(", ");
        let mut chars = text.chars();
        chars
            .next()
            .map(|first| first.to_uppercase().chain(chars).collect())
            .unwrap_or_default()
    })
}

/// What makes a title neutral by itself; `widget.js` has the same list.
const NEUTRAL: [&str; 13] = [
    "f/h", "h/f", " / ", "·", "(e)", "(ne)", "(se)", "(ere)", "(trice)", "(euse)", "(rice)", "-e ",
    ".e",
];

/// The title as an offer may be published (Code du travail, L1142-1): neutral by itself, or made so
/// by the usual mark, which normalising takes off.
pub fn title(vacancy: &Vacancy) -> String {
    let title = &vacancy.offer.title;
    let folded = super::text::fold(title);
    if NEUTRAL.iter().any(|mark| folded.contains(mark)) {
        title.clone()
    } else {
        format!("{title} (F/H)")
    }
}

/// Who hires, as a candidate reads it.
pub fn employer(vacancy: &Vacancy) -> Option<&str> {
    let employer = vacancy.offer.employer.as_ref()?;
    employer
        .name
        .as_deref()
        .or(employer.establishment.as_deref())
}

/// "Vesoul (70)", with the number of further places.
pub fn place(vacancy: &Vacancy) -> Option<String> {
    let places = &vacancy.offer.places;
    let first = places.first()?;
    let name = first.name.clone().or_else(|| {
        first
            .department
            .as_deref()
            .and_then(super::territory::department)
            .map(str::to_owned)
    })?;
    let mut text = match &first.department {
        Some(code) if super::territory::department(code) != Some(&name) => {
            format!("{name} ({code})")
        }
        _ => name,
    };
    if let Some(country) = first.country.as_deref().filter(|c| *c != "FR") {
        text.push_str(&format!(", {country}"));
    }
    match places.len() {
        0 | 1 => {}
        2 => text.push_str(" et un autre lieu"),
        more => text.push_str(&format!(" et {} autres lieux", more - 1)),
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widget_marks_titles_as_the_portal_does() {
        let widget = include_str!("portal/assets/widget.js");
        let (_, rest) = widget.split_once("const NEUTRAL = ").unwrap();
        let (list, _) = rest.split_once(';').unwrap();
        let list: Vec<String> = serde_json::from_str(list).unwrap();
        assert_eq!(list, NEUTRAL);
        assert!(widget.len() < 15_000);
    }

    #[test]
    fn amounts_read_as_french_writes_them() {
        let pay = |min, max, period| {
            super::pay(&Pay {
                min,
                max,
                period,
                gross: Some(true),
                ..Pay::default()
            })
        };
        insta::assert_debug_snapshot!([
            pay(Some(2300.0), Some(2600.5), Some(Period::Month)),
            pay(Some(14.5), None, Some(Period::Hour)),
            pay(None, Some(31234.0), Some(Period::Year)),
            pay(None, None, Some(Period::Year)),
        ], @r#"
        [
            Some(
                "2\u{202f}300 à 2\u{202f}600,50\u{a0}€ brut par mois",
            ),
            Some(
                "À partir de 14,50\u{a0}€ brut par heure",
            ),
            Some(
                "Jusqu’à 31\u{202f}234\u{a0}€ brut par an",
            ),
            None,
        ]
        "#);
    }

    #[test]
    fn days_follow_the_calendar_of_paris() {
        let at: Timestamp = "2026-02-28T23:30:00Z".parse().unwrap();
        assert_eq!(day(at), "1er mars 2026");
    }
}
