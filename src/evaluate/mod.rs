//! A model answers a question with options about every row of a table.
//!
//! Labels from a codebook, exams, which of two answers is better: what comes out is not a text but
//! the exact probability of every option.
//!
//! A [`task::Task`] is read, its rows become [`question::Questions`], [`run::run`] asks them, and
//! [`results::Folder`] keeps the answers.

pub mod codebook;
pub mod kept;
pub mod methods;
pub mod prompt;
pub mod question;
pub mod report;
pub mod results;
pub mod run;
pub mod scoring;
mod table;
pub mod task;
