//! Feeds of no service, in every dress: names in two languages, six containers, five spellings of a
//! name, three forms of a date. What is proposed is judged by the offers that are read with it.

use super::{neutral, seek};
use crate::model::Field;
use crate::pull::source::tests::{connector, pull};
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// What the feeds say, in this order: reference, title, text, contract, town, postal code, date of
/// publication (ISO), link.
const OFFERS: [[&str; 8]; 4] = [
    [
        "K-101",
        "Infirmier de nuit (H/F)",
        "Vous assurez les soins de nuit d'une unité de douze lits, au sein d'une équipe stable et formée.",
        "CDI",
        "Vesoul",
        "70000",
        "2026-10-20",
        "https://rh.exemple.example/offres/k-101",
    ],
    [
        "K-102",
        "Aide-soignante",
        "Vous accompagnez les résidents dans les actes de la vie quotidienne, avec tact et patience.",
        "CDD",
        "Lure",
        "70200",
        "2026-10-21",
        "https://rh.exemple.example/offres/k-102",
    ],
    [
        "K-103",
        "Cuisinier de collectivité",
        "Repas de quatre-vingts convives, sur place, avec une brigade de quatre personnes.",
        "CDI",
        "Gray",
        "70100",
        "2026-10-28",
        "https://rh.exemple.example/offres/k-103",
    ],
    [
        "K-104",
        "Secrétaire médicale",
        "Accueil des patients, frappe des comptes rendus et tenue des agendas des praticiens.",
        "CDD",
        "Luxeuil-les-Bains",
        "70300",
        "2026-10-29",
        "https://rh.exemple.example/offres/k-104",
    ],
];

/// Names of the eight, as words.
const NAMES: &[[&str; 8]] = &[
    [
        "numéro offre",
        "intitulé poste",
        "descriptif mission",
        "nature contrat",
        "ville affectation",
        "cp affectation",
        "date publication",
        "lien annonce",
    ],
    [
        "référence annonce",
        "libellé emploi",
        "présentation poste",
        "type contrat travail",
        "commune",
        "code postal",
        "mise en ligne",
        "adresse web",
    ],
    [
        "id annonce",
        "titre annonce",
        "texte annonce",
        "forme contrat",
        "localité",
        "code postal lieu",
        "date parution",
        "url annonce",
    ],
    [
        "ref poste",
        "poste à pourvoir",
        "missions principales",
        "contrat proposé",
        "lieu travail",
        "cp",
        "publiée le",
        "postuler ici",
    ],
    [
        "vacancy ref",
        "role title",
        "role description",
        "employment type",
        "town",
        "post code",
        "posted on",
        "apply here",
    ],
    [
        "job code",
        "position name",
        "job duties",
        "contract kind",
        "work city",
        "zip code",
        "listing date",
        "application link",
    ],
    [
        "posting id",
        "job headline",
        "advert text",
        "contract basis",
        "base location",
        "postcode",
        "date opened",
        "web link",
    ],
];

#[derive(Clone, Copy, Debug)]
enum Dress {
    Elements,
    Attributes,
    Nested,
    Json,
    Csv(char),
    Lines,
}

const DRESSES: [Dress; 9] = [
    Dress::Elements,
    Dress::Attributes,
    Dress::Nested,
    Dress::Json,
    Dress::Lines,
    Dress::Csv(';'),
    Dress::Csv(','),
    Dress::Csv('\t'),
    Dress::Csv('|'),
];

/// A name as programs of all kinds write it.
fn spelt(words: &str, way: usize, plain: bool) -> String {
    let bare = |text: &str| -> String {
        text.chars()
            .map(|c| match c {
                'é' | 'è' => 'e',
                'à' => 'a',
                c => c,
            })
            .collect()
    };
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    let parts = bare(words);
    let parts: Vec<&str> = parts.split(' ').collect();
    match way % 4 {
        0 => parts.join("_"),
        1 => parts.iter().map(|part| capital(part)).collect(),
        2 => parts[..1]
            .iter()
            .map(|part| (*part).to_owned())
            .chain(parts[1..].iter().map(|part| capital(part)))
            .collect(),
        // Only tables have blanks and accents in their names.
        _ if plain => parts.join("-"),
        _ => words[..words.chars().next().map_or(0, char::len_utf8)].to_uppercase() + &words[1..],
    }
}

fn dated(iso: &str, way: usize) -> String {
    let part: Vec<&str> = iso.split('-').collect();
    match way % 3 {
        0 => iso.to_owned(),
        1 => format!("{}/{}/{}", part[2], part[1], part[0]),
        _ => format!("{}.{}.{}", part[2], part[1], part[0]),
    }
}

