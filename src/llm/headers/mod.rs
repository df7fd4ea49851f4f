//! What a model's headers say, and what loading it would take.

pub(crate) mod inspect;
pub(crate) mod survey;
