//! Texts of a table as vectors, and what is made of them: a map, groups with names, a quick
//! classifier, constructs of a questionnaire.
//!
//! Everything is exact unless its file says otherwise, and the same seed gives the same result on
//! every machine and on any number of threads. Vectors come from `encoder` or from a layer of a
//! decoder ([`source`]); the window shows them in Look inside, `tuning-fork explore` without one.

pub mod answers;
pub mod cached;
pub mod components;
pub mod constructs;
pub mod descent;
pub mod error;
pub mod folds;
pub mod graph;
pub mod groups;
pub mod hdbscan;
pub mod kmeans;
pub mod layout;
pub mod matrix;
pub mod neighbours;
pub mod probe;
pub mod ridge;
pub mod shorter;
pub mod softmax;
pub mod source;
pub mod symmetric;
pub mod texts;
pub mod topic_words;
pub mod tree;
pub mod umap;
pub mod worked;
