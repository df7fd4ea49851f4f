//! The Hub's protocol: addresses, options, requests, and what a repository is.

pub(crate) mod address;
pub(crate) mod api;
pub mod client;
pub mod content_hash;
pub mod names;
pub mod options;
pub mod repository;
pub(crate) mod tick;
