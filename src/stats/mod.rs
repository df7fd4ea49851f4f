//! Statistics of labels, texts, rankings and models: the numbers of a methods section.
//!
//! Pure functions on slices; every one says its formula and the paper it is from. A number that
//! does not exist is an [`undefined::Undefined`] with its reason, never 0 or NaN. Where libraries
//! and textbooks differ, what was taken is said at the function. The JSON forms of
//! `tuning-fork stats` live in [`cases`].

pub mod agreement;
pub mod cases;
pub mod classification;
pub mod correction;
pub mod cross_table;
pub mod divergence;
pub mod embeddings;
pub mod linear;
pub mod moments;
pub mod paired;
pub mod power_law;
pub mod ranking;
pub mod repeats;
pub mod replacement;
pub mod resample;
pub mod special;
pub mod stability;
pub mod survey;
pub mod text;
pub mod tokens;
pub mod undefined;
