//! Which form a row of training data has, and what it becomes: what TRL, LLaMA-Factory, Axolotl, H2O
//! and the tools for annotation write, told apart by their keys, as what SFT and DPO learn from.
//!
//! Where a file's rows come from: see [`crate::data::table`]. Token ids: see [`crate::train::rows`].

pub mod annotation;
mod beside;
pub mod candidates;
pub mod columns;
mod content;
pub mod dataset_info;
pub mod dialogues;
pub mod feedback;
mod form;
mod graded;
pub mod labelled;
pub mod mapping;
mod nested;
pub mod prompt;
mod prompts;
pub mod recognise;
pub mod trl;
mod understand;
pub mod value;

pub use content::{
    Beside, Content, Fields, Note, Problem, Understood, Want, Weight, are, has_more,
};
pub use form::{Form, Read};
pub(crate) use nested::dialogue_in;
pub use understand::{is_of_columns, understand};
