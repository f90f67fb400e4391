use super::*;
use crate::model::{ContractForm, Network, Raw};

mod hostile;

pub fn draft(fields: &[(Field, &str)]) -> Draft {
    let mut draft = Draft {
        reference: "R1".to_owned(),
        ..Draft::default()
    };
    for (field, value) in fields {
        draft
            .fields
            .insert(*field, Raw::new(*value, format!("{field:?}")));
    }
    draft
}

pub fn run(draft: &Draft) -> Posting {
    let connector = ConnectorName::from("essai");
    let network = Network::default();
    normalise(
        draft,
        &Context {
            connector: &connector,
            member: None,
            network: &network,
            first_seen: Timestamp::UNIX_EPOCH,
        },
    )
}

/// What this thread has had of a processor: other than a clock's, its verdict does not depend on
/// what else runs. Zero where the system does not tell.
pub fn processor_time() -> std::time::Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = told.split(' ').next().and_then(|n| n.parse().ok());
    std::time::Duration::from_nanos(nanos.unwrap_or(0))
}

#[test]
fn a_whole_offer() {
    let posting = run(&draft(&[
        (
            Field::Title,
            "🚨 URGENT Infirmier(ère) DE H/F - CDI - Vesoul (70)",
        ),
        (Field::EmployerName, "Clinique du Lac"),
        (Field::Place, "70 - VESOUL"),
        (Field::Contract, "CDI"),
        (Field::Hours, "35H Travail en journée"),
        (
            Field::Pay,
            "Mensuel de 2100.0 Euros à 2300.0 Euros sur 13 mois",
        ),
        (
            Field::Description,
            "La Clinique du Lac recrute un infirmier pour son service.\n- Soins\n- Écoute\nContact : Mme Sophie Martin, 03 84 00 00 00, s.martin@lac.example",
        ),
        (Field::Published, "2026-11-02T08:00:00Z"),
        (Field::ApplyUrl, "https://lac.example/offre/1?utm_source=x"),
    ]));
    insta::assert_json_snapshot!(posting);
}

fn found<'p>(posting: &'p Posting, rule: &str) -> Option<&'p crate::model::Finding> {
    posting.findings.iter().find(|finding| finding.rule == rule)
}

#[test]
fn what_is_cut_leaves_a_mark() {
    let title = format!("Infirmier {}", "polyvalent ".repeat(30));
    let posting = run(&draft(&[(Field::Title, title.as_str())]));
    assert!(posting.offer.title.chars().count() <= 200);
    let finding = found(&posting, "title.cut").expect("a finding");
    assert_eq!(finding.value, "339 caractères");
    let posting = run(&draft(&[(Field::Title, "Infirmier")]));
    assert_eq!(found(&posting, "title.cut"), None);

    let long = "<p>Soins.</p>".repeat(text::TEXT_LIMIT / 10);
    let posting = run(&draft(&[
        (Field::Title, "Infirmier"),
        (Field::Description, long.as_str()),
    ]));
    assert!(found(&posting, "description.cut").is_some());
}

#[test]
fn a_date_that_the_mapping_dropped_is_told() {
    let mut draft = draft(&[(Field::Title, "Infirmier")]);
    for (field, rule, value) in [
        ("expires", "map.date_never", "9999-12-31"),
        ("published", "map.date_unreadable", "2026-02-30"),
    ] {
        draft.problems.push(crate::model::Problem {
            field: field.to_owned(),
            rule: rule.to_owned(),
            value: value.to_owned(),
            message: String::new(),
        });
    }
    let posting = run(&draft);
    let told = |rule| found(&posting, rule).map(|f| (f.field.as_str(), f.value.as_str()));
    assert_eq!(told("date.never"), Some(("expires", "9999-12-31")));
    assert_eq!(told("date.unreadable"), Some(("published", "2026-02-30")));
}

#[test]
fn a_visibility_that_nobody_knows_stays_inside() {
    for (said, wanted, found) in [
        ("Externe", Visibility::Public, false),
        ("PUBLIC", Visibility::Public, false),
        ("interne", Visibility::Internal, false),
        ("bizarre", Visibility::Internal, true),
    ] {
        let posting = run(&draft(&[
            (Field::Title, "Infirmier"),
            (Field::Visibility, said),
        ]));
        let unknown = |f: &crate::model::Finding| f.rule == "visibility.unknown";
        assert_eq!(posting.offer.visibility, wanted, "{said}");
        assert_eq!(posting.findings.iter().any(unknown), found, "{said}");
    }
}

