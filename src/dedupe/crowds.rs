//! Bad input by the thousand: whatever comes, in any order and twice, ends in the same vacancies,
//! and how much is compared and clustered stays bounded. Work is counted, not timed.

use super::tests::{at, closed, posting};
use super::*;
use crate::model::{Network, StoredPosting};
use std::collections::{BTreeMap, HashMap};

/// What grouping a crowd came to.
struct Grouped {
    derived: Vec<Derived>,
    /// Pairs compared.
    pairs: usize,
    /// The largest component, in postings.
    component: usize,
}

/// Groups postings from nothing, as the stage does: keys over the limit propose nothing, and what
/// may not join connects no components.
fn group(postings: &[StoredPosting]) -> Grouped {
    let known: BTreeMap<PostingId, &StoredPosting> =
        postings.iter().map(|p| (p.state.id, p)).collect();
    let known: Vec<&StoredPosting> = known.into_values().collect();
    let features: Vec<Features> = known.iter().map(|p| Features::of(&p.posting)).collect();
    let mut blocks: HashMap<u64, Vec<usize>> = HashMap::new();
    for (at, features) in features.iter().enumerate() {
        for key in features.keys() {
            blocks.entry(key).or_default().push(at);
        }
    }
    let mut pairs = BTreeSet::new();
    for block in blocks.values().filter(|block| block.len() <= KEY_CAP) {
        for (place, a) in block.iter().enumerate() {
            pairs.extend(block[place + 1..].iter().map(|b| (*a, *b)));
        }
    }
    let mut edges = Vec::new();
    for (a, b) in &pairs {
        let Some(edge) = compare_features(&features[*a], &features[*b]) else {
            continue;
        };
        let tie = crowd::tie(edge.weight, known[*a], known[*b]);
        if tie > 0 {
            edges.push((*a, *b, tie, edge));
        }
    }
    let ties: Vec<_> = edges.iter().map(|(a, b, tie, _)| (*a, *b, *tie)).collect();
    let steps = crowd::steps(known.len(), &ties);
    let mut root = crowd::Forest::new(known.len());
    edges.retain(|(a, b, tie, _)| steps[*a] == steps[*b] && *tie > steps[*a]);
    for (a, b, _, _) in &edges {
        root.join(*a, *b);
    }
    let mut components: BTreeMap<usize, (Vec<StoredPosting>, Vec<Edge>, u8)> = BTreeMap::new();
    for (at, posting) in known.iter().enumerate() {
        let component = components.entry(root.root(at)).or_default();
        component.0.push((*posting).clone());
        component.2 = steps[at];
    }
    for (of, _, _, edge) in edges {
        let component = components.entry(root.root(of)).or_default();
        component.1.push(edge);
    }
    let mut grouped = Grouped {
        derived: Vec::new(),
        pairs: pairs.len(),
        component: 0,
    };
    for (postings, edges, step) in components.into_values() {
        grouped.component = grouped.component.max(postings.len());
        let postings: Vec<&StoredPosting> = postings.iter().collect();
        let network = Network::default();
        let derived = derive(&postings, &unread, &edges, &[], &network, at(900), step);
        grouped.derived.extend(derived);
    }
    grouped.derived.sort_by_key(|d| d.id);
    grouped
}

/// `count` ads of one board, each made by `vary` of the same one; every seventh is closed.
fn crowd(count: usize, vary: impl Fn(usize, &mut StoredPosting)) -> Vec<StoredPosting> {
    let made = (0..count).map(|n| {
        let mut made = posting("board", &format!("B{n:05}"), false, (n % 30) as i64);
        vary(n, &mut made);
        match n % 7 {
            0 => closed(made, 40 + (n % 5) as i64),
            _ => made,
        }
    });
    made.collect()
}

fn write(posting: &mut StoredPosting, text: String) {
    if let Some(description) = posting.posting.offer.description.as_mut() {
        description.html = format!("<p>{text}</p>");
        description.text = text;
    }
}

/// Groups a crowd in three orders, once with every ad twice; says what it came to.
fn in_any_order(postings: &[StoredPosting]) -> Grouped {
    let expected = group(postings);
    let backwards: Vec<StoredPosting> = postings.iter().rev().cloned().collect();
    let mut twice: Vec<StoredPosting> = backwards.clone();
    twice.extend_from_slice(postings);
    twice.sort_by_key(|p| text::mix(p.state.id.0.as_u128() as u64));
    for other in [backwards, twice] {
        assert!(group(&other).derived == expected.derived);
    }
    let held: usize = expected.derived.iter().map(|d| d.postings.len()).sum();
    assert_eq!(held, postings.len(), "each in one vacancy");
    assert!(expected.component <= crowd::CROWD, "{}", expected.component);
    let largest = expected.derived.iter().map(|d| d.postings.len()).max();
    assert!(largest <= Some(40), "{largest:?}");
    expected
}

