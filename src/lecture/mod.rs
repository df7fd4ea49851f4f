//! Lectures: scenes that were prepared the evening before, as a plain file, and what they show.
//!
//! A scene is a view with its text and settings; its result is plain data that can be drawn, kept
//! as a recording and shown again on a machine without the model. What is drawn: `panels/stage`.

pub mod error;
pub mod file;
pub mod keys;
pub mod machine;
pub mod next;
pub mod place;
pub mod play;
pub mod played;
pub mod questions;
pub mod recording;
pub mod samples;
pub mod scene;
