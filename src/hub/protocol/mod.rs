//! The Hub's protocol: addresses, options, requests.

pub(crate) mod address;
pub(crate) mod api;
pub mod client;
pub mod options;
pub(crate) mod tick;
