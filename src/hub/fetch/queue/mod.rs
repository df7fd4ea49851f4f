//! Models and data sets on their way here: several at a time, in an order that a person may change.
//!
//! They are paused and resumed at will, and kept on the disk, so that closing the window, a crash
//! or a night's sleep costs at most the last megabyte.
//!
//! One job runs [`Queue::serve`]. Whoever holds a clone of the [`Queue`] tells it what to do with
//! [`Queue::send`], which returns at once, and every change comes back as a [`QueueEvent`].

mod command;
mod item;
mod ledger;
mod options;
mod plan;
mod shared;
mod speed;
mod worker;

pub use super::order::{FileChoice, Order};
pub use command::{QueueCommand, QueueEvent};
pub use item::{Failure, FileState, Help, Item, ItemFile, ItemId, ItemState, Totals};
pub use options::{QueueOptions, Until};
pub use shared::Queue;
