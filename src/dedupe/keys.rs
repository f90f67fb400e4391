//! Blocking keys: what two postings must share before they are compared at all.

use super::features::Features;
use super::text::{combine, distinct, mix};

/// Shingles of a text that become keys: of the rarest those with the smallest hashes, so that a
/// shortened copy keeps as many of them as it keeps of the text.
const SAMPLE: usize = 10;

/// A number apart for each kind of key.
#[derive(Clone, Copy)]
enum Kind {
    Link = 1,
    Reference,
    EmployerPlace,
    EmployerDepartment,
    PlaceTrade,
    TitleDepartment,
    Shingle,
    ShingleDepartment,
    Sentence,
}

/// The keys of a posting, sorted and distinct: a function of the posting alone.
pub fn of(features: &Features) -> Vec<u64> {
    let mut keys = Vec::with_capacity(48);
    let mut add =
        |kind: Kind, parts: &[u64]| keys.push(mix(combine(parts) ^ ((kind as u64) << 56)));
    for link in &features.links {
        add(Kind::Link, &[*link]);
    }
    if features.requisition != 0 {
        add(Kind::Reference, &[features.requisition]);
    }
    for reference in &features.references {
        add(Kind::Reference, &[*reference]);
    }
    let shingles = &features.shingles;
    let mut sample: Vec<(u8, u32)> = shingles
        .rarities
        .iter()
        .zip(&shingles.values)
        .map(|(rarity, value)| (u8::MAX - rarity, *value))
        .collect();
    sample.sort_unstable();
    sample.truncate(SAMPLE);
    // A trade where the title names one, else the occupation, else the title's words.
    let trade = match (features.trade, features.occupation, features.title) {
        (0, 0, title) => title,
        (0, occupation, _) => occupation,
        (trade, _, _) => u64::from(trade),
    };
    for place in &features.communes {
        if features.employer != 0 {
            add(Kind::EmployerPlace, &[features.employer, *place]);
        }
        add(Kind::PlaceTrade, &[*place, trade]);
        if features.occupation != 0 {
            add(Kind::PlaceTrade, &[*place, features.occupation]);
        }
        add(Kind::PlaceTrade, &[*place, features.title]);
    }
    for department in &features.departments {
        if features.employer != 0 {
            add(
                Kind::EmployerDepartment,
                &[features.employer, *department, trade],
            );
        }
        add(Kind::TitleDepartment, &[features.title, *department]);
        for (_, shingle) in &sample {
            add(Kind::ShingleDepartment, &[u64::from(*shingle), *department]);
        }
        for sentence in &features.sentences {
            add(Kind::Sentence, &[*sentence, *department]);
        }
    }
    for (_, shingle) in &sample {
        add(Kind::Shingle, &[u64::from(*shingle)]);
    }
    distinct(keys)
}
