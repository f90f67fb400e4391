//! The whole-system tests: one binary, a module a subject. They use loopback only.

// Fixtures and helpers are not test functions in clippy's eyes.
#![allow(clippy::unwrap_used)]

mod bus_contract;
mod floors;
mod gold;
mod postgres_faults;
mod presets;
mod rabbit;
mod services;
mod sqlite_faults;
mod store_contract;
mod authority;
mod bad_feeds;
mod crash;
mod demo;
mod france_travail;
mod support;
mod twice;
