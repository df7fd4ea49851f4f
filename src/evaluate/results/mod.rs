//! What a model answered about a row, and the folder that keeps it.
//!
//! `evaluation.json` says what was asked of which model, `results.jsonl` has a line a row as they
//! come, `results.csv` the table with the answers beside it once all are there, and of an exam
//! `submission.csv`.

pub mod answered;
pub mod evaluation;
pub mod folder;
pub mod frozen;
pub mod judged;
pub mod kept;
pub mod people;
pub mod reproduce;
pub mod scored;
pub mod server_way;
pub mod suggestions;
pub mod table;
pub mod written;
