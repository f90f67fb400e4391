//! The bus on a real RabbitMQ: what the broker does to it, and what never gets lost by that.

mod breakdown;
mod delivery;
mod faults;
mod ladder;
mod public;
pub mod rig;
mod start;
mod stop;