#[test]
fn ten_thousand_identical_ads_propose_nothing() {
    let found = in_any_order(&crowd(10_000, |_, _| {}));
    assert_eq!((found.pairs, found.component), (0, 1));
    assert_eq!(found.derived.len(), 10_000);
}

#[test]
fn as_many_identical_ads_as_a_key_may_have_are_clusters_below_the_limit() {
    let found = in_any_order(&crowd(KEY_CAP, |_, _| {}));
    assert_eq!(found.component, KEY_CAP);
    assert!(found.derived.len() < KEY_CAP);
}

/// One ad, issued again each day under a new id: no key of the ad alone holds them, those that the
/// week refines do.
#[test]
fn daily_reissues_of_one_ad_find_each_other_however_many() {
    let days = 190;
    let ads: Vec<StoredPosting> = (0..days)
        .map(|day| {
            let ad = posting("board", &format!("B{day:05}"), false, day);
            if day + 1 < days {
                closed(ad, day + 1)
            } else {
                ad
            }
        })
        .collect();
    let found = in_any_order(&ads);
    assert!(ads.len() > KEY_CAP);
    assert!(found.pairs <= ads.len() * 2 * KEY_CAP, "{}", found.pairs);
    // Hardly more vacancies than the largest of them allows, and one that is live.
    assert!(found.derived.len() <= 10, "{}", found.derived.len());
    let live = found
        .derived
        .iter()
        .filter(|d| d.status == VacancyStatus::Live);
    let live: Vec<_> = live.collect();
    assert_eq!(live.len(), 1);
    assert!(live[0].postings.len() > 1);
}

#[test]
fn empty_and_one_word_texts_stay_bounded() {
    let words = ["", "Infirmier", "urgent", "."];
    let found = in_any_order(&crowd(3_000, |n, ad| {
        write(ad, words[n % 4].to_owned());
        let offer = &mut ad.posting.offer;
        offer.title = words[n / 4 % 4].to_owned();
        offer.employer = None;
        // Towns that hold few of them, so that keys are not all generic.
        let town = n / 40;
        offer.places[0].insee = Some(format!("70{town:03}"));
        offer.places[0].name = Some(format!("Commune {town}"));
    }));
    assert!(found.pairs <= 3_000 * KEY_CAP);
}

#[test]
fn a_giant_employer_in_one_town_stays_bounded() {
    let found = in_any_order(&crowd(2_000, |n, ad| {
        let (trade, unit) = (n % 50, n / 50);
        ad.posting.offer.title = format!("Métier {trade} du pavillon {unit}");
        let words: Vec<String> = (0..30)
            .map(|w| format!("mot{}", (unit * 7 + w) % 90))
            .collect();
        write(
            ad,
            format!("Fonction {trade} au pavillon {unit}. {}", words.join(" ")),
        );
    }));
    assert!(found.pairs <= 2_000 * KEY_CAP, "{}", found.pairs);
}

#[test]
fn unknown_places_everywhere_stay_bounded() {
    let found = in_any_order(&crowd(2_000, |n, ad| {
        ad.posting.offer.places.clear();
        ad.posting.offer.title = format!("Poste {}", n % 400);
        let words: Vec<String> = (0..30)
            .map(|w| format!("terme{}", (n % 400) * 3 + w))
            .collect();
        write(ad, words.join(" "));
    }));
    assert!(found.component <= 200, "{}", found.component);
    assert!(found.pairs <= 2_000 * KEY_CAP, "{}", found.pairs);
}

/// Each ad is the one before it with a word dropped at the front and one added at the end: every
/// phrase has few ads, and all of them hang together.
#[test]
fn near_copies_that_slide_do_not_chain() {
    let found = in_any_order(&crowd(600, |n, ad| {
        let words: Vec<String> = (n..n + 60).map(|w| format!("parole{w}")).collect();
        write(ad, words.join(" "));
    }));
    // The first and the last have nothing in common but the employer's name.
    assert!(found.derived.len() >= 600 / 40);
    assert!(found.pairs <= 600 * KEY_CAP, "{}", found.pairs);
}
