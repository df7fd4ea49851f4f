//! What a person can ask of a queue, and what it says.

use super::item::{Item, ItemId};
use crate::hub::fetch::order::Order;

/// What a person can ask of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueCommand {
    /// At the end. What is in the queue already is not added again, but goes on.
    Add(Order),

    /// What came is kept.
    Pause(ItemId),
    PauseAll,

    /// Goes on, also after a failure.
    Resume(ItemId),
    ResumeAll,

    /// Takes it out of the queue and deletes what came of it, unless it is done.
    Cancel(ItemId),

    /// To a place in the list, 0 being the first that is fetched.
    Move {
        id: ItemId,
        to: usize,
    },

    /// Takes away the lines of items that are done.
    ClearDone,
}

/// What a queue says.
#[derive(Clone, Debug, PartialEq)]
pub enum QueueEvent {
    /// The whole list, in its order, after every change of state and ten times a second while
    /// bytes come.
    Changed(Vec<Item>),

    /// Once for each item that became whole.
    Finished(Item),

    /// Once for each item that stopped with an error.
    Failed(Item),
}
