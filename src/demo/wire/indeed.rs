//! Indeed-style XML: `source` and a flat `job` an ad, all text in CDATA.

use super::element;
use crate::demo::opening::{Form, Opening};
use crate::demo::text::{Ad, escape, pay};
use crate::demo::world::World;

/// The whole feed; one of its ads has no reference, as happens in life.
pub fn indeed(world: &World) -> String {
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<source>\n<publisher>Clinique de la Colline (démonstration)</publisher>\n<publisherurl>https://clinique-colline.example</publisherurl>\n<lastBuildDate>{}</lastBuildDate>\n",
        world.day.strftime("%a, %d %b %Y %H:%M:%S +0000")
    );
    for opening in world.shown("clinique-de-la-colline") {
        out.push_str(&record(world, opening));
    }
    out.push_str("<job>\n<title><![CDATA[Candidature spontanée]]></title>\n<referencenumber></referencenumber>\n<description><![CDATA[<p>Écrivez-nous.</p>]]></description>\n</job>\n");
    out.push_str("</source>\n");
    out
}

fn record(world: &World, opening: &Opening) -> String {
    let ad = Ad::of(opening, world.tables);
    let kind = match (opening.form, opening.is_full_time()) {
        (Form::Fixed(_), _) => "temporary",
        (Form::Liberal, _) => "contract",
        (_, true) => "fulltime",
        (_, false) => "parttime",
    };
    let fields = [
        ("title", opening.title.clone()),
        (
            "date",
            opening
                .published
                .strftime("%a, %d %b %Y %H:%M:%S +0000")
                .to_string(),
        ),
        ("referencenumber", opening.reference()),
        ("requisitionid", opening.reference()),
        ("url", opening.url()),
        ("company", opening.voice.name.clone()),
        ("sourcename", opening.voice.name.clone()),
        ("city", opening.site.city.clone()),
        ("state", "Bourgogne-Franche-Comté".into()),
        ("country", "FR".into()),
        ("postalcode", opening.site.postal.clone()),
        ("streetaddress", opening.site.street.clone()),
        ("email", "recrutement@clinique-colline.example".into()),
        (
            "description",
            format!("<p>{}</p>{}", escape(&ad.company), ad.html()),
        ),
        ("salary", pay(opening).unwrap_or_default()),
        ("education", opening.job.diploma.clone()),
        ("jobtype", kind.into()),
        ("category", opening.service.into()),
        ("experience", String::new()),
    ];
    let body: String = fields
        .iter()
        .map(|(name, text)| element(name, text))
        .collect();
    format!("<job>\n{body}</job>\n")
}
