//! Looking inside: what a model makes of a text, as numbers.
//!
//! One file a view. Each has its result as plain data that can be shown, written and compared, and
//! the functions that compute it; everything is exact and over the whole vocabulary. Log-probabilities
//! are natural logs, as everywhere; surprise and entropy are in bits. What is shown: see
//! `panels`; the same without a window: `tuning-fork explore`.

pub mod attention;
pub mod beams;
pub mod compare;
pub mod compare_words;
pub mod error;
pub mod fit;
pub mod growth;
pub mod guess;
pub mod guesses;
pub mod leave_one_out;
pub mod lens;
pub mod machine;
pub mod mask;
pub mod mask_words;
pub mod meaning;
pub mod next_token;
pub mod pair_set;
pub mod pass_times;
pub mod predictions;
pub mod read_write;
pub mod spans;
pub mod subject;
pub mod surprise;
pub mod token_sides;
pub mod tokens;
pub mod tree;
pub mod two_models;
pub mod vectors;
pub mod word_map;
