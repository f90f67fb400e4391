//! Floor 2: from a mapped draft to one canonical posting, by pure functions over tables.
//!
//! **Invariants:** no I/O, no clock, no panic on any input; linear time; unknown stays unknown;
//! every set field has its provenance.
//!
//! One file a subject; `record` gathers provenance and findings; `data/` holds the tables, which a
//! recruiter can correct without Rust.

mod apply;
mod contract;
mod employer;
mod fold;
mod input;
mod law;
mod links;
mod occupation;
mod pay;
mod phrases;
mod place;
mod privacy;
mod record;
pub mod register;
mod remote;
mod requirements;
mod score;
mod tables;
mod text;
mod times;
mod title;
mod working_time;

use crate::model::{
    ConnectorName, Contact, Description, Draft, Field, MemberId, Network, Offer, Posting,
    PostingId, Visibility,
};
use input::Input;
use jiff::Timestamp;
use privacy::{Masked, Masker};
use record::Record;

pub use employer::{finess_valid, siret_valid};
pub use fold::{fold, key, stem};
pub use occupation::{Verdict, classify, spelt, trade_names};
pub use place::{Commune, Department, Gazetteer, commune_of, distance_km, gazetteer};
pub use score::{Missing, Score, score};

/// Everything besides the draft that a posting is a function of.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub connector: &'a ConnectorName,
    /// The member whose own source the connector is; `None` for an aggregator.
    pub member: Option<&'a MemberId>,
    pub network: &'a Network,
    /// Start of the first run that showed the posting: the date of last resort.
    pub first_seen: Timestamp,
}

/// A description shorter than this is remarked upon, in characters.
const SHORT_DESCRIPTION: usize = 120;

/// The canonical posting of `draft`. Total: a draft that says little gives a posting that says
/// little, with findings.
pub fn normalise(draft: &Draft, context: &Context<'_>) -> Posting {
    apart(draft, context).0
}

/// As [`normalise`], with what of people was masked: for the store and the member's report, for no
/// public output.
pub fn with_contacts(draft: &Draft, context: &Context<'_>) -> Posting {
    let (mut posting, contacts) = apart(draft, context);
    posting.contacts = contacts;
    posting
}

/// A posting, and apart from it what of people it does not show.
fn apart(draft: &Draft, context: &Context<'_>) -> (Posting, Vec<Contact>) {
    let mut record = Record::default();
    let mut offer = Offer::default();
    let member = context.member.and_then(|id| context.network.member(id));
    let masker = Masker::new(draft, member);
    let mut masked = Masked::default();

    let description = describe(draft, &masker, &mut masked, &mut record);
    let text = description
        .as_ref()
        .map_or("", |description| description.text.as_str());
    let raw_title = masker.line(
        &text::line(draft.value(Field::Title).unwrap_or_default()),
        &mut masked,
    );
    let input = Input::new(draft, raw_title, text);

    offer.places = place::places(draft, &mut record);
    if offer.places.is_empty()
        && let Some(place) = place::in_title(&input.title, &mut record)
    {
        offer.places.push(place);
    }
    let mut title = title::title(&input.title, &names_in_title(draft, &offer));
    // Words that noise held apart may be a name together.
    if let Some(clean) = masker.changed(&title.clean, &mut masked) {
        title.clean = clean;
    }
    offer.title.clone_from(&title.clean);
    match draft.get(Field::Title) {
        Some(raw) if !title.clean.is_empty() => record.mapped("/title", raw, "title.clean", 0.97),
        _ => record.find("title.absent", "title", ""),
    }
    if !title.clean.is_empty() && !title.clean.contains(char::is_alphanumeric) {
        record.find("title.absent", "title", "");
    }
    if title.cut {
        let size = format!("{} caractères", input.title.chars().count());
        record.find("title.cut", "title", &size);
    }
    (offer.occupation, offer.title_canonical) =
        occupation::occupation(&input, &title.clean, &mut record);
    offer.contract = contract::contract(&input, &mut record);
    let form = offer.contract.as_ref().and_then(|contract| contract.form);
    offer.working_time = working_time::working_time(&input, &mut record);
    offer.pay = pay::pay(&input, form, offer.working_time.as_ref(), &mut record);
    offer.employer = employer::employer(&input, context, form, &offer.places, &mut record);
    offer.diplomas = requirements::diplomas(&input, &mut record);
    offer.experience = requirements::experience(&input, &mut record);
    remote::remote(&input, &mut offer, &mut record);
    times::times(&input, context.first_seen, &mut offer, &mut record);
    let employer_member = offer
        .employer
        .as_ref()
        .and_then(|employer| employer.member.as_ref())
        .and_then(|id| context.network.member(id));
    offer.apply = apply::apply(&input, member.or(employer_member), &mut record);
    offer.origin = apply::origin(&input, &mut record);
    small_fields(&input, &mut offer, &mut record);
    law::law(&input, &title, &mut offer, &mut record);
    offer.description = description;
    mask_lines(&masker, &mut offer, &mut masked);
    if masked.total() > 0 {
        record.find("privacy.masked", "description", &masked.words());
    }
    scrub(&masker, &mut record);

    let posting = Posting {
        id: PostingId::new(context.connector, &draft.reference),
        connector: context.connector.clone(),
        reference: draft.reference.clone(),
        member: context.member.cloned(),
        offer,
        findings: record.findings,
        provenance: record.provenance,
        contacts: Vec::new(),
    };
    (posting, privacy::contacts(draft, masked))
}

