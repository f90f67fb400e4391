use super::super::tests::draft;
use super::super::{Context, normalise};
use crate::model::{
    ConnectorName, Employer, Establishment, Field, Member, MemberId, Network, Posting,
};
use jiff::Timestamp;

fn network() -> Network {
    let member = |id: &str, name: &str, aliases: &[&str]| Member {
        id: id.to_owned(),
        name: name.to_owned(),
        aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
        ..Member::default()
    };
    let mut hospital = member(
        "gh70",
        "Groupe Hospitalier de la Haute-Saône",
        &["GH70", "CHI de la Haute-Saône"],
    );
    hospital.siret = vec!["73282932000074".to_owned()];
    hospital.establishments = vec![
        Establishment {
            name: "Hôpital de Lure".to_owned(),
            commune: Some("70310".to_owned()),
            ..Establishment::default()
        },
        Establishment {
            name: "USLD Griboulard".to_owned(),
            commune: Some("70550".to_owned()),
            aliases: vec!["Unité Griboulard".to_owned()],
            ..Establishment::default()
        },
    ];
    let mut agency = member("relais", "Relais Intérim Santé", &[]);
    agency.agency = true;
    let all = [
        hospital,
        agency,
        member(
            "hygiene",
            "Association d'Hygiène Sociale de Franche-Comté",
            &["AHS-FC"],
        ),
        member("zeliad", "Zéliad", &["ZAHVL"]),
        member("horizon", "Lure", &[]),
    ];
    Network {
        members: all
            .into_iter()
            .map(|member| (MemberId::from(member.id.as_str()), member))
            .collect(),
        ..Network::default()
    }
}

fn posting(fields: &[(Field, &str)]) -> Posting {
    let connector = ConnectorName::from("essai");
    let network = network();
    let context = Context {
        connector: &connector,
        member: None,
        network: &network,
        first_seen: Timestamp::UNIX_EPOCH,
    };
    normalise(&draft(fields), &context)
}

fn employer(fields: &[(Field, &str)]) -> Employer {
    posting(fields).offer.employer.unwrap_or_default()
}

#[test]
fn a_member_is_known_by_any_of_its_names() {
    for name in [
        "GH70",
        "gh70",
        "CHI de la Haute-Saône",
        "GROUPE HOSPITALIER DE LA HAUTE SAONE",
        "Groupe hospitalier de la Haute-Saône - Vesoul",
        "GH70 – site de Lure",
        "Hôpital de Lure",
    ] {
        let employer = employer(&[(Field::EmployerName, name)]);
        assert_eq!(employer.member, Some(MemberId::from("gh70")), "{name}");
    }
    let other = employer(&[(Field::EmployerName, "Centre hospitalier de Gray")]);
    assert_eq!(other.member, None);
    let numbered = employer(&[(Field::EmployerSiret, "732 829 320 00074")]);
    assert_eq!(numbered.member, Some(MemberId::from("gh70")));
}

#[test]
fn an_anonymous_ad_that_names_a_member_is_that_members() {
    for (text, wanted) in [
        ("Le GH70 recrute pour son service.", Some("gh70")),
        (
            "Notre client, le Groupe Hospitalier de la Haute-Saône, recrute.",
            Some("gh70"),
        ),
        (
            "Au sein de l'AHS-FC, vous accompagnez les résidents.",
            Some("hygiene"),
        ),
        (
            "Rejoignez Zéliad, association d'aide à domicile.",
            Some("zeliad"),
        ),
        ("Rejoignez l'association ZELIAD !", Some("zeliad")),
        ("ZAHVL recrute", Some("zeliad")),
        // Two members are none; a word at the head of a sentence, a town or a part of a word is no
        // name.
        ("Le GH70 et l'AHS-FC recrutent ensemble.", None),
        ("Poste à Lure, au centre de Lure.", None),
        ("Les zéliades de la région", None),
        ("Une équipe jeune de 70 soignants", None),
    ] {
        let posting = posting(&[(Field::Title, "IDE"), (Field::Description, text)]);
        let member = posting.offer.employer.and_then(|employer| employer.member);
        assert_eq!(member, wanted.map(MemberId::from), "{text}");
        if wanted.is_some() {
            let note = &posting.provenance["/employer/member"];
            assert_eq!(note.rule, "employer.named_in_text");
            assert!(note.confidence < 0.9, "a text is no field");
        }
    }
}

#[test]
fn an_ad_that_names_its_employer_is_not_searched() {
    let employer = employer(&[
        (Field::EmployerName, "Clinique du Lac"),
        (Field::Description, "En lien avec le GH70."),
    ]);
    assert_eq!(employer.member, None);
}

#[test]
fn an_intermediary_is_never_the_employer() {
    for name in [
        "Adecco Medical",
        "HUBLO",
        "Alpha Intérim",
        "Relais Intérim Santé",
    ] {
        let employer = employer(&[(Field::EmployerName, name)]);
        assert_eq!(employer.name, None, "{name}");
        assert_eq!(employer.intermediary.as_deref(), Some(name));
    }
    let client = employer(&[
        (Field::EmployerName, "Adecco Medical"),
        (Field::Description, "Nous recrutons pour le GH70."),
    ]);
    assert_eq!(client.intermediary.as_deref(), Some("Adecco Medical"));
    assert_eq!(client.member, Some(MemberId::from("gh70")));
    let lent = posting(&[
        (Field::EmployerName, "Ressources plus"),
        (Field::Contract, "MIS"),
    ]);
    let employer = lent.offer.employer.unwrap_or_default();
    assert_eq!(employer.intermediary.as_deref(), Some("Ressources plus"));
}

#[test]
fn the_establishment_follows_from_name_or_place() {
    let by_place = employer(&[(Field::EmployerName, "GH70"), (Field::Place, "70200 Lure")]);
    assert_eq!(by_place.establishment.as_deref(), Some("Hôpital de Lure"));
    let by_alias = employer(&[(Field::EmployerName, "Unité Griboulard")]);
    assert_eq!(by_alias.establishment.as_deref(), Some("USLD Griboulard"));
    assert_eq!(by_alias.name.as_deref(), Some("Unité Griboulard"));
}
