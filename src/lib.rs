//! Passerelle keeps job offers in sync across the HR systems of a network of employers.
//!
//! Five floors; a floor uses only those below it: `model` (1), `normalise` and `dedupe` (2),
//! `store`, `bus` and `fetch` (3), `pull`, `stages`, `publish` and `admin` (4), `daemon`, `cli` and
//! what they need (5). ARCHITECTURE.md tells the rest.

pub mod admin;
pub mod bus;
pub mod cli;
pub mod daemon;
pub mod dedupe;
pub mod demo;
pub mod fault;
pub mod fetch;
pub mod model;
pub mod normalise;
pub mod publish;
pub mod pull;
pub mod settings;
pub mod stages;
pub mod store;
pub mod telemetry;
