//! Downloads against a Hub of our own that misbehaves: every fault ends in a verified file or in a
//! clear error, never in a wrong file.

#![expect(clippy::unwrap_used, reason = "a test fails where it is, and says why it is skipped")]

mod chaos;
mod downloads;
mod fault;
mod faults;
mod processes;
mod python;
mod queue;
mod server;
mod support;
