//! The work behind a queue: one thread that decides, and a job for each question and each file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::command::QueueEvent;
use super::item::{FileState, Item, ItemId, ItemState};
use super::ledger::{Discarded, Effect, Ledger, settle};
use super::options::{QueueOptions, Until};
use super::plan::{Plan, discard, failure_of, plan, reserved_beside};
use super::shared::Queue;
use super::speed::Speed;
use crate::errors::one_line;
use crate::files;
use crate::hub::error::Error;
use crate::hub::fetch::download::FileEvent;
use crate::hub::fetch::repo::Links;
use crate::hub::fetch::transfer;
use crate::hub::protocol::repository::{RemoteFile, Revision};
use crate::jobs::{self, Job, JobEnd, Progress, Wake};

/// How often bytes are told.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// Waited after the first time that the network was away; doubles up to a minute.
const NETWORK_PAUSE: Duration = Duration::from_secs(5);

/// A repository that changes more often than this while it is fetched is given up.
const MAX_VERSIONS: u32 = 5;

type AskJob = Job<(), Plan, Error>;
type FileJob = Job<FileEvent, (), Error>;
type LinkJob = Job<(), PathBuf, Error>;

/// An item that is worked on.
#[derive(Default)]
struct Active {
    asking: Option<AskJob>,
    listing: Option<Arc<Vec<RemoteFile>>>,

    /// The place of the file in the item's list, and its job.
    files: BTreeMap<usize, FileJob>,
    linking: Option<LinkJob>,
    speed: Speed,

    /// The commit whose files the server no longer had as it had listed them, and what to say if
    /// that is still the newest one.
    outdated: Option<(String, Error)>,
    versions: u32,
    rounds: u32,
    wait_until: Option<Instant>,
}

impl Active {
    /// Asks everything to stop; what is still running is returned.
    fn stop(self) -> Vec<FileJob> {
        self.files.values().for_each(Job::cancel);
        self.files.into_values().collect()
    }
}

/// Jobs that were asked to stop, and what is to be deleted after them.
struct Stopping {
    id: ItemId,
    jobs: Vec<FileJob>,
    then: Option<Box<Discarded>>,
}

impl Queue {
    /// Works on the list until `until`. Cancelling keeps what came, on the disk and in the list.
    pub fn serve(
        &self,
        options: &QueueOptions,
        until: Until,
        progress: &dyn Progress<QueueEvent>,
    ) -> Result<(), Error> {
        let queue = self.clone();
        let wake: Wake = Arc::new(move |_| queue.ring());
        let mut worker = Worker {
            options: options.clone(),
            wake,
            active: BTreeMap::new(),
            stopping: Vec::new(),
            told: None,
            is_changed: true,
            has_bytes: false,
            events: Vec::new(),
        };
        let mut kept = None;
        loop {
            let stop = progress.check();
            let mut state = self.lock();
            for command in std::mem::take(&mut state.commands) {
                let effect = state.ledger.apply(command);
                worker.is_changed = true;
                worker.take_effect(effect);
            }
            if stop.is_ok() {
                worker.poll(&mut state.ledger);
                worker.start(&mut state.ledger);
            } else {
                worker.stop_all(&mut state.ledger);
            }
            let to_keep = if worker.is_changed { state.ledger.to_keep() } else { None };
            let is_idle = worker.stopping.is_empty()
                && worker.active.is_empty()
                && !state.ledger.items().iter().any(Item::is_active);
            let events = worker.take_events(&state.ledger);
            drop(state);
            // Not under the lock: whoever sends a command must not wait for the disk.
            if to_keep.is_some() && to_keep != kept {
                keep(to_keep.as_ref());
                kept = to_keep;
            }
            let has_events = !events.is_empty();
            for event in events {
                progress.emit(event);
            }
            if let Err(cancelled) = stop {
                worker.wait_for_the_end();
                return Err(cancelled.into());
            }
            if is_idle && until == Until::Idle {
                return Ok(());
            }
            if !has_events {
                self.wait_for_news();
            }
        }
    }
}

