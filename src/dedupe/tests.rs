//! Laws of `derive`, on synthetic postings.

use super::*;
use crate::model::{
    CloseReason, ConnectorName, Contract, ContractForm, Decision, DecisionKind, Description,
    Employer, MemberId, Network, Offer, Place, PlacePrecision, PostingState, Revision,
    StoredPosting, Time, Visibility, WorkingTime,
};
use jiff::Timestamp;

const TEXT: &str = "La résidence Les Tilleuls, établissement de 84 lits au cœur du bourg, recrute. \
    Vous assurez les soins d'hygiène et de confort, participez aux transmissions ciblées et \
    accompagnez les résidents dans les gestes de la vie quotidienne. Vous travaillez en équipe \
    avec les infirmiers et le médecin coordonnateur. Reprise de l'ancienneté à cent pour cent, \
    prime de fin d'année et comité d'entreprise généreux, parking gratuit pour le personnel.";

pub(super) fn at(day: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + day * 86_400).unwrap()
}

/// A nursing auxiliary's post at one employer, told the same way by every source.
pub(super) fn posting(connector: &str, reference: &str, own: bool, day: i64) -> StoredPosting {
    let connector = ConnectorName::from(connector);
    let id = PostingId::new(&connector, reference);
    StoredPosting {
        state: PostingState {
            id,
            connector: connector.clone(),
            reference: reference.to_owned(),
            hash: String::new(),
            observation: 1,
            first_seen: at(day),
            closed: None,
            misses: 0,
            last_miss: None,
        },
        posting: Posting {
            id,
            connector,
            reference: reference.to_owned(),
            member: own.then(|| MemberId::from("tilleuls")),
            offer: Offer {
                title: "Aide-soignant H/F".to_owned(),
                employer: Some(Employer {
                    name: Some("Résidence Les Tilleuls".to_owned()),
                    ..Employer::default()
                }),
                places: vec![Place {
                    insee: Some("70550".to_owned()),
                    name: Some("Vesoul".to_owned()),
                    department: Some("70".to_owned()),
                    precision: PlacePrecision::Commune,
                    ..Place::default()
                }],
                contract: Some(Contract {
                    form: Some(ContractForm::Cdi),
                    ..Contract::default()
                }),
                description: Some(Description {
                    html: format!("<p>{TEXT}</p>"),
                    text: TEXT.to_owned(),
                    summary: None,
                    sections: Vec::new(),
                }),
                published: Some(at(day)),
                ..Offer::default()
            },
            findings: Vec::new(),
            contacts: Vec::new(),
            provenance: ProvenanceMap::new(),
        },
        made_from: Revision::default(),
        deduped: None,
    }
}

pub(super) fn closed(mut posting: StoredPosting, day: i64) -> StoredPosting {
    posting.state.closed = Some((at(day), CloseReason::Absent));
    posting
}

pub(super) fn decide(
    kind: DecisionKind,
    a: &StoredPosting,
    b: Option<&StoredPosting>,
    day: i64,
) -> Decision {
    Decision {
        kind,
        subject: a.state.id,
        object: b.map(|b| b.state.id),
        who: "test".to_owned(),
        why: String::new(),
        at: at(day),
        shown: None,
    }
}

fn edges(postings: &[StoredPosting]) -> Vec<Edge> {
    let mut edges = Vec::new();
    for (i, a) in postings.iter().enumerate() {
        for b in &postings[i + 1..] {
            edges.push(compare(&a.posting, &b.posting));
        }
    }
    edges
}

pub(super) fn run(postings: &[StoredPosting], decisions: &[Decision]) -> Vec<Derived> {
    derive(
        &postings.iter().collect::<Vec<_>>(),
        &unread,
        &edges(postings),
        decisions,
        &Network::default(),
        at(1_000),
        0,
    )
}

#[test]
fn a_copy_joins_the_employers_own_posting() {
    let own = posting("ats", "1", true, 10);
    let copy = posting("france-travail", "F1", false, 5);
    let edge = compare(&own.posting, &copy.posting);
    assert_eq!(edge.outcome, crate::model::Outcome::Same, "{edge:#?}");
    let derived = run(&[own.clone(), copy], &[]);
    assert_eq!(derived.len(), 1);
    // The own posting founds, although the copy is dated earlier.
    assert_eq!(derived[0].id, own.state.id.vacancy());
    assert_eq!(derived[0].status, VacancyStatus::Live);
    assert_eq!(derived[0].vacancy.sources.len(), 2);
    assert!(derived[0].vacancy.sources[0].own);
    assert_eq!(derived[0].vacancy.offer.published, Some(at(10)));
}

