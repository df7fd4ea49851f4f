//! Orders: of models in an arena, of options, of two variables.

pub mod bradley_terry;
pub mod correlation;
pub mod multiple_choice;