/// A list that cannot be kept costs a person some clicks; the downloads go on.
fn keep(what: Option<&(PathBuf, Vec<u8>)>) {
    let Some((path, bytes)) = what else { return };
    if let Err(error) = files::write_atomic(path, bytes) {
        log::warn!("the queue of downloads could not be kept: {error}");
    }
}

struct Worker {
    options: QueueOptions,
    wake: Wake,
    active: BTreeMap<ItemId, Active>,
    stopping: Vec<Stopping>,
    told: Option<Instant>,

    /// The list changed in more than bytes.
    is_changed: bool,
    has_bytes: bool,
    events: Vec<QueueEvent>,
}

impl Worker {
    fn take_events(&mut self, ledger: &Ledger) -> Vec<QueueEvent> {
        let is_due = self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY);
        let mut events = std::mem::take(&mut self.events);
        if self.is_changed || (self.has_bytes && is_due) {
            events.insert(0, QueueEvent::Changed(ledger.items().to_vec()));
            self.told = Some(Instant::now());
            (self.is_changed, self.has_bytes) = (false, false);
        }
        events
    }

    fn take_effect(&mut self, effect: Effect) {
        match effect {
            Effect::None => {}
            Effect::Stop(ids) => {
                for id in ids {
                    self.stop(id, None);
                }
            }
            Effect::Discard(discarded) => self.stop(discarded.id, Some(discarded)),
        }
    }

    fn stop(&mut self, id: ItemId, then: Option<Box<Discarded>>) {
        let jobs = self.active.remove(&id).map(Active::stop).unwrap_or_default();
        self.stopping.push(Stopping { id, jobs, then });
    }

    /// Asks everything to stop. The list says what would go on at a next start.
    fn stop_all(&mut self, ledger: &mut Ledger) {
        for id in self.active.keys().copied().collect::<Vec<_>>() {
            self.stop(id, None);
        }
        for id in ledger.items().iter().map(|item| item.id).collect::<Vec<_>>() {
            if let Some(item) = ledger.get_mut(id).filter(|item| item.is_active()) {
                item.state = ItemState::Waiting;
                settle(item);
            }
        }
        self.is_changed = true;
    }

    /// Until the files are closed.
    fn wait_for_the_end(&mut self) {
        while !self.stopping.is_empty() {
            self.poll_stopping();
            // Nothing stops the waiting but the end of the jobs.
            jobs::pause::<()>(&jobs::Quiet, Duration::from_millis(5)).ok();
        }
    }

    fn poll_stopping(&mut self) {
        let paths = &self.options.paths;
        self.stopping.retain_mut(|stopping| {
            stopping.jobs.retain_mut(|job| job.poll(|_| {}).is_none());
            let is_over = stopping.jobs.is_empty();
            if let Some(discarded) = stopping.then.take_if(|_| is_over) {
                discard(paths, &discarded);
            }
            !is_over
        });
    }

    fn poll(&mut self, ledger: &mut Ledger) {
        self.poll_stopping();
        for id in self.active.keys().copied().collect::<Vec<_>>() {
            let Some(item) = ledger.get_mut(id) else { continue };
            let result = self
                .poll_asking(id, item)
                .and_then(|()| self.poll_files(id, item))
                .and_then(|()| self.poll_linking(id, item));
            if let Err(error) = result {
                self.failed(id, item, &error);
            }
        }
    }

    fn poll_asking(&mut self, id: ItemId, item: &mut Item) -> Result<(), Error> {
        let active = self.active.get_mut(&id).expect("it is worked on");
        let Some(end) = active.asking.as_mut().and_then(|job| job.poll(|()| {})) else {
            return Ok(());
        };
        active.asking = None;
        let plan = result(end)?;
        if let Some((_, error)) = active.outdated.take_if(|(commit, _)| *commit == plan.commit) {
            return Err(error);
        }
        active.listing = Some(Arc::new(plan.listing));
        item.commit = Some(plan.commit);
        item.files = plan.files;
        item.state = ItemState::Fetching;
        self.is_changed = true;
        Ok(())
    }

    fn poll_files(&mut self, id: ItemId, item: &mut Item) -> Result<(), Error> {
        let active = self.active.get_mut(&id).expect("it is worked on");
        let mut ended = Vec::new();
        for (at, job) in &mut active.files {
            let file = &mut item.files[*at];
            let end = job.poll(|event| match event {
                FileEvent::Bytes(done) => {
                    file.done = done;
                    if !matches!(file.state, FileState::Fetching) {
                        file.state = FileState::Fetching;
                        self.is_changed = true;
                    }
                    self.has_bytes = true;
                }
                FileEvent::Elsewhere => {
                    file.state = FileState::Elsewhere;
                    self.is_changed = true;
                }
                FileEvent::Retrying { reason, secs } => {
                    file.state = FileState::Retrying { reason, secs };
                    self.is_changed = true;
                }
                FileEvent::Verifying => {
                    file.state = FileState::Verifying;
                    self.is_changed = true;
                }
            });
            if let Some(end) = end {
                ended.push((*at, end));
            }
        }
        // All of them first: a job that has told its end tells it to nobody else.
        for (at, _) in &ended {
            active.files.remove(at);
        }
        for (at, end) in ended {
            self.is_changed = true;
            result(end)?;
            item.files[at].state = FileState::Done;
            item.files[at].done = item.files[at].remote.size;
            active.rounds = 0; // the network is there
        }
        if item.state == ItemState::Fetching {
            item.bytes_per_sec = active.speed.at(Instant::now(), item.done_bytes());
        }
        Ok(())
    }

    fn poll_linking(&mut self, id: ItemId, item: &mut Item) -> Result<(), Error> {
        let active = self.active.get_mut(&id).expect("it is worked on");
        let Some(end) = active.linking.as_mut().and_then(|job| job.poll(|()| {})) else {
            return Ok(());
        };
        let folder = result(end)?;
        item.state = ItemState::Done { folder };
        item.bytes_per_sec = 0.0;
        self.active.remove(&id);
        self.events.push(QueueEvent::Finished(item.clone()));
        self.is_changed = true;
        Ok(())
    }

    /// One of an item's jobs ended with an error: the others stop, and what is next is decided.
    fn failed(&mut self, id: ItemId, item: &mut Item, error: &Error) {
        self.is_changed = true;
        let Some(active) = self.active.get(&id) else { return };
        let (rounds, versions) = (active.rounds, active.versions);
        let why: Option<Error> = match error {
            _ if versions >= MAX_VERSIONS => None,
            Error::Changed { file } => Some(Error::Changed { file: file.clone() }),
            Error::NotFound { what, .. } => Some(Error::Withdrawn { file: what.clone() }),
            _ => None,
        };
        let moved = why.and_then(|why| item.commit.take().map(|commit| (commit, why)));
        let is_passing = error.is_transient() && rounds < self.options.network_rounds;
        // `start` waits until these have ended.
        self.stop(id, None);
        settle(item);
        let mut next = Active { versions, rounds, ..Active::default() };
        if moved.is_some() {
            // Another version may be there now: asked for anew.
            next.outdated = moved;
            next.versions += 1;
            item.state = ItemState::Asking;
        } else if is_passing {
            let pause =
                NETWORK_PAUSE.saturating_mul(1 << rounds.min(4)).min(Duration::from_mins(1));
            let pause = pause.max(error.retry_after().unwrap_or_default());
            next.rounds = rounds + 1;
            next.wait_until = Some(Instant::now() + pause);
            let reason = one_line(error);
            item.state = ItemState::WaitingForNetwork { reason, secs: pause.as_secs() };
        } else {
            item.state = ItemState::Failed(failure_of(&self.options.client, item, error));
            self.events.push(QueueEvent::Failed(item.clone()));
            return;
        }
        self.active.insert(id, next);
    }

    /// Gives work to whoever is free, in the order of the list.
    fn start(&mut self, ledger: &mut Ledger) {
        let ids: Vec<ItemId> =
            ledger.items().iter().filter(|item| item.is_active()).map(|item| item.id).collect();
        let mut busy_count = 0;
        for id in ids {
            let is_waiting =
                |active: &Active| active.wait_until.is_some_and(|until| until > Instant::now());
            // What waits for its network lets the next one try, unless somebody pressed Resume.
            let item = ledger.get_mut(id).expect("it is in the list");
            if matches!(item.state, ItemState::WaitingForNetwork { .. })
                && self.active.get(&id).is_some_and(is_waiting)
            {
                continue;
            }
            if self.stopping.iter().any(|stopping| stopping.id == id) {
                busy_count += 1;
                continue;
            }
            // What is fetched already goes on: a place in the list is not a pause.
            if busy_count >= self.options.items_at_once && !self.active.contains_key(&id) {
                continue;
            }
            busy_count += 1;
            let reserved = reserved_beside(ledger, id);
            let item = ledger.get_mut(id).expect("it is in the list");
            if let Err(error) = self.start_item(item, reserved) {
                self.failed(id, item, &error);
            }
        }
    }

    fn start_item(&mut self, item: &mut Item, reserved: u64) -> Result<(), Error> {
        let options = &self.options;
        let active = self.active.entry(item.id).or_default();
        active.wait_until = None;
        let Some(listing) = &active.listing else {
            if active.asking.is_none() {
                let (order, commit, options) =
                    (item.order.clone(), item.commit.clone(), options.clone());
                let ask = move |progress: &dyn Progress<()>| {
                    plan(&options, &order, commit.as_deref(), reserved, progress)
                };
                active.asking = Some(spawn("ask", &self.wake, ask)?);
                item.state = ItemState::Asking;
                self.is_changed = true;
            }
            return Ok(());
        };
        if active.linking.is_some() {
            return Ok(());
        }
        let commit = item.commit.clone().expect("a listing has a commit");
        for (at, file) in item.files.iter_mut().enumerate() {
            if active.files.len() >= options.files_at_once {
                break;
            }
            if file.state == FileState::Waiting && !active.files.contains_key(&at) {
                let (options, order) = (options.clone(), item.order.clone());
                let (remote, commit) = (file.remote.clone(), commit.clone());
                let bring = move |progress: &dyn Progress<FileEvent>| {
                    let revision =
                        Revision { kind: order.kind, repo: &order.repo, commit: &commit };
                    let QueueOptions { client, paths, patience, .. } = &options;
                    transfer::bring(client, paths, revision, &remote, patience, progress)
                };
                active.files.insert(at, spawn("download", &self.wake, bring)?);
                file.state = FileState::Fetching;
                self.is_changed = true;
            }
        }
        if item.files.iter().all(|file| file.state == FileState::Done) {
            let (listing, order, paths) =
                (Arc::clone(listing), item.order.clone(), options.paths.clone());
            let files: Vec<RemoteFile> =
                item.files.iter().map(|file| file.remote.clone()).collect();
            let link = move |_: &dyn Progress<()>| {
                let revision = Revision { kind: order.kind, repo: &order.repo, commit: &commit };
                let branch = order.revision.as_str();
                Links { revision, branch, files: &files, listing: Some(&listing) }.publish(&paths)
            };
            active.linking = Some(spawn("link", &self.wake, link)?);
        }
        Ok(())
    }
}

fn spawn<E, T, F>(name: &str, wake: &Wake, work: F) -> Result<Job<E, T, Error>, Error>
where
    E: Send + 'static,
    T: Send + 'static,
    F: FnOnce(&dyn Progress<E>) -> Result<T, Error> + Send + 'static,
{
    let work = move |progress: &dyn Progress<E>| {
        jobs::give_way(); // hashing hundreds of megabytes a second is no reason to stutter
        work(progress)
    };
    Job::spawn(name, Arc::clone(wake), work).map_err(Error::Thread)
}

fn result<T>(end: JobEnd<T, Error>) -> Result<T, Error> {
    match end {
        JobEnd::Done(value) => Ok(value),
        JobEnd::Failed(error) => Err(error),
        JobEnd::Crashed(message) => Err(Error::Crashed { message }),
    }
}