#[test]
fn closing_follows_authority() {
    let own = closed(posting("ats", "1", true, 10), 20);
    let copy = posting("france-travail", "F1", false, 12);
    let derived = run(&[own.clone(), copy.clone()], &[]);
    assert_eq!(derived.len(), 1);
    assert_eq!(
        derived[0].status,
        VacancyStatus::Closed {
            at: at(20),
            reason: TombstoneReason::Filled
        }
    );
    // A copy that was first published after the closing founds a vacancy of its own.
    let late = posting("france-travail", "F2", false, 30);
    let derived = run(&[own.clone(), copy, late.clone()], &[]);
    assert_eq!(derived.len(), 2);
    let founded = derived
        .iter()
        .find(|d| d.id == late.state.id.vacancy())
        .unwrap();
    assert_eq!(founded.status, VacancyStatus::Live);
    // A person ties it to the closed one: it is an echo.
    let derived = run(
        &[own.clone(), late.clone()],
        &[decide(DecisionKind::Same, &own, Some(&late), 40)],
    );
    assert_eq!(derived.len(), 1);
    assert!(matches!(derived[0].status, VacancyStatus::Closed { .. }));
    // A re-issue by the own source reopens, and keeps id and first publication.
    let again = posting("ats", "2", true, 25);
    let derived = run(&[own.clone(), again.clone()], &[]);
    assert_eq!(derived.len(), 1);
    assert_eq!(derived[0].id, own.state.id.vacancy());
    assert_eq!(derived[0].status, VacancyStatus::Live);
    assert_eq!(derived[0].vacancy.offer.published, Some(at(10)));
    assert_eq!(derived[0].vacancy.sources.len(), 1);
}

#[test]
fn without_an_own_posting_the_last_copy_decides() {
    let one = closed(posting("france-travail", "F1", false, 10), 20);
    let two = posting("hellowork", "H1", false, 12);
    assert_eq!(
        run(&[one.clone(), two.clone()], &[])[0].status,
        VacancyStatus::Live
    );
    let derived = run(&[one, closed(two, 30)], &[]);
    assert_eq!(
        derived[0].status,
        VacancyStatus::Closed {
            at: at(30),
            reason: TombstoneReason::Filled
        }
    );
}

#[test]
fn decisions_join_and_part_and_are_taken_back() {
    let own = posting("ats", "1", true, 10);
    let copy = posting("france-travail", "F1", false, 12);
    let postings = [own.clone(), copy.clone()];
    let before = run(&postings, &[]);
    let apart = decide(DecisionKind::Different, &own, Some(&copy), 30);
    let parted = run(&postings, std::slice::from_ref(&apart));
    assert_eq!(parted.len(), 2);
    let unsure = decide(DecisionKind::Unsure, &own, Some(&copy), 31);
    assert_eq!(run(&postings, &[unsure, apart]), before);
}

#[test]
fn internal_hidden_and_unmandated_offers_stay_inside() {
    let own = posting("ats", "1", true, 10);
    let copy = posting("france-travail", "F1", false, 12);
    let mut internal = own.clone();
    internal.posting.offer.visibility = Visibility::Internal;
    assert_eq!(
        run(&[internal, copy.clone()], &[])[0].status,
        VacancyStatus::Private
    );
    let hide = decide(DecisionKind::Hide, &copy, None, 20);
    let hidden = run(&[own.clone(), copy.clone()], std::slice::from_ref(&hide));
    assert_eq!(hidden[0].status, VacancyStatus::Private);
    let show = decide(DecisionKind::Show, &copy, None, 21);
    assert_eq!(
        run(&[own.clone(), copy.clone()], &[show, hide])[0].status,
        VacancyStatus::Live
    );
    let mut network = Network::default();
    let refused =
        toml::from_str("id = \"tilleuls\"\nname = \"Les Tilleuls\"\n[mandates]\nportal = false")
            .unwrap();
    network.members.insert(MemberId::from("tilleuls"), refused);
    let derived = derive(&[&own], &unread, &[], &[], &network, at(50), 0);
    assert_eq!(derived[0].status, VacancyStatus::Private);
}

