//! Talentsoft (Cegid) front-office API: a list of summaries and a detail each. Dates have no zone.

use super::local;
use crate::demo::opening::{Form, Opening};
use crate::demo::text::{Ad, pay};
use crate::demo::world::World;
use serde_json::{Value, json};

pub const MEMBER: &str = "gh-monts-de-saone";

/// One page of `/api/v2/offersummaries`; `base` is where the links to further pages lead.
pub fn page(world: &World, base: &str, start: usize, count: usize) -> Value {
    let all: Vec<&Opening> = world.shown(MEMBER).filter(|o| !o.internal).collect();
    let count = count.clamp(1, 100);
    let shown: Vec<Value> = all
        .iter()
        .skip(start)
        .take(count)
        .map(|opening| record(world, opening))
        .collect();
    let next = start + shown.len();
    let more = next < all.len();
    let mut links = vec![json!({
        "rel": "self",
        "href": format!("{base}/api/v2/offersummaries?start={start}&count={count}"),
    })];
    if more {
        links.push(json!({
            "rel": "next",
            "href": format!("{base}/api/v2/offersummaries?start={next}&count={count}"),
        }));
    }
    json!({
        "data": shown,
        "_pagination": {
            "start": start + 1,
            "count": shown.len(),
            "total": all.len(),
            "resultsPerPage": count,
            "hasMore": more,
            "lastPage": all.len().div_ceil(count),
            "links": links,
        },
    })
}

/// The answer of `/api/v2/offers/getoffer?reference=`: the summary and its details.
pub fn detail(world: &World, reference: &str) -> Option<Value> {
    let opening = world
        .shown(MEMBER)
        .find(|opening| !opening.internal && opening.reference() == reference)?;
    let mut offer = record(world, opening);
    offer["details"] = json!({
        "customFields": {
            "offerCustomBlock1": {
                "shortText1": opening.service,
                "shortText2": if opening.is_full_time() { "Temps plein" } else { "Temps partiel" },
            },
            "offerCustomBlock4": {
                "customCodeTable2": opening.form.months().map(|months| json!({
                    "clientCode": format!("{months}_mois"), "label": format!("{months} mois"), "type": null,
                })),
            },
        },
    });
    Some(offer)
}

fn record(world: &World, opening: &Opening) -> Value {
    let ad = Ad::of(opening, world.tables);
    let reference = opening.reference();
    let (code, contract) = match opening.form {
        Form::Fixed(_) => ("_TS_CO_Contract_CDD", "CDD"),
        Form::Statutory => ("_TS_CO_Contract_Mutation", "Titulaire / CDI"),
        _ => ("_TS_CO_Contract_CDI", "CDI"),
    };
    json!({
        "reference": reference,
        "isTopOffer": false,
        "title": opening.title,
        "modificationDate": local(opening.updated, "%Y-%m-%dT%H:%M:%S.077"),
        "contractType": choice(578, code, contract, "contractType"),
        "organisationName": format!("{} ({})", opening.voice.name, opening.site.name),
        "organisationDescription": opening.voice.intro,
        "organisationLogoUrl": format!("https://{}/Handlers/Image.ashx?imagetype=logo&entityid=1278", opening.voice.host),
        "contractTypeCountry": null,
        "description1": strip(&ad.job_html()),
        "description2": strip(&format!("{}{}", ad.profile_html(), ad.conditions_html())),
        "description1Formatted": ad.job_html(),
        "description2Formatted": format!("{}{}", ad.profile_html(), ad.conditions_html()),
        "salaryRange": pay(opening).map(|text| choice(13609, "grille", text.trim_end_matches('.'), "salaryRange")),
        "geographicalLocation": [choice(4400 + opening.site.insee.parse::<i64>().unwrap_or(0) % 1000, &opening.site.insee, &opening.site.city, "offerGeographicalLocation")],
        "country": [choice(79, "_TS_CO_Country_France", "France", "offerCountry")],
        "region": [choice(4043, "_TS_CO_Region_BourgogneFrancheComte", "Bourgogne-Franche-Comté", "offerRegion")],
        "department": [choice(4170, "_TS_CO_Department_HauteSaone70", "Haute-Saône (70)", "offerDepartment")],
        "latitude": opening.site.lat,
        "longitude": opening.site.lon,
        "_links": [{
            "href": format!("https://{}/api/v2/offers/getoffer?reference={reference}", opening.voice.host),
            "rel": "detail",
        }],
        "offerUrl": opening.url(),
        "urlRedirectionEmployee": null,
        "urlRedirectionApplicant": opening.apply_url(),
        "startPublicationDate": local(opening.published, "%Y-%m-%dT%H:%M:%S.4"),
        "beginningDate": null,
    })
}

fn choice(code: i64, client: &str, label: &str, kind: &str) -> Value {
    json!({
        "code": code, "clientCode": client, "label": label, "active": true,
        "parentCode": null, "type": kind, "parentType": "", "hasChildren": false,
    })
}

/// What the service itself makes of rich text for its plain fields.
fn strip(html: &str) -> String {
    let mut out = String::new();
    let mut tag = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => {
                inside = true;
                tag.clear();
            }
            '>' if inside => {
                inside = false;
                match tag.as_str() {
                    "/p" | "/li" => out.push_str("\r\n"),
                    "li" => out.push_str("- "),
                    _ => {}
                }
            }
            _ if inside => tag.push(c),
            _ => out.push(c),
        }
    }
    out.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}
