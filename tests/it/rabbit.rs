//! The bus on a real RabbitMQ: what the broker does to it, and what never gets lost by that.

mod delivery;
mod faults;
mod ladder;
mod public;
mod rig;
mod start;
mod stop;
