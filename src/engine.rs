//! The engine of Tuning Fork: what it computes and keeps, without a window.
//!
//! A crate of its own (`src/engine/Cargo.toml`), so that a change to a panel does not build it again.
//! Its modules stand in `src/` beside those of the window; `ARCHITECTURE.md` is the map of both.

pub mod allocator;
pub mod data;
pub mod elsewhere;
pub mod encoder;
pub mod errors;
pub mod eval;
pub mod evaluate;
#[doc(hidden)]
pub mod examples;
pub mod explore;
pub mod files;
pub mod hub;
pub mod jobs;
pub mod lecture;
pub mod llm;
pub mod memory;
pub mod prompts;
pub mod remote;
pub mod room;
pub mod rounds;
pub mod seq2seq;
pub mod serve;
pub mod stats;
pub mod study;
pub mod sweep;
pub mod train;
pub mod web;
pub mod words;
