//! Tuning Fork, a desktop workbench for open language models.
//!
//! The loop in one window: get a model, ask it, say which answer is better, train on that, see
//! what changed. `ARCHITECTURE.md` is the map of the house; `tests/architecture.rs` holds it.

pub mod allocator;
pub mod app;
pub mod cli;
pub mod data;
pub mod elsewhere;
pub mod encoder;
pub mod errors;
pub mod eval;
pub mod evaluate;
pub mod explore;
pub mod files;
pub mod hub;
pub mod jobs;
pub mod lecture;
pub mod llm;
pub mod logging;
pub mod memory;
pub mod panels;
pub mod program;
pub mod prompts;
pub mod remote;
pub mod room;
pub mod seq2seq;
pub mod serve;
pub mod state;
pub mod stats;
pub mod study;
pub mod sweep;
#[doc(hidden)]
pub mod testing;
pub mod train;
pub mod web;
pub mod widgets;
pub mod words;
