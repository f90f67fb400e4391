//! The whole-system tests: one binary, a module a subject. They use loopback only.

// Fixtures and helpers are not test functions in clippy's eyes.
#![allow(clippy::unwrap_used)]

mod authority;
mod bad_feeds;
mod bus_contract;
mod cli;
mod closing;
mod connectors;
mod crash;
mod demo;
mod duplicates;
mod erasure;
mod floors;
mod france_travail;
mod fuzz;
mod gold;
mod ingest;
mod mandates;
mod nodes;
mod oracle;
mod parked;
mod postgres_faults;
mod presets;
mod processes;
mod rabbit;
mod reload;
mod room;
mod services;
mod sftp;
mod shutdown;
mod sqlite_faults;
mod store_contract;
mod support;
mod tls;
mod twice;
mod webhooks;
