//! What a person is asked, and asked again.

use super::*;

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
