//! What answers are worth: agreement with people, scores, calibration, corrected estimates; a file each.

pub mod accepted;
pub mod against;
pub mod alt_test;
pub mod calibration;
pub mod compare;
pub mod corrected;
pub mod enough;
pub mod estimates;
pub mod field_scores;
pub mod figure;
pub mod judge_scores;
pub mod labelled;
pub mod perplexity_scores;
pub mod regression;
pub mod scale_scores;
pub mod several_scores;
mod survey_cells;
pub mod survey_scores;
pub mod survey_shares;
pub mod text_scores;
