//! What each command does, panel by panel. The only place that starts work.

mod annotate;
mod codes;
mod elsewhere;
mod evaluate;
mod hub;
mod lectures;
mod look_inside;
mod map;
mod mapping;
mod mask;
mod models;
mod opening;
mod pair_set;
mod playground;
mod project;
mod prompts;
mod remote;
mod room;
mod rounds;
mod seq2seq;
mod sweep;
mod train;
mod window;

use std::io;
use std::sync::Arc;

use super::Workbench;
use super::task::Task;
use super::work;
use crate::state::command::Command;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

impl Workbench {
    /// Carries out a command.
    pub fn handle(&mut self, command: impl Into<Command>) {
        match command.into() {
            Command::View(command) => self.handle_view(command),
            Command::Window(command) => self.handle_window(command),
            Command::Project(command) => self.handle_project(command),
            Command::Models(command) => self.handle_models(command),
            Command::Playground(command) => self.handle_playground(command),
            Command::LookInside(command) => self.handle_look_inside(&command),
            Command::Annotate(command) => self.handle_annotate(command),
            Command::Codes(command) => self.handle_codes(command),
            Command::Evaluate(command) => self.handle_evaluate(command),
            Command::Lectures(command) => self.handle_lectures(command),
            Command::Train(command) => self.handle_train(command),
            Command::Mapping(command) => self.handle_mapping(command),
            Command::Room(command) => self.handle_room(command),
        }
    }

    /// Starts a task.
    pub(super) fn start<T: Task<Self>>(&mut self, mut task: T, request: T::Request) {
        match work::start::<T>(&mut *self.engine, request, Arc::clone(&self.wake)) {
            Ok(job) => self.tasks.push(task, job),
            Err(err) => {
                task.ended(self);
                self.tell_no_thread(task.panel(), T::RULES.name, &err);
                task.crashed("no thread could be started", self);
            }
        }
    }

    /// Starts a task in place of those of its kind: what they say is not heard any more.
    pub(super) fn start_instead<T: Task<Self>>(&mut self, task: T, request: T::Request) {
        self.tasks.drop_all::<T>();
        self.start(task, request);
    }

    fn tell_no_thread(&mut self, place: PanelId, what: &str, error: &io::Error) {
        let summary = format!("{what}: the background thread could not be started");
        self.state.notices.push(Notice::error(place, summary, error));
    }
}
