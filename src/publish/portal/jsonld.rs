//! schema.org JobPosting, as Google for Jobs reads it: only what the page itself shows.

use super::{super::labels, offer};
use crate::{
    model::{ContractForm, Network, Period, Place, PlacePrecision, Time, Vacancy},
    publish::{PublishSettings, territory},
};
use serde_json::{Value, json};

/// The JobPosting of `vacancy`. Every required property is there, whatever the offer lacks.
pub fn job_posting(settings: &PublishSettings, network: &Network, vacancy: &Vacancy) -> Value {
    let o = &vacancy.offer;
    let mut posting = json!({
        "@context": "https://schema.org",
        "@type": "JobPosting",
        "title": labels::title(vacancy),
        "description": description(vacancy),
        "identifier": {
            "@type": "PropertyValue",
            "name": settings.territory,
            "value": vacancy.id,
        },
        "hiringOrganization": organization(network, vacancy),
        "jobLocation": places(&o.places),
        "directApply": false,
        "url": settings.url(&offer::offer_path(vacancy)),
    });
    // Every offer is dated when it is normalised; without any date the epoch would be a lie, and
    // the property is required: the day of its last change is what the page shows.
    let mut set = |name: &str, value: Value| posting[name] = value;
    if let Some(at) = o.published.or(o.updated) {
        set("datePosted", local(at).into());
    }
    if let Some(at) = o.expires {
        set("validThrough", local(at).into());
    }
    let types = employment_types(vacancy);
    match types.as_slice() {
        [] => {}
        [one] => set("employmentType", (*one).into()),
        many => set("employmentType", many.into()),
    }
    if let Some(salary) = salary(vacancy) {
        set("baseSalary", salary);
    }
    if let Some(openings) = o.openings {
        set("totalJobOpenings", openings.into());
    }
    if let Some(starts) = o.starts {
        set("jobStartDate", starts.to_string().into());
    }
    posting
}

/// The posting as it may stand inside a `script` element.
pub fn embedded(posting: &Value) -> String {
    posting
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

fn local(at: jiff::Timestamp) -> String {
    at.to_zoned(labels::paris())
        .strftime("%Y-%m-%dT%H:%M:%S%:z")
        .to_string()
}

fn description(vacancy: &Vacancy) -> String {
    match &vacancy.offer.description {
        Some(text) if !text.html.trim().is_empty() => offer::safe_html(&text.html),
        Some(text) if !text.text.trim().is_empty() => text.text.clone(),
        _ => offer::substitute(vacancy),
    }
}

fn organization(network: &Network, vacancy: &Vacancy) -> Value {
    let member = vacancy.member.as_ref().and_then(|id| network.member(id));
    let name = labels::employer(vacancy)
        .or(member.map(|m| m.name.as_str()))
        // The word that Google asks for where the employer does not say who it is.
        .unwrap_or("confidential");
    let mut organization = json!({ "@type": "Organization", "name": name });
    let https = |url: &&String| url.starts_with("https://") || url.starts_with("http://");
    if let Some(url) = member.and_then(|m| m.website.as_ref()).filter(https) {
        organization["sameAs"] = url.clone().into();
    }
    if let Some(url) = member.and_then(|m| m.logo.as_ref()).filter(https) {
        organization["logo"] = url.clone().into();
    }
    organization
}

fn places(places: &[Place]) -> Value {
    let all: Vec<Value> = places.iter().map(place).collect();
    match all.len() {
        0 => place(&Place::default()),
        1 => all.into_iter().next().unwrap_or_default(),
        _ => all.into(),
    }
}

fn place(place: &Place) -> Value {
    let mut address = json!({
        "@type": "PostalAddress",
        "addressCountry": place.country.as_deref().unwrap_or("FR"),
    });
    let town = matches!(
        place.precision,
        PlacePrecision::Address | PlacePrecision::Commune
    );
    if let Some(name) = place.name.as_ref().filter(|_| town) {
        address["addressLocality"] = name.clone().into();
    }
    let region = match &place.department {
        Some(code) => territory::region(code).map(str::to_owned),
        None if place.precision == PlacePrecision::Region => place.name.clone(),
        None => None,
    };
    if let Some(region) = region {
        address["addressRegion"] = region.into();
    }
    if let Some(code) = &place.postal_code {
        address["postalCode"] = code.clone().into();
    }
    let mut value = json!({ "@type": "Place", "address": address });
    if let (Some(lat), Some(lon)) = (place.lat, place.lon) {
        value["geo"] = json!({ "@type": "GeoCoordinates", "latitude": lat, "longitude": lon });
    }
    value
}

fn employment_types(vacancy: &Vacancy) -> Vec<&'static str> {
    let mut types = Vec::new();
    match vacancy.offer.working_time.as_ref().and_then(|w| w.time) {
        Some(Time::Full) => types.push("FULL_TIME"),
        Some(Time::Part) => types.push("PART_TIME"),
        None => {}
    }
    match vacancy.offer.contract.as_ref().and_then(|c| c.form) {
        Some(ContractForm::Cdd | ContractForm::Interim) => types.push("TEMPORARY"),
        Some(ContractForm::Vacation) => types.push("PER_DIEM"),
        Some(
            ContractForm::Internship
            | ContractForm::Apprenticeship
            | ContractForm::Professionalisation,
        ) => types.push("INTERN"),
        Some(ContractForm::Liberal) => types.push("CONTRACTOR"),
        Some(ContractForm::Takeover | ContractForm::Other) => types.push("OTHER"),
        Some(ContractForm::Cdi) | None => {}
    }
    types
}

fn salary(vacancy: &Vacancy) -> Option<Value> {
    let pay = vacancy.offer.pay.as_ref()?;
    let unit = match pay.period? {
        Period::Hour => "HOUR",
        Period::Day => "DAY",
        Period::Week => "WEEK",
        Period::Month => "MONTH",
        Period::Year => "YEAR",
    };
    let mut value = json!({ "@type": "QuantitativeValue", "unitText": unit });
    match (pay.min, pay.max) {
        (Some(min), Some(max)) if min < max => {
            value["minValue"] = min.into();
            value["maxValue"] = max.into();
        }
        (Some(one), _) | (None, Some(one)) => value["value"] = one.into(),
        (None, None) => return None,
    }
    Some(json!({
        "@type": "MonetaryAmount",
        "currency": pay.currency.as_deref().unwrap_or("EUR"),
        "value": value,
    }))
}
