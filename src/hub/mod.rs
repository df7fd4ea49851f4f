//! Models on the Hub and on this disk. Reading what is inside them: see [`crate::llm`].
//!
//! `paths` says where things lie, `cache` is Python's cache layout, `client` speaks the Hub's
//! protocol, `download` brings one file whole or not at all, `transfer` puts it into the cache,
//! `repo` brings a whole model, `queue` several of them, `pip` the starter model where only Python
//! packages can be had, and `starter` tries both in order. `keep` looks after what
//! is here, `local` finds the models among it.
//!
//! Before anything is fetched: `search` finds, `details` says what is inside (`card` makes its
//! README readable), `choose` picks the files, `known` is a list that needs no network. `api` is
//! what these ask with, `options` says how the Hub is reached, `vault` keeps the account's `token`.

mod address;
mod api;
pub mod cache;
pub mod card;
pub mod choose;
pub mod client;
pub mod details;
pub mod download;
pub mod error;
mod found;
pub mod git_hash;
pub mod keep;
pub mod known;
pub mod local;
pub mod names;
pub mod options;
mod os_vault;
pub mod paths;
pub mod pip;
pub mod queue;
pub mod repo;
pub mod search;
pub mod space;
pub mod starter;
mod tick;
pub mod token;
pub mod transfer;
mod trees;
pub mod vault;

pub use error::Error;
