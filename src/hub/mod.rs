//! Models on the Hub and on this disk. Reading what is inside them: see [`crate::llm`].
//!
//! `paths` says where things lie. `account` keeps the token, `protocol` speaks with the Hub, `cache`
//! is Python's cache layout and what is in it. `browse` finds models before anything is fetched;
//! `fetch` brings one file whole or not at all, a whole model, several in a queue. `starter` brings
//! the model to begin with, from the Hub or out of a Python package. `connect` makes the client that
//! all of them ask with, `resolve` finds the model that a name means.

pub mod account;
pub mod browse;
pub mod cache;
pub mod connect;
pub mod error;
pub mod fetch;
pub mod paths;
pub mod protocol;
pub mod resolve;
pub mod starter;

pub use error::Error;
