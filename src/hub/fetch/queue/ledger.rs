//! The list behind a queue, its transitions, and the file that keeps it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::command::QueueCommand;
use super::item::{Failure, FileState, Item, ItemFile, ItemId, ItemState};
use crate::files;
use crate::hub::fetch::order::Order;
use crate::hub::protocol::repository::RemoteFile;

/// So many copies of the program have a queue that is kept.
const SLOTS: usize = 8;

/// The items in their order, and where they are kept.
#[derive(Default)]
pub(crate) struct Ledger {
    items: Vec<Item>,
    next_id: u64,
    slot: Option<Slot>,
}

/// A file that this copy of the program alone writes.
struct Slot {
    path: PathBuf,
    _lock: files::Lock,
}

/// What the disk keeps of a queue.
#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    items: Vec<KeptItem>,
}

#[derive(Serialize, Deserialize)]
struct KeptItem {
    order: Order,
    commit: Option<String>,
    files: Vec<RemoteFile>,
    paused: bool,
    failure: Option<Failure>,
}

const VERSION: u32 = 1;

/// What a command means for the work under way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    None,

    /// Stop fetching it, keep what came.
    Stop(Vec<ItemId>),

    /// Stop fetching it and delete what came.
    Discard(Box<Discarded>),
}

/// An item that was taken out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Discarded {
    pub id: ItemId,
    pub order: Order,
    pub files: Vec<RemoteFile>,
}

impl Ledger {
    /// Takes the first slot that no running copy holds, and what the others left.
    pub fn open(folder: &Path) -> Self {
        let mut ledger = Self::default();
        for number in 1..=SLOTS {
            let path = folder.join(format!("queue-{number}.json"));
            // A folder that cannot be written is found out, and said, by the first download.
            let Ok(Some(lock)) = files::lock(&path.with_extension("lock")) else { continue };
            ledger.take_over(&path);
            if ledger.slot.is_none() {
                ledger.slot = Some(Slot { path, _lock: lock });
            } else if path.exists() && ledger.save().is_ok() {
                std::fs::remove_file(&path).ok(); // at worst it is taken over twice
            }
        }
        ledger
    }

    fn take_over(&mut self, path: &Path) {
        let Ok(bytes) = std::fs::read(path) else { return };
        match serde_json::from_slice::<Kept>(&bytes) {
            Ok(kept) if kept.version == VERSION => {
                for item in kept.items {
                    self.restore(item);
                }
            }
            Ok(kept) => log::warn!("{} is of version {}", path.display(), kept.version),
            Err(error) => log::warn!("{} is damaged: {error}", path.display()),
        }
    }

    fn restore(&mut self, kept: KeptItem) {
        let KeptItem { order, commit, files, paused, failure } = kept;
        if self.items.iter().any(|item| item.order == order) {
            return;
        }
        let id = self.push(order);
        let item = self.get_mut(id).expect("it was just added");
        item.commit = commit;
        item.files = files.into_iter().map(waiting).collect();
        item.state = match failure {
            Some(failure) => ItemState::Failed(failure),
            None if paused => ItemState::Paused,
            None => ItemState::Waiting,
        };
    }

    pub fn items(&self) -> &[Item] {
        &self.items
    }

    pub fn get_mut(&mut self, id: ItemId) -> Option<&mut Item> {
        self.items.iter_mut().find(|item| item.id == id)
    }

    /// Where and what to write so that a next start knows it. `None`: nobody is to know.
    pub fn to_keep(&self) -> Option<(PathBuf, Vec<u8>)> {
        let slot = self.slot.as_ref()?;
        let unfinished =
            self.items.iter().filter(|item| !matches!(item.state, ItemState::Done { .. }));
        let keep = |item: &Item| KeptItem {
            order: item.order.clone(),
            commit: item.commit.clone(),
            files: item.files.iter().map(|file| file.remote.clone()).collect(),
            paused: item.state == ItemState::Paused,
            failure: match &item.state {
                ItemState::Failed(failure) => Some(failure.clone()),
                _ => None,
            },
        };
        let kept = Kept { version: VERSION, items: unfinished.map(keep).collect() };
        let bytes = serde_json::to_vec_pretty(&kept).expect("a queue has only text and numbers");
        Some((slot.path.clone(), bytes))
    }