#[test]
fn an_empty_draft_gives_an_empty_posting_with_findings() {
    let posting = run(&Draft::default());
    assert_eq!(posting.offer.title, "");
    assert!(
        posting
            .findings
            .iter()
            .any(|finding| finding.rule == "title.absent")
    );
    assert!(
        posting
            .findings
            .iter()
            .any(|finding| finding.rule == "date.absent")
    );
}

#[test]
#[allow(clippy::type_complexity)]
fn contracts_by_code_label_and_text() {
    let cases: &[(&[(Field, &str)], Option<ContractForm>)] = &[
        (&[(Field::Contract, "MIS")], Some(ContractForm::Interim)),
        (
            &[(Field::Contract, "Contrat à durée déterminée - 6 Mois")],
            Some(ContractForm::Cdd),
        ),
        (
            &[
                (Field::Contract, "CDD"),
                (Field::ContractNature, "Contrat apprentissage"),
            ],
            Some(ContractForm::Apprenticeship),
        ),
        (
            &[
                (Field::Contract, "LIB"),
                (Field::ContractNature, "Emploi non salarié"),
            ],
            Some(ContractForm::Liberal),
        ),
        (&[(Field::Contract, "REP")], Some(ContractForm::Takeover)),
        (
            &[(Field::Title, "Aide-soignant CDD 3 mois")],
            Some(ContractForm::Cdd),
        ),
        (
            &[
                (Field::Title, "IDE"),
                (Field::Description, "Type de contrat : CDI à temps plein"),
            ],
            Some(ContractForm::Cdi),
        ),
        (
            &[
                (Field::Title, "IDE"),
                (Field::Description, "En CDI ou en CDD"),
            ],
            None,
        ),
    ];
    for (fields, wanted) in cases {
        let posting = run(&draft(fields));
        assert_eq!(
            posting.offer.contract.and_then(|contract| contract.form),
            *wanted,
            "{fields:?}"
        );
    }
    let posting = run(&draft(&[
        (Field::Contract, "CDI"),
        (Field::Title, "IDE CDD"),
    ]));
    assert!(
        posting
            .findings
            .iter()
            .any(|finding| finding.rule == "contract.contradiction")
    );
    let months = |label: &str| {
        run(&draft(&[
            (Field::Contract, "CDD"),
            (Field::ContractDuration, label),
        ]))
        .offer
        .contract
        .and_then(|contract| contract.duration_months)
    };
    assert_eq!(months("CDD - 60 Jour(s)"), Some(2.0));
    assert_eq!(months("1 an"), Some(12.0));
}

#[test]
fn every_finding_is_in_the_table() {
    let known = tables::finding_rules();
    let sources = [
        include_str!("contract/mod.rs"),
        include_str!("working_time.rs"),
        include_str!("pay/mod.rs"),
        include_str!("place/mod.rs"),
        include_str!("employer/mod.rs"),
        include_str!("law.rs"),
        include_str!("times.rs"),
        include_str!("apply.rs"),
        include_str!("occupation/mod.rs"),
        include_str!("mod.rs"),
    ];
    for source in sources {
        for (at, _) in source.match_indices(".find(\"") {
            let rule = source[at + 7..].split('"').next().unwrap_or_default();
            if rule.contains('.') {
                assert!(known.iter().any(|name| name == rule), "{rule}");
            }
        }
    }
}

