//! What parts two ads whatever else they share.

use super::*;

#[test]
fn siblings_stay_apart() {
    let one = posting("ats", "1", true, 10);
    let mut night = posting("france-travail", "F1", false, 10);
    night.posting.offer.title = "Aide-soignant de nuit H/F".to_owned();
    let mut day = one.clone();
    day.posting.offer.title = "Aide-soignant de jour H/F".to_owned();
    assert_eq!(run(&[day, night], &[]).len(), 2);
    let mut elsewhere = posting("france-travail", "F2", false, 10);
    elsewhere.posting.offer.places[0].insee = Some("70285".to_owned());
    assert_eq!(run(&[one.clone(), elsewhere], &[]).len(), 2);
    let mut temporary = posting("france-travail", "F3", false, 10);
    temporary.posting.offer.contract = Some(Contract {
        form: Some(ContractForm::Cdd),
        ..Contract::default()
    });
    assert_eq!(run(&[one, temporary], &[]).len(), 2);
}

/// Ads of one word are one vacancy only where more than title, place and contract ties them.
#[test]
fn too_little_text_is_a_question_at_most() {
    let brief = |mut ad: StoredPosting| {
        let description = ad.posting.offer.description.as_mut().unwrap();
        description.text = "Urgent".to_owned();
        ad
    };
    let own = brief(posting("ats", "1", true, 10));
    let copy = brief(posting("france-travail", "F1", false, 11));
    let held = compare(&own.posting, &copy.posting);
    assert!(held.outcome < crate::model::Outcome::Same, "{held:#?}");
    assert_eq!(run(&[own.clone(), copy.clone()], &[]).len(), 2);
    let both = |change: fn(&mut Offer)| {
        let [mut own, mut copy] = [own.clone(), copy.clone()];
        change(&mut own.posting.offer);
        change(&mut copy.posting.offer);
        compare(&own.posting, &copy.posting)
    };
    let linked = both(|offer| {
        offer.apply = Some(crate::model::Apply {
            url: Some("https://ats.tilleuls.example/job/4711?id=4711".to_owned()),
            email: None,
        });
    });
    assert_eq!(linked.outcome, crate::model::Outcome::Same, "{linked:#?}");
    let called = both(|offer| offer.requisition = Some("REQ-2026-0815".to_owned()));
    assert_eq!(called.outcome, crate::model::Outcome::Same, "{called:#?}");
    // More agreement alone does not help; a person is told why.
    let agreed = both(|offer| offer.openings = Some(3));
    let weight = agreed.weight;
    assert!(agreed.outcome < crate::model::Outcome::Same, "{agreed:#?}");
    assert!(weight < SCORECARD.bands.same);
    // The same source issues it again a week later.
    let again = brief(posting("france-travail", "F2", false, 18));
    let reissued = compare(&copy.posting, &again.posting);
    assert!(!reissued.evidence.iter().any(|e| e.starts_with("held back")));
}

#[test]
fn a_title_of_another_seniority_is_another_post() {
    let entitled = |connector: &str, title: &str| {
        let mut ad = posting(connector, "1", false, 10);
        ad.posting.offer.title = title.to_owned();
        ad
    };
    for (one, other, apart) in [
        ("Comptable confirmé H/F", "Comptable débutant H/F", true),
        ("Comptable senior", "Comptable en alternance", true),
        ("Responsable comptable", "Stagiaire comptable", true),
        // One may say what the other leaves out, and a lead is a senior.
        ("Comptable confirmé H/F", "Comptable H/F", false),
        ("Comptable senior", "Responsable comptable", false),
    ] {
        let edge = compare(
            &entitled("emplois", one).posting,
            &entitled("annonces", other).posting,
        );
        let vetoed = edge.evidence[0] == "veto: level";
        assert_eq!(vetoed, apart, "{one} | {other}: {edge:#?}");
        // A partner that writes labels for titles is not believed.
        let labels = compare(
            &entitled("meteojob", one).posting,
            &entitled("annonces", other).posting,
        );
        assert_ne!(labels.evidence[0], "veto: level");
    }
}

