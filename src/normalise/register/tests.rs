use super::*;
use crate::model::{Field, Posting};
use crate::normalise::tests::{draft, run};

fn site(number: &str, name: &str, insee: &str) -> RegisterEntry {
    RegisterEntry {
        register: Register::FinessSites,
        number: number.to_owned(),
        name: name.to_owned(),
        other_names: Vec::new(),
        entity: None,
        sirene: None,
        insee: Some(insee.to_owned()),
        category: None,
    }
}

fn posting(fields: &[(Field, &str)]) -> Posting {
    let mut all = vec![(Field::Title, "IDE F/H")];
    all.extend_from_slice(fields);
    run(&draft(&all))
}

/// What the store would answer: the entries under the keys that are wanted, twice over.
fn look_up(posting: &Posting, register: &[RegisterEntry]) -> Vec<RegisterEntry> {
    let mut found: Vec<RegisterEntry> = Vec::new();
    for _ in 0..2 {
        let keys = wanted(posting, &found);
        found = register
            .iter()
            .filter(|entry| entry_keys(entry).iter().any(|key| keys.contains(key)))
            .cloned()
            .collect();
    }
    found
}

#[test]
fn a_name_that_is_one_sites_alone_gives_its_number() {
    let register = [
        site("700000011", "EHPAD RESIDENCE LES SAULES", "70550"),
        site("700000029", "EHPAD RESIDENCE LES SAULES", "70310"),
        site("700000037", "MAS DES SAULES", "70550"),
    ];
    let mut there = posting(&[
        (Field::EmployerName, "EHPAD Résidence Les Saules"),
        (Field::PlaceInsee, "70550"),
    ]);
    let entries = look_up(&there, &register);
    assert!(identify(&mut there, &entries));
    let employer = there.offer.employer.as_ref().unwrap();
    assert_eq!(employer.finess.as_deref(), Some("700000011"));
    assert_eq!(employer.establishment, None);
    let note = &there.provenance["/employer/finess"];
    assert_eq!(note.source, "finess");
    assert_eq!(note.rule, "employer.register_name_in_commune");
    assert!(note.confidence >= 0.9);
    assert!(!identify(&mut there.clone(), &entries), "twice is once");

    // In the département two have that name.
    let mut somewhere = posting(&[
        (Field::EmployerName, "EHPAD Résidence Les Saules"),
        (Field::PlaceDepartment, "70"),
    ]);
    let entries = look_up(&somewhere, &register);
    assert!(!identify(&mut somewhere, &entries));

    let mut alone = posting(&[
        (Field::EmployerName, "MAS les Saules"),
        (Field::PlaceDepartment, "70"),
    ]);
    let entries = look_up(&alone, &register);
    assert!(identify(&mut alone, &entries));
    let note = &alone.provenance["/employer/finess"];
    assert_eq!(note.rule, "employer.register_name_in_department");
    assert!(note.confidence < 0.9, "no commune: not to be signed unread");
}

#[test]
fn a_number_gives_name_establishment_and_place() {
    let mut of_site = site("700000011", "EHPAD LES SAULES", "70550");
    of_site.entity = Some("700000029".into());
    of_site.sirene = Some("73282932000074".into());
    let entity = RegisterEntry {
        register: Register::FinessEntities,
        sirene: None,
        insee: None,
        ..site("700000029", "CENTRE HOSPITALIER D'EXEMPLE", "70550")
    };
    let register = [of_site, entity];
    let mut said = posting(&[(Field::EmployerSiret, "732 829 320 00074")]);
    let entries = look_up(&said, &register);
    assert!(identify(&mut said, &entries));
    let employer = said.offer.employer.clone().unwrap();
    assert_eq!(employer.finess.as_deref(), Some("700000011"));
    assert_eq!(
        employer.name.as_deref(),
        Some("Centre Hospitalier d'Exemple")
    );
    assert_eq!(employer.establishment.as_deref(), Some("EHPAD les Saules"));
    assert_eq!(said.offer.places[0].insee.as_deref(), Some("70550"));
    let rules: Vec<&str> = said.findings.iter().map(|f| f.rule.as_str()).collect();
    assert!(
        !rules.contains(&"place.absent") && !rules.contains(&"employer.absent"),
        "{rules:?}"
    );
}

#[test]
fn sirene_knows_a_unit_by_its_site_in_the_commune() {
    let unit = RegisterEntry {
        register: Register::SireneUnits,
        insee: None,
        ..site("732829320", "ASSOCIATION DES SAULES", "70550")
    };
    let there = RegisterEntry {
        register: Register::SireneSites,
        entity: Some("732829320".into()),
        ..site("73282932000074", "", "70550")
    };
    let elsewhere = RegisterEntry {
        register: Register::SireneSites,
        entity: Some("732829320".into()),
        ..site("73282932000082", "", "70310")
    };
    let register = [unit, there, elsewhere];
    let mut ad = posting(&[
        (Field::EmployerName, "Association des Saules"),
        (Field::PlaceInsee, "70550"),
    ]);
    let entries = look_up(&ad, &register);
    assert!(identify(&mut ad, &entries));
    let employer = ad.offer.employer.as_ref().unwrap();
    assert_eq!(employer.siret.as_deref(), Some("73282932000074"));
    assert_eq!(employer.name.as_deref(), Some("Association des Saules"));
}

#[test]
fn an_agency_and_what_the_source_says_stay() {
    let mut of_site = site("700000011", "EHPAD LES SAULES", "70550");
    of_site.sirene = Some("73282932000074".into());
    let register = [of_site];
    let mut agency = posting(&[
        (Field::EmployerName, "Adecco"),
        (Field::EmployerSiret, "73282932000074"),
    ]);
    let before = agency.clone();
    let entries = look_up(&agency, &register);
    assert!(!identify(&mut agency, &entries));
    assert_eq!(agency, before);

    // The same name with another company's number is another establishment.
    let mut other = posting(&[
        (Field::EmployerName, "EHPAD Les Saules"),
        (Field::EmployerSiret, "35600000000048"),
        (Field::PlaceInsee, "70550"),
    ]);
    let entries = look_up(&other, &register);
    identify(&mut other, &entries);
    let employer = other.offer.employer.as_ref().unwrap();
    assert_eq!(employer.siret.as_deref(), Some("35600000000048"));
    assert_eq!(employer.finess, None);
}
