//! What whole-system tests share: a feed server that misbehaves on demand, and a hub in a folder of
//! its own, driven through the real program.

pub mod feeds;
pub mod hub;
pub mod offers;
pub mod proxy;
