//! The queue that all its clones share: its list, what was asked of it, and the bell.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::command::QueueCommand;
use super::item::Item;
use super::ledger::Ledger;

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

pub(super) struct State {
    pub commands: Vec<QueueCommand>,
    pub ledger: Ledger,
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

    pub(super) fn ring(&self) {
        *self.0.has_news.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.bell.notify_all();
    }

    /// Until something happens, or the clock may have brought something.
    pub(super) fn wait_for_news(&self) {
        let has_news = self.0.has_news.lock().unwrap_or_else(PoisonError::into_inner);
        let nothing_new = |has_news: &mut bool| !*has_news;
        let rung = self.0.bell.wait_timeout_while(has_news, TICK, nothing_new);
        *rung.unwrap_or_else(PoisonError::into_inner).0 = false;
    }

    /// A panic under the lock leaves whole values behind, so its poison is void.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
