use super::*;
use crate::model::{ContractForm, Network, Raw};
use proptest::prelude::*;

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

/// What a posting says, as a source that publishes it in turn would write it.
fn again(posting: &Posting) -> Draft {
    let offer = &posting.offer;
    let mut fields: Vec<(Field, String)> = vec![(Field::Title, offer.title.clone())];
    if let Some(description) = &offer.description {
        fields.push((Field::Description, description.html.clone()));
    }
    if let Some(place) = offer.places.first() {
        let texts = [
            (Field::PlaceInsee, &place.insee),
            (Field::PlacePostalCode, &place.postal_code),
            (Field::PlaceCity, &place.name),
        ];
        fields.extend(
            texts
                .into_iter()
                .filter_map(|(field, text)| Some((field, text.clone()?))),
        );
    }
    if let Some(pay) = &offer.pay {
        let numbers = [(Field::PayMin, pay.min), (Field::PayMax, pay.max)];
        fields.extend(
            numbers
                .into_iter()
                .filter_map(|(field, n)| Some((field, n?.to_string()))),
        );
        if let Some(period) = pay.period {
            fields.push((Field::PayPeriod, format!("{period:?}").to_lowercase()));
        }
    }
    if let Some(time) = &offer.working_time
        && let Some(hours) = time.hours_week
    {
        fields.push((Field::Hours, hours.to_string()));
    }
    let borrowed: Vec<(Field, &str)> = fields.iter().map(|(f, t)| (*f, t.as_str())).collect();
    draft(&borrowed)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn normalising_a_normalised_value_changes_nothing(
        words in prop::collection::vec(prop::sample::select(vec![
            "Infirmier", "(ère)", "DE", "H/F", "(F/H)", "CDI", "-", "/", "80%", "35h", "Vesoul", "(70)", "URGENT",
            "Aide-soignant(e)", "de nuit", "à", "Réf. 2024-118", "🚨", "EHPAD", "Mme", "Martin", "temps plein", ",", "|", "_",
        ]), 1..9),
        text in "(<p>|</p>|<li>|<b>|</b>|&amp;|Poste |de nuit |2 100 € brut |06 12 34 56 78 |\\n|- |é|[a-z ]{0,6}){0,20}",
        place in prop::sample::select(vec!["70 - VESOUL", "Vesoul (70000)", "PARIS 12", "85 - Vendée", "France", "Lure CEDEX"]),
        pay in prop::sample::select(vec!["Mensuel de 2100.0 Euros à 2300.0 Euros", "12,50 € / h", "45 à 60K€", "De 2056,00 Euros", "Annuel de"]),
    ) {
        let title = words.join(" ");
        let once = run(&draft(&[(Field::Title, &title), (Field::Description, &text), (Field::Place, place), (Field::Pay, pay), (Field::Hours, "35H00")]));
        let twice = run(&again(&once));
        prop_assert_eq!(&twice.offer.title, &once.offer.title);
        prop_assert_eq!(&twice.offer.description, &once.offer.description);
        prop_assert_eq!(twice.offer.places.first().map(|p| &p.insee), once.offer.places.first().map(|p| &p.insee));
        let amounts = |posting: &Posting| posting.offer.pay.as_ref().map(|pay| (pay.min, pay.max, pay.period));
        if amounts(&once).is_some_and(|(min, max, _)| min.is_some() || max.is_some()) {
            prop_assert_eq!(amounts(&twice), amounts(&once));
        }
        prop_assert_eq!(twice.offer.occupation.and_then(|o| o.rome_v3), once.offer.occupation.and_then(|o| o.rome_v3));
    }
}

