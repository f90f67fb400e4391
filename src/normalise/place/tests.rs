use super::*;
use crate::model::{Draft, Field, PlacePrecision, Raw};

fn place(fields: &[(Field, &str)]) -> (Vec<Place>, Record) {
    let mut draft = Draft::default();
    for (field, value) in fields {
        draft.fields.insert(*field, Raw::new(*value, "lieu"));
    }
    let mut record = Record::default();
    (places(&draft, &mut record), record)
}

#[test]
fn communes_by_every_spelling() {
    use Field::{
        Place as Text, PlaceCity as City, PlaceDepartment as Dept, PlaceInsee as Insee,
        PlacePostalCode as Code,
    };
    let cases: &[(&[(Field, &str)], &str)] = &[
        (&[(Text, "70 - VESOUL")], "70550"),
        (&[(Text, "Vesoul (70000)")], "70550"),
        (&[(Text, "Vesoul (70)")], "70550"),
        (&[(Text, "70000 VESOUL CEDEX")], "70550"),
        (
            &[(Text, "Vesoul, Bourgogne-Franche-Comté, France")],
            "70550",
        ),
        (
            &[(Text, "12 rue des Bains, 70300 Luxeuil-les-Bains")],
            "70311",
        ),
        (&[(City, "Luxeuil les Bains"), (Code, "70300")], "70311"),
        (&[(City, "Luxeuil"), (Code, "70300")], "70311"),
        (&[(City, "ST LOUP S/SEMOUSE"), (Code, "70800")], "70467"),
        (&[(Insee, "70550"), (City, "Ailleurs")], "70550"),
        (
            &[(City, "Paris 12e Arrondissement"), (Code, "75012")],
            "75112",
        ),
        (&[(Text, "75 - Paris (Dept.)")], "75056"),
        (&[(Text, "PARIS 12")], "75112"),
        (&[(City, "Le Creusot"), (Code, "71200")], "71153"),
        (&[(City, "CREUSOT (LE)"), (Code, "71200")], "71153"),
        (&[(City, "Lure"), (Dept, "70")], "70310"),
        (&[(Text, "Besançon")], "25056"),
        (&[(City, "Saint Denis"), (Code, "93200")], "93066"),
        (&[(Code, "70200"), (City, "LURE CEDEX")], "70310"),
    ];
    for (fields, insee) in cases {
        let (places, record) = place(fields);
        assert_eq!(places.len(), 1, "{fields:?}");
        assert_eq!(
            places[0].insee.as_deref(),
            Some(*insee),
            "{fields:?} {:?}",
            record.findings
        );
        assert!(places[0].lat.is_some());
        assert!(record.provenance.contains_key("/places/0/insee"));
    }
}

#[test]
fn less_than_a_commune_is_said_so() {
    let cases: &[(&str, PlacePrecision, Option<&str>, &str)] = &[
        (
            "France",
            PlacePrecision::Country,
            None,
            "place.country_only",
        ),
        (
            "85 - Vendée",
            PlacePrecision::Department,
            Some("85"),
            "place.department_only",
        ),
        (
            "87 - Vienne (Haute)",
            PlacePrecision::Department,
            Some("87"),
            "place.department_only",
        ),
        (
            "69",
            PlacePrecision::Department,
            Some("69"),
            "place.department_only",
        ),
        (
            "Ile-de-France",
            PlacePrecision::Region,
            None,
            "place.region_only",
        ),
        (
            "Suisse (Frontalier)",
            PlacePrecision::Country,
            None,
            "place.abroad",
        ),
        (
            "Xyzzyville",
            PlacePrecision::Unknown,
            None,
            "place.commune_unknown",
        ),
    ];
    for (text, precision, department, rule) in cases {
        let (places, record) = place(&[(Field::Place, text)]);
        assert_eq!(places[0].precision, *precision, "{text}");
        assert_eq!(places[0].insee, None, "{text}");
        assert_eq!(places[0].department.as_deref(), *department, "{text}");
        assert!(
            record.findings.iter().any(|finding| finding.rule == *rule),
            "{text}: {:?}",
            record.findings
        );
    }
}

#[test]
fn several_towns_are_several_places() {
    let (places, _) = place(&[(Field::Place, "Toulouse OU Auch OU Tarbes OU Foix")]);
    let codes: Vec<_> = places
        .iter()
        .filter_map(|place| place.insee.as_deref())
        .collect();
    assert_eq!(codes, ["31555", "32013", "65440", "09122"]);
}

#[test]
fn coordinates_are_checked() {
    let swapped = [
        (Field::Place, "29 - DOUARNENEZ"),
        (Field::PlaceLat, "-4.33"),
        (Field::PlaceLon, "48.09"),
    ];
    let (places, record) = place(&swapped);
    assert_eq!((places[0].lat, places[0].lon), (Some(48.09), Some(-4.33)));
    assert!(
        record
            .findings
            .iter()
            .any(|finding| finding.rule == "place.coordinates_swapped")
    );
    let far = [
        (Field::Place, "70 - VESOUL"),
        (Field::PlaceLat, "43.3"),
        (Field::PlaceLon, "5.4"),
    ];
    let (places, record) = place(&far);
    assert_eq!(places[0].precision, PlacePrecision::Commune);
    assert!(
        record
            .findings
            .iter()
            .any(|finding| finding.rule == "place.coordinates_far")
    );
    assert!((distance_km(47.62, 6.15, 47.24, 6.02) - 43.4).abs() < 1.0);
}

#[test]
fn former_communes_are_known() {
    let (places, _) = place(&[(Field::PlaceInsee, "01003")]);
    assert_eq!(places[0].insee.as_deref(), Some("01165"));
}