#[test]
fn a_rekey_keeps_the_id() {
    let old = closed(posting("ats", "old", true, 10), 20);
    let mut new = posting("ats", "new", true, 20);
    new.posting.offer.title = "Agent de maintenance".to_owned();
    let derived = run(
        &[new.clone(), old.clone()],
        &[decide(DecisionKind::Rekey, &old, Some(&new), 21)],
    );
    assert_eq!(derived.len(), 1);
    assert_eq!(derived[0].id, old.state.id.vacancy());
    assert_eq!(derived[0].vacancy.offer.title, "Agent de maintenance");
}

/// The new references of a re-key carry the dates of the old ones, and may sort before them.
#[test]
fn a_rekey_keeps_the_id_whatever_the_new_reference_sorts_like() {
    let old = closed(posting("ats", "m", true, 10), 20);
    let [newer, newest] = ["b", "a"].map(|reference| {
        let mut new = posting("ats", reference, true, 10);
        new.state.first_seen = at(20);
        new
    });
    let decisions = [
        decide(DecisionKind::Rekey, &old, Some(&newer), 21),
        decide(DecisionKind::Rekey, &newer, Some(&newest), 22),
    ];
    let postings = [newest.clone(), old.clone(), newer.clone()];
    assert_eq!(run(&postings, &[])[0].id, newest.state.id.vacancy());
    let kept = run(&postings, &decisions);
    assert_eq!((kept.len(), kept[0].id), (1, old.state.id.vacancy()));
    let back = decide(DecisionKind::Unsure, &newer, Some(&newest), 23);
    let [first, second, third] = decisions
        .into_iter()
        .chain([back])
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    let undone = run(&postings, &[third, second, first]);
    assert_eq!(undone[0].id, newest.state.id.vacancy());
}

#[test]
fn an_erased_posting_leaves_no_trace() {
    let own = posting("ats", "1", true, 10);
    let derived = run(
        std::slice::from_ref(&own),
        &[decide(DecisionKind::Erase, &own, None, 20)],
    );
    assert_eq!(
        derived[0].status,
        VacancyStatus::Closed {
            at: at(20),
            reason: TombstoneReason::Erased
        }
    );
    assert!(derived[0].vacancy.offer.description.is_none());
    assert!(derived[0].vacancy.sources.is_empty());
}

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

fn seeking(mut posting: StoredPosting, openings: u32) -> StoredPosting {
    posting.posting.offer.openings = Some(openings);
    posting
}

#[test]
fn numbers_of_openings_count_as_far_as_sources_are_believed() {
    let outcome = |one: &StoredPosting, other: &StoredPosting| {
        let edge = compare(&one.posting, &other.posting);
        (edge.outcome, edge.weight, edge.evidence)
    };
    let own = seeking(posting("ats", "1", true, 10), 6);
    let plain = outcome(
        &posting("ats", "1", true, 10),
        &posting("france-travail", "F1", false, 12),
    );
    // One is what an aggregator writes that was not told.
    let untold = seeking(posting("france-travail", "F1", false, 12), 1);
    assert_eq!(outcome(&own, &untold), plain);
    let told = outcome(
        &own,
        &seeking(posting("france-travail", "F1", false, 12), 6),
    );
    assert!(
        told.1 > plain.1
            && told
                .2
                .iter()
                .any(|e| e.starts_with("same number of openings"))
    );
    let doubted = outcome(
        &own,
        &seeking(posting("france-travail", "F1", false, 12), 4),
    );
    assert!(doubted.1 < plain.1, "{doubted:?}");
    // Two calls of one employer's source, side by side.
    let sibling = seeking(posting("ats", "2", true, 10), 2);
    let apart = outcome(&own, &sibling);
    assert_eq!(apart.0, crate::model::Outcome::Different);
    assert_eq!(apart.2[0], "veto: openings");
    assert_eq!(in_french(&apart.2[0]), "veto : nombre de postes");
}

