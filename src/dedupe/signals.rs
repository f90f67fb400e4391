//! What two postings have in common, line by line: the levels that the scorecard weighs.

mod overlap;
mod vetoes;

use super::features::Features;
use super::statistics::STATISTICS;
use super::tables::SHIFT_ALTERNATING;
use super::text::shared;
use crate::model::ContractForm;
use overlap::Overlap;
pub use vetoes::{apart, too_little, veto};

macro_rules! lines {
    ($($line:ident: $($level:ident)*;)*) => {
        /// The lines of the scorecard.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(non_camel_case_types)]
        pub enum Line { $($line,)* }

        /// Name and levels of each line, in the order of [`Line`]. Names are those of the tables.
        pub const LINES: &[(&str, &[&str])] = &[$((stringify!($line), &[$(stringify!($level),)*]),)*];

        $(
            #[allow(non_upper_case_globals, dead_code, non_snake_case)]
            mod $line {
                lines!(@levels 0; $($level)*);
            }
        )*
    };
    (@levels $n:expr; $head:ident $($tail:ident)*) => {
        pub const $head: u8 = $n;
        lines!(@levels $n + 1; $($tail)*);
    };
    (@levels $n:expr;) => {};
}

lines! {
    link: unknown same same_elsewhere other_same_host other;
    reference: unknown same in_text shared other_own other other_in_text;
    employer: unknown same similar named intermediary both_unknown different doubtful;
    place: unknown same district near named department doubtful_other other_department other both_unknown;
    title: same same_trade contained similar poor different doubtful;
    agency_title: same same_trade contained similar poor different doubtful;
    detail: unknown none same one_side other reworded_none reworded_same reworded_one_side reworded_other;
    designator: unknown same other;
    occupation: unknown same near different;
    level: same one_side different;
    contract: unknown same compatible doubtful_other other;
    duration: unknown same near other;
    shift: unknown same partly other;
    agency_shift: unknown same partly other;
    hours: unknown same one_side other;
    agency_hours: unknown same one_side other;
    service: unknown same mentioned silent absent other;
    agency_service: unknown same mentioned silent absent other;
    time: unknown same other_share other;
    pay: unknown same one_end overlap other;
    start: unknown same other;
    openings: unknown same doubtful_other other;
    containment: unknown none c10 c20 c30 c40 c50 c60 c70 c80 c90 c97 all empty;
    agency_containment: unknown none c10 c20 c30 c40 c50 c60 c70 c80 c90 c97 all empty;
    resemblance: unknown none r10 r20 r30 r40 r50 r60 r70 r80 r90 r97 all empty;
    rare: unknown none a10 a20 a30 a40 a50 a60 a70 a80 a90 a97 all empty;
    agency_rare: unknown none a10 a20 a30 a40 a50 a60 a70 a80 a90 a97 all empty;
    substitution: unknown none s1 s2 s4 s8 s16 s32 s64 s128 empty;
    agency_substitution: unknown none s1 s2 s4 s8 s16 s32 s64 s128 empty;
    gap: unknown same_day days week month quarter long;
    agency_gap: unknown same_day days week month quarter long;
    reissue_gap: unknown same_day days week month quarter long;
    lag: unknown long_before before same_day days fortnight month quarter long;
    agency_lag: unknown long_before before same_day days fortnight month quarter long;
    sources: own_aggregator same_own_apart same_own_overlap two_own same_aggregator two_aggregators same_partner two_partners;
}

/// Level of the line `sources` for an own source that showed one posting after the other.
pub const SAME_OWN_APART: u8 = sources::same_own_apart;

/// The level of each line.
pub type Signals = [u8; LINES.len()];

/// Reads a pair. Symmetric.
pub fn read(a: &Features, b: &Features) -> Signals {
    let mut signals = facts(a, b);
    read_words(a, b, &mut signals);
    read_shingles(a, b, &mut signals);
    signals
}

