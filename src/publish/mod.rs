//! Floor 4: what leaves the hub, for people and for machines: portal, API, delta feed, feeds,
//! export profiles with their preflight, drop folder.
//!
//! Everything is a function of the store's public state (`vacancy` and `changes`), the network's
//! files and the clock. **Invariants:** nothing here writes an offer; no byte leaves that the
//! mandates do not allow ([`mandate`] is the one place that decides); answers that are cached are
//! cached by change number, so that every node serves the same bytes.

mod api;
mod consumers;
mod export;
mod feeds;
mod files;
mod gate;
mod index;
mod kit;
mod labels;
mod live;
mod mandate;
mod news;
mod portal;
mod quota;
mod respond;
mod settings;
mod sink;
mod state;
mod territory;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text;
mod web;
mod webhooks;

pub use api::Params;
pub use consumers::{Consumer, Consumers};
pub use export::{
    Blocker, Decided, Export, ExportError, ExportHold, Preflight, PreflightItem, Profile,
    ProfileError, Profiles, decide_export_hold, export_holds,
};
pub use kit::{Collection, Kit, KitError, KitOptions, Post};
pub use quota::{Anonymous, Quota};
pub use respond::{ParameterError, Problem};
pub use settings::PublishSettings;
pub use sink::DropFolder;
use state::Vintage;
pub use state::{PublicState, Publish, PublishError};
pub use web::{router, router_with};
pub use webhooks::{Seal, Webhooks};
