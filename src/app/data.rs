//! Around a run: its data looked at before it starts, its name, its settings used again, its
//! numbers as files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Workbench;
use super::engine::TrainJobError;
use super::running::take_ended;
use crate::eval::comparison::Comparison;
use crate::eval::preference::Measured;
use crate::files;
use crate::hub;
use crate::jobs::JobEnd;
use crate::llm;
use crate::llm::card::ModelSource;
use crate::llm::merge::Merged;
use crate::state::command::{AdapterForm, Command};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::train::LeftTab;
use crate::state::train::survey::SurveySlot;
use crate::train;
use crate::train::config::TrainConfig;
use crate::train::metrics::TrainEvent;
use crate::train::notes::RunNotes;
use crate::train::record;

/// What was measured of a run, beside its adapter.
const COMPARISON_FILE: &str = "comparison.json";

/// `None`: the run was not measured, or by a version that measured otherwise.
pub(super) fn read_comparison(run_dir: &Path) -> Option<Comparison> {
    serde_json::from_slice(&std::fs::read(run_dir.join(COMPARISON_FILE)).ok()?).ok()
}

impl Workbench {
    /// The model that a run was trained on, by the name in its settings; says in `place` where it
    /// is not on this disk any more.
    pub(super) fn base_model(&mut self, name: &str, place: PanelId) -> Option<ModelSource> {
        match hub::local::resolve_model(name) {
            Ok(path) => Some(ModelSource::at(&path)),
            Err(err) => {
                let summary = "The run's base model is not here any more";
                self.state.notices.push(Notice::error(place, summary, &err));
                None
            }
        }
    }

    /// Reads the chosen data as a run would.
    pub(super) fn survey_data(&mut self) {
        if self.running.survey.is_some() {
            return;
        }
        self.state.notices.clear(PanelId::Train);
        let Some(rows) = self.training_rows_or_notice() else { return };
        let config = self.state.train.form.clone();
        self.state.train.survey.begin(&config);
        self.running.survey = Some(self.engine.survey(config, rows, Arc::clone(&self.wake)));
    }

    pub(super) fn poll_survey(&mut self) {
        let slot = &mut self.state.train.survey;
        let end = take_ended(&mut self.running.survey, |job| {
            job.poll(|event| {
                if let TrainEvent::Preparing { done, total, .. } = event {
                    slot.progress(done, total);
                }
            })
        });
        let Some(end) = end else { return };
        match end {
            JobEnd::Done(survey) => self.state.train.survey.ready(survey),
            JobEnd::Failed(TrainJobError::Train(train::Error::Cancelled)) => {
                self.state.train.survey = SurveySlot::Closed;
            }
            JobEnd::Failed(err) => {
                let summary = "The data cannot be trained on";
                self.state.notices.push(
                    Notice::error(PanelId::Train, summary, &err)
                        .remedy("Choose another…", Command::ChooseTrainingData),
                );
                self.state.train.survey = SurveySlot::Closed;
            }
            JobEnd::Crashed(message) => {
                self.state.train.survey = SurveySlot::Closed;
                self.crashed(PanelId::Train, "Looking at the data", message);
            }
        }
    }

    pub(super) fn note_run(&mut self, id: &str, notes: &RunNotes) {
        let Some(open) = &self.project else { return };
        match notes.write(&open.project.runs_dir().join(id)) {
            Ok(()) => self.refresh_runs(),
            Err(err) => {
                let summary = format!("The name and note of {id} could not be saved");
                self.state.notices.push(Notice::error(PanelId::Train, summary, &err));
            }
        }
    }

    /// Fills the form with what a run was started with.
    pub(super) fn use_run_settings(&mut self, id: &str) {
        let Some(run) = self.state.train.runs.iter().find(|run| run.id == id).cloned() else {
            return;
        };
        self.state.train.form =
            TrainConfig { model: String::new(), data: PathBuf::new(), ..run.config.clone() };
        self.use_training_file(run.folder.join(record::DATA_FILE));
        self.state.train.left_tab = LeftTab::Setup;
        let other_model = self.state.model.ready().map(|card| card.identity.name.clone());
        let mut notice = Notice::info(
            PanelId::Train,
            format!("The settings and the data of {} are in the form", run.name()),
        );
        if let Some(loaded) = other_model.filter(|loaded| *loaded != run.model) {
            notice =
                notice.hint(format!("It was trained on {}; {loaded} is loaded now", run.model));
        }
        self.state.notices.push(notice);
    }

    pub(super) fn export_run(&mut self, id: &str) {
        let run = self.state.train.runs.iter().find(|run| run.id == id);
        if let (Some(run), None) = (run, &self.running.export) {
            self.running.export = Some(self.engine.export_run(run, Arc::clone(&self.wake)));
        }
    }

