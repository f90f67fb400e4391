//! Who employs: checked numbers, the network's members under any of their names, agencies apart.

mod intermediaries;
mod names;
mod numbers;

use super::fold::key;
use super::input::Input;
use super::phrases::Topic;
use super::record::{MEMBER, Record, TEXT};
use super::text::line;
use super::{Context, privacy};
use crate::model::{ContractForm, Employer, Field, Member, Place};
use intermediaries::is_intermediary;
use names::{Known, Names};
pub use numbers::{digits, finess_valid, siren_valid, siret_valid};

pub fn employer(
    input: &Input<'_>,
    context: &Context<'_>,
    form: Option<ContractForm>,
    places: &[Place],
    record: &mut Record,
) -> Option<Employer> {
    let mut employer = Employer::default();
    let names = context.network.derived(Names::of);
    numbers(input, &mut employer, record);
    let own = context.member.and_then(|id| context.network.member(id));

    if let Some(raw) = input.raw(Field::Intermediary) {
        employer.intermediary = Some(line(raw.value()));
        record.mapped(
            "/employer/intermediary",
            raw,
            "employer.intermediary_field",
            0.97,
        );
    }
    if let Some(raw) = input.raw(Field::EmployerName) {
        let name = line(raw.value());
        let hidden = matches!(
            key(&name).as_str(),
            "" | "confidentiel" | "anonyme" | "non communique" | "entreprise confidentielle" | "nc"
        );
        let masked = privacy::shown(&name);
        if hidden {
        } else if masked.contains(privacy::NAME_MASK)
            && !key(&name).starts_with("dr")
            && !key(&name).starts_with("docteur")
        {
            // A private household is an employer too; its name is a person's.
            record.find("employer.absent", "employer", "");
        } else if is_intermediary(&name)
            && own.is_none_or(|member| member.agency)
            && names
                .find(&name)
                .is_none_or(|(known, ..)| agency(context, known))
        {
            if employer.intermediary.is_none() {
                employer.intermediary = Some(name);
                record.mapped(
                    "/employer/intermediary",
                    raw,
                    "employer.known_intermediary",
                    0.95,
                );
            }
        } else {
            employer.name = Some(name);
            record.mapped("/employer/name", raw, "employer.field", 0.98);
        }
    }
    if let Some(raw) = input.raw(Field::Establishment) {
        let name = privacy::shown(raw.value());
        if !name.is_empty() && employer.name.as_deref().map(key) != Some(key(&name)) {
            employer.establishment = Some(name);
            record.mapped(
                "/employer/establishment",
                raw,
                "employer.establishment_field",
                0.97,
            );
        }
    }
    recognise(input, &names, own, &mut employer, record);
    if let Some(member) = employer
        .member
        .as_ref()
        .and_then(|id| context.network.member(id))
    {
        complete(member, places, &mut employer, record);
    }
    agreement(input, context, &mut employer, record);
    if form == Some(ContractForm::Interim) && employer.intermediary.is_none() {
        if let Some(name) = employer.name.clone().filter(|_| employer.member.is_none()) {
            // Who lends out workers is the agency, whatever it is called.
            employer.intermediary = Some(name);
            employer.name = None;
            if let Some(note) = record.provenance.remove("/employer/name") {
                record.set(
                    "/employer/intermediary",
                    &note.source,
                    &note.raw,
                    "employer.interim_is_agency",
                    0.85,
                );
            }
        } else {
            record.find("law.agency", "employer", "");
        }
    }
    if employer.name.is_none() && employer.intermediary.is_none() {
        record.find("employer.absent", "employer", "");
    }
    (employer != Employer::default()).then_some(employer)
}

fn agency(context: &Context<'_>, known: &Known) -> bool {
    context
        .network
        .member(&known.member)
        .is_some_and(|member| member.agency)
}

fn numbers(input: &Input<'_>, employer: &mut Employer, record: &mut Record) {
    if let Some(raw) = input.raw(Field::EmployerSiret) {
        let number = digits(raw.value());
        if siret_valid(&number) {
            employer.siret = Some(number);
            record.mapped("/employer/siret", raw, "employer.siret", 0.99);
        } else {
            record.find("employer.siret_invalid", "employer", raw.value());
        }
    }
    if let Some(raw) = input.raw(Field::EmployerFiness) {
        let number = digits(raw.value());
        if finess_valid(&number) {
            employer.finess = Some(number);
            record.mapped("/employer/finess", raw, "employer.finess", 0.99);
        } else {
            record.find("employer.finess_invalid", "employer", raw.value());
        }
    }
}

