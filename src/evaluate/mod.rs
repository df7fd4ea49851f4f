//! A model answers a question about every row of a table.
//!
//! Labels from a codebook, exams, which of two answers is better: what comes out is not a text but
//! the exact probability of every option. Fields that are read out of a text, and texts that are
//! written, are the likeliest token after token.
//!
//! A [`task::Task`] is read, its rows become [`rows::questions::Questions`], [`asking::run::run`] asks them, and
//! [`results::folder::Folder`] keeps the answers. Whom it asks is a [`asking::respondent::Respondent`]: a decoder or an
//! encoder-decoder in memory. A model behind a server is asked by [`asking::at_server::run`].

pub mod asking;
pub mod cells;
pub mod measures;
pub mod prompt;
pub mod report;
pub mod results;
pub mod rows;
pub mod stability;
pub mod task;
