//! DigitalRecruiters (Cegid) export: one JSON document with its own count.

use super::local;
use crate::demo::opening::{Form, Opening};
use crate::demo::text::Ad;
use crate::demo::world::World;
use serde_json::{Value, json};

/// The whole export; one of its ads has no title, as happens in life.
pub fn digital_recruiters(world: &World) -> Value {
    let mut ads: Vec<Value> = world
        .shown("ah-val-de-lanterne")
        .map(|opening| record(world, opening))
        .collect();
    if let Some(mut broken) = ads.first().cloned() {
        broken["reference"] = json!("LNT0000QX0");
        broken["title"] = json!("");
        ads.push(broken);
    }
    json!({
        "count": ads.len(),
        "version": "1.0.1",
        "fetched_at": local(world.day, "%Y-%m-%dT%H:%M:%S%:z"),
        "spontaneousApplyUrl": null,
        "ads": ads,
    })
}

fn record(world: &World, opening: &Opening) -> Value {
    let ad = Ad::of(opening, world.tables);
    let contract = match opening.form {
        Form::Fixed(_) => "CDD",
        _ => "CDI",
    };
    let description = if opening.brief {
        "<p>Entretien des bâtiments du pôle logistique.</p>".to_owned()
    } else {
        format!("{}{}", ad.job_html(), ad.conditions_html())
    };
    let profile = if opening.brief {
        String::new()
    } else {
        ad.profile_html()
    };
    let address = json!({
        "parts": {
            "street": opening.site.street,
            "zip": opening.site.postal,
            "city": opening.site.city,
            "county": "Haute-Saône",
            "state": "Bourgogne-Franche-Comté",
            "country": "France",
        },
        "formatted": format!("{}, {} {}, France", opening.site.street, opening.site.postal, opening.site.city),
        "position": { "lon": opening.site.lon, "lat": opening.site.lat },
    });
    json!({
        "locale": "fr_FR",
        "reference": opening.reference(),
        "published_at": opening.published.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string(),
        "catch_phrase": "",
        "contract_type": contract,
        "contract_duration": { "min": opening.form.months(), "max": opening.form.months() },
        "contract_work_period": if opening.is_full_time() { "Temps plein" } else { "Temps partiel" },
        "service": opening.service,
        "service_internal_ref": format!("SRV.{}", opening.number),
        "service_hash_id": format!("d{}", opening.number),
        "experience_level": "Indifférent",
        "education_level": null,
        "title": opening.title,
        "description": description,
        "profile": profile,
        "skills": [],
        "salary": {
            "min": opening.shows_pay().then_some(opening.pay[0]),
            "max": opening.shows_pay().then_some(opening.pay[1]),
            "kind": "Mensuel",
            "rate_type": "Brut",
            "variable": "",
            "currency": "EUR",
        },
        "pictures": [],
        "videos": [],
        "internal_apply_url": null,
        "apply_url": opening.url(),
        "address": address,
        "entity": {
            "public_name": opening.site.name,
            "internal_ref": format!("E{}", &opening.site.insee),
            "around": "",
            "address": address,
            "manager": {
                "section_title": "", "section_body": "", "picture_url": null,
                "firstname": "", "lastname": "", "position": "",
            },
            "hierarchy": [
                { "depth": 2, "column_name": "Établissements", "public_name": opening.site.name },
                { "depth": 1, "column_name": "Association", "public_name": opening.voice.name },
            ],
        },
        "referent_recruiter": { "firstname": "Camille", "lastname": "SYNTHÈSE", "picture_url": null },
        "brand": {
            "name": opening.voice.name,
            "description": opening.voice.intro,
            "logo": format!("https://{}/logo.png", opening.voice.host),
            "favicon": format!("https://{}/favicon.png", opening.voice.host),
        },
    })
}
