//! Synthetic offers for tests, as an Indeed-style feed or a JSON list.

use serde_json::{Value, json};

/// One offer of a made-up care home.
#[derive(Clone, Debug)]
pub struct Offer {
    pub reference: String,
    pub title: String,
    pub text: String,
    pub date: String,
}

/// Titles that differ in occupation, so that no two of these are one vacancy.
const TITLES: [&str; 12] = [
    "Infirmier (H/F)",
    "Aide-soignant (H/F)",
    "Psychologue (H/F)",
    "Ergothérapeute (H/F)",
    "Cuisinier (H/F)",
    "Médecin coordonnateur (H/F)",
    "Masseur-kinésithérapeute (H/F)",
    "Agent de service hospitalier (H/F)",
    "Secrétaire médicale (H/F)",
    "Éducateur spécialisé (H/F)",
    "Diététicien (H/F)",
    "Comptable (H/F)",
];

/// `count` different offers, `R-001` onwards.
pub fn some(count: usize) -> Vec<Offer> {
    (1..=count)
        .map(|n| {
            let title = TITLES[(n - 1) % TITLES.len()];
            let unit = (n - 1) / TITLES.len() + 1;
            Offer {
                reference: format!("R-{n:03}"),
                title: title.to_owned(),
                text: format!(
                    "<p>Annonce synthétique n° {n}. La résidence recherche pour son unité {unit} : {title}. \
                     Poste à temps plein en CDI, équipe accueillante, projet d'établissement à construire ensemble.</p>"
                ),
                date: "2026-10-20T08:00:00+02:00".to_owned(),
            }
        })
        .collect()
}

/// An Indeed-style document.
pub fn xml(offers: &[Offer]) -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<source>\n<publisher>Essai</publisher>\n",
    );
    for offer in offers {
        out.push_str(&xml_job(offer));
    }
    out.push_str("</source>\n");
    out
}

pub fn xml_job(offer: &Offer) -> String {
    let cdata = |text: &str| format!("<![CDATA[{text}]]>");
    format!(
        "<job><title>{}</title><date>{}</date><referencenumber>{}</referencenumber><url>{}</url>\
         <company>{}</company><city>Vesoul</city><postalcode>70000</postalcode><country>FR</country>\
         <jobtype>fulltime</jobtype><description>{}</description></job>\n",
        cdata(&offer.title),
        cdata(&offer.date),
        cdata(&offer.reference),
        cdata(&format!("https://residence.example/{}", offer.reference)),
        cdata("Résidence d'essai"),
        cdata(&offer.text),
    )
}

/// `{"jobs": […]}` with the fields of [`json_connector`].
pub fn json(offers: &[Offer]) -> Value {
    json!({ "jobs": offers.iter().map(json_job).collect::<Vec<_>>() })
}

pub fn json_job(offer: &Offer) -> Value {
    json!({
        "ref": offer.reference,
        "title": offer.title,
        "text": offer.text,
        "city": "Vesoul",
        "zip": "70000",
        "contract": "CDI",
        "date": offer.date,
        "url": format!("https://residence.example/{}", offer.reference),
    })
}

/// A whole connector file, without a preset, for [`json`].
pub fn json_connector(name: &str, url: &str) -> String {
    format!(
        r#"name = "{name}"
member = "essai"

[source]
kind = "json"
url = "{url}"

[records]
path = "jobs"

[fields]
reference = "ref"
title = "title"
description = "text"
place_city = "city"
place_postal_code = "zip"
contract = {{ path = "contract", values = "contract" }}
published = {{ path = "date", format = "iso" }}
apply_url = "url"

[values.contract]
"CDI" = "cdi"

[guards]
miss_gap = "0s"
"#
    )
}

/// The same for [`xml`], by the preset.
pub fn xml_connector(name: &str, url: &str) -> String {
    format!(
        "name = \"{name}\"\nmember = \"essai\"\nuse = \"indeed-xml\"\n\n[with]\nbase_url = \"{url}\"\n\n[guards]\nmiss_gap = \"0s\"\n"
    )
}

/// The member of both.
pub const MEMBER: &str = r#"id = "essai"
name = "Résidence d'essai"
poster_email = "rh@residence.example"

[linkedin]
company_id = "9990099"

[mandates]
portal = true
linkedin = true
"#;
