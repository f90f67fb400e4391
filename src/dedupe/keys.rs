//! Blocking keys: what two postings must share before they are compared at all.

use super::features::Features;
use super::statistics::STATISTICS;
use super::text::{Sketch, combine, distinct, mix};

/// Shingles of a text that become keys: of the rarest those with the smallest hashes, so that a
/// shortened copy keeps as many of them as it keeps of the text.
const SAMPLE: usize = 10;
/// Days of publication that refine a key which may be over-full: two ads share one where they were
/// published at most so far apart, for certain, and never where twice as far.
const COPY_DAYS: i32 = 7;
const TITLE_DAYS: i32 = 14;

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
    /// Refine the others where a crowd shares them: ads that say the same in full …
    Copy,
    /// … of one week, re-issues among them; and one town's like titles of one month.
    CopyDate,
    PlaceTitleDate,
}

/// The keys of a posting, sorted and distinct: a function of the posting alone.
pub fn of(features: &Features) -> Vec<u64> {
    let mut keys = Vec::with_capacity(48);
    let mut add =
        |kind: Kind, parts: &[u64]| keys.push(mix(combine(parts) ^ ((kind as u64) << 56)));
    for link in features.links() {
        add(Kind::Link, &[*link]);
    }
    if features.requisition != 0 {
        add(Kind::Reference, &[features.requisition]);
    }
    for reference in features.references() {
        add(Kind::Reference, &[*reference]);
    }
    let sample = rarest(&features.shingles);
    // A trade where the title names one, else the occupation, else the title's words.
    let trade = match (features.trade, features.occupation, features.title) {
        (0, 0, title) => title,
        (0, occupation, _) => occupation,
        (trade, _, _) => u64::from(trade),
    };
    for place in features.communes() {
        if features.employer != 0 {
            add(Kind::EmployerPlace, &[features.employer, *place]);
        }
        add(Kind::PlaceTrade, &[*place, trade]);
        if features.occupation != 0 {
            add(Kind::PlaceTrade, &[*place, features.occupation]);
        }
        add(Kind::PlaceTrade, &[*place, features.title]);
        for period in periods(features.published, TITLE_DAYS) {
            add(Kind::PlaceTitleDate, &[*place, features.title, period]);
        }
    }
    for department in features.departments() {
        if features.employer != 0 {
            add(
                Kind::EmployerDepartment,
                &[features.employer, *department, trade],
            );
        }
        add(Kind::TitleDepartment, &[features.title, *department]);
        for shingle in &sample {
            add(Kind::ShingleDepartment, &[u64::from(*shingle), *department]);
        }
        for sentence in features.sentences() {
            add(Kind::Sentence, &[*sentence, *department]);
        }
    }
    for shingle in &sample {
        add(Kind::Shingle, &[u64::from(*shingle)]);
    }
    if let Some(copy) = copy(features) {
        add(Kind::Copy, &[copy]);
        for period in periods(features.published, COPY_DAYS) {
            add(Kind::CopyDate, &[copy, period]);
        }
    }
    distinct(keys)
}

/// What an ad says in full, of which place; `None` without a text, which is no copy of anything.
fn copy(features: &Features) -> Option<u64> {
    let shingles = &features.shingles;
    if shingles.is_empty() {
        return None;
    }
    let rare = shingles.rare.iter().map(|value| u64::from(*value));
    let known = shingles.known.iter().map(|number| u64::from(*number));
    Some(combine(&[
        features.title,
        combine(features.communes()),
        u64::from(features.length),
        combine(&rare.chain(known).collect::<Vec<_>>()),
    ]))
}

/// The shingles that become keys.
fn rarest(shingles: &Sketch) -> Vec<u32> {
    let mut sample: Vec<u32> = shingles.rare.iter().copied().take(SAMPLE).collect();
    if sample.len() < SAMPLE {
        let table = &STATISTICS.shingles;
        let known = shingles.known.iter();
        let mut known: Vec<(u8, u32)> = known
            .map(|number| (u8::MAX - table.rarity(*number), table.hash(*number)))
            .collect();
        known.sort_unstable();
        let lacking = SAMPLE - sample.len();
        sample.extend(known.iter().take(lacking).map(|(_, value)| value));
    }
    sample
}

/// The two overlapping periods of publication in which a posting stands; none without a date.
fn periods(published: Option<i32>, days: i32) -> impl Iterator<Item = u64> {
    let first = published.map(|day| day.div_euclid(days));
    let both = first.into_iter().flat_map(|period| [period, period + 1]);
    both.map(|period| u64::from(period.cast_unsigned()))
}