fn recognise(
    input: &Input<'_>,
    names: &Names,
    own: Option<&Member>,
    employer: &mut Employer,
    record: &mut Record,
) {
    let mut set = |known: &Known,
                   source: &str,
                   raw: &str,
                   rule: &str,
                   confidence: f64,
                   employer: &mut Employer| {
        employer.member = Some(known.member.clone());
        record.set("/employer/member", source, raw, rule, confidence);
        if employer.establishment.is_none()
            && let Some(establishment) = &known.establishment
        {
            employer.establishment = Some(establishment.clone());
            record.set("/employer/establishment", source, raw, rule, confidence);
        }
    };
    if let Some(member) = own {
        let id = member.member_id();
        let said = employer
            .establishment
            .iter()
            .chain(employer.name.iter())
            .find_map(|name| {
                names
                    .find(name)
                    .filter(|(known, ..)| known.member == id && known.establishment.is_some())
            });
        let known = said.map_or(
            Known {
                member: id,
                establishment: None,
            },
            |(known, ..)| known.clone(),
        );
        set(
            &known,
            MEMBER,
            &member.name,
            "employer.own_source",
            1.0,
            employer,
        );
        return;
    }
    for number in [employer.siret.clone(), employer.finess.clone()]
        .into_iter()
        .flatten()
    {
        if let Some(known) = names.by_number.get(number.as_str()) {
            let known = known.clone();
            set(
                &known,
                "employer",
                &number,
                "employer.number",
                0.99,
                employer,
            );
            return;
        }
    }
    for name in [employer.name.clone(), employer.establishment.clone()]
        .into_iter()
        .flatten()
    {
        if let Some((known, rule, confidence)) = names.find(&name) {
            let known = known.clone();
            set(&known, "employer", &name, rule, confidence, employer);
            return;
        }
    }
    // An anonymous ad that names a member in its text; an agency's ad names clients and rivals.
    if employer.name.is_none() && !names.is_empty() {
        let mut text = std::borrow::Cow::Borrowed(input.text);
        if let Some(raw) = input.raw(Field::EmployerDescription) {
            text.to_mut().push('\n');
            text.to_mut().push_str(&line(raw.value()));
        }
        if let Some((name, known)) = names.in_text(&text) {
            let confidence = if employer.intermediary.is_some() {
                0.7
            } else {
                0.85
            };
            let (name, known) = (name.to_owned(), known.clone());
            set(
                &known,
                TEXT,
                &name,
                "employer.named_in_text",
                confidence,
                employer,
            );
        }
    }
}

/// What the member's file adds: its name, numbers, and the establishment in that commune.
fn complete(member: &Member, places: &[Place], employer: &mut Employer, record: &mut Record) {
    if member.agency {
        if employer.intermediary.is_none() {
            employer.intermediary = Some(member.name.clone());
            record.set(
                "/employer/intermediary",
                MEMBER,
                &member.name,
                "employer.member_is_agency",
                1.0,
            );
        }
        if employer
            .name
            .as_deref()
            .is_some_and(|name| key(name) == key(&member.name))
        {
            employer.name = None;
            record.provenance.remove("/employer/name");
        }
        return;
    }
    if employer.name.is_none() {
        employer.name = Some(member.name.clone());
        record.set(
            "/employer/name",
            MEMBER,
            &member.name,
            "employer.member_name",
            0.95,
        );
    }
    let insee = places.first().and_then(|place| place.insee.as_deref());
    if employer.establishment.is_none()
        && let Some(insee) = insee
    {
        let mut there = member.establishments.iter().filter(|establishment| {
            establishment
                .commune
                .as_deref()
                .and_then(commune_code)
                .is_some_and(|code| code == insee)
        });
        if let (Some(only), None) = (there.next(), there.next()) {
            employer.establishment = Some(only.name.clone());
            record.set(
                "/employer/establishment",
                MEMBER,
                insee,
                "employer.establishment_in_commune",
                0.75,
            );
        }
    }
    let establishment = employer.establishment.as_deref().and_then(|name| {
        member.establishments.iter().find(|establishment| {
            std::iter::once(&establishment.name)
                .chain(&establishment.aliases)
                .any(|known| key(known) == key(name))
        })
    });
    if employer.siret.is_none() {
        employer.siret = establishment
            .and_then(|establishment| establishment.siret.clone())
            .or_else(|| match member.siret.as_slice() {
                [only] => Some(only.clone()),
                _ => None,
            })
            .map(|number| digits(&number));
        if let Some(siret) = &employer.siret {
            record.set(
                "/employer/siret",
                MEMBER,
                siret,
                "employer.member_number",
                0.9,
            );
        }
    }
    if employer.finess.is_none() {
        employer.finess = establishment
            .and_then(|establishment| establishment.finess.clone())
            .or_else(|| match member.finess.as_slice() {
                [only] => Some(only.clone()),
                _ => None,
            })
            .map(|number| digits(&number));
        if let Some(finess) = &employer.finess {
            record.set(
                "/employer/finess",
                MEMBER,
                finess,
                "employer.member_number",
                0.9,
            );
        }
    }
}

/// INSEE code of "70550" or "70000 Vesoul".
fn commune_code(text: &str) -> Option<String> {
    let gazetteer = super::place::gazetteer();
    let text = text.trim();
    if let Some(id) = gazetteer.insee(text) {
        return Some(gazetteer.commune(id).insee.clone());
    }
    super::place::commune_of(text).map(|commune| commune.insee.clone())
}

fn agreement(
    input: &Input<'_>,
    context: &Context<'_>,
    employer: &mut Employer,
    record: &mut Record,
) {
    if let Some(raw) = input.raw(Field::Agreement) {
        let folded = super::fold::fold(raw.value());
        let known = super::phrases::find(&folded)
            .into_iter()
            .find(|hit| hit.phrase.topic == Topic::Agreement)
            .map(|hit| hit.phrase.value.clone());
        employer.agreement = Some(known.unwrap_or_else(|| line(raw.value())));
        record.mapped("/employer/agreement", raw, "employer.agreement_field", 0.95);
        return;
    }
    if let Some(hit) = input.text_hits(Topic::Agreement).next() {
        employer.agreement = Some(hit.phrase.value.clone());
        record.set(
            "/employer/agreement",
            TEXT,
            input.excerpt(hit.range.clone()),
            "employer.agreement_in_text",
            0.85,
        );
        return;
    }
    if let Some(agreement) = employer
        .member
        .as_ref()
        .and_then(|id| context.network.member(id))
        .and_then(|member| member.agreement.clone())
    {
        record.set(
            "/employer/agreement",
            MEMBER,
            &agreement,
            "employer.member_agreement",
            0.9,
        );
        employer.agreement = Some(agreement);
    }
}

#[cfg(test)]
mod tests;
