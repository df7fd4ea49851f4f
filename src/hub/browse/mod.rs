//! Before anything is fetched: search, details, cards, and a list that needs no network.

pub mod card;
pub mod details;
pub(crate) mod found;
pub mod known;
pub mod search;
