//! What is asked about: the rows of the table as questions, the passages of a document, and what people said.

pub mod coded;
pub mod passages;
pub mod question;
pub mod questions;
pub mod ranked;
pub mod several;
