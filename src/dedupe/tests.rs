//! Laws of `derive`, on synthetic postings.

mod openings;
mod questions;
mod vetoes;

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