/// Part time is not full time, nor one service another, where both sources are believed; one link
/// may lead to either.
#[test]
fn another_working_time_or_service_is_another_post() {
    type Change = fn(&mut Offer, bool);
    let time: Change = |offer, second| {
        let time = if second { Time::Part } else { Time::Full };
        offer.working_time = Some(WorkingTime {
            time: Some(time),
            ..WorkingTime::default()
        });
    };
    let service: Change = |offer, second| {
        let service = ["cardiologie", "urgences"][usize::from(second)];
        offer.service = Some(service.to_owned());
    };
    for (change, veto, french) in [
        (time, "veto: time", "veto : temps de travail"),
        (service, "veto: service", "veto : service"),
    ] {
        let judged_with = |board: &str, linked: bool, more: fn(&mut StoredPosting)| {
            let mut ads = [
                posting("ats", "1", true, 10),
                posting(board, "2", false, 11),
            ];
            for (second, ad) in ads.iter_mut().enumerate() {
                let offer = &mut ad.posting.offer;
                change(offer, second == 1);
                offer.apply = linked.then(|| crate::model::Apply {
                    url: Some("https://ats.tilleuls.example/job/4711?id=4711".to_owned()),
                    email: None,
                });
            }
            ads.iter_mut().for_each(more);
            let edge = compare(&ads[0].posting, &ads[1].posting);
            edge.evidence[0].clone()
        };
        let judged = |board: &str, linked: bool| judged_with(board, linked, |_| ());
        let with = |more: fn(&mut StoredPosting)| judged_with("annonces", false, more);
        let called = with(|ad| ad.posting.offer.requisition = Some("REQ-2026-0815".to_owned()));
        assert_ne!(called, veto, "one requisition");
        let in_text = with(|ad| {
            let offer = &mut ad.posting.offer;
            if ad.posting.member.is_some() {
                offer.requisition = Some("REQ-2026-0815".to_owned());
            } else {
                let text = &mut offer.description.as_mut().unwrap().text;
                text.push_str(" Référence REQ-2026-0815.");
            }
        });
        assert_ne!(in_text, veto, "one reference");
        assert_eq!(judged("annonces", false), veto);
        assert_eq!(in_french(veto), french);
        assert_ne!(judged("meteojob", false), veto, "it is not believed");
        assert_ne!(judged("annonces", true), veto);
    }
}

/// What the hub infers of a text is no statement of the source.
#[test]
fn what_only_a_text_suggests_is_no_veto() {
    let judged = |rule: &str, services: [&str; 2]| {
        let mut ads = [
            posting("ats", "1", true, 10),
            posting("annonces", "2", false, 11),
        ];
        for (second, (ad, service)) in ads.iter_mut().zip(services).enumerate() {
            let time = if second == 1 { Time::Part } else { Time::Full };
            let offer = &mut ad.posting.offer;
            offer.working_time = Some(WorkingTime {
                time: (!rule.is_empty()).then_some(time),
                ..WorkingTime::default()
            });
            let text = &mut offer.description.as_mut().unwrap().text;
            text.push_str(service);
            let why = crate::model::Provenance {
                source: "ats".to_owned(),
                raw: String::new(),
                rule: rule.to_owned(),
                confidence: 0.9,
            };
            let provenance = &mut ad.posting.provenance;
            provenance.insert("/working_time/time".to_owned(), why);
        }
        compare(&ads[0].posting, &ads[1].posting).evidence[0].clone()
    };
    let none = [""; 2];
    assert_eq!(judged("working_time.time", none), "veto: time");
    assert_eq!(judged("working_time.title", none), "veto: time");
    for rule in ["working_time.text", "working_time.from_hours"] {
        assert_ne!(judged(rule, none), "veto: time", "{rule}");
    }
    let services = [
        " Au sein du service de cardiologie.",
        " Au sein du service des urgences.",
    ];
    assert_ne!(judged("", services), "veto: service");
}
