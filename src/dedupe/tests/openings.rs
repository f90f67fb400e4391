//! How many posts one vacancy stands for.

use super::*;

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
