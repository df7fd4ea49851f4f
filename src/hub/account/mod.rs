//! The account on the Hub: its token, and where that is kept.

pub(crate) mod os_vault;
pub mod token;
pub mod vault;