/// Sizes that no ad has, through the whole of it.
#[test]
fn monstrous_drafts_take_linear_time() {
    let start = std::time::Instant::now();
    for unit in [
        "<div>",
        "<b>x",
        "😀",
        "a b ",
        "1 ",
        "€",
        "Mme ",
        "M. X ",
        "(at) ",
        "@",
        "06 12 ",
        "renouvelable ",
        "moins de 30 ans ",
        "80 % etp ",
        "(",
        "- ",
        "\u{202e}",
        "é",
        "cdi ",
        "35h/",
        "Marie ",
        "&amp;",
        "ï¿½",
        "\\n",
    ] {
        let text = unit.repeat(300_000 / unit.len());
        let posting = run(&draft(&[
            (Field::Title, &text),
            (Field::Description, &text),
            (Field::Pay, &text),
            (Field::Hours, &text),
            (Field::Place, &text),
            (Field::EmployerName, &text),
            (Field::ContactName, &text),
            (Field::Contract, &text),
            (Field::ApplyUrl, &text),
        ]));
        assert!(posting.offer.title.chars().count() <= 200);
        eprintln!("{unit:?} {:?}", start.elapsed());
    }
    // Debug builds on a loaded machine; something quadratic would take hours.
    assert!(start.elapsed().as_secs() < 300, "{:?}", start.elapsed());
}

/// Input that no source should send, and what comes of it.
#[test]
fn bad_input_has_a_stated_outcome() {
    let described = |text: &str| {
        run(&draft(&[
            (Field::Title, "IDE F/H"),
            (Field::Description, text),
        ]))
    };
    let text = |posting: &Posting| {
        let description = posting.offer.description.as_ref();
        description.map(|description| description.text.clone())
    };
    for empty in [
        "",
        " \n\t ",
        "<p></p>",
        "&nbsp;",
        "\u{202e}\u{200b}",
        "\0\u{1}\u{7}",
    ] {
        let posting = described(empty);
        assert_eq!(text(&posting), None, "{empty:?}");
        assert!(found(&posting, "description.absent").is_some());
    }
    // What a long ad says is kept whole; past any ad, its beginning is, and the member is told.
    let long = "Vous assurez les soins. ".repeat(1_000);
    let posting = described(&long);
    assert_eq!(text(&posting).as_deref(), Some(long.trim_end()));
    assert_eq!(found(&posting, "description.cut"), None);
    let enormous = described(&long.repeat(20));
    assert!(text(&enormous).is_some_and(|text| (50_000..70_000).contains(&text.len())));
    assert!(found(&enormous, "description.cut").is_some());

    for tag in [
        "b",
        "i",
        "p",
        "ul",
        "div",
        "blockquote",
        "table",
        "a href=\"x\"",
        "svg",
    ] {
        let name = tag.split(' ').next().unwrap_or_default();
        let nested = format!(
            "Soins{}\u{e9}coute{}",
            format!("<{tag}>").repeat(100_000),
            format!("</{name}>").repeat(100_000)
        );
        let posting = described(&nested);
        let shown = text(&posting).unwrap_or_default();
        assert!(shown.starts_with("Soins"), "{tag}");
        // What stood past the limit is told to be cut, and nothing else is lost.
        let cut = found(&posting, "description.cut").is_some();
        assert!(cut || shown.contains("\u{e9}coute"), "{tag}");
        let html = posting
            .offer
            .description
            .map(|d| d.html)
            .unwrap_or_default();
        assert!(html.len() < 1_000, "{tag}: {} bytes", html.len());
    }

    let emoji = "😀".repeat(10_000);
    let posting = run(&draft(&[
        (Field::Title, &emoji),
        (Field::Description, &emoji),
    ]));
    assert!(found(&posting, "title.absent").is_some(), "no word in it");
    assert!(found(&posting, "title.cut").is_some());
    assert_eq!(
        text(&posting).map(|text| text.chars().count()),
        Some(10_000)
    );

    let turned = described("\u{202e}Soins\u{202c} \u{2067}de nuit\u{2069}\u{200f}");
    assert_eq!(text(&turned).as_deref(), Some("Soins de nuit"));

    let bytes: Vec<u8> = (0..=255).cycle().take(60_000).collect();
    let binary = String::from_utf8_lossy(&bytes);
    let posting = run(&draft(&[
        (Field::Title, &binary),
        (Field::Description, &binary),
        (Field::Place, &binary),
        (Field::Pay, &binary),
        (Field::EmployerName, &binary),
    ]));
    let json = serde_json::to_string(&posting.offer).expect("a posting is JSON");
    assert!(!json.contains("\\u00"), "no control character is left");
    let pay = posting.offer.pay.unwrap_or_default();
    assert_eq!((pay.min, pay.max), (None, None));
    assert!(
        posting
            .offer
            .places
            .iter()
            .all(|place| place.insee.is_none())
    );
}

