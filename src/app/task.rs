//! What runs behind the window: a task says once what its events and its end do to the window, and
//! [`Tasks`] is the list of those under way. What all of them have in common follows from their
//! [`Rules`].

use std::any::{Any, TypeId};
use std::collections::BTreeMap;

use super::work::{JobOf, OnClosing, Rules, Work};
use crate::jobs::JobEnd;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

/// Work, with what the window keeps of it while it is under way. `App` is whatever it changes.
pub trait Task<App>: Work {
    /// Takes in what it says on the way.
    fn on_event(&mut self, _event: Self::Event, _app: &mut App) {}

    /// However it ended, before anything else about its end.
    fn ended(&mut self, _app: &mut App) {}

    fn done(self, output: Self::Output, app: &mut App);

    /// It could not be done, or it was stopped.
    fn failed(self, error: Self::Error, app: &mut App);

    /// It panicked, or there was no thread for it; the person has been told so.
    fn crashed(self, _message: &str, _app: &mut App) {}

    /// Where its problems are told.
    fn panel(&self) -> PanelId;

    /// What becomes of it when the window is closed.
    fn on_closing(&self) -> OnClosing {
        Self::RULES.on_closing
    }

    /// Its line in the bottom bar, if it has something to say there.
    fn activity(&self, _app: &App) -> Option<Activity> {
        None
    }
}

/// Where it is told that work crashed.
pub trait TellsCrashes {
    fn tell_crash(&mut self, place: PanelId, what: &str, message: String);
}

/// The tasks under way, in the order in which they were started.
pub struct Tasks<App> {
    under_way: BTreeMap<u64, Box<dyn UnderWay<App>>>,
    count: u64,
}

impl<App> Default for Tasks<App> {
    fn default() -> Self {
        Self { under_way: BTreeMap::new(), count: 0 }
    }
}

impl<App: TellsCrashes + 'static> Tasks<App> {
    pub(super) fn push<T: Task<App>>(&mut self, task: T, job: JobOf<T>) {
        self.count += 1;
        self.under_way.insert(self.count, Box::new(Run { task: Some(task), job }));
    }

    /// The numbers of those under way.
    pub(super) fn numbers(&self) -> Vec<u64> {
        self.under_way.keys().copied().collect()
    }

    /// Takes one out of the list, to be polled with the app that the list is part of.
    pub(super) fn take(&mut self, number: u64) -> Option<Box<dyn UnderWay<App>>> {
        self.under_way.remove(&number)
    }

    pub(super) fn put_back(&mut self, number: u64, task: Box<dyn UnderWay<App>>) {
        self.under_way.insert(number, task);
    }

    /// Those of one kind.
    pub fn of<T: Task<App>>(&self) -> impl Iterator<Item = &T> {
        self.under_way.values().filter_map(|task| task.task().downcast_ref())
    }

    /// Whether one of this kind is under way.
    pub fn has<T: Task<App>>(&self) -> bool {
        self.of::<T>().next().is_some()
    }

    /// Asks those of one kind to stop. They still end by themselves.
    pub fn stop<T: Task<App>>(&self) {
        for task in self.all::<T>() {
            task.cancel();
        }
    }

    /// Forgets those of one kind: they are asked to stop, and what they say is not heard any more.
    pub fn drop_all<T: Task<App>>(&mut self) {
        self.under_way.retain(|_, task| task.kind() != TypeId::of::<T>());
    }

    /// Has those of one kind rest where they can, or continue.
    pub fn set_paused<T: Task<App>>(&self, paused: bool) {
        for task in self.all::<T>() {
            task.set_paused(paused);
        }
    }

    /// Asks everything to stop that reads a file.
    pub fn stop_reading(&self) {
        self.under_way
            .values()
            .filter(|task| task.rules().is_reading)
            .for_each(|task| task.cancel());
    }

    /// "Stop everything".
    pub fn stop_all(&self) {
        self.under_way
            .values()
            .filter(|task| task.rules().stops_with_all)
            .for_each(|task| task.cancel());
    }

    /// Asks everything to stop: the window is being closed.
    pub fn stop_for_good(&self) {
        self.under_way.values().for_each(|task| task.cancel());
    }

    /// Whether something should end before the program does.
    pub fn is_awaited(&self) -> bool {
        self.under_way.values().any(|task| task.on_closing() != OnClosing::Drop)
    }

    /// Whether something keeps the processor busy, beside tasks of the kind `T`.
    pub fn is_computing_beside<T: Work>(&self) -> bool {
        let others = self.under_way.values().filter(|task| task.kind() != TypeId::of::<T>());
        others.into_iter().any(|task| task.rules().takes_processor)
    }

    /// The lines of the bottom bar.
    pub fn activities(&self, app: &App) -> Vec<Activity> {
        self.under_way.values().filter_map(|task| task.activity(app)).collect()
    }

    fn all<T: Task<App>>(&self) -> impl Iterator<Item = &dyn UnderWay<App>> {
        let under_way = self.under_way.values().map(|task| &**task);
        under_way.filter(|task| task.kind() == TypeId::of::<T>())
    }
}

/// A task of any kind with its job.
pub(super) trait UnderWay<App> {
    /// Hands its events and its end over. True: it has ended.
    fn poll(&mut self, app: &mut App) -> bool;
    fn cancel(&self);
    fn set_paused(&self, paused: bool);
    fn kind(&self) -> TypeId;
    fn rules(&self) -> Rules;
    fn on_closing(&self) -> OnClosing;
    fn task(&self) -> &dyn Any;
    fn activity(&self, app: &App) -> Option<Activity>;
}

struct Run<T: Work> {
    /// Leaves with its end.
    task: Option<T>,
    job: JobOf<T>,
}

impl<App: TellsCrashes, T: Task<App>> UnderWay<App> for Run<T> {
    fn poll(&mut self, app: &mut App) -> bool {
        let Some(task) = &mut self.task else { return true };
        let Some(end) = self.job.poll(|event| task.on_event(event, app)) else { return false };
        task.ended(app);
        let Some(task) = self.task.take() else { return true };
        match end {
            JobEnd::Done(output) => task.done(output, app),
            JobEnd::Failed(error) => task.failed(error, app),
            JobEnd::Crashed(message) => {
                app.tell_crash(task.panel(), T::RULES.name, message.clone());
                task.crashed(&message, app);
            }
        }
        true
    }

    fn cancel(&self) {
        self.job.cancel();
    }

    fn set_paused(&self, paused: bool) {
        self.job.set_paused(paused);
    }

    fn kind(&self) -> TypeId {
        TypeId::of::<T>()
    }

    fn rules(&self) -> Rules {
        T::RULES
    }

    fn on_closing(&self) -> OnClosing {
        self.task.as_ref().map_or(OnClosing::Drop, |task| task.on_closing())
    }

    fn task(&self) -> &dyn Any {
        self.task.as_ref().map_or(&(), |task| task as &dyn Any)
    }

    fn activity(&self, app: &App) -> Option<Activity> {
        let activity = self.task.as_ref()?.activity(app)?;
        let asks_before_closing = self.on_closing() == OnClosing::Ask;
        Some(Activity { asks_before_closing, ..activity })
    }
}
