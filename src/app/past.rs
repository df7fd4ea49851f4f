//! Runs that were: their files are read in a job, to be shown or to be gone on with.

use std::sync::Arc;

use super::Workbench;
use super::handle::cache_folder;
use super::running::{ReadFor, take_ended};
use crate::jobs::JobEnd;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::train::past::RunPast;
use crate::train::run::TrainRequest;
use crate::train::runs;

impl Workbench {
    /// The curves of a run that was clicked on.
    pub(super) fn show_run(&mut self, id: &str) {
        self.read_run(id, ReadFor::Showing);
    }

    /// Goes on with a run, once what it left behind is read.
    pub(super) fn resume_run(&mut self, id: &str) {
        let under_way = |(_, why, _): &(_, ReadFor, _)| *why == ReadFor::Resuming;
        if self.running.train.is_some() || self.running.reading.iter().any(under_way) {
            return;
        }
        self.state.notices.clear(PanelId::Train);
        self.read_run(id, ReadFor::Resuming);
    }

    fn read_run(&mut self, id: &str, why: ReadFor) {
        let Some(open) = &self.project else { return };
        let folder = open.project.runs_dir().join(id);
        let job = self.engine.read_run(folder, Arc::clone(&self.wake));
        self.running.reading.push((id.to_owned(), why, job));
    }

    pub(super) fn poll_reading(&mut self) {
        for (id, why, job) in std::mem::take(&mut self.running.reading) {
            let mut slot = Some(job);
            let end = take_ended(&mut slot, |job| job.poll(|()| {}));
            match (end, why) {
                (None, _) => self.running.reading.extend(slot.map(|job| (id, why, job))),
                (Some(JobEnd::Done(past)), ReadFor::Showing) => {
                    self.state.train.show_run(&id, past);
                }
                (Some(JobEnd::Done(past)), ReadFor::Resuming) => self.go_on_with(&id, past),
                (Some(JobEnd::Failed(err)), _) => {
                    let summary = format!("Run {id} could not be read");
                    self.state.notices.push(Notice::error(PanelId::Train, summary, &err));
                }
                (Some(JobEnd::Crashed(message)), _) => {
                    self.crashed(PanelId::Train, "Reading the run", message);
                }
            }
        }
    }

    fn go_on_with(&mut self, id: &str, past: RunPast) {
        let Some(open) = &self.project else { return };
        if self.running.train.is_some() {
            return; // another was started meanwhile
        }
        let run_dir = open.project.runs_dir().join(id);
        let entry = match runs::entry(&run_dir) {
            Ok(entry) => entry,
            Err(err) => {
                let summary = format!("Run {id} cannot be gone on with");
                self.state.notices.push(Notice::error(PanelId::Train, summary, &err));
                return;
            }
        };
        let Some(source) = self.base_model(&entry.config.model, PanelId::Train) else { return };
        let view = self.state.train.runs.iter().find(|run| run.id == id).cloned();
        if let Some(view) = view {
            self.state.train.resume(&view, past);
        }
        self.state.prefs.panel = PanelId::Train;
        let request =
            TrainRequest { config: entry.config, run_dir, resume: true, cache: cache_folder() };
        self.running.train = Some(self.engine.train(source, None, request, Arc::clone(&self.wake)));
    }
}
