//! Tuning Fork, a desktop workbench for open language models.
//!
//! The loop in one window: get a model, ask it, say which answer is better, train on that, see
//! what changed. `ARCHITECTURE.md` is the map of the house; `tests/architecture.rs` holds it.
//!
//! The modules of the engine are a crate of their own, and are called here as if they were not.

pub use tuning_fork_engine::{
    allocator, data, elsewhere, encoder, errors, eval, evaluate, explore, files, hub, jobs,
    lecture, llm, memory, prompts, remote, room, rounds, seq2seq, serve, stats, study, sweep,
    train, web, words,
};

#[doc(hidden)]
pub use tuning_fork_engine::examples;

pub mod app;
pub mod cli;
pub mod logging;
pub mod panels;
pub mod program;
pub mod state;
#[doc(hidden)]
pub mod testing;
pub mod widgets;