fn written(names: &[&str; 8], dress: Dress, way: usize) -> Vec<u8> {
    let plain = !matches!(dress, Dress::Csv(_));
    let names: Vec<String> = names.iter().map(|name| spelt(name, way, plain)).collect();
    let rows = OFFERS.iter().map(|offer| {
        let cell = |(at, text): (usize, &&str)| match at {
            6 => dated(text, way),
            _ => (*text).to_owned(),
        };
        offer.iter().enumerate().map(cell).collect::<Vec<String>>()
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let object = |row: &Vec<String>| -> Value {
        let fields = names
            .iter()
            .cloned()
            .zip(row.iter().map(|cell| json!(cell)));
        Value::Object(fields.collect::<Map<String, Value>>())
    };
    let mut out = String::new();
    match dress {
        Dress::Json => {
            return json!({ "resultat": { "liste": rows.iter().map(object).collect::<Vec<_>>() } })
                .to_string()
                .into_bytes();
        }
        Dress::Lines => {
            for row in &rows {
                let _ = writeln!(out, "{}", object(row));
            }
        }
        Dress::Csv(delimiter) => {
            let mut line = |cells: &[String]| {
                let cells: Vec<String> = cells
                    .iter()
                    .map(|cell| match cell.contains(delimiter) {
                        true => format!("\"{cell}\""),
                        false => cell.clone(),
                    })
                    .collect();
                out.push_str(&cells.join(&delimiter.to_string()));
                out.push_str("\r\n");
            };
            line(&names);
            rows.iter().for_each(|row| line(row));
        }
        Dress::Elements | Dress::Attributes | Dress::Nested => {
            out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<flux>\n");
            for row in &rows {
                let element = |at: usize| match at {
                    2 => format!("<{0}><![CDATA[<p>{1}</p>]]></{0}>", names[at], row[at]),
                    _ => format!("<{0}>{1}</{0}>", names[at], row[at]),
                };
                let some =
                    |range: std::ops::Range<usize>| -> String { range.map(element).collect() };
                let _ = match dress {
                    Dress::Attributes => writeln!(
                        out,
                        "<fiche {}=\"{}\" {}=\"{}\">{}</fiche>",
                        names[0],
                        row[0],
                        names[6],
                        row[6],
                        some(1..6) + &element(7)
                    ),
                    Dress::Nested => writeln!(
                        out,
                        "<fiche>{}<ou>{}</ou>{}</fiche>",
                        some(0..4),
                        some(4..6),
                        some(6..8)
                    ),
                    _ => writeln!(out, "<fiche>{}</fiche>", some(0..8)),
                };
            }
            out.push_str("</flux>\n");
        }
    }
    out.into_bytes()
}

/// What is read with a proposed file, of the eight; `None` where nothing is proposed or readable.
async fn judged(bytes: Vec<u8>) -> Option<([bool; 8], f64, usize)> {
    let found = seek(&neutral(bytes).await).await;
    let file = found
        .file
        .filter(|_| found.id == "proposed" && found.proven)?;
    let connector = connector(&file);
    let (basket, _) = pull(&connector).await;
    let drafts: Vec<_> = basket
        .records
        .iter()
        .filter_map(|r| connector.map(r).ok())
        .collect();
    let right = |at: usize| {
        drafts.len() == OFFERS.len()
            && drafts.iter().zip(OFFERS).all(|(draft, offer)| {
                let place = |field| {
                    let listed = draft.places.iter().find_map(|place| place.get(&field));
                    draft
                        .get(field)
                        .or(listed)
                        .map(|raw| raw.value().to_owned())
                };
                let is = |field| place(field).is_some_and(|value| value.contains(offer[at]));
                match at {
                    0 => draft.reference == offer[0],
                    1 => is(Field::Title),
                    2 => is(Field::Description),
                    3 => is(Field::Contract),
                    4 => is(Field::PlaceCity) || is(Field::Place),
                    5 => is(Field::PlacePostalCode),
                    6 => is(Field::Published),
                    _ => is(Field::ApplyUrl) || is(Field::Url),
                }
            })
    };
    let right: Vec<bool> = (0..8).map(right).collect();
    let lines = file.lines().count();
    Some((right.try_into().ok()?, found.confidence, lines))
}

#[tokio::test]
async fn feeds_of_no_service_get_a_mapping_in_any_dress() {
    const WHAT: [&str; 8] = [
        "reference",
        "title",
        "text",
        "contract",
        "town",
        "postal code",
        "published",
        "link",
    ];
    let (mut wrong, mut right, mut all) = (Vec::new(), 0, 0);
    for (at, names) in NAMES.iter().enumerate() {
        for (turn, dress) in DRESSES.into_iter().enumerate() {
            let way = at + turn;
            let what = format!("{} as {dress:?} by {}", names[0], way % 4);
            all += 8;
            let Some((read, confidence, lines)) = judged(written(names, dress, way)).await else {
                wrong.push(format!("{what}: nothing is proposed"));
                continue;
            };
            right += read.iter().filter(|ok| **ok).count();
            let missed: Vec<&str> = WHAT
                .iter()
                .zip(read)
                .filter(|(_, ok)| !ok)
                .map(|(w, _)| *w)
                .collect();
            if !missed.is_empty() {
                wrong.push(format!("{what}: {}", missed.join(", ")));
            }
            assert!(lines < 30, "{what}: {lines} lines");
            // A proposal is for a person to confirm, and says so.
            assert!((0.2..0.9).contains(&confidence), "{what}: {confidence}");
        }
    }
    let told = format!("{right} of {all} right:\n{}", wrong.join("\n"));
    assert!(wrong.is_empty(), "{told}");
}
