//! What the benches share.

pub mod ads;
pub mod process;
pub mod raw;