/// All lines but those of [`texts_of`], which stay unknown: those cost most of a comparison.
pub fn facts(a: &Features, b: &Features) -> Signals {
    let mut signals = [0; LINES.len()];
    let mut set = |line: Line, level: u8| signals[line as usize] = level;
    let place = place_of(a, b);
    set(Line::link, link(a, b, place));
    set(Line::reference, reference_of(a, b));
    set(Line::employer, employer_of(a, b));
    set(Line::place, place);
    let agency = a.intermediary || b.intermediary;
    let by_hand = |line: Line, agencys: Line| if agency { agencys } else { line };
    let title = title_of(a, b);
    set(by_hand(Line::title, Line::agency_title), title);
    set(Line::detail, detail_of(a, b, title));
    set(Line::designator, designator_of(a, b));
    set(Line::occupation, occupation_of(a, b));
    set(Line::level, level_of(a, b));
    set(Line::contract, contract_of(a, b));
    set(Line::duration, duration_of(a, b));
    set(by_hand(Line::shift, Line::agency_shift), shift_of(a, b));
    set(by_hand(Line::hours, Line::agency_hours), hours_of(a, b));
    set(
        by_hand(Line::service, Line::agency_service),
        service_of(a, b),
    );
    set(Line::time, time_of(a, b));
    set(Line::pay, pay_of(a, b));
    set(Line::start, start_of(a, b));
    set(Line::openings, openings_of(a, b));
    let sources = sources_of(a, b);
    match sources {
        sources::own_aggregator => {
            let (own, copy) = if a.own { (a, b) } else { (b, a) };
            set(by_hand(Line::lag, Line::agency_lag), lag_of(own, copy));
        }
        sources::same_aggregator | sources::same_partner => set(Line::reissue_gap, gap_of(a, b)),
        _ => set(by_hand(Line::gap, Line::agency_gap), gap_of(a, b)),
    }
    set(Line::sources, sources);
    signals
}

/// The line that says how many words of one text the other has not, and those that say how much of
/// two texts is the same, in order. An agency rewrites by trade: what is much in common with it is
/// little between others.
pub fn texts_of(a: &Features, b: &Features) -> &'static [Line] {
    if a.intermediary || b.intermediary {
        &[
            Line::agency_substitution,
            Line::agency_containment,
            Line::agency_rare,
        ]
    } else {
        &[
            Line::substitution,
            Line::containment,
            Line::rare,
            Line::resemblance,
        ]
    }
}

/// Adds the first line of [`texts_of`] to what [`facts`] read; returns those that lack.
pub fn read_words(a: &Features, b: &Features, signals: &mut Signals) -> &'static [Line] {
    let words = Overlap::of(&a.words, &b.words, &STATISTICS.words);
    let lines = texts_of(a, b);
    signals[lines[0] as usize] = words.substitution();
    &lines[1..]
}

/// Adds the others.
pub fn read_shingles(a: &Features, b: &Features, signals: &mut Signals) {
    let overlap = Overlap::of(&a.shingles, &b.shingles, &STATISTICS.shingles);
    for line in &texts_of(a, b)[1..] {
        signals[*line as usize] = match line {
            Line::containment | Line::agency_containment => overlap.containment(),
            Line::rare | Line::agency_rare => overlap.rare(),
            _ => overlap.resemblance(),
        };
    }
}

fn by<T: PartialEq>(a: Option<T>, b: Option<T>, [unknown, same, other]: [u8; 3]) -> u8 {
    match (a, b) {
        (Some(a), Some(b)) if a == b => same,
        (Some(_), Some(_)) => other,
        _ => unknown,
    }
}

fn link(a: &Features, b: &Features, place: u8) -> u8 {
    if a.links().is_empty() || b.links().is_empty() {
        link::unknown
    } else if shared(a.links(), b.links()) > 0 {
        // One link, several places: one call for several sites.
        match place {
            place::district | place::doubtful_other | place::other_department | place::other => {
                link::same_elsewhere
            }
            _ => link::same,
        }
    } else if shared(a.hosts(), b.hosts()) > 0 {
        link::other_same_host
    } else {
        link::other
    }
}

fn reference_of(a: &Features, b: &Features) -> u8 {
    let (ra, rb) = (a.requisition, b.requisition);
    if ra != 0 && ra == rb {
        return reference::same;
    }
    let in_text =
        |own: u64, other: &Features| own != 0 && other.references().binary_search(&own).is_ok();
    if in_text(ra, b) || in_text(rb, a) {
        return reference::in_text;
    }
    if ra != 0 && rb != 0 {
        return if a.own && a.connector == b.connector {
            reference::other_own
        } else {
            reference::other
        };
    }
    if shared(a.references(), b.references()) > 0 {
        return reference::shared;
    }
    // An agency numbers its ads its own way.
    let employers = !a.intermediary && !b.intermediary;
    if employers && !a.references().is_empty() && !b.references().is_empty() {
        return reference::other_in_text;
    }
    reference::unknown
}

