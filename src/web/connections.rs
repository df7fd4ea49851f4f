//! The connections that are open. When there is no room for another one, who has shown the code
//! last has to leave last: strangers cannot keep the room out.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_io::Timer;
use event_listener::{Event, EventListener};

/// As many as a system lets a program have open (256 on macOS, 1,024 on Linux), less what the rest
/// of the program needs. A phone has one or two, and gets another one whenever it needs it.
pub const MOST_CONNECTIONS: usize = if cfg!(target_os = "macos") { 180 } else { 800 };

/// So long a wrong code or key waits for its answer, and so many wait at once.
const WRONG_TIME: Duration = Duration::from_millis(900);
const MOST_WRONG: usize = 64;

/// Who has to leave first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Has not shown the code.
    Stranger,

    /// Has, and waits for something else to be seen.
    Guest,

    /// Has just sent something.
    Busy,
}

#[derive(Default)]
pub struct Connections {
    open: RefCell<BTreeMap<u64, Rc<Connection>>>,
    count: Cell<u64>,

    /// How many wrong codes wait for their answer.
    wrong: Cell<usize>,
}

pub struct Connection {
    standing: Cell<Standing>,
    since: Cell<Instant>,
    leave: Event,
}

impl Connection {
    pub fn set(&self, standing: Standing) {
        self.standing.set(standing);
        self.since.set(Instant::now());
    }

    /// Has shown the code.
    pub fn is_known(&self) -> bool {
        self.standing.get() != Standing::Stranger
    }

    /// Ends once it has to leave.
    pub fn leaving(&self) -> EventListener {
        self.leave.listen()
    }
}

/// A connection in the list for as long as this lives.
pub struct Entry {
    connections: Rc<Connections>,
    number: u64,
    pub connection: Rc<Connection>,
}

impl Connections {
    /// Lets another one in; where there are too many, one of them has to leave.
    pub fn enter(self: &Rc<Self>) -> Entry {
        if self.open.borrow().len() >= MOST_CONNECTIONS {
            self.make_room();
        }
        let number = self.count.get();
        self.count.set(number + 1);
        let connection = Rc::new(Connection {
            standing: Cell::new(Standing::Stranger),
            since: Cell::new(Instant::now()),
            leave: Event::new(),
        });
        self.open.borrow_mut().insert(number, Rc::clone(&connection));
        Entry { connections: Rc::clone(self), number, connection }
    }

    /// Sends one away. False: there is none.
    pub fn make_room(&self) -> bool {
        let mut open = self.open.borrow_mut();
        let order = |connection: &Connection| (connection.standing.get(), connection.since.get());
        let first = open.iter().min_by_key(|(_, connection)| order(connection));
        let Some(number) = first.map(|(number, _)| *number) else { return false };
        if let Some(connection) = open.remove(&number) {
            connection.leave.notify(usize::MAX);
        }
        true
    }

    /// A wrong code or key is answered after a while, so that they cannot be tried by machine. False, at
    /// once: too many wait already.
    pub async fn delay_wrong(&self) -> bool {
        if self.wrong.get() >= MOST_WRONG {
            return false;
        }
        self.wrong.set(self.wrong.get() + 1);
        let _waiting = Waiting(&self.wrong);
        Timer::after(WRONG_TIME).await;
        true
    }
}

/// Counted down even where the connection is left meanwhile.
struct Waiting<'a>(&'a Cell<usize>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.connections.open.borrow_mut().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use event_listener::Listener as _;

    use super::*;

    #[test]
    fn strangers_leave_before_guests_and_the_oldest_first() {
        let connections = Rc::new(Connections::default());
        let guest = connections.enter();
        guest.connection.set(Standing::Guest);
        let strangers: Vec<Entry> = (1..MOST_CONNECTIONS).map(|_| connections.enter()).collect();
        let first = strangers[0].connection.leaving();
        let newest = connections.enter();
        assert!(first.wait_timeout(Duration::ZERO).is_some(), "the oldest leaves");
        assert_eq!(connections.open.borrow().len(), MOST_CONNECTIONS);
        assert!(connections.open.borrow().contains_key(&guest.number));
        drop(newest);
        assert_eq!(connections.open.borrow().len(), MOST_CONNECTIONS - 1);
    }
}
