//! Estimates from labels of a model for everything and of people for some.

pub mod difference;
pub mod dsl;
pub mod prediction_powered;
