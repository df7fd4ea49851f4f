//! The account on the Hub: its token, and where that is kept.

pub mod keyring;
pub mod token;
pub mod vault;
