//! The program as a program: what `explore` writes, what is done again, and what is left of a run that is
//! killed.

#![expect(clippy::unwrap_used, clippy::iter_over_hash_type, reason = "a test fails where it is")]

mod again;
mod arena;
mod bench;
mod explored;
mod filled;
mod killed;
