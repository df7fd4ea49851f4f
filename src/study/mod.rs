//! Hand-coding of texts, and of pairs of answers, by people: a study, its coders, and how far they agree. Plain data, no
//! tensors, no pixels.
//!
//! A [`design::Study`] says what is asked of which [`item::Item`]s in which order ([`plan`]); each
//! coder's verdicts are a log of their own ([`log::CoderLog`]) to which lines are only ever added.
//! [`folder::Folder`] is a study on the disk, [`package`] what is sent to a colleague and comes back,
//! [`agreement`] what the coders have in common, and [`forms`] what other programs read and write.

pub mod agreement;
pub mod agreement_words;
pub mod arena;
pub mod design;
pub mod disagreement;
pub mod draw;
pub mod folder;
pub mod forms;
pub mod item;
pub mod log;
pub mod log_line;
pub mod make;
pub mod moment;
pub mod package;
pub mod pairs;
pub mod plan;
pub mod ratings;
pub mod sample;
pub mod value;
pub mod variable;

#[cfg(test)]
mod kills;