/// Forms of the trade that were once read wrong, each with what it says.
#[test]
fn labels_of_a_recruiter() {
    let offer = |fields: &[(Field, &str)]| {
        let mut all = vec![(Field::Title, "IDE F/H")];
        all.extend_from_slice(fields);
        run(&draft(&all))
    };
    let hours = |text: &str| offer(&[(Field::WorkingTime, text)]).offer.working_time;
    for shift in ["Poste en 12h - 1 weekend sur 3", "7h/19h", "nuit en 10h"] {
        let said = hours(shift).unwrap_or_default();
        assert_eq!((said.hours_week, said.time), (None, None), "{shift}");
    }
    assert_eq!(
        hours("Poste en 12h - 1 weekend sur 3")
            .unwrap()
            .weekend_every,
        Some(3)
    );
    assert_eq!(hours("80 %").unwrap().fte, Some(0.8));
    assert_eq!(hours("17H30/semaine").unwrap().hours_week, Some(17.5));
    assert_eq!(hours("35H en journée").unwrap().hours_week, Some(35.0));

    let insee = |text: &str| {
        let posting = offer(&[(Field::Place, text)]);
        let codes = posting.offer.places.into_iter().map(|place| place.insee);
        codes.map(Option::unwrap_or_default).collect::<Vec<_>>()
    };
    assert_eq!(insee("75013"), ["75113"]);
    assert_eq!(insee("69003 LYON"), insee("Lyon 3ème arrondissement"));
    assert_eq!(insee("ST ETIENNE 42"), ["42218"]);
    assert_eq!(insee("Secteur de Luxeuil-les-Bains"), ["70311"]);
    assert_eq!(
        insee("Vesoul, Luxeuil-les-Bains et Gray"),
        ["70550", "70311", "70279"]
    );
    assert_eq!(insee("Vesoul / Ailleurs"), ["70550", ""]);
    for (text, country) in [
        ("Bâle (Suisse)", "CH"),
        ("Genève", "CH"),
        ("Sarrebruck", "DE"),
    ] {
        let place = offer(&[(Field::Place, text)]).offer.places.remove(0);
        assert_eq!(place.country.as_deref(), Some(country), "{text}");
    }

    let contract = |text: &str| offer(&[(Field::Contract, text)]);
    let moved = contract("Mutation, détachement");
    assert_eq!(
        moved.offer.contract.unwrap().mobility,
        ["detachement", "mutation"]
    );
    assert!(
        moved
            .findings
            .iter()
            .all(|finding| finding.rule != "contract.unknown")
    );
    let doctor = contract("Praticien hospitalier").offer.contract.unwrap();
    assert_eq!(
        doctor.public_status,
        [crate::model::PublicStatus::PraticienHospitalier]
    );
    let renewed = offer(&[(Field::Description, "CDD de 6 mois, renouvellement possible")]);
    assert_eq!(renewed.offer.contract.unwrap().renewable, Some(true));

    let basis = |text: &str| {
        offer(&[(Field::Pay, text)])
            .offer
            .pay
            .unwrap()
            .basis
            .unwrap()
    };
    assert_eq!(basis("Selon profil / grille indiciaire FPH"), "grille FPH");
    assert_eq!(basis("Rémunération selon CCN51"), "CCN51");
    assert_eq!(basis("selon profil"), "selon profil");
    for (field, text) in [
        (Field::Pay, "Indice majoré 366"),
        (Field::PayComment, "IM 450"),
        (Field::Description, "Rémunération : indice majoré 366"),
    ] {
        let scaled = offer(&[(field, text)]);
        assert_eq!(
            scaled
                .offer
                .pay
                .as_ref()
                .and_then(|pay| pay.basis.as_deref()),
            Some("grille indiciaire")
        );
        assert_eq!(found(&scaled, "pay.absent"), None, "{text}");
        assert!(found(&scaled, "pay.basis_only").is_some(), "{text}");
    }

    let low = offer(&[(Field::Pay, "817.46"), (Field::Hours, "35")]);
    assert!(
        low.findings
            .iter()
            .any(|finding| finding.rule == "pay.implausible")
    );
    assert_eq!(low.offer.pay.unwrap().monthly_min, None);

    for (title, code) in [
        ("PH gériatrie", "J1116"),
        ("IDE puer", "J1507"),
        ("AS social", "K1201"),
        ("TIM", "M1609"),
        ("Agent de régulation médicale", "D1436"),
        ("Maîtresse de maison", "K1302"),
        ("ISP - psychiatrie adulte", "J1506"),
        ("FFCS", "J1502"),
        ("Éducatrice spé", "K1207"),
        ("Secrétaire med.", "M1609"),
    ] {
        let occupation = run(&draft(&[(Field::Title, title)])).offer.occupation;
        let rome = occupation.and_then(|occupation| occupation.rome);
        assert_eq!(rome.as_deref(), Some(code), "{title}");
    }
}

#[test]
fn a_town_of_the_title_counts_where_no_field_says_a_place() {
    for (title, clean, insee) in [
        ("IDE (F/H) - Luxeuil-les-Bains", "IDE", Some("70311")),
        ("Aide-soignant à Vesoul", "Aide-soignant", Some("70550")),
        ("AES H/F (70200 Lure)", "AES", Some("70310")),
        ("IDE - Nuits", "IDE - Nuits", None),
        ("IDE - Cardiologie", "IDE - Cardiologie", None),
    ] {
        let posting = run(&draft(&[(Field::Title, title)]));
        let place = posting.offer.places.first();
        assert_eq!(
            place.and_then(|place| place.insee.as_deref()),
            insee,
            "{title}"
        );
        assert_eq!(found(&posting, "place.absent").is_none(), insee.is_some());
        assert_eq!(posting.offer.title, clean);
        assert!(
            posting
                .provenance
                .get("/places/0/insee")
                .is_none_or(|note| note.confidence < 0.9)
        );
    }
}

