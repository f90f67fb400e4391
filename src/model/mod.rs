//! Floor 1, the domain: plain types that every stage shares.
//!
//! **Invariant:** nothing here reads a clock, a file, a socket or a random number.

mod clock;
mod decision;
mod draft;
mod event;
mod ids;
mod member;
mod offer;
mod provenance;
mod register;
mod state;

pub use clock::Clock;
pub use decision::{Decision, DecisionKind, Edge, Outcome};
pub use draft::{Draft, Field, Raw};
pub use event::{Event, EventKind, Revision, Stage};
pub use ids::{ConnectorName, HoldId, MemberId, MessageId, PostingId, RunId, VacancyId};
pub use member::{Channel, Establishment, LinkedIn, Mandate, Member, Memo, Network, Privacy};
pub use offer::{
    Apply, Basis, Benefit, Contact, ContactKind, Contract, ContractForm, Description, Employer,
    Experience, Family, Occupation, Offer, Openings, Origin, Partner, Pay, PayScale, Period, Place,
    PlacePrecision, Posting, PublicStatus, Remote, Section, SectionKind, Shift, SourceRef, Time,
    Vacancy, Visibility, WorkingTime,
};
pub use provenance::{Finding, Problem, Provenance, ProvenanceMap, Severity};
pub use register::{Register, RegisterEntry, RegisterState};
pub use state::{
    Became, CloseReason, PostingState, ReopenReason, StoredPosting, TombstoneReason, Turn,
    VacancyStatus,
};

/// The version of code, tables and reference data that made a stored output. It grows by one
/// whenever a released change of rules must be re-applied by `replay`; law 3 compares it.
pub const RULES: u32 = 5;

/// The RFC 8785 bytes of `value`: the one form in which public records leave the hub.
///
/// # Errors
/// Only where `value` cannot be JSON at all (a map with non-string keys, a NaN).
pub fn canonical_json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    serde_json_canonicalizer::to_vec(value)
}
