//! Teamtailor API: JSON:API with pages, a token header and relationships in `included`.

use crate::demo::opening::Opening;
use crate::demo::text::{Ad, escape};
use crate::demo::world::World;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const MEMBER: &str = "aide-et-campagne";

/// One page of `/v1/jobs`; `base` is where the links to further pages lead.
pub fn page(world: &World, base: &str, number: usize, size: usize) -> Value {
    let size = size.clamp(1, 30);
    let number = number.max(1);
    let all: Vec<&Opening> = world.shown(MEMBER).collect();
    let pages = all.len().div_ceil(size).max(1);
    let shown: Vec<&Opening> = all
        .iter()
        .skip((number - 1) * size)
        .take(size)
        .copied()
        .collect();
    let link = |page: usize| {
        format!(
            "{base}/v1/jobs?include=department%2Clocations&page%5Bnumber%5D={page}&page%5Bsize%5D={size}"
        )
    };
    let mut links = json!({ "first": link(1), "last": link(pages) });
    if number < pages {
        links["next"] = json!(link(number + 1));
    }
    if number > 1 {
        links["prev"] = json!(link(number - 1));
    }
    let mut included = BTreeMap::new();
    for opening in &shown {
        included.insert(location_id(opening), location(opening));
        included.insert(department_id(opening), department(opening));
    }
    json!({
        "data": shown.iter().map(|opening| record(world, opening)).collect::<Vec<_>>(),
        "included": included.into_values().collect::<Vec<_>>(),
        "meta": { "record-count": all.len(), "page-count": pages },
        "links": links,
    })
}

fn record(world: &World, opening: &Opening) -> Value {
    let id = opening.reference();
    let ad = Ad::of(opening, world.tables);
    let api = format!("https://api.teamtailor.example/v1/jobs/{id}");
    let related = |name: &str| {
        json!({
            "self": format!("{api}/relationships/{name}"),
            "related": format!("{api}/{name}"),
        })
    };
    json!({
        "id": id,
        "type": "jobs",
        "links": {
            "careersite-job-url": opening.url(),
            "careersite-job-apply-url": opening.apply_url(),
            "careersite-job-apply-iframe-url": format!("{}?iframe=true", opening.apply_url()),
            "self": api,
        },
        "attributes": {
            "apply-button-text": "",
            "body": format!("<p>{}</p>{}", escape(&ad.company), ad.html()),
            "end-date": null,
            "human-status": "published",
            "internal": opening.internal,
            "picture": null,
            "pinned": false,
            "start-date": null,
            "status": "open",
            "tags": [opening.form.short(), if opening.is_full_time() { "Temps plein" } else { "Temps partiel" }],
            "title": opening.title,
            "pitch": "",
            "external-application-url": "",
            "employment-type": if opening.is_full_time() { "fulltime" } else { "parttime" },
            "min-salary": opening.shows_pay().then_some(opening.pay[0]),
            "max-salary": opening.shows_pay().then_some(opening.pay[1]),
            "currency": "EUR",
            "salary-time-unit": "monthly",
            "name-requirement": "optional",
            "resume-requirement": "optional",
            "cover-letter-requirement": "off",
            "phone-requirement": "optional",
            "created-at": opening.published.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string(),
            "updated-at": opening.updated.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string(),
            "sharing-image-layout": "default",
            "mailbox": "recrutement@aide-et-campagne.example",
        },
        "relationships": {
            "department": { "links": related("department"), "data": { "type": "departments", "id": department_id(opening).1 } },
            "role": { "links": related("role") },
            "location": { "links": related("location"), "data": { "type": "locations", "id": location_id(opening).1 } },
            "locations": { "links": related("locations"), "data": [{ "type": "locations", "id": location_id(opening).1 }] },
            "user": { "links": related("user") },
            "questions": { "links": related("questions") },
            "candidates": { "links": related("candidates") },
            "stages": { "links": related("stages") },
            "requisition": { "links": related("requisition") },
        },
    })
}

/// Kind and id, which order the `included` list.
fn location_id(opening: &Opening) -> (&'static str, String) {
    ("locations", opening.site.insee.clone())
}

fn department_id(opening: &Opening) -> (&'static str, String) {
    let id = match opening.service {
        "Secteur" => 1,
        "SSIAD" => 2,
        "ESA Alzheimer" => 3,
        _ => 4,
    };
    ("departments", id.to_string())
}

fn location(opening: &Opening) -> Value {
    let site = opening.site;
    json!({
        "id": site.insee,
        "type": "locations",
        "links": { "self": format!("https://api.teamtailor.example/v1/locations/{}", site.insee) },
        "attributes": {
            "address": site.street,
            "city": site.city,
            "country": "France",
            "email": "recrutement@aide-et-campagne.example",
            "headquarters": opening.service == "Siège",
            "lat": site.lat,
            "long": site.lon,
            "name": site.name,
            "phone": null,
            "zip": site.postal,
        },
    })
}

fn department(opening: &Opening) -> Value {
    let (_, id) = department_id(opening);
    json!({
        "id": id,
        "type": "departments",
        "links": { "self": format!("https://api.teamtailor.example/v1/departments/{id}") },
        "attributes": { "name": opening.service },
    })
}
