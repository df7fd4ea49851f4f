//! A model answers a question about every row of a table.
//!
//! Labels from a codebook, exams, which of two answers is better: what comes out is not a text but
//! the exact probability of every option. Fields that are read out of a text, and texts that are
//! written, are the likeliest token after token.
//!
//! A [`task::Task`] is read, its rows become [`question::Questions`], [`run::run`] asks them, and
//! [`results::Folder`] keeps the answers. Whom it asks is a [`respondent::Respondent`]: a decoder or an
//! encoder-decoder in memory. A model behind a server is asked by [`at_server::run`].

pub mod accepted;
pub mod against;
pub mod alt_test;
pub mod at_server;
pub mod audit;
pub mod calibration;
pub mod cells;
pub mod coded;
pub mod compare;
pub mod configurations;
pub mod corrected;
pub mod documents;
pub mod enough;
pub mod estimates;
pub mod field_scores;
pub mod figure;
pub mod finder;
pub mod free_text;
pub mod frozen;
pub mod interviewing;
pub mod judge_scores;
pub mod judged;
pub mod kept;
pub mod labelled;
pub mod manner;
pub mod merging;
pub mod methods;
pub mod page;
pub mod pair_scoring;
pub mod passages;
pub mod people;
pub mod perplexity;
pub mod perplexity_scores;
pub mod prompt;
pub mod question;
pub mod quote;
pub mod ranked;
pub mod rating;
pub mod regression;
pub mod report;
pub mod reproduce;
pub mod respondent;
pub mod results;
pub mod run;
pub mod scale;
pub mod scale_scores;
pub mod schema;
pub mod scored;
pub mod scoring;
pub mod server_way;
pub mod several;
pub mod several_answers;
pub mod several_scores;
pub mod shown;
pub mod split;
pub mod stability;
pub mod survey;
mod survey_cells;
pub mod survey_scores;
pub mod survey_shares;
pub mod table;
pub mod task;
pub mod testing;
pub mod text_scores;
pub mod text_scoring;
mod told;
pub mod variations;
pub mod weighing;
mod whole_texts;
pub mod windows;
pub mod writing;
pub mod written;