fn employer_of(a: &Features, b: &Features) -> u8 {
    if a.siren != 0 && a.siren == b.siren {
        return employer::same;
    }
    if a.intermediary || b.intermediary {
        // Two agencies, or an agency and an employer: neither agreement nor contradiction.
        if a.intermediary && b.intermediary && a.employer == b.employer && a.employer != 0 {
            return employer::same;
        }
        return employer::intermediary;
    }
    match (a.employer, b.employer) {
        (0, 0) => employer::both_unknown,
        (0, _) | (_, 0) => {
            let (named, silent) = if a.employer == 0 { (b, a) } else { (a, b) };
            if says_employer(silent, named) {
                employer::named
            } else {
                employer::unknown
            }
        }
        (x, y) if x == y => employer::same,
        _ => {
            let common = shared(a.employer_words(), b.employer_words());
            let least = a.employer_words().len().min(b.employer_words().len());
            if common > 0 && common * 2 >= least {
                employer::similar
            } else if a.trust.employer.min(b.trust.employer) == 0 {
                employer::doubtful
            } else {
                employer::different
            }
        }
    }
}

/// Whether the text that names no employer has most words of the other's.
fn says_employer(silent: &Features, named: &Features) -> bool {
    let words = named.employer_names();
    !words.is_empty()
        && words.iter().filter(|w| silent.says(**w as u32)).count() * 3 >= words.len() * 2
}

fn place_of(a: &Features, b: &Features) -> u8 {
    let trusted = a.trust.place.min(b.trust.place) > 0;
    if a.communes().is_empty() || b.communes().is_empty() {
        if a.departments().is_empty() && b.departments().is_empty() {
            return place::both_unknown;
        }
        let (known, silent) = if a.communes().is_empty() {
            (b, a)
        } else {
            (a, b)
        };
        if !a.departments().is_empty()
            && !b.departments().is_empty()
            && shared(a.departments(), b.departments()) == 0
        {
            return if trusted {
                place::other_department
            } else {
                place::doubtful_other
            };
        }
        if !known.place_words().is_empty()
            && silent.communes().is_empty()
            && known.place_words().iter().all(|w| silent.says(*w as u32))
        {
            return place::named;
        }
        return if a.departments().is_empty() || b.departments().is_empty() {
            place::unknown
        } else {
            place::department
        };
    }
    if shared(a.communes(), b.communes()) > 0 {
        let apart = !a.districts().is_empty()
            && !b.districts().is_empty()
            && shared(a.districts(), b.districts()) == 0;
        return if apart { place::district } else { place::same };
    }
    if !trusted {
        return place::doubtful_other;
    }
    match (a.point(), b.point()) {
        (Some(p), Some(q)) if near(p, q) => place::near,
        _ if shared(a.departments(), b.departments()) == 0
            && !a.departments().is_empty()
            && !b.departments().is_empty() =>
        {
            place::other_department
        }
        _ => place::other,
    }
}

/// Within about five kilometres at French latitudes (1e-4 degree is 11 m north, 7.5 m east).
fn near((lat, lon): (i32, i32), (other_lat, other_lon): (i32, i32)) -> bool {
    let north = i64::from(lat - other_lat) * 11;
    let east = i64::from(lon - other_lon) * 15 / 2;
    north * north + east * east < 5_000 * 5_000
}

fn title_of(a: &Features, b: &Features) -> u8 {
    if a.title_words().is_empty() || b.title_words().is_empty() {
        return title::poor;
    }
    if a.title == b.title {
        return title::same;
    }
    if a.trade != 0 && a.trade == b.trade {
        return title::same_trade;
    }
    let common = shared(a.title_words(), b.title_words());
    let (least, most) = (
        a.title_words().len().min(b.title_words().len()),
        a.title_words().len().max(b.title_words().len()),
    );
    if common == least {
        title::contained
    } else if common * 2 >= most {
        title::similar
    } else if a.trust.title.min(b.trust.title) == 0 {
        title::doubtful
    } else if common > 0 {
        title::poor
    } else {
        title::different
    }
}

