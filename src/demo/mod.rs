//! Floor 5: the demo, a whole synthetic network in one process.
//!
//! `tables` and `world` are the truth: about 220 openings of ten invented members. `wire` shows them
//! in each source's own format, `server` serves these as the services would, and `files` writes the
//! connector and member files that read them. Nothing here exists in reality, and every link leads
//! to a host under `.example`.
//!
//! **Invariant (law 4):** the network is a function of the instant at which the demo began and of
//! what was done to it since.

mod opening;
mod rng;
pub mod server;
mod tables;
mod text;
mod wire;
mod world;

pub use opening::{Echo, Opening};
pub use world::{Change, Story, World};