/// The description, safe and without anybody's contact data.
fn describe(
    draft: &Draft,
    masker: &Masker<'_>,
    masked: &mut Masked,
    record: &mut Record,
) -> Option<Description> {
    let raw = draft.get(Field::Description);
    let source = raw.map(|raw| raw.values.join("\n\n")).unwrap_or_default();
    let mut document = text::parse(&source);
    let Some(raw) = raw.filter(|_| !document.is_empty()) else {
        record.find("description.absent", "description", "");
        return None;
    };
    let found = masker.document(&mut document);
    masked.mails += found.mails;
    masked.phones += found.phones;
    masked.names += found.names;
    masked.kept.extend(found.kept);
    if document.cut || source.len() > text::TEXT_LIMIT {
        record.find(
            "description.cut",
            "description",
            &format!("{} octets", source.len()),
        );
    }
    let text = document.text();
    if text.chars().nth(SHORT_DESCRIPTION).is_none() {
        record.find("description.short", "description", "");
    }
    // The raw text may hold personal data, so provenance gives its size only.
    let size = format!("{} octets", source.len());
    for pointer in ["/description/html", "/description/text"] {
        record.set(pointer, &raw.path, &size, "text.sanitised", 0.99);
    }
    let summary = text::summary(&document);
    if summary.is_some() {
        record.set(
            "/description/summary",
            &raw.path,
            &size,
            "text.first_sentences",
            0.9,
        );
    }
    let sections = text::sections(&document);
    if !sections.is_empty() {
        let headings: Vec<&str> = sections.iter().map(|s| s.heading.as_str()).collect();
        let shown = headings.join(" | ");
        record.set(
            "/description/sections",
            &raw.path,
            &shown,
            "text.headings",
            0.9,
        );
    }
    Some(Description {
        html: document.html(),
        text,
        summary,
        sections,
    })
}

/// Folded names that a title may carry as noise: places and the employer.
fn names_in_title(draft: &Draft, offer: &Offer) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut add = |name: &str| {
        let name = key(name);
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    };
    for place in &offer.places {
        for name in place.name.iter().chain(&place.postal_code) {
            add(name);
        }
        if let Some(department) = place
            .department
            .as_deref()
            .and_then(|code| gazetteer().department(code))
        {
            add(&department.name);
            add(&department.code);
            if let Some(name) = &place.name {
                add(&format!("{name} {}", department.code));
            }
        }
    }
    for field in [
        Field::EmployerName,
        Field::Establishment,
        Field::Intermediary,
        Field::PlaceCity,
        Field::PlaceRegion,
    ] {
        if let Some(value) = draft.value(field) {
            add(value);
        }
    }
    names
}

