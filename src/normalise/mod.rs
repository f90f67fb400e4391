//! Floor 2: from a mapped draft to one canonical posting, by pure functions over tables.
//!
//! **Invariants:** no I/O, no clock, no panic on any input; linear time; unknown stays unknown;
//! every set field has its provenance.

use crate::model::{ConnectorName, Draft, MemberId, Network, Posting};
use jiff::Timestamp;

/// Everything besides the draft that a posting is a function of.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub connector: &'a ConnectorName,
    /// The member whose own source the connector is; `None` for an aggregator.
    pub member: Option<&'a MemberId>,
    pub network: &'a Network,
    /// Start of the first run that showed the posting: the date of last resort.
    pub first_seen: Timestamp,
}

/// The canonical posting of `draft`. Total: a draft that says little gives a posting that says
/// little, with findings.
pub fn normalise(draft: &Draft, context: &Context<'_>) -> Posting {
    let _ = (draft, context);
    unimplemented!()
}
