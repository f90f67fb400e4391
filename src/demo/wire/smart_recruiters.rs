//! SmartRecruiters public postings API: pages by offset with a total, text only in the detail. An
//! unknown company answers like an empty one.

use crate::demo::opening::{Form, Opening};
use crate::demo::text::{Ad, escape};
use crate::demo::world::World;
use serde_json::{Value, json};

pub const COMPANY: &str = "MutuelleTroisRivieres";
const MEMBER: &str = "mutuelle-trois-rivieres";

/// `/v1/companies/{company}/postings`; the limit is clamped to 100 without a word.
pub fn page(world: &World, company: &str, offset: usize, limit: usize) -> Value {
    let limit = limit.clamp(1, 100);
    let all: Vec<&Opening> = if company == COMPANY {
        world.shown(MEMBER).collect()
    } else {
        Vec::new()
    };
    let content: Vec<Value> = all
        .iter()
        .skip(offset)
        .take(limit)
        .map(|opening| summary(opening))
        .collect();
    json!({ "offset": offset, "limit": limit, "totalFound": all.len(), "content": content })
}

/// `/v1/companies/{company}/postings/{id}`.
pub fn detail(world: &World, company: &str, id: &str) -> Option<Value> {
    let opening = world
        .shown(MEMBER)
        .find(|opening| company == COMPANY && opening.reference() == id)?;
    let ad = Ad::of(opening, world.tables);
    let mut posting = summary(opening);
    posting["active"] = json!(true);
    posting["applyUrl"] = json!(opening.apply_url());
    posting["postingUrl"] = json!(opening.url());
    posting["jobAd"] = json!({
        "sections": {
            "companyDescription": { "title": "Description de l'entreprise", "text": format!("<p>{}</p>", escape(&ad.company)) },
            "jobDescription": { "title": "Description du poste", "text": ad.job_html() },
            "qualifications": { "title": "Qualifications", "text": ad.profile_html() },
            "additionalInformation": { "title": "Informations complémentaires", "text": ad.conditions_html() },
            "videos": { "title": "Vidéos", "urls": [] },
        },
    });
    Some(posting)
}

fn summary(opening: &Opening) -> Value {
    let id = opening.reference();
    let (code, label) = match opening.form {
        Form::Fixed(_) => ("contract", "CDD"),
        Form::Apprentice => ("intern", "Apprentissage"),
        _ if opening.is_full_time() => ("permanent", "CDI - temps plein"),
        _ => ("part-time", "CDI - temps partiel"),
    };
    json!({
        "id": id,
        "name": opening.title,
        "uuid": uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, opening.url().as_bytes()).to_string(),
        "jobAdId": uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, id.as_bytes()).to_string(),
        "defaultJobAd": true,
        "refNumber": format!("REF{}H", opening.number),
        "company": { "identifier": COMPANY, "name": opening.voice.name },
        "releasedDate": opening.published.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string(),
        "location": {
            "city": opening.site.city,
            "region": "Bourgogne-Franche-Comté",
            "country": "fr",
            "address": opening.site.street,
            "postalCode": opening.site.postal,
            "latitude": format!("{}", opening.site.lat),
            "longitude": format!("{}", opening.site.lon),
            "remote": false,
            "hybrid": false,
            "fullLocation": format!("{}, Bourgogne-Franche-Comté, France", opening.site.city),
        },
        "industry": { "id": "hospital_and_health_care", "label": "Hospital & Health Care" },
        "department": { "id": format!("{}", opening.site.insee), "label": opening.service },
        "function": { "id": "health_care_provider", "label": "Health Care Provider" },
        "typeOfEmployment": { "id": code, "label": label },
        "experienceLevel": { "id": "not_applicable", "label": "Non applicable" },
        "customField": [
            { "fieldId": "COUNTRY", "fieldLabel": "Pays/Région", "valueId": "fr", "valueLabel": "France" },
            { "fieldId": "64b87b7be4b06dbf7dd55192", "fieldLabel": "Résidence", "valueId": opening.site_key, "valueLabel": opening.site.name },
        ],
        "visibility": if opening.internal { "INTERNAL" } else { "PUBLIC" },
        "ref": format!("https://api.smartrecruiters.example/v1/companies/{COMPANY}/postings/{id}"),
        "creator": { "name": "Équipe recrutement" },
        "language": { "code": "fr", "label": "French", "labelNative": "français" },
    })
}
