//! Floor 4: from a member's source to postings in the store.
//!
//! `connector` is the file; `source` reads records by it; `mapping` makes a draft of a record;
//! `run` stages, compares (`diff`), doubts (`guards`) and applies; `schedule` says when.
//!
//! **Invariant (law 1):** nothing closes but by an explicit closing, or by `misses` absences from
//! complete, plausible snapshots.

mod apply;
pub mod connector;
pub mod detect;
pub mod diff;
pub mod forecast;
pub mod guards;
pub mod mapping;
pub mod named;
pub mod network;
pub mod push;
pub mod recall;
pub mod removed;
pub mod run;
pub mod said;
pub mod schedule;
pub mod source;
pub(crate) mod stage;
pub mod unread;
