//! Models and data sets on their way here: several at a time, in an order that a person may change.
//!
//! They are paused and resumed at will, and kept on the disk, so that closing the window, a crash
//! or a night's sleep costs at most the last megabyte.
//!
//! One job runs [`Queue::serve`]. Whoever holds a clone of the [`Queue`] tells it what to do with
//! [`Queue::send`], which returns at once, and every change comes back as a [`QueueEvent`].

pub mod item;
mod ledger;
mod plan;
mod speed;
mod worker;

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::ledger::Ledger;
pub use item::{
    Failure, FileChoice, FileState, Help, Item, ItemFile, ItemId, ItemState, Order, Totals,
};
pub use worker::{QueueOptions, Until};

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

/// How long a queue sleeps when nothing rings.
const TICK: Duration = Duration::from_millis(50);

/// A queue. Cheap to clone: all clones are one queue.
#[derive(Clone)]
pub struct Queue(Arc<Shared>);

struct Shared {
    state: Mutex<State>,

    /// Whether something happened since whoever serves looked last. A lock of its own: a job that
    /// ends rings while whoever serves, under the other lock, waits for its end.
    has_news: Mutex<bool>,

    /// Rung with it.
    bell: Condvar,
}

struct State {
    commands: Vec<QueueCommand>,
    ledger: Ledger,
}

impl Queue {
    /// The queue that is kept in `folder` (made if need be): with what was unfinished when the
    /// program last ended, however it ended. Another copy of the program has another queue, and
    /// whichever starts next takes over what is left of both.
    pub fn open(folder: &Path) -> Self {
        Self::with(Ledger::open(folder))
    }

    /// A queue that nobody remembers.
    pub fn in_memory() -> Self {
        Self::with(Ledger::default())
    }

    fn with(ledger: Ledger) -> Self {
        let state = Mutex::new(State { commands: Vec::new(), ledger });
        Self(Arc::new(Shared { state, has_news: Mutex::new(false), bell: Condvar::new() }))
    }

    /// Returns at once; the answer is an event of [`Self::serve`].
    pub fn send(&self, command: QueueCommand) {
        self.lock().commands.push(command);
        self.ring();
    }

    /// The list as it is now.
    pub fn items(&self) -> Vec<Item> {
        self.lock().ledger.items().to_vec()
    }

    fn ring(&self) {
        *self.0.has_news.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.bell.notify_all();
    }

    /// Until something happens, or the clock may have brought something.
    fn wait_for_news(&self) {
        let has_news = self.0.has_news.lock().unwrap_or_else(PoisonError::into_inner);
        let nothing_new = |has_news: &mut bool| !*has_news;
        let rung = self.0.bell.wait_timeout_while(has_news, TICK, nothing_new);
        *rung.unwrap_or_else(PoisonError::into_inner).0 = false;
    }

    /// A panic under the lock leaves whole values behind, so its poison is void.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
