use super::*;

#[test]
fn the_table_holds_rome_codes() {
    assert!(curated::check() > 100);
}

#[test]
fn titles_of_the_trade() {
    let cases = [
        ("Infirmier(ère) diplômé(e) d'État", "J1506", "J1506"),
        ("IDE de nuit", "J1506", "J1506"),
        ("Infirmier.ère de bloc opératoire", "J1504", "J1504"),
        ("Aide-soignant·e EHPAD", "J1501", "J1501"),
        ("AS/AMP/AES", "J1501", "J1501"),
        (
            "Accompagnant(e) Educatif(ve) et Social(e)",
            "K1306",
            "K1302",
        ),
        ("Auxiliaire de vie à domicile", "K1302", "K1302"),
        (
            "Educateur spécialisé / Educatrice spécialisée",
            "K1207",
            "K1207",
        ),
        ("Masseurs-Kinésithérapeutes", "J1404", "J1404"),
        ("Médecin coordonnateur en EHPAD", "J1105", "J1102"),
        ("Cadre de santé - Cardiologie", "J1502", "J1502"),
        ("Agent des services hospitaliers qualifié", "J1301", "J1301"),
        ("Sage-femme", "J1104", "J1104"),
        ("Secrétaire médicale", "M1609", "M1609"),
    ];
    for (title, rome, v3) in cases {
        let verdict = classify(title).unwrap_or_else(|| panic!("{title} is unknown"));
        assert_eq!(
            (verdict.rome.as_deref(), verdict.rome_v3.as_str()),
            (Some(rome), v3),
            "{title}"
        );
    }
    let verdict = classify("Conducteur d'abatteuse").expect("a title of ROME");
    assert_eq!(verdict.rome_v3, "A1101");
    assert_eq!(classify("Xyzzy plugh"), None);
}

#[test]
fn what_the_law_regulates_is_known_where_somebody_looked() {
    use super::super::tests::{draft, run};
    for (title, regulated) in [
        ("Infirmier F/H", Some(true)),
        ("Technicien de laboratoire F/H", Some(true)),
        ("Diététicien F/H", Some(true)),
        ("ASH F/H", Some(false)),
        ("AES F/H", Some(false)),
        ("Cuisinier F/H", None),
    ] {
        let occupation = run(&draft(&[(crate::model::Field::Title, title)]))
            .offer
            .occupation;
        assert_eq!(occupation.and_then(|o| o.regulated), regulated, "{title}");
    }
}

#[test]
fn codes_are_folded_by_version() {
    let old = rome::fold("J1506", Some("Soins infirmiers généralistes")).expect("known");
    assert_eq!((old.rome, old.rome_v3.as_str()), (None, "J1506"));
    let new = rome::fold(
        "J1506",
        Some("Infirmier / Infirmière en soins généraux (IDE)"),
    )
    .expect("known");
    assert_eq!(new.rome.as_deref(), Some("J1506"));
    let aes = rome::fold("K1306", None).expect("known");
    assert_eq!(
        (aes.rome.as_deref(), aes.rome_v3.as_str()),
        (Some("K1306"), "K1302")
    );
    assert_eq!(
        rome::fold("K1301", Some("Accompagnement médicosocial")).map(|f| f.rome_v3),
        Some("K1302".to_owned())
    );
    assert_eq!(rome::fold("Z9999", None), None);
}