    fn save(&self) -> std::io::Result<()> {
        match self.to_keep() {
            Some((path, bytes)) => files::write_atomic(&path, &bytes),
            None => Ok(()),
        }
    }

    /// Carries a command out, as far as the list goes.
    pub fn apply(&mut self, command: QueueCommand) -> Effect {
        match command {
            QueueCommand::Add(order) => {
                match self.items.iter().find(|item| item.order == order).map(|item| item.id) {
                    Some(known) => self.resume(known),
                    None => _ = self.push(order),
                }
                Effect::None
            }
            QueueCommand::Pause(id) => Effect::Stop(self.pause(|item| item.id == id)),
            QueueCommand::PauseAll => Effect::Stop(self.pause(|_| true)),
            QueueCommand::Resume(id) => {
                self.resume(id);
                Effect::None
            }
            QueueCommand::ResumeAll => {
                let ids: Vec<ItemId> = self.items.iter().map(|item| item.id).collect();
                for id in ids {
                    let paused =
                        self.get_mut(id).is_some_and(|item| item.state == ItemState::Paused);
                    if paused {
                        self.resume(id);
                    }
                }
                Effect::None
            }
            QueueCommand::Cancel(id) => self.discard(id),
            QueueCommand::Move { id, to } => {
                if let Some(from) = self.items.iter().position(|item| item.id == id) {
                    let item = self.items.remove(from);
                    self.items.insert(to.min(self.items.len()), item);
                }
                Effect::None
            }
            QueueCommand::ClearDone => {
                self.items.retain(|item| !matches!(item.state, ItemState::Done { .. }));
                Effect::None
            }
        }
    }

    fn push(&mut self, order: Order) -> ItemId {
        let id = ItemId(self.next_id);
        self.next_id += 1;
        self.items.push(Item {
            id,
            order,
            state: ItemState::Waiting,
            commit: None,
            files: Vec::new(),
            bytes_per_sec: 0.0,
        });
        id
    }

    fn pause(&mut self, which: impl Fn(&Item) -> bool) -> Vec<ItemId> {
        let chosen = self.items.iter_mut().filter(|item| item.is_active() && which(item));
        chosen
            .map(|item| {
                item.state = ItemState::Paused;
                settle(item);
                item.id
            })
            .collect()
    }

    fn resume(&mut self, id: ItemId) {
        let Some(item) = self.get_mut(id) else { return };
        let is_waiting = matches!(item.state, ItemState::WaitingForNetwork { .. });
        if is_waiting || !item.is_active() {
            // What is done is looked at again: the branch may have moved, a file may be gone.
            if matches!(item.state, ItemState::Done { .. }) {
                item.commit = None;
                item.files.clear();
            }
            item.state = ItemState::Waiting;
        }
    }

    fn discard(&mut self, id: ItemId) -> Effect {
        let Some(at) = self.items.iter().position(|item| item.id == id) else {
            return Effect::None;
        };
        let item = self.items.remove(at);
        if matches!(item.state, ItemState::Done { .. }) {
            return Effect::None;
        }
        let files = item.files.into_iter().map(|file| file.remote).collect();
        Effect::Discard(Box::new(Discarded { id, order: item.order, files }))
    }
}

/// Nothing of an item is under way any more.
pub(crate) fn settle(item: &mut Item) {
    item.bytes_per_sec = 0.0;
    for file in item.files.iter_mut().filter(|file| file.state != FileState::Done) {
        file.state = FileState::Waiting;
    }
}

