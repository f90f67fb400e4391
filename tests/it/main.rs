//! The whole-system tests: one binary, a module a subject. They use loopback only.

mod floors;
mod rabbit;
mod services;
mod store_contract;
