//! Work away from the employer's sites: telework, and rounds or homes where the work is done.

use super::fold::fold;
use super::input::Input;
use super::phrases::Topic;
use super::record::{Record, TEXT, TITLE};
use crate::model::{Field, Offer, Remote};

/// Occupations whose work is done at people's homes, whatever the ad says of it.
const AT_HOMES: [&str; 4] = ["K1302", "K1304", "K1305", "K1311"];

pub fn remote(input: &Input<'_>, offer: &mut Offer, record: &mut Record) {
    if let Some(raw) = input.raw(Field::Remote) {
        offer.remote = if raw.values.len() > 1 {
            None
        } else {
            word(raw.value())
        };
        if offer.remote.is_some() {
            record.mapped("/remote", raw, "remote.field", 0.95);
        }
    }
    if offer.remote.is_none() {
        // What denies telework says it too: "pas de télétravail".
        let hit = input
            .title_hits
            .iter()
            .map(|hit| (hit, true))
            .chain(input.hits.iter().map(|hit| (hit, false)))
            .find(|(hit, _)| hit.phrase.topic == Topic::Remote);
        if let Some((hit, in_title)) = hit {
            let (source, text) = if in_title {
                (TITLE, input.title.as_str())
            } else {
                (TEXT, input.text)
            };
            offer.remote = if hit.negated {
                Some(Remote::None)
            } else {
                word(&hit.phrase.value)
            };
            let raw = super::fold::excerpt(text, hit.range.clone());
            record.set("/remote", source, raw, "remote.text", 0.8);
        }
    }
    itinerant(input, offer, record);
}

/// Values of feeds, in the languages that they use; `None` for one that nobody knows.
fn word(value: &str) -> Option<Remote> {
    match fold(value.trim()).replace(['-', '_'], " ").as_str() {
        "false" | "0" | "no" | "non" | "none" | "notime" | "no remote" | "onsite" | "on site"
        | "pas teletravail" | "pas de teletravail" | "aucun" | "unauthorized" | "office" => {
            Some(Remote::None)
        }
        "partial"
        | "partiel"
        | "hybrid"
        | "hybride"
        | "punctual"
        | "ponctuel"
        | "occasionnel"
        | "occasional"
        | "teletravail partiel"
        | "teletravail ponctuel"
        | "parttime"
        | "flexible"
        | "temporary"
        | "teletravail occasionnel" => Some(Remote::Partial),
        // "true" says that telework is possible, not that it is all there is.
        "true" | "1" | "yes" | "oui" | "possible" => Some(Remote::Partial),
        "full"
        | "fully"
        | "fulltime"
        | "full remote"
        | "remote"
        | "complet"
        | "total"
        | "telecommute"
        | "teletravail complet"
        | "teletravail total"
        | "100% teletravail" => Some(Remote::Full),
        _ => None,
    }
}

fn itinerant(input: &Input<'_>, offer: &mut Offer, record: &mut Record) {
    let in_title = input.title_hits(Topic::Itinerant).next();
    let in_text = || input.text_hits(Topic::Itinerant).next();
    if let Some(hit) = in_title {
        let raw = super::fold::excerpt(&input.title, hit.range.clone());
        record.set("/itinerant", TITLE, raw, "itinerant.title", 0.93);
    } else if let Some(hit) = in_text() {
        let raw = input.excerpt(hit.range.clone());
        record.set("/itinerant", TEXT, raw, "itinerant.text", 0.85);
    } else if let Some(code) = offer
        .occupation
        .as_ref()
        .and_then(|occupation| occupation.rome.as_deref().or(occupation.rome_v3.as_deref()))
        .filter(|code| AT_HOMES.contains(code))
        .filter(|_| input.text_folded.contains("domicile"))
    {
        record.set("/itinerant", "computed", code, "itinerant.occupation", 0.75);
    } else {
        return;
    }
    offer.itinerant = Some(true);
}

#[cfg(test)]
mod tests {
    use super::super::tests::{draft, run};
    use crate::model::{Field, Remote};

    #[test]
    fn telework_is_read_from_fields_and_texts() {
        for (field, text, wanted) in [
            (Field::Remote, "hybrid", Some(Remote::Partial)),
            (Field::Remote, "Pas_teletravail", Some(Remote::None)),
            (Field::Remote, "fulltime", Some(Remote::Full)),
            (Field::Remote, "peut-être", None),
            (
                Field::Description,
                "Télétravail possible deux jours par semaine.",
                Some(Remote::Partial),
            ),
            (
                Field::Description,
                "Poste en full remote.",
                Some(Remote::Full),
            ),
            (
                Field::Description,
                "Pas de télétravail sur ce poste.",
                Some(Remote::None),
            ),
            (Field::Description, "Vous travaillez à l'hôpital.", None),
        ] {
            let posting = run(&draft(&[(Field::Title, "Secrétaire F/H"), (field, text)]));
            assert_eq!(posting.offer.remote, wanted, "{text}");
            let noted = posting.provenance.contains_key("/remote");
            assert_eq!(noted, wanted.is_some(), "{text}");
        }
    }

    #[test]
    fn rounds_and_homes_are_itinerant() {
        for (title, text, wanted) in [
            ("Infirmier itinérant F/H", "", Some(true)),
            (
                "Aide-soignant SSIAD F/H",
                "Vous intervenez au domicile des patients.",
                Some(true),
            ),
            (
                "Aide-soignant F/H",
                "Vous réalisez une tournée de soins.",
                Some(true),
            ),
            (
                "Auxiliaire de vie F/H",
                "Aide au lever, repas, à domicile.",
                Some(true),
            ),
            (
                "Aide-soignant F/H",
                "Service de médecine. Retour à domicile des patients préparé.",
                None,
            ),
        ] {
            let posting = run(&draft(&[(Field::Title, title), (Field::Description, text)]));
            assert_eq!(posting.offer.itinerant, wanted, "{title} / {text}");
        }
    }
}