/// Requisitions of one employer's source, all with the same text.
fn requisitions(titles: &[&str]) -> Vec<StoredPosting> {
    let made = titles.iter().enumerate().map(|(n, title)| {
        let mut made = posting("ats", &format!("R{n}"), true, 10);
        made.posting.offer.title = (*title).to_owned();
        made.posting.offer.requisition = Some(format!("REQ-2026-{n:04}"));
        made
    });
    made.collect()
}

/// How many are sought by what is live.
fn sought(derived: &[Derived]) -> u32 {
    let live = derived.iter().filter(|d| d.status == VacancyStatus::Live);
    live.map(|d| d.vacancy.offer.openings.unwrap_or(1)).sum()
}

#[test]
fn what_one_source_numbers_is_never_one_vacancy() {
    for titles in [
        ["IDE unité 1", "IDE unité 2", "IDE unité 3"],
        ["Aide-soignant A", "Aide-soignant B", "Aide-soignant C"],
        ["ASH 1er étage", "ASH 2e étage", "ASH 3ème étage"],
    ] {
        let ads = requisitions(&titles);
        let edge = compare(&ads[0].posting, &ads[1].posting);
        assert_eq!(edge.evidence[0], "veto: designator", "{edge:#?}");
        assert_eq!(
            in_french(&edge.evidence[0]),
            "veto : numéro ou lettre dans le titre"
        );
        assert_eq!(run(&ads, &[]).len(), 3);
        // Nor do copies that leave the number out bring them together.
        let mut all = ads.clone();
        for (n, board) in ["board", "emplois", "annonces"].into_iter().enumerate() {
            let mut copy = posting(board, &format!("C{n}"), false, 11);
            copy.posting.offer.title = titles[0].split(' ').next().unwrap().to_owned();
            all.push(copy);
        }
        let derived = run(&all, &[]);
        let together = derived
            .iter()
            .map(|d| d.vacancy.sources.iter().filter(|s| s.own).count());
        assert_eq!(together.max(), Some(1), "{titles:?}");
        // A person may join two all the same.
        let said = [decide(DecisionKind::Same, &ads[0], Some(&ads[1]), 20)];
        assert_eq!(run(&ads, &said).len(), 2);
    }
    // One re-issued under its own number stays one, also where one title says more.
    for (titles, vacancies) in [
        (["IDE unité 1", "IDE, unité 1 (H/F)"], 1),
        (["IDE étage 2", "IDE étage 2 aile B"], 1),
        (["IDE étage 2 aile A", "IDE étage 2 aile B"], 2),
        (["IDE (6)", "IDE (5)"], 1),
        (["IDE unité 6", "IDE unité 5"], 2),
    ] {
        let mut again = requisitions(&titles);
        again[0].posting.offer.expires = Some(at(19));
        again[0] = closed(again[0].clone(), 20);
        again[1].state.first_seen = at(21);
        again[1].posting.offer.published = Some(at(21));
        assert_eq!(run(&again, &[]).len(), vacancies, "{titles:?}");
    }
}

