//! Recruitee careers-site API: one JSON document. Dates are `2026-08-05 09:41:37 UTC`.

use crate::demo::opening::{Form, Opening};
use crate::demo::text::Ad;
use crate::demo::world::World;
use serde_json::{Value, json};

/// `/api/offers/`.
pub fn recruitee(world: &World) -> Value {
    let offers: Vec<Value> = world
        .shown("fondation-claire-fontaine")
        .enumerate()
        .map(|(position, opening)| record(world, opening, position))
        .collect();
    json!({ "offers": offers })
}

fn record(world: &World, opening: &Opening, position: usize) -> Value {
    let ad = Ad::of(opening, world.tables);
    let site = opening.site;
    let department = if site.postal.starts_with("25") {
        ("Doubs", "25")
    } else {
        ("Haute-Saône", "70")
    };
    let code = match (opening.form, opening.is_full_time()) {
        (Form::Fixed(_), true) => "fulltime_fixed_term",
        (Form::Fixed(_), false) => "parttime_fixed_term",
        (_, true) => "fulltime_permanent",
        (_, false) => "parttime_permanent",
    };
    let id: u64 = opening.reference().parse().unwrap_or(0);
    let description = ad.job_html();
    let requirements = format!("{}{}", ad.profile_html(), ad.conditions_html());
    let mut offer = json!({
        "id": id,
        "guid": format!("c{id:x}"),
        "slug": format!("{}-{}", opening.job_key, opening.site_key),
        "position": position + 1,
        "status": "published",
        "title": opening.title,
        "sharing_title": opening.title,
        "sharing_description": ad.team,
        "description": description,
        "requirements": requirements,
        "highlight": null,
        "company_name": opening.voice.name,
        "department": opening.service,
        "category_code": "healthcare",
        "employment_type_code": code,
        "experience_code": null,
        "education_code": null,
        "min_hours": opening.hours(),
        "max_hours": opening.hours(),
        "min_hours_per_week": opening.hours(),
        "max_hours_per_week": opening.hours(),
        "location": format!("{}, {}, France", site.city, department.0),
        "city": site.city,
        "postal_code": site.postal,
        "state_name": department.0,
        "state_code": department.1,
        "country": "France",
        "country_code": "FR",
        "remote": false,
        "hybrid": false,
        "on_site": true,
        "created_at": opening.published.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        "published_at": opening.published.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        "updated_at": opening.updated.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        "close_at": null,
        "careers_url": opening.url(),
        "careers_apply_url": opening.apply_url(),
    });
    let more = json!({
        "salary": {
            "min": opening.shows_pay().then(|| opening.pay[0].to_string()),
            "max": opening.shows_pay().then(|| opening.pay[1].to_string()),
            "period": "month",
            "currency": "EUR",
        },
        "locations": [{
            "id": site.insee.parse::<u32>().unwrap_or(0),
            "name": site.name,
            "city": site.city,
            "state": department.0,
            "state_code": department.1,
            "country": "France",
            "country_code": "FR",
            "postal_code": site.postal,
            "street": site.street,
            "note": "",
            "translations": { "fr": { "name": site.name, "city": site.city, "postal_code": site.postal, "street": site.street, "note": "" } },
        }],
        "mailbox_email": "candidatures@fondation-claire-fontaine.example",
        "tags": [],
        "dynamic_fields": [],
        "open_questions": [],
        "options_cv": "required",
        "options_phone": "optional",
        "translations": { "fr": { "title": opening.title, "description": description, "requirements": requirements, "highlight": null } },
    });
    if let (Some(offer), Value::Object(more)) = (offer.as_object_mut(), more) {
        offer.extend(more);
    }
    offer
}