pub(crate) fn waiting(remote: RemoteFile) -> ItemFile {
    ItemFile { remote, done: 0, state: FileState::Waiting }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::fetch::queue::Help;

    fn repos(ledger: &Ledger) -> Vec<&str> {
        ledger.items().iter().map(|item| item.order.repo.as_str()).collect()
    }

    fn with(repos: &[&str]) -> Ledger {
        let mut ledger = Ledger::default();
        for repo in repos {
            ledger.apply(QueueCommand::Add(Order::model(repo)));
        }
        ledger
    }

    #[test]
    fn an_order_is_in_the_queue_once_and_can_be_moved() {
        let mut ledger = with(&["ada/a", "ada/b", "ada/c", "ada/a"]);
        assert_eq!(repos(&ledger), ["ada/a", "ada/b", "ada/c"]);
        ledger.apply(QueueCommand::Move { id: ItemId(2), to: 0 });
        assert_eq!(repos(&ledger), ["ada/c", "ada/a", "ada/b"]);
        ledger.apply(QueueCommand::Move { id: ItemId(2), to: 99 });
        assert_eq!(repos(&ledger), ["ada/a", "ada/b", "ada/c"]);
        ledger.apply(QueueCommand::Move { id: ItemId(77), to: 0 });
        assert_eq!(repos(&ledger), ["ada/a", "ada/b", "ada/c"]);
    }

    #[test]
    fn a_pause_stops_what_is_under_way_and_only_that() {
        let mut ledger = with(&["ada/a", "ada/b", "ada/c"]);
        let failure = Failure { reason: "no".to_owned(), help: Help::TryAgain };
        ledger.get_mut(ItemId(1)).unwrap().state = ItemState::Failed(failure);
        let stopped = ledger.apply(QueueCommand::PauseAll);
        assert_eq!(stopped, Effect::Stop(vec![ItemId(0), ItemId(2)]));
        ledger.apply(QueueCommand::ResumeAll);
        let active: Vec<bool> = ledger.items().iter().map(Item::is_active).collect();
        assert_eq!(active, [true, false, true], "a failed one is resumed by name only");
        ledger.apply(QueueCommand::Resume(ItemId(1)));
        assert!(ledger.items()[1].is_active());
    }

    #[test]
    fn what_was_unfinished_is_there_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(folder.path());
        for repo in ["ada/a", "ada/b", "ada/c", "ada/d"] {
            ledger.apply(QueueCommand::Add(Order::model(repo)));
        }
        ledger.apply(QueueCommand::Pause(ItemId(1)));
        let failure = Failure { reason: "no room".to_owned(), help: Help::TryAgain };
        ledger.get_mut(ItemId(2)).unwrap().state = ItemState::Failed(failure.clone());
        ledger.get_mut(ItemId(3)).unwrap().state = ItemState::Done { folder: PathBuf::new() };
        ledger.save().unwrap();
        drop(ledger);
        let again = Ledger::open(folder.path());
        let states: Vec<ItemState> = again.items().iter().map(|item| item.state.clone()).collect();
        assert_eq!(states, [ItemState::Waiting, ItemState::Paused, ItemState::Failed(failure)]);
    }

    #[test]
    fn two_copies_have_two_queues_and_a_third_takes_over_both() {
        let folder = tempfile::tempdir().unwrap();
        let open = |repo: &str| {
            let mut ledger = Ledger::open(folder.path());
            let found = ledger.items().len();
            ledger.apply(QueueCommand::Add(Order::model(repo)));
            ledger.save().unwrap();
            (ledger, found)
        };
        let (first, found) = open("ada/a");
        assert_eq!(found, 0);
        let (second, found) = open("ada/b");
        assert_eq!(found, 0, "the first one's queue is its own while it runs");
        drop((first, second));
        let third = Ledger::open(folder.path());
        assert_eq!(repos(&third), ["ada/a", "ada/b"]);
        drop(third);
        assert_eq!(repos(&Ledger::open(folder.path())), ["ada/a", "ada/b"], "and only once");
    }

    #[test]
    fn a_damaged_file_is_an_empty_queue() {
        let folder = tempfile::tempdir().unwrap();
        files::write_atomic(&folder.path().join("queue-1.json"), b"{\"version\":1,\"ite").unwrap();
        assert!(Ledger::open(folder.path()).items().is_empty());
    }
}