/// "6 × IDE de nuit", as one call or as six: six are sought, and one fewer when one is filled.
#[test]
fn openings_are_counted_once_however_they_are_called_for() {
    let title = "6 × IDE de nuit";
    let mut call = seeking(posting("ats", "1", true, 10), 6);
    call.posting.offer.title = title.to_owned();
    let mut copy = seeking(posting("france-travail", "F1", false, 11), 1);
    copy.posting.offer.title = "IDE de nuit".to_owned();
    let derived = run(&[call.clone(), copy.clone()], &[]);
    assert_eq!((derived.len(), sought(&derived)), (1, 6));
    // Without the employer's own, who was told how many outweighs who was not.
    let mut told = seeking(posting("board", "B1", false, 9), 6);
    told.posting.offer.title = title.to_owned();
    let derived = run(&[told, copy], &[]);
    assert_eq!((derived.len(), sought(&derived)), (1, 6));

    let mut six = requisitions(&["IDE de nuit"; 6]);
    let derived = run(&six, &[]);
    assert_eq!(sought(&derived), 6, "{}", derived.len());
    for filled in 1..6 {
        six[filled] = closed(six[filled].clone(), 20);
        let derived = run(&six, &[]);
        assert_eq!(sought(&derived) as usize, 6 - filled);
    }
    // A person says that they are one call: it is for six still, and says on what it rests.
    let six = requisitions(&["IDE de nuit"; 6]);
    let pairs = six.windows(2);
    let said: Vec<Decision> = pairs
        .map(|pair| decide(DecisionKind::Same, &pair[0], Some(&pair[1]), 20))
        .collect();
    let derived = run(&six, &said);
    assert_eq!((derived.len(), sought(&derived)), (1, 6));
    let why = &derived[0].provenance["/openings"];
    assert_eq!(
        (why.rule.as_str(), why.source.as_str()),
        ("merge.requisitions", "ats")
    );
    assert!(
        why.raw.starts_with("REQ-2026-0000 (1), REQ-2026-0001 (1)"),
        "{}",
        why.raw
    );
    // Each repeats the number of the whole call, or seeks its own.
    for (seek, wanted) in [([6; 6], 6), ([2; 6], 6), ([1, 1, 1, 1, 1, 3], 8)] {
        let mut six = six.clone();
        for (ad, seeks) in six.iter_mut().zip(seek) {
            ad.posting.offer.openings = Some(seeks);
        }
        assert_eq!(sought(&run(&six, &said)), wanted, "{seek:?}");
    }
    // One requisition written in two ways is one.
    let mut two = requisitions(&["IDE de nuit"; 2]);
    two[1].posting.offer.requisition = Some("req 2026/0000".to_owned());
    let said = [decide(DecisionKind::Same, &two[0], Some(&two[1]), 20)];
    let derived = run(&two, &said);
    assert_eq!((derived.len(), sought(&derived)), (1, 1));
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

#[test]
fn the_employer_never_comes_from_an_intermediary() {
    let mut agency = posting("hellowork", "H1", false, 10);
    agency.posting.offer.employer = Some(Employer {
        name: Some("Adecco Medical".to_owned()),
        ..Employer::default()
    });
    let derived = run(&[agency.clone()], &[]);
    let employer = derived[0].vacancy.offer.employer.clone().unwrap();
    assert_eq!(
        (employer.name, employer.intermediary.as_deref()),
        (None, Some("Adecco Medical"))
    );
    let own = posting("ats", "1", true, 10);
    let together = [own.clone(), agency.clone()];
    let derived = run(
        &together,
        &[decide(DecisionKind::Same, &own, Some(&agency), 20)],
    );
    assert_eq!(
        derived[0]
            .vacancy
            .offer
            .employer
            .as_ref()
            .unwrap()
            .name
            .as_deref(),
        Some("Résidence Les Tilleuls")
    );
}

#[test]
fn keys_meet_where_duplicates_are() {
    let own = block_keys(&posting("ats", "1", true, 10).posting);
    let copy = block_keys(&posting("france-travail", "F1", false, 10).posting);
    assert!(text::shared(&own, &copy) > 10);
    assert!(own.is_sorted() && own.len() < 64);
}

#[test]
fn poor_postings_do_not_panic() {
    let mut empty = posting("ats", "1", true, 10);
    empty.posting.offer = Offer::default();
    let mut other = posting("b", "2", false, 10);
    other.posting.offer = Offer::default();
    assert_ne!(
        compare(&empty.posting, &other.posting).outcome,
        crate::model::Outcome::Same
    );
    assert_eq!(run(&[empty, other], &[]).len(), 2);
    assert!(derive(&[], &unread, &[], &[], &Network::default(), at(0), 0).is_empty());
}

/// An answer holds through new revisions; it is asked for again where a text changed since and the
/// machine is sure of the contrary.
#[test]
fn an_answer_is_asked_for_again_when_the_texts_speak_against_it() {
    let own = posting("ats", "1", true, 10);
    let copy = posting("france-travail", "F1", false, 12);
    let said = [decide(DecisionKind::Different, &own, Some(&copy), 20)];
    let asked = |updated: i64, titles: [&str; 2]| {
        let mut ads = [own.clone(), copy.clone()];
        for (ad, title) in ads.iter_mut().zip(titles) {
            ad.posting.offer.updated = Some(at(updated));
            title.clone_into(&mut ad.posting.offer.title);
        }
        let derived = run(&ads, &said);
        assert_eq!(derived.len(), 2, "the answer holds");
        let home = derived
            .iter()
            .flat_map(|d| d.postings.iter().map(|p| (*p, d.id)));
        let found = questions(&ads, &home.collect(), &edges(&ads), &said);
        let [question] = &found[..] else {
            panic!("{found:#?}");
        };
        assert_eq!(question.answer, Some(Answer::Different));
        assert_eq!(question.open, question.asked_again);
        question.asked_again
    };
    let same = ["Aide-soignant H/F"; 2];
    assert!(!asked(15, same), "nothing changed since");
    let siblings = ["Aide-soignant de jour", "Aide-soignant de nuit"];
    assert!(!asked(30, siblings), "it says the same as the machine");
    assert!(asked(30, same));
    let ads = [own.clone(), copy.clone()];
    let counted = agreement(&ads, &said);
    assert_eq!(
        (counted.agreed, counted.contradicted, counted.asked),
        (0, 1, 0)
    );
}

/// A source that gives no date of change, or a wrong one, is no reason not to ask, nor to ask.
#[test]
fn whether_a_text_changed_is_told_by_the_text() {
    let own = posting("ats", "1", true, 10);
    let copy = posting("france-travail", "F1", false, 12);
    let mut former = copy.clone();
    former.posting.offer.title = "Veilleur de nuit".to_owned();
    let asked = |then: &StoredPosting, updated: Option<Timestamp>| {
        let mut said = decide(DecisionKind::Different, &own, Some(&copy), 20);
        said.shown = Some(shown(&own.posting, &then.posting));
        let mut ads = [own.clone(), copy.clone()];
        for ad in &mut ads {
            ad.posting.offer.updated = updated;
        }
        let said = [said];
        let derived = run(&ads, &said);
        let homes = derived.iter();
        let homes = homes.flat_map(|d| d.postings.iter().map(|p| (*p, d.id)));
        let found = questions(&ads, &homes.collect(), &edges(&ads), &said);
        found[0].asked_again
    };
    assert!(!asked(&copy, None) && !asked(&copy, Some(at(30))));
    assert!(asked(&former, None) && asked(&former, Some(at(15))));
}

/// What was judged may be issued again: what stands for it now is asked about.
#[test]
fn a_reissue_stands_for_what_was_judged() {
    let own = posting("ats", "1", true, 10);
    let copy = posting("france-travail", "F1", false, 12);
    let asked = |title: &str| {
        let mut then = [own.clone(), copy.clone()];
        for ad in &mut then {
            ad.posting.offer.title = title.to_owned();
        }
        let mut said = decide(DecisionKind::Different, &own, Some(&copy), 20);
        said.shown = Some(shown(&then[0].posting, &then[1].posting));
        let again = posting("ats", "2", true, 25);
        let home = std::collections::BTreeMap::from([
            (own.state.id, own.state.id.vacancy()),
            (again.state.id, own.state.id.vacancy()),
            (copy.state.id, copy.state.id.vacancy()),
        ]);
        let live = [again, copy.clone()];
        questions(&live, &home, &edges(&live), &[said])[0].asked_again
    };
    assert!(!asked("Aide-soignant H/F"));
    assert!(asked("Veilleur de nuit"));
}

#[test]
fn a_question_promises_enough_for_each_vacancy_that_it_asks_about() {
    // Two lone ads, however like; three copies and one at even odds.
    assert_eq!(worth_asking(&[(1, 2, promise(1, 1, 40_000))]), [false]);
    assert_eq!(worth_asking(&[(1, 2, promise(3, 1, 0))]), [true]);
    assert_eq!(worth_asking(&[(1, 2, promise(3, 1, -2_000))]), [false]);
    // A vacancy that another question asks about costs nothing more, in whatever order they come.
    assert_eq!(worth_asking(&[(2, 3, 900), (1, 2, 1_500)]), [true, true]);
    assert_eq!(worth_asking(&[(1, 2, 1_500), (2, 3, 900)]), [true, true]);
    assert_eq!(worth_asking(&[(2, 3, 600), (1, 2, 1_500)]), [false, true]);
    // What is not put carries nothing on.
    assert_eq!(worth_asking(&[(1, 2, 900), (2, 3, 900)]), [false, false]);
}