/// What a title leaves open, the service beside it or the description may say; less surely.
#[test]
fn an_occupation_beyond_the_title() {
    for (fields, wanted) in [
        (
            &[
                (Field::Title, "Rejoignez notre équipe !"),
                (
                    Field::Description,
                    "Notre EHPAD recrute un(e) infirmier(ère) de nuit. Vous aimez le contact.",
                ),
            ][..],
            Some("J1506"),
        ),
        (
            &[
                (Field::Title, "Offre 2026"),
                (Field::Description, "Poste : Aide-soignant en SSR"),
            ],
            Some("J1501"),
        ),
        (
            &[
                (Field::Title, "Poste de nuit"),
                (Field::Service, "Aides-soignants"),
            ],
            Some("J1501"),
        ),
        (
            &[
                (Field::Title, "Rejoignez-nous"),
                (
                    Field::Description,
                    "Vous travaillez avec les infirmiers et les aides-soignants du service.",
                ),
            ],
            None,
        ),
    ] {
        let posting = run(&draft(fields));
        let code = posting
            .offer
            .occupation
            .as_ref()
            .and_then(|o| o.rome_v3.as_deref());
        assert_eq!(code, wanted, "{fields:?}");
        if wanted.is_some() {
            assert!(posting.provenance["/occupation/rome_v3"].confidence < 0.9);
        }
    }
}

/// A pay in the text that is another than the fields' is told; another way to say it is not.
#[test]
fn pay_that_contradicts_itself_is_told() {
    for (label, text, told) in [
        (
            "Mensuel de 2100.0 Euros à 2300.0 Euros",
            "Salaire : 2 800 € brut mensuel",
            true,
        ),
        (
            "Horaire de 12.0 Euros",
            "Rémunération : 15,50 € brut de l'heure",
            true,
        ),
        (
            "Annuel de 30000 Euros",
            "Salaire de 2 500 € brut par mois",
            false,
        ),
        (
            "Annuel de 30000 Euros",
            "Salaire de 3 200 € brut par mois",
            true,
        ),
        (
            "Mensuel de 2100.0 Euros à 2300.0 Euros",
            "Salaire entre 2 200 € et 2 600 € brut mensuel",
            false,
        ),
        (
            "Mensuel de 2100.0 Euros à 2300.0 Euros",
            "Salaire de 1 750 € net mensuel",
            false,
        ),
        (
            "Mensuel de 2100.0 Euros à 2300.0 Euros",
            "Prime de 500 € par mois",
            false,
        ),
        ("Selon grille", "Salaire de 2 500 € brut par mois", false),
    ] {
        let posting = run(&draft(&[(Field::Pay, label), (Field::Description, text)]));
        assert_eq!(
            found(&posting, "pay.contradiction").is_some(),
            told,
            "{label} / {text}"
        );
    }
}

/// The parts of an ad are found by their headings, in HTML and in plain text.
#[test]
fn marked_sections_are_told() {
    use crate::model::SectionKind::{Apply, Offer, Profile, Tasks};
    let kinds = |text: &str| {
        let posting = run(&draft(&[(Field::Description, text)]));
        let sections = posting
            .offer
            .description
            .map(|d| d.sections)
            .unwrap_or_default();
        sections
            .into_iter()
            .map(|section| section.kind)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        kinds(
            "<h2>Vos missions</h2><p>Soigner.</p><p><b>Profil recherché</b></p><p>DE.</p><h3>Avantages</h3><p>CSE.</p>"
        ),
        [Tasks, Profile, Offer]
    );
    assert_eq!(
        kinds("Missions principales :\n- soigner\n\nPROFIL\nDE exigé\n\nPour postuler :\nun lien"),
        [Tasks, Profile, Apply]
    );
    assert!(kinds("Vous assurez des missions variées.").is_empty());
}

#[test]
fn the_head_of_a_title_may_say_how_many_are_sought() {
    for (title, field, wanted) in [
        ("6 × IDE de nuit", "", Some(6)),
        ("3x infirmiers", "", Some(3)),
        ("2 X Aide-soignant H/F", "", Some(2)),
        ("6 × IDE de nuit", "4", Some(4)),
        ("2x8 opérateur", "", None),
        ("3 x 8 conducteur", "", None),
        ("1 x IDE", "", None),
        ("IDE x 6", "", None),
        ("2xl vendeur", "", None),
    ] {
        let posting = run(&draft(&[(Field::Title, title), (Field::Openings, field)]));
        assert_eq!(posting.offer.openings, wanted, "{title} {field}");
        assert_eq!(
            posting.provenance.contains_key("/openings"),
            wanted.is_some(),
            "{title}"
        );
    }
}
