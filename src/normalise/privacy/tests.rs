use super::*;
use crate::model::{Privacy, Raw};
use crate::normalise::tests::{draft, run};
use proptest::prelude::*;

fn mask(text: &str) -> String {
    Masker::default().line(text, &mut Masked::default())
}

#[test]
fn contacts_are_masked() {
    let cases = [
        (
            "Écrire à jean.dupont@clinique.example ou au 06 12 34 56 78.",
            "Écrire à [e-mail masqué] ou au [téléphone masqué].",
        ),
        ("Tél : 03.84.96.60.60", "Tél : [téléphone masqué]"),
        ("+33 (0)3 84 96 60 60", "[téléphone masqué]"),
        ("marie (at) ehpad.example", "[e-mail masqué]"),
        (
            "Contactez Mme Sophie MARTIN, cadre de santé",
            "Contactez [nom masqué], cadre de santé",
        ),
        (
            "Renseignements auprès de M. de La Tour",
            "Renseignements auprès de [nom masqué]",
        ),
        (
            "Contact : Sophie Durand - cadre",
            "Contact : [nom masqué] - cadre",
        ),
        ("adresser CV à DURAND Sophie", "adresser CV à [nom masqué]"),
        (
            "Dr Claire Petit, médecin coordonnateur",
            "[nom masqué], médecin coordonnateur",
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(mask(text), wanted);
        assert_eq!(mask(wanted), wanted, "a second pass changes nothing");
    }
}

#[test]
fn innocent_texts_stay() {
    for text in [
        "Madame, Monsieur, vous êtes aide-soignant",
        "Adresser un courrier à Monsieur le Directeur, rue du Docteur Roux",
        "Centre Hospitalier Docteur Jean-Éric Techer",
        "du 01/09/2025 08h00 au 31/12/2025",
        "SIRET 267 000 123 00015, FINESS 700000029",
        "Madame la Directrice des Ressources Humaines",
        "Poste à 35h, 1 801,80 € brut mensuel sur 12 mois",
        "Docteur en pharmacie",
        "Contact : service des ressources humaines de la résidence Jean Jaurès",
        "Suivez-nous sur @clinique",
    ] {
        assert_eq!(mask(text), text);
    }
}

#[test]
fn the_members_roles_may_stay() {
    let member = Member {
        privacy: Privacy {
            role_addresses: vec![
                "*@gh.example".to_owned(),
                "secteur.lure@aide.example".to_owned(),
            ],
        },
        ..Member::default()
    };
    for (address, allowed) in [
        ("recrutement@gh.example", true),
        ("RH.nord@gh.example", true),
        ("jean.dupont@gh.example", false),
        ("recrutement@autre.example", false),
        ("secteur.lure@aide.example", true),
    ] {
        assert_eq!(role_allowed(address, Some(&member)), allowed, "{address}");
        assert!(!role_allowed(address, None));
    }
}

#[test]
fn names_in_fields_are_found_in_texts() {
    let mut draft = Draft::default();
    draft.fields.insert(
        Field::ContactName,
        Raw::new("CLINIQUE DU LAC - Mme Aïcha Ouedraogo", "contact.nom"),
    );
    draft
        .fields
        .insert(Field::EmployerName, Raw::new("CLINIQUE DU LAC", "nom"));
    let masker = Masker::new(&draft, None);
    let mut masked = Masked::default();
    assert_eq!(
        masker.line(
            "La Clinique du Lac recrute. Voir Ouedraogo ou aïcha.",
            &mut masked
        ),
        "La Clinique du Lac recrute. Voir [nom masqué] ou aïcha."
    );
    assert_eq!(masked.names, 1);
}

#[test]
fn tags_do_not_hide_an_address() {
    let mut document = super::super::text::parse("<p>jean.<b>dupont</b>@clinique.example</p>");
    Masker::default().document(&mut document);
    assert_eq!(document.text(), "[e-mail masqué]");
}

proptest! {
    #[test]
    fn masking_is_total_and_idempotent(text in "([A-Z]?[a-zé]{0,6}|[ .@/0-9M-]|Mme |06 12 34 56 78|Marie |contact ){0,20}") {
        let once = mask(&text);
        prop_assert_eq!(mask(&once), once);
    }
}

/// Planted and natural contacts in every written form, and texts that only look so: nothing of the
/// former is left anywhere in a posting, less than one in a hundred of the latter is touched.
#[test]
fn a_set_of_two_hundred_texts() {
    let rows: Vec<(String, Vec<&str>)> = include_str!("../../../tests/gold/privacy.tsv")
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .filter_map(|line| line.split_once('\t'))
        .map(|(text, left)| {
            let secrets = left.split('|').filter(|secret| !secret.is_empty());
            (text.replace("\\n", "\n"), secrets.collect())
        })
        .collect();
    assert!(rows.len() >= 200, "{} rows", rows.len());
    let mut left = Vec::new();
    let mut touched = Vec::new();
    let mut innocent = 0;
    for (text, secrets) in &rows {
        if secrets.is_empty() {
            innocent += 1;
            let masked = mask(text);
            if masked != *text {
                touched.push(masked);
            }
            continue;
        }
        // Through the whole of `normalise`, in a field of every kind.
        let posting = super::super::tests::run(&super::super::tests::draft(&[
            (Field::Title, text),
            (Field::Description, text),
            (Field::Service, text),
            (Field::Benefits, text),
            (Field::Experience, text),
            (Field::Diplomas, text),
            (Field::PayComment, text),
            (Field::OccupationLabel, text),
            (Field::Url, text),
        ]));
        let public = serde_json::to_string(&posting).expect("a posting is JSON");
        for secret in secrets {
            if public.contains(secret) {
                left.push(format!("{secret} in {text}: {}", mask(text)));
            }
        }
    }
    assert!(left.is_empty(), "left in public: {left:#?}");
    assert!(touched.len() * 100 < innocent, "{touched:#?} of {innocent}");
}

#[test]
fn what_is_masked_is_kept_for_the_member() {
    use crate::model::ContactKind::{Email, Name, Phone};
    let draft = draft(&[
        (Field::Title, "IDE F/H"),
        (
            Field::Description,
            "Contact : Mme Sophie Martin, 03 84 00 00 00, s.martin@lac.example. Encore : 03 84 00 00 00",
        ),
        (Field::ContactEmail, "s.martin@lac.example"),
    ]);
    let connector = crate::model::ConnectorName::from("essai");
    let network = crate::model::Network::default();
    let context = crate::normalise::Context {
        connector: &connector,
        member: None,
        network: &network,
        first_seen: jiff::Timestamp::UNIX_EPOCH,
    };
    let posting = crate::normalise::with_contacts(&draft, &context);
    let kept: Vec<_> = posting
        .contacts
        .iter()
        .map(|kept| (kept.kind, kept.value.as_str()))
        .collect();
    for wanted in [
        (Name, "Mme Sophie Martin"),
        (Phone, "03 84 00 00 00"),
        (Email, "s.martin@lac.example"),
    ] {
        let count = kept.iter().filter(|kept| **kept == wanted).count();
        assert_eq!(count, 1, "{kept:?}");
    }
    // Nowhere else: neither in the offer, which becomes public, nor in what explains it.
    let rest = run(&draft);
    assert!(rest.contacts.is_empty());
    let rest = serde_json::to_string(&rest).unwrap();
    for person in ["Martin", "84 00 00", "s.martin"] {
        assert!(!rest.contains(person), "{person}: {rest}");
    }
}
