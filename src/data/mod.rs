//! Preferences as plain data: what was asked, what was answered, which answer was better.
//! Tensors: see [`crate::train`].

pub mod battles;
pub mod cell;
pub mod check;
pub mod codebook;
pub mod codebook_studio;
pub mod counts;
pub mod export;
pub mod forms;
pub mod glance;
pub mod import;
pub mod joined;
pub mod judging;
pub mod kept;
pub mod line;
pub mod literal;
pub mod pair;
pub mod pair_forms;
pub mod pair_rows;
pub mod project;
pub mod record;
pub mod remarks;
pub mod replay;
pub mod samples;
pub mod scan;
pub mod sheet;
pub mod split;
pub mod store;
pub mod table;
