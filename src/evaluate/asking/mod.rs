//! Asks a model about every row, whatever the kind of task: in memory or behind a server.

pub mod at_server;
pub mod error;
pub mod finder;
pub mod interviewing;
pub mod merging;
pub mod pair_scoring;
pub mod prepared;
pub mod quote;
pub mod redraw;
pub mod respondent;
pub mod run;
pub mod scoring;
pub mod several_answers;
pub mod shown;
pub mod text_scoring;
mod told;
pub mod weighing;
mod whole_texts;
pub mod windows;
pub mod writing;