    /// The place was picked: the run's model is opened and the adapter written.
    pub(super) fn export_adapter(&mut self, form: AdapterForm, to: PathBuf) {
        let Some(id) = self.exporting.take() else { return };
        let Some(run) = self.state.train.runs.iter().find(|run| run.id == id) else { return };
        if self.running.adapter_export.is_some() {
            let reason = "Another adapter is being exported: wait for it or stop it";
            self.state.notices.push(Notice::problem(PanelId::Train, reason));
            return;
        }
        let (model, folder) = (run.config.model.clone(), run.folder.clone());
        let Some(source) = self.base_model(&model, PanelId::Train) else { return };
        self.exported = (0, 0);
        let job = self.engine.export_adapter(source, folder, form, to, Arc::clone(&self.wake));
        self.running.adapter_export = Some(job);
    }

    pub(super) fn measure_run(&mut self, id: &str) {
        let Some(run) = self.state.train.runs.iter().find(|run| run.id == id) else { return };
        if self.running.measuring.is_some() {
            let reason = "Another run is being measured: wait for it or stop it";
            self.state.notices.push(Notice::problem(PanelId::Train, reason));
            return;
        }
        let run = run.clone();
        let Some(source) = self.base_model(&run.config.model, PanelId::Train) else { return };
        let job = self.engine.measure_run(source, &run, Arc::clone(&self.wake));
        let begun = Measured { done: 0, total: 0 };
        self.running.measuring = Some((id.to_owned(), begun, job));
    }

    /// What was measured is kept beside the run.
    pub(super) fn poll_measuring(&mut self) {
        let Some((id, measured, job)) = &mut self.running.measuring else { return };
        let Some(end) = job.poll(|event| *measured = event) else { return };
        let id = std::mem::take(id);
        self.running.measuring = None;
        let summary = "The run could not be measured";
        match end {
            JobEnd::Done(comparison) => {
                let Some(open) = &self.project else { return };
                let path = open.project.runs_dir().join(&id).join(COMPARISON_FILE);
                let text = serde_json::to_string_pretty(&comparison);
                let text = text.expect("numbers can be written as JSON");
                if let Err(err) = files::write_atomic(&path, text.as_bytes()) {
                    self.state.notices.push(Notice::error(PanelId::Train, summary, &err));
                }
                self.refresh_runs();
            }
            JobEnd::Failed(TrainJobError::Train(train::Error::Cancelled)) => {}
            JobEnd::Failed(err) => {
                self.state.notices.push(Notice::error(PanelId::Train, summary, &err));
            }
            JobEnd::Crashed(message) => self.crashed(PanelId::Train, "Measuring", message),
        }
    }

    pub(super) fn poll_adapter_export(&mut self) {
        let exported = &mut self.exported;
        let end = take_ended(&mut self.running.adapter_export, |job| {
            job.poll(|Merged { done, total }| *exported = (done, total))
        });
        let Some(end) = end else { return };
        match end {
            JobEnd::Done(path) => {
                let summary = format!("The adapter was written to {}", path.display());
                let notice = Notice::info(PanelId::Train, summary);
                self.state.notices.push(notice.remedy("Show the folder", Command::Reveal(path)));
            }
            JobEnd::Failed(llm::Error::Cancelled(_)) => {
                let summary = "The export was stopped; nothing of it is left";
                self.state.notices.push(Notice::info(PanelId::Train, summary));
            }
            JobEnd::Failed(err) => {
                let summary = "The adapter could not be exported";
                self.state.notices.push(Notice::error(PanelId::Train, summary, &err));
            }
            JobEnd::Crashed(message) => self.crashed(PanelId::Train, "The export", message),
        }
    }

    pub(super) fn poll_saving(&mut self) {
        for mut job in std::mem::take(&mut self.running.saving) {
            match job.poll(|()| {}) {
                None => self.running.saving.push(job),
                Some(JobEnd::Done(path)) => {
                    let path = path.display();
                    let summary = format!("Saved. Run it with: tuning-fork train {path}");
                    self.state.notices.push(Notice::info(PanelId::Train, summary));
                }
                Some(JobEnd::Failed(err)) => self.state.notices.push(
                    Notice::error(PanelId::Train, "The run file could not be saved", &err)
                        .hint("Save it on a disk with free space")
                        .remedy("Save the run file…", Command::SaveRunFile),
                ),
                Some(JobEnd::Crashed(message)) => self.crashed(PanelId::Train, "Saving", message),
            }
        }
    }

    pub(super) fn poll_export(&mut self) {
        let end = take_ended(&mut self.running.export, |job| job.poll(|()| {}));
        let Some(end) = end else { return };
        match end {
            JobEnd::Done(folder) => {
                let summary = "The run's numbers (CSV) and curves (SVG, PNG) are in its folder";
                let notice = Notice::info(PanelId::Train, summary);
                self.state.notices.push(notice.remedy("Show the folder", Command::Reveal(folder)));
            }
            JobEnd::Failed(err) => self.state.notices.push(
                Notice::error(PanelId::Train, "The run could not be exported", &err)
                    .hint("Is the disk full, or the project's folder read-only?"),
            ),
            JobEnd::Crashed(message) => self.crashed(PanelId::Train, "The export", message),
        }
    }
}