fn small_fields(input: &Input<'_>, offer: &mut Offer, record: &mut Record) {
    for (field, target, pointer) in [
        (Field::Service, &mut offer.service, "/service"),
        (Field::Requisition, &mut offer.requisition, "/requisition"),
    ] {
        if let Some(raw) = input.raw(field) {
            let value = record::cut(&text::line(raw.value()), 120).to_owned();
            if !value.is_empty() {
                *target = Some(value);
                record.mapped(pointer, raw, "field", 0.97);
            }
        }
    }
    if let Some(raw) = input.raw(Field::Openings)
        && let Some(number) =
            input::decimal(raw.value()).filter(|number| (1.0..=1_000.0).contains(number))
    {
        offer.openings = Some(number as u32);
        record.mapped("/openings", raw, "field", 0.98);
    }
    if offer.openings.is_none()
        && let Some(number) = title::openings(&input.title)
    {
        offer.openings = Some(number);
        record.set(
            "/openings",
            record::TITLE,
            &input.title,
            "openings.title",
            0.9,
        );
    }
    if let Some(raw) = input.raw(Field::Visibility) {
        let value = fold(raw.value());
        let public = matches!(
            value.as_str(),
            "" | "public" | "publique" | "externe" | "external" | "extern" | "publie" | "publiee"
        );
        let internal = matches!(
            value.as_str(),
            "internal" | "interne" | "intern" | "prive" | "private"
        );
        // What may be internal never leaves: a value that nobody knows is no leave to publish.
        if !public {
            offer.visibility = Visibility::Internal;
        }
        if !public && !internal {
            record.find("visibility.unknown", "visibility", raw.source_text());
        }
        record.mapped("/visibility", raw, "visibility.field", 0.99);
    }
}

/// Short public fields hold no person either.
fn mask_lines(masker: &Masker<'_>, offer: &mut Offer, masked: &mut Masked) {
    let mut one = |text: &mut Option<String>| {
        if let Some(value) = text
            && let Some(clean) = masker.changed(value, masked)
        {
            *value = clean;
        }
    };
    one(&mut offer.service);
    if let Some(experience) = &mut offer.experience {
        one(&mut experience.label);
    }
    if let Some(occupation) = &mut offer.occupation {
        one(&mut occupation.label);
    }
    for list in [
        Some(&mut offer.diplomas),
        offer.pay.as_mut().map(|pay| &mut pay.benefits),
    ]
    .into_iter()
    .flatten()
    {
        for value in list.iter_mut() {
            if let Some(clean) = masker.changed(value, masked) {
                *value = clean;
            }
        }
    }
}

/// Provenance and findings explain values; they too are kept free of people.
fn scrub(masker: &Masker<'_>, record: &mut Record) {
    let mut ignored = Masked::default();
    // Neighbours often quote the same words: what was clean once is not read again.
    let mut clean = String::new();
    for (pointer, note) in &mut record.provenance {
        if pointer == "/apply/email"
            || note.raw == clean
            || !note.raw.chars().any(char::is_alphanumeric)
        {
            continue;
        }
        match masker.changed(&note.raw, &mut ignored) {
            Some(masked) => note.raw = masked,
            None => clean.clone_from(&note.raw),
        }
    }
    for finding in &mut record.findings {
        if !finding.value.is_empty() {
            for text in [
                &mut finding.value,
                &mut finding.message,
                &mut finding.message_en,
            ] {
                if let Some(masked) = masker.changed(text, &mut ignored) {
                    *text = masked;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