/// The shift that titles name, where neither is an occupation's label in its place: a source that
/// copies a title copies the shift with it.
fn detail_of(a: &Features, b: &Features, title: u8) -> u8 {
    if a.labelled || b.labelled || a.trust.title.min(b.trust.title) == 0 {
        return detail::unknown;
    }
    let same_wording = title == title::same;
    match (a.title_shift, b.title_shift, same_wording) {
        (0, 0, true) => detail::none,
        (0, 0, false) => detail::reworded_none,
        (x, y, true) if x == y => detail::same,
        (x, y, false) if x == y => detail::reworded_same,
        (0, _, true) | (_, 0, true) => detail::one_side,
        (0, _, false) | (_, 0, false) => detail::reworded_one_side,
        (_, _, true) => detail::other,
        (_, _, false) => detail::reworded_other,
    }
}

/// The numbers and letters by which titles tell one unit or post from another. One title may say
/// more of them than the other.
fn designator_of(a: &Features, b: &Features) -> u8 {
    let (one, other) = (a.designators(), b.designators());
    if one.is_empty() || other.is_empty() {
        designator::unknown
    } else if one == other {
        designator::same
    } else if shared(one, other) == one.len().min(other.len()) {
        designator::unknown
    } else {
        designator::other
    }
}

fn occupation_of(a: &Features, b: &Features) -> u8 {
    match (a.occupation, b.occupation) {
        (0, _) | (_, 0) => {
            if a.trade != 0 && b.trade != 0 && a.trade != b.trade {
                occupation::different
            } else {
                occupation::unknown
            }
        }
        (x, y) if x == y => occupation::same,
        _ if a.occupation_family == b.occupation_family => occupation::near,
        _ => occupation::different,
    }
}

fn level_of(a: &Features, b: &Features) -> u8 {
    if a.levels == b.levels || a.trust.title.min(b.trust.title) == 0 {
        level::same
    } else if a.levels == 0 || b.levels == 0 {
        level::one_side
    } else {
        level::different
    }
}

fn contract_of(a: &Features, b: &Features) -> u8 {
    let (Some(x), Some(y)) = (a.contract, b.contract) else {
        return contract::unknown;
    };
    if x == y {
        return contract::same;
    }
    if compatible(x, y) {
        return contract::compatible;
    }
    if a.trust.contract.min(b.trust.contract) == 0 {
        if x == ContractForm::Liberal || y == ContractForm::Liberal {
            return contract::unknown;
        }
        contract::doubtful_other
    } else {
        contract::other
    }
}

/// Forms that sources write for one another: a public-service post advertised as CDI or CDD, an
/// agency's temporary job as CDD, a vacation as CDD.
fn compatible(a: ContractForm, b: ContractForm) -> bool {
    use ContractForm::{Cdd, Interim, Other, Vacation};
    let short = |form| matches!(form, Cdd | Interim | Vacation);
    a == Other || b == Other || (short(a) && short(b))
}

fn duration_of(a: &Features, b: &Features) -> u8 {
    let (Some(x), Some(y)) = (a.duration, b.duration) else {
        return duration::unknown;
    };
    match x.abs_diff(y) {
        0 => duration::same,
        // A month of eighteen, the days of "three months": rounded, or begun.
        apart if apart * 10 <= x.max(y) => duration::near,
        _ => duration::other,
    }
}

fn shift_of(a: &Features, b: &Features) -> u8 {
    match (a.shifts, b.shifts) {
        (0, _) | (_, 0) => shift::unknown,
        (x, y) if x == y => shift::same,
        (SHIFT_ALTERNATING, _) | (_, SHIFT_ALTERNATING) => shift::partly,
        _ => shift::other,
    }
}

fn hours_of(a: &Features, b: &Features) -> u8 {
    match (a.hours().is_empty(), b.hours().is_empty()) {
        (false, false) if a.hours() == b.hours() => hours::same,
        (false, false) => hours::other,
        (true, false) if a.shifts != 0 => hours::one_side,
        (false, true) if b.shifts != 0 => hours::one_side,
        _ => hours::unknown,
    }
}

