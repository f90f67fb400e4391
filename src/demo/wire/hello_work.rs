//! HelloWork export: XML, one `job` an ad, local times, coordinates in one string.

use super::{element, local};
use crate::demo::opening::{Form, Opening};
use crate::demo::text::{Ad, hourly};
use crate::demo::world::World;

/// The whole feed.
pub fn hello_work(world: &World) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<root>\n");
    for opening in world.shown("relais-interim-sante") {
        out.push_str(&record(world, opening));
    }
    out.push_str("</root>\n");
    out
}

fn record(world: &World, opening: &Opening) -> String {
    let ad = Ad::of(opening, world.tables);
    let site = opening.site;
    let department = match site.postal.get(..2) {
        Some("25") => "DOUBS",
        Some("90") => "TERRITOIRE DE BELFORT",
        _ => "HAUTE SAONE",
    };
    let contract = match opening.form {
        Form::Agency(_) => "Travail_temp",
        form => form.short(),
    };
    let fields = [
        ("job_id", opening.reference()),
        ("guid", format!("RIS/{}", opening.number)),
        ("cpc", "0,00".into()),
        ("title", opening.title.clone()),
        ("url", opening.url()),
        (
            "description",
            format!(
                "{}\n\n{}",
                ad.team,
                ad.tasks
                    .iter()
                    .map(|task| format!("-  {task}"))
                    .collect::<Vec<_>>()
                    .join("\n")
            ),
        ),
        ("profile", ad.profile.join("\n")),
        ("benefits", ad.conditions.join("\n")),
        ("salary", format!("{} € par heure", hourly(opening))),
        ("address", String::new()),
        ("city", site.city.to_uppercase()),
        ("geoloc", format!("{},{}", site.lat, site.lon)),
        ("region", "BOURGOGNE FRANCHE COMTE".into()),
        ("department", department.into()),
        ("postal_code", site.postal.clone()),
        ("country", "FR".into()),
        (
            "publication_date",
            local(opening.published, "%Y-%m-%d %H:%M:%S"),
        ),
        ("updated_date", local(opening.updated, "%Y-%m-%d %H:%M:%S")),
        ("contract", contract.into()),
        (
            "contract_period_value",
            opening
                .form
                .months()
                .map(|m| m.to_string())
                .unwrap_or_default(),
        ),
        ("contract_period_unit", "mois".into()),
        ("qualification", "RJ/Qualif/Employe".into()),
        ("experience", String::new()),
        ("function", "Sante_social".into()),
        (
            "job_time",
            if opening.is_full_time() {
                "Full time"
            } else {
                "Part time"
            }
            .into(),
        ),
        ("education", String::new()),
        ("language", String::new()),
        ("remote", "Pas_teletravail".into()),
        ("sector", "Sante".into()),
        ("company_title", opening.voice.name.clone()),
        ("company_description", opening.voice.intro.clone()),
        ("logo", format!("https://{}/logo.png", opening.voice.host)),
        (
            "company_logo",
            format!("https://{}/logo.png", opening.voice.host),
        ),
        ("siret", String::new()),
        ("naf_code", "7820Z".into()),
        ("company_sector", "Intérim".into()),
        ("csr_label", String::new()),
    ];
    let body: String = fields
        .iter()
        .map(|(name, text)| format!("  {}", element(name, text)))
        .collect();
    format!("<job>\n{body}</job>\n")
}
