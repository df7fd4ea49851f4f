//! What training changed, measured on a finished adapter.

pub mod arena;
pub mod closest;
pub mod comparison;
pub mod intervals;
pub mod preference;
