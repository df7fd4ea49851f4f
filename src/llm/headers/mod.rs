//! What a model's headers say, and what loading it would take.

pub mod asked;
pub mod inspect;
pub mod survey;
