//! A spreadsheet export: `;`, byte-order mark, CRLF, French dates, cells of several lines. A filled
//! post stays with the status "Pourvue".

use super::local;
use crate::demo::opening::{Form, Opening};
use crate::demo::text::Ad;
use crate::demo::world::World;
use jiff::SignedDuration;

const HEADER: [&str; 19] = [
    "Référence",
    "Intitulé du poste",
    "Direction",
    "Service",
    "Adresse",
    "Code postal",
    "Commune",
    "Latitude",
    "Longitude",
    "Type de contrat",
    "Durée",
    "Temps de travail",
    "Date de publication",
    "Date de modification",
    "Date limite",
    "Statut",
    "Diffusion",
    "Description",
    "Lien",
];

/// The file's bytes; one of its lines has no title, as happens in life.
pub fn csv_export(world: &World) -> Vec<u8> {
    let mut out = b"\xef\xbb\xbf".to_vec();
    line(&mut out, &HEADER.map(str::to_owned));
    for opening in world
        .openings
        .iter()
        .filter(|opening| opening.member == "departement-mille-etangs")
    {
        line(&mut out, &record(world, opening));
    }
    let mut broken = HEADER.map(|_| String::new());
    broken[0] = "DME-0000".into();
    broken[15] = "Diffusée".into();
    line(&mut out, &broken);
    out
}

fn record(world: &World, opening: &Opening) -> [String; 19] {
    let ad = Ad::of(opening, world.tables);
    let contract = match opening.form {
        Form::Fixed(_) => "CDD",
        Form::Statutory => "Titulaire de la fonction publique ou contractuel",
        _ => "CDI",
    };
    let limit = opening.published + SignedDuration::from_hours(24 * 120);
    [
        opening.reference(),
        opening.title.clone(),
        "Pôle des solidarités".into(),
        opening.service.into(),
        opening.site.street.clone(),
        opening.site.postal.clone(),
        opening.site.city.clone(),
        opening.site.lat.to_string().replace('.', ","),
        opening.site.lon.to_string().replace('.', ","),
        contract.into(),
        opening
            .form
            .months()
            .map(|months| format!("{months} mois"))
            .unwrap_or_default(),
        if opening.is_full_time() {
            "Temps complet".into()
        } else {
            format!("Temps non complet ({} %)", opening.share)
        },
        local(opening.published, "%d/%m/%Y"),
        local(opening.updated, "%d/%m/%Y %H:%M"),
        local(limit, "%d/%m/%Y"),
        if opening.closed {
            "Pourvue"
        } else {
            "Diffusée"
        }
        .into(),
        if opening.internal {
            "Interne"
        } else {
            "Externe"
        }
        .into(),
        ad.plain("- "),
        opening.url(),
    ]
}

fn line(out: &mut Vec<u8>, cells: &[String; 19]) {
    let cells: Vec<String> = cells
        .iter()
        .map(|cell| {
            if cell.contains([';', '"', '\n', '\r']) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell.clone()
            }
        })
        .collect();
    out.extend_from_slice(cells.join(";").as_bytes());
    out.extend_from_slice(b"\r\n");
}
