//! Fetching: which files, one file, a whole model, several of them in a queue.

pub mod choose;
pub mod download;
pub mod event;
pub mod needed;
pub mod order;
pub mod queue;
pub mod repo;
pub mod transfer;
