//! Floor 3: reaching the outside world for bytes: HTTP, SFTP, files.
//!
//! **Invariants:** no private address unless the settings allow that host, checked after each DNS
//! answer and each redirect; every read is capped in bytes before and after decompression, and in
//! time; no cookie is kept.

mod address;
mod body;
mod client;
mod error;
mod pace;
mod request;
mod robots;

pub use address::{AllowList, AllowRuleError};
pub use body::{Body, BodyReader, Limits};
pub use client::{Fetcher, is_host_key};
pub use error::FetchError;
pub use request::{FetchSettings, Method, Request, SshLogin};
