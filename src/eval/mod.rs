//! What training changed, measured on a finished adapter.

pub mod arena;
pub mod closest;
pub mod comparison;
pub mod drift;
pub mod intervals;
pub mod preference;