fn service_of(a: &Features, b: &Features) -> u8 {
    if a.services & b.services != 0
        || (!a.service_words().is_empty() && a.service_words() == b.service_words())
    {
        return service::same;
    }
    match (a.services, b.services) {
        (0, 0) => service::unknown,
        (0, known) => one_service(known, a),
        (known, 0) => one_service(known, b),
        (x, y) if x & b.mentioned != 0 || y & a.mentioned != 0 => service::mentioned,
        _ => service::other,
    }
}

fn one_service(known: u128, other: &Features) -> u8 {
    if known & other.mentioned != 0 {
        service::mentioned
    } else if other.length < 60 {
        service::unknown
    } else if other.mentioned == 0 {
        service::silent
    } else {
        service::absent
    }
}

fn time_of(a: &Features, b: &Features) -> u8 {
    match (a.part_time, b.part_time) {
        (Some(x), Some(y)) if x != y => time::other,
        (Some(_), Some(_)) => match (a.share, b.share) {
            (Some(x), Some(y)) if x != y => time::other_share,
            _ => time::same,
        },
        _ => time::unknown,
    }
}

fn pay_of(a: &Features, b: &Features) -> u8 {
    match (a.pay, b.pay) {
        (Some(x), Some(y)) if x == y => pay::same,
        (Some((low, high)), Some((other_low, other_high))) => {
            if low == other_low || high == other_high {
                pay::one_end
            } else if low <= other_high && other_low <= high {
                pay::overlap
            } else {
                pay::other
            }
        }
        _ => pay::unknown,
    }
}

fn start_of(a: &Features, b: &Features) -> u8 {
    match by(
        a.starts,
        b.starts,
        [start::unknown, start::same, start::other],
    ) {
        start::unknown if a.start_words != 0 && b.start_words != 0 => {
            if a.start_words == b.start_words {
                start::same
            } else {
                start::other
            }
        }
        dated => dated,
    }
}

/// How many are sought. One is what sources write that were not told: it contradicts only where
/// the source is believed.
fn openings_of(a: &Features, b: &Features) -> u8 {
    match (a.openings, b.openings) {
        (Some(1), Some(1)) | (None, _) | (_, None) => openings::unknown,
        (Some(x), Some(y)) if x == y => openings::same,
        _ if a.trust.openings.min(b.trust.openings) >= 2 => openings::other,
        (Some(1), _) if a.trust.openings < 2 => openings::unknown,
        (_, Some(1)) if b.trust.openings < 2 => openings::unknown,
        _ => openings::doubtful_other,
    }
}

fn gap_of(a: &Features, b: &Features) -> u8 {
    let (Some(x), Some(y)) = (a.published, b.published) else {
        return gap::unknown;
    };
    match (x - y).unsigned_abs() {
        0 => gap::same_day,
        1..=4 => gap::days,
        5..=14 => gap::week,
        15..=35 => gap::month,
        36..=100 => gap::quarter,
        _ => gap::long,
    }
}

/// How long after the employer's own posting a copy appeared: its channel takes days, an agency
/// weeks. What was there before it is a copy of an earlier issue, or of another opening.
fn lag_of(own: &Features, copy: &Features) -> u8 {
    let (Some(first), Some(then)) = (own.published, copy.published) else {
        return lag::unknown;
    };
    match then - first {
        ..-30 => lag::long_before,
        -30..0 => lag::before,
        0 => lag::same_day,
        1..=6 => lag::days,
        7..=15 => lag::fortnight,
        16..=30 => lag::month,
        31..=100 => lag::quarter,
        _ => lag::long,
    }
}

fn sources_of(a: &Features, b: &Features) -> u8 {
    if a.connector == b.connector {
        if !a.own {
            return match (a.channel == b.channel, a.partnered || b.partnered) {
                (true, false) => sources::same_aggregator,
                (true, true) => sources::same_partner,
                (false, _) => sources::two_partners,
            };
        }
        let ended = |end: Option<i32>, other: Option<i32>| matches!((end, other), (Some(e), Some(p)) if e < p);
        return if ended(a.expires, b.published) || ended(b.expires, a.published) {
            sources::same_own_apart
        } else {
            sources::same_own_overlap
        };
    }
    match (a.own, b.own) {
        (true, true) => sources::two_own,
        (false, false) => sources::two_aggregators,
        _ => sources::own_aggregator,
    }
}

impl Line {
    /// Its name in the tables.
    pub fn name(self) -> &'static str {
        LINES[self as usize].0
    }
}
