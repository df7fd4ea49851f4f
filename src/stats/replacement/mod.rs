//! Whether a model may stand in for people.

pub mod alternative_annotator;
pub mod ceiling;
pub mod selective;
