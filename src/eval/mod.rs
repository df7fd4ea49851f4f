//! What training changed, measured on a finished adapter.

pub mod preference;
