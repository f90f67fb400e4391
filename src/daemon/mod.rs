//! Floor 5: one process of the hub, from opening to an orderly end.

pub mod alerts;
mod cluster;
mod consumers;
mod duplicates;
mod engine;
pub mod files;
pub mod health;
mod hub;
mod ingest;
pub mod metrics;
pub mod process;
mod profiles;
mod pulling;
mod roles;
mod room;
mod server;
pub mod shutdown;
mod watched;

pub use engine::{Observer, Unwatched};
pub use files::Files;
pub use hub::{Access, Hub};
pub use roles::{Role, Roles};
