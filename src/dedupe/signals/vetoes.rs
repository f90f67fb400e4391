//! What no evidence outweighs: contradictions between sources that are believed for a field.

use super::{
    Line, SAME_OWN_APART, Signals, agency_containment, containment, contract, designator, duration,
    level, link, near, openings, place, place_of, reference, reissue_gap, service, shift, sources,
    time,
};
use crate::dedupe::features::Features;
use crate::dedupe::tables::{FACETS, Trust};
use crate::model::ContractForm;

/// Whether two texts are too short to tell one opening from another, and nothing else ties the two
/// ads: a link, a reference, or a source that issues one after the other.
pub fn too_little(signals: &Signals) -> bool {
    let at = |line: Line| signals[line as usize];
    let poor = at(Line::containment) == containment::empty
        || at(Line::agency_containment) == agency_containment::empty;
    let reissued = at(Line::sources) == SAME_OWN_APART
        || matches!(
            at(Line::reissue_gap),
            reissue_gap::days | reissue_gap::week | reissue_gap::month | reissue_gap::quarter
        );
    poor && !reissued
        && at(Line::link) != link::same
        && !matches!(
            at(Line::reference),
            reference::same | reference::in_text | reference::shared
        )
}

/// Whether the places alone are a veto: known before anything else of a pair is read.
pub fn apart(a: &Features, b: &Features) -> bool {
    if let Some((one, other)) = a.communes_of(b) {
        let close = |(p, q)| near(p, q);
        return one != other && !a.point().zip(b.point()).is_some_and(close);
    }
    elsewhere(place_of(a, b), a, b)
}

fn elsewhere(place: u8, a: &Features, b: &Features) -> bool {
    let believed = a.trust.place.min(b.trust.place) >= 2;
    believed && matches!(place, place::other | place::other_department)
}

/// Contradictions that no evidence outweighs, where the sources are believed for the field.
pub fn veto(a: &Features, b: &Features, signals: &Signals) -> Option<Line> {
    let at = |line: Line| signals[line as usize];
    let both = |field: fn(&Trust) -> u8| field(&a.trust).min(field(&b.trust)) >= 2;
    if elsewhere(at(Line::place), a, b) {
        return Some(Line::place);
    }
    if at(Line::contract) == contract::other && both(|t| t.contract) && hard_contract(a, b) {
        return Some(Line::contract);
    }
    let shifts = at(Line::shift).max(at(Line::agency_shift));
    if shifts == shift::other && a.shift_named && b.shift_named && both(|t| t.title) {
        return Some(Line::shift);
    }
    if at(Line::duration) == duration::other
        && a.duration_named
        && b.duration_named
        && a.contract == b.contract
        && both(|t| t.contract)
        && at(Line::link) != link::same
    {
        return Some(Line::duration);
    }
    if at(Line::level) == level::different
        && both(|t| t.title)
        && !a.labelled
        && !b.labelled
        && at(Line::link) != link::same
        && FACETS.levels_part(a.levels, b.levels)
    {
        return Some(Line::level);
    }
    let called = matches!(at(Line::reference), reference::same | reference::in_text);
    let tied = at(Line::link) == link::same || called;
    if at(Line::time) == time::other && a.time_named && b.time_named && both(|t| t.time) && !tied {
        return Some(Line::time);
    }
    let services = at(Line::service).max(at(Line::agency_service));
    if services == service::other
        && a.service_named
        && b.service_named
        && both(|t| t.service)
        && !tied
    {
        return Some(Line::service);
    }
    // What one source numbers, it tells apart: the one opening may not hide the other.
    if at(Line::designator) == designator::other
        && a.connector == b.connector
        && a.channel == b.channel
        && !tied
        // "IDE (6)" issued again as "IDE (5)": how many are left.
        && !(a.bracketed && b.bracketed && at(Line::sources) == SAME_OWN_APART)
    {
        return Some(Line::designator);
    }
    // A re-issue may seek the rest.
    if at(Line::openings) == openings::other
        && at(Line::link) != link::same
        && at(Line::sources) != SAME_OWN_APART
    {
        return Some(Line::openings);
    }
    if at(Line::sources) == sources::two_own && a.member != b.member && at(Line::link) != link::same
    {
        return Some(Line::sources);
    }
    None
}

/// Training against work, practice against salary: never one post. CDI against CDD neither, where
/// both sources are believed.
fn hard_contract(a: &Features, b: &Features) -> bool {
    use ContractForm::{
        Apprenticeship, Cdd, Cdi, Internship, Liberal, Professionalisation, Takeover,
    };
    let pair = |x: ContractForm, y: ContractForm| matches!((a.contract, b.contract), (Some(p), Some(q)) if (p, q) == (x, y) || (p, q) == (y, x));
    let special = |form: Option<ContractForm>| {
        matches!(
            form,
            Some(Apprenticeship | Professionalisation | Internship | Liberal | Takeover)
        )
    };
    pair(Cdi, Cdd) || special(a.contract) || special(b.contract)
}
