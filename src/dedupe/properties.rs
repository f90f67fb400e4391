//! What must hold for any set of postings and decisions, in any order.

use super::tests::{at, closed, decide, posting};
use super::*;
use crate::model::{
    Contract, ContractForm, Decision, DecisionKind, Network, Outcome, StoredPosting,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// One posting of a small world, in which copies, siblings and strangers are all common.
#[derive(Clone, Debug)]
struct Draw {
    source: u8,
    title: u8,
    commune: u8,
    contract: bool,
    words: u8,
    day: i64,
    closed: Option<i64>,
}

fn draw() -> impl Strategy<Value = Draw> {
    let closed = prop::option::weighted(0.3, 0..40_i64);
    (
        0..4_u8,
        0..4_u8,
        0..2_u8,
        any::<bool>(),
        0..6_u8,
        0..40_i64,
        closed,
    )
        .prop_map(
            |(source, title, commune, contract, words, day, closed)| Draw {
                source,
                title,
                commune,
                contract,
                words,
                day,
                closed,
            },
        )
}

fn build(draws: &[Draw]) -> Vec<StoredPosting> {
    let titles = [
        "Aide-soignant H/F",
        "AS de nuit",
        "Infirmier DE",
        "Aide-soignant (H/F)",
    ];
    draws
        .iter()
        .enumerate()
        .map(|(n, draw)| {
            let connector =
                ["ats", "france-travail", "hellowork", "ats-two"][usize::from(draw.source)];
            let own = connector == "ats";
            let mut made = posting(connector, &n.to_string(), own, draw.day);
            let offer = &mut made.posting.offer;
            offer.title = titles[usize::from(draw.title)].to_owned();
            offer.places[0].insee = Some(["70550", "70285"][usize::from(draw.commune)].to_owned());
            let form = if draw.contract {
                ContractForm::Cdi
            } else {
                ContractForm::Cdd
            };
            offer.contract = Some(Contract {
                form: Some(form),
                ..Contract::default()
            });
            if let Some(text) = offer.description.as_mut() {
                // Shortened, as a board shortens.
                let keep = text.text.len() - usize::from(draw.words) * 40;
                let cut = (0..=keep)
                    .rev()
                    .find(|i| text.text.is_char_boundary(*i))
                    .unwrap_or(0);
                text.text.truncate(cut);
            }
            match draw.closed {
                Some(day) => closed(made, draw.day + day),
                None => made,
            }
        })
        .collect()
}

/// Pairs that blocking proposes, as the stage finds them.
fn edges(postings: &[StoredPosting]) -> Vec<Edge> {
    let features: Vec<Features> = postings.iter().map(|p| Features::of(&p.posting)).collect();
    let keys: Vec<Vec<u64>> = features.iter().map(Features::keys).collect();
    let mut edges = Vec::new();
    for a in 0..postings.len() {
        for b in a + 1..postings.len() {
            if text::shared(&keys[a], &keys[b]) > 0 {
                edges.extend(compare_features(&features[a], &features[b]));
            }
        }
    }
    edges
}

fn run(postings: &[StoredPosting], decisions: &[Decision]) -> Vec<Derived> {
    // As a stage that has them at hand.
    let features: BTreeMap<PostingId, Features> = postings
        .iter()
        .map(|p| (p.state.id, Features::of(&p.posting)))
        .collect();
    derive(
        &postings.iter().collect::<Vec<_>>(),
        &|id| features.get(&id),
        &edges(postings),
        decisions,
        &Network::default(),
        at(500),
        0,
    )
}

fn decisions(postings: &[StoredPosting], picks: &[(usize, usize, u8)]) -> Vec<Decision> {
    let kinds = [
        DecisionKind::Same,
        DecisionKind::Different,
        DecisionKind::Unsure,
        DecisionKind::Hide,
    ];
    picks
        .iter()
        .enumerate()
        .filter_map(|(n, (a, b, kind))| {
            let (a, b) = (a % postings.len(), b % postings.len());
            (a != b).then(|| {
                let kind = kinds[usize::from(kind % 4)];
                decide(kind, &postings[a], Some(&postings[b]), n as i64)
            })
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_order_gives_one_partition(
        draws in prop::collection::vec(draw(), 1..14),
        picks in prop::collection::vec((0..14_usize, 0..14_usize, 0..4_u8), 0..4),
        seed in any::<u64>(),
    ) {
        let postings = build(&draws);
        let decided = decisions(&postings, &picks);
        let expected = run(&postings, &decided);
        let mut shuffled = postings.clone();
        let mut shuffled_decisions = decided.clone();
        for round in 0..20_u64 {
            shuffled.sort_by_key(|p| text::mix(p.state.id.0.as_u128() as u64 ^ seed ^ round));
            shuffled_decisions.sort_by_key(|d| text::mix(d.at.as_second() as u64 ^ seed ^ round));
            prop_assert_eq!(&run(&shuffled, &shuffled_decisions), &expected);
        }
    }

    #[test]
    fn a_pair_that_is_left_out_would_have_said_nothing(
        draws in prop::collection::vec(draw(), 2..14),
    ) {
        let postings = build(&draws);
        let features: Vec<Features> = postings.iter().map(|p| Features::of(&p.posting)).collect();
        for (at, a) in features.iter().enumerate() {
            for b in &features[at + 1..] {
                let whole = compare::edge(a, b);
                let wanted = (!SCORECARD.hopeless(whole.weight)).then_some(whole);
                prop_assert_eq!(compare_features(b, a), wanted);
            }
        }
    }

    #[test]
    fn every_posting_has_one_vacancy_and_its_founder_names_it(
        draws in prop::collection::vec(draw(), 1..14),
        picks in prop::collection::vec((0..14_usize, 0..14_usize, 0..4_u8), 0..4),
    ) {
        let postings = build(&draws);
        let decided = decisions(&postings, &picks);
        let derived = run(&postings, &decided);
        let members: Vec<PostingId> = derived.iter().flat_map(|d| d.postings.clone()).collect();
        let all: BTreeSet<PostingId> = postings.iter().map(|p| p.state.id).collect();
        prop_assert_eq!(members.len(), all.len());
        prop_assert_eq!(members.into_iter().collect::<BTreeSet<_>>(), all);
        let by_id: BTreeMap<PostingId, &StoredPosting> = postings.iter().map(|p| (p.state.id, p)).collect();
        for vacancy in &derived {
            prop_assert!(vacancy.postings.iter().any(|p| p.vacancy() == vacancy.id));
            // Closing follows authority.
            let own: Vec<_> = vacancy.postings.iter().filter(|p| by_id[p].posting.is_own()).collect();
            if !own.is_empty() && own.iter().all(|p| !by_id[*p].state.is_live()) {
                let closed = matches!(vacancy.status, VacancyStatus::Closed { .. });
                prop_assert!(closed);
            }
            if vacancy.status == VacancyStatus::Live {
                prop_assert!(vacancy.postings.iter().any(|p| by_id[p].state.is_live()));
            }
        }
    }

    #[test]
    fn what_a_person_parts_stays_apart_and_taking_it_back_restores(
        draws in prop::collection::vec(draw(), 2..12),
        a in 0..12_usize,
        b in 0..12_usize,
    ) {
        let postings = build(&draws);
        let (a, b) = (a % postings.len(), b % postings.len());
        prop_assume!(a != b);
        let before = run(&postings, &[]);
        let part = decide(DecisionKind::Different, &postings[a], Some(&postings[b]), 1);
        let parted = run(&postings, std::slice::from_ref(&part));
        let together = parted.iter().any(|d| {
            d.postings.contains(&postings[a].state.id) && d.postings.contains(&postings[b].state.id)
        });
        prop_assert!(!together);
        let back = decide(DecisionKind::Unsure, &postings[a], Some(&postings[b]), 2);
        prop_assert_eq!(run(&postings, &[part.clone(), back.clone()]), before.clone());
        let join = decide(DecisionKind::Same, &postings[a], Some(&postings[b]), 3);
        let after_join = decide(DecisionKind::Unsure, &postings[a], Some(&postings[b]), 4);
        prop_assert_eq!(run(&postings, &[part, back, join, after_join]), before);
    }

    #[test]
    fn a_deletion_equals_a_load_of_the_rest(
        draws in prop::collection::vec(draw(), 2..12),
        gone in 0..12_usize,
    ) {
        let postings = build(&draws);
        let mut rest = postings.clone();
        rest.remove(gone % postings.len());
        let stored: Vec<Edge> = edges(&postings)
            .into_iter()
            .filter(|e| rest.iter().any(|p| p.state.id == e.a) && rest.iter().any(|p| p.state.id == e.b))
            .collect();
        let rest_of: Vec<&StoredPosting> = rest.iter().collect();
        let left = derive(&rest_of, &unread, &stored, &[], &Network::default(), at(500), 0);
        prop_assert_eq!(left, run(&rest, &[]));
    }

    #[test]
    fn questions_are_a_function_of_what_is_known_and_answers_end_them(
        draws in prop::collection::vec(draw(), 2..12),
        seed in any::<u64>(),
    ) {
        let postings = build(&draws);
        let home = |derived: &[Derived]| -> BTreeMap<PostingId, crate::model::VacancyId> {
            let pairs = derived.iter().flat_map(|d| d.postings.iter().map(|p| (*p, d.id)));
            pairs.collect()
        };
        let edges = edges(&postings);
        let homes = home(&run(&postings, &[]));
        let asked = questions(&postings, &homes, &edges, &[]);
        let mut shuffled = postings.clone();
        shuffled.sort_by_key(|p| text::mix(p.state.id.0.as_u128() as u64 ^ seed));
        let mut turned = edges.clone();
        turned.reverse();
        prop_assert_eq!(&questions(&shuffled, &homes, &turned, &[]), &asked);
        for question in asked {
            prop_assert!(question.vacancies.0 < question.vacancies.1);
            let of = |id: PostingId| postings.iter().find(|p| p.state.id == id);
            let (Some(a), Some(b)) = (of(question.best.a), of(question.best.b)) else {
                return Err(TestCaseError::fail("a question about an unknown posting"));
            };
            let said = [decide(DecisionKind::Different, a, Some(b), 1)];
            let homes = home(&run(&postings, &said));
            let after = questions(&postings, &homes, &edges, &said);
            let pair = |id: &PostingId| homes.get(id).copied();
            let open = after.iter().find(|q| {
                Some(q.vacancies) == pair(&a.state.id).zip(pair(&b.state.id)).map(|(x, y)| (x.min(y), x.max(y)))
            });
            prop_assert!(open.is_none_or(|q| !q.open && q.answer == Some(Answer::Different)));
        }
    }

    #[test]
    fn verdicts_are_symmetric_and_bounded(one in draw(), other in draw()) {
        let postings = build(&[one, other]);
        let (a, b) = (&postings[0].posting, &postings[1].posting);
        prop_assert_eq!(compare(a, b), compare(b, a));
        prop_assert!(compare(a, b).weight.abs() < 200_000);
    }
}

#[test]
fn identical_ads_beyond_count_form_no_giant() {
    let draws: Vec<Draw> = (0..120)
        .map(|day| Draw {
            source: 1,
            title: 0,
            commune: 0,
            contract: true,
            words: 0,
            day,
            closed: None,
        })
        .collect();
    let postings = build(&draws);
    let derived = run(&postings, &[]);
    assert!(derived.iter().all(|d| d.postings.len() <= 40));
    // A key that all of them share proposes nothing, so that the cost stays bounded.
    assert!(postings.len() > KEY_CAP);
}

#[test]
fn hostile_texts_are_read_without_harm() {
    for text in [
        "",
        " ",
        "a",
        "é",
        "\u{0}\u{feff}",
        "((((",
        "- (70)",
        " - (70)",
        "x - Vesoul (70)",
        "réf",
        "prise de poste",
    ] {
        let mut hostile = posting("ats", text, true, 1);
        hostile.posting.offer.title = text.to_owned();
        hostile.posting.offer.service = Some(text.to_owned());
        hostile.posting.offer.requisition = Some(text.to_owned());
        if let Some(description) = hostile.posting.offer.description.as_mut() {
            description.text = text.repeat(50);
        }
        let other = posting("hellowork", "1", false, 1);
        let edge = compare(&hostile.posting, &other.posting);
        assert!(edge.outcome <= Outcome::Same && !block_keys(&hostile.posting).is_empty());
    }
}