/// The families of what hostile pages try, through the whole of `normalise`: nothing that a browser
/// would run is left, and the words around it stay.
#[test]
fn hostile_html_is_disarmed() {
    for hostile in [
        "<script>alert(1)</script>",
        "<SCRIPT SRC=https://x.example/x.js></SCRIPT>",
        "<scr<script>ipt>alert(1)</scr</script>ipt>",
        "<a href=\"javascript:alert(1)\">",
        "<a href=\"JaVa\tScRiPt:alert(1)\">",
        "<a href=\"&#106;avascript&colon;alert(1)\">",
        "<a href='data:text/html;base64,PHNjcmlwdD4='>",
        "<svg/onload=alert(1)>",
        "<svg><script>alert(1)</script></svg>",
        "<img src=x onerror=alert(1)>",
        "<math><mtext><style><img src onerror=alert(1)></style></mtext></math>",
        "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
        "&lt;script&gt;alert(1)&lt;/script&gt;<p>",
        "<!--<img src=\"--><img src=x onerror=alert(1)//\">",
        "<p style=\"background:url(javascript:alert(1))\" onclick=alert(1)>",
        "<base href=https://x.example><form action=https://x.example><input>",
        "<xmp><script>alert(1)</script></xmp>",
        "<textarea></textarea><script>alert(1)</script>",
    ] {
        let posting = run(&draft(&[(
            Field::Description,
            format!("<p>Avant</p>{hostile}<p>Après</p>").as_str(),
        )]));
        let html = posting
            .offer
            .description
            .map(|d| d.html)
            .unwrap_or_default();
        let clean = ammonia::Builder::new()
            .tags(["p", "h3", "h4", "ul", "ol", "li", "br", "strong", "em", "a"].into())
            .link_rel(Some("nofollow noopener noreferrer"))
            .clean(&html)
            .to_string();
        assert_eq!(html, clean, "{hostile}");
        let lower = html.to_lowercase();
        for bad in [
            "<script",
            "<svg",
            "<img",
            "<iframe",
            "<style",
            "<form",
            "<base",
            "onclick",
            "href=\"java",
        ] {
            assert!(!lower.contains(bad), "{hostile}: {html}");
        }
        assert!(html.contains("Avant"), "{hostile}: {html}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn normalising_is_total_and_deterministic(title in "\\PC{0,60}", text in "\\PC{0,200}", place in "[0-9A-Za-zé() ,-]{0,20}", pay in "[0-9a-zA-Z€ ,./àk-]{0,40}", hours in "[0-9hH ,%/a-z]{0,20}") {
        let fields = draft(&[
            (Field::Title, &title), (Field::Description, &text), (Field::Place, &place), (Field::Pay, &pay), (Field::Hours, &hours), (Field::Contract, &pay),
        ]);
        let once = run(&fields);
        prop_assert_eq!(&once, &run(&fields));
        for note in once.provenance.values() {
            prop_assert!((0.0..=1.0).contains(&note.confidence));
            prop_assert!(note.raw.chars().count() <= 220);
        }
        serde_json::to_string(&once).expect("a posting is JSON");
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

/// What the fuzz targets feed (`fuzz/`), by a grammar of their dictionaries: for machines without
/// `cargo-fuzz`, and for long runs by `PROPTEST_CASES`.
fn rubbish(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => prop::sample::select(words).prop_map(str::to_owned),
        1 => any::<String>().prop_map(|text| text.chars().take(12).collect()),
        1 => "[0-9 .,/-]{0,8}",
    ];
    prop::collection::vec(piece, 0..32).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_markup_comes_out_safe_and_stays(source in rubbish(&[
        "<", ">", "</", "<p>", "</p>", "<b", "<script>", "</script>", "<style>", "<svg ", "<a href=", "\"", "'", "javascript:",
        "https://a.example/?", "utm_source=x", "&", "amp;", "&lt;", "&#60;", "&#x26;", "&eacute;", "&nbsp;", ";", "<!--", "-->",
        "<![CDATA[", "]]>", "<ul>", "<li>", "</ul>", "<h2>", "<br>", "<td>", "\n", "- ", "•", "Ã", "Ã©", "â€™", "\u{fffd}", "\u{202e}",
        "\\n", "\\'", "😀", "é", "Mme ", "Martin", "06 12 34 56 78", "a@b.example", " (at) ", "Contact : ",
    ])) {
        let html = |source: &str| {
            let posting = run(&draft(&[(Field::Description, source)]));
            posting.offer.description.map(|d| d.html).unwrap_or_default()
        };
        let once = html(&source);
        let lower = once.to_lowercase();
        for bad in ["<script", "<svg", "<iframe", "<style", "=\"javascript:", "<img"] {
            prop_assert!(!lower.contains(bad), "{}", once);
        }
        prop_assert_eq!(html(&once), once);
    }

    #[test]
    fn any_pay_has_its_bounds_in_order(text in rubbish(&[
        "Mensuel", " de ", " à ", "Euros", "€", "k€", "K", " brut", " net", "/h", "/mois", " par an", "Annuel", "Horaire", "sur 13 mois",
        "1 800", "2.300,50", "12,5", "45", "000", "\u{a0}", "\u{202f}", "ï¿½", "-", "salaire", "smic", "indice ", "IM ", "coef ", "échelon ",
        "classe normale", "prime", "jusqu'à ", "à partir de ", "\n", "selon ", "CCN51", "9999999999", "0", "CHF", "(", "+",
    ])) {
        for field in [Field::Pay, Field::PayComment, Field::Description] {
            let posting = run(&draft(&[(field, text.as_str()), (Field::Hours, "35")]));
            let Some(pay) = posting.offer.pay else { continue };
            if let (Some(min), Some(max)) = (pay.min, pay.max) {
                prop_assert!(min <= max, "{} > {}", min, max);
            }
            for amount in [pay.min, pay.max, pay.monthly_min, pay.monthly_max, pay.hourly_min, pay.hourly_max] {
                prop_assert!(amount.is_none_or(|amount| amount.is_finite() && amount >= 0.0));
            }
            prop_assert!(pay.min.is_none() && pay.max.is_none() || pay.currency.is_some());
        }
    }
}

/// Found by a long run: a mask that begins before bold text and ends within it.
#[test]
fn a_mask_over_two_styles_leaves_no_blank_within_one() {
    let html = |source: &str| {
        let posting = run(&draft(&[(Field::Description, source)]));
        posting
            .offer
            .description
            .map(|d| d.html)
            .unwrap_or_default()
    };
    let once = html("<p>é<b>a@b.example 0</b></p>");
    assert_eq!(once, "<p>[e-mail masqué] <strong>0</strong></p>");
    assert_eq!(html(&once), once);
}

/// Found by a long run: noise between them hid that "Mme" and an occupation are no name.
#[test]
fn an_occupation_after_a_form_of_address_is_no_name() {
    let once = run(&draft(&[(Field::Title, "Mme 80% Infirmier à")]));
    assert!(!once.offer.title.contains('['), "{}", once.offer.title);
    let twice = run(&again(&once));
    assert_eq!(twice.offer.title, once.offer.title);
    assert_eq!(twice.offer.occupation, once.offer.occupation);
}
