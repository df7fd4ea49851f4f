//! The open project: its folder, its verdicts, its runs.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::host::Ask;
use crate::app::tasks::list_runs::ListRuns;
use crate::app::tasks::rate_models::RateModels;
use crate::data::judging::{self, Judging};
use crate::data::project::{self, Access, Project};
use crate::data::samples;
use crate::data::store::{Opened, PairStore};
use crate::state::annotate::arena::ArenaPage;
use crate::state::command::{AnnotateCommand, ProjectCommand, TrainCommand};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::train::form::DataSource;
use crate::state::train::runs::RunView;
use crate::train::record::runs::RunState;

impl Workbench {
    pub(super) fn handle_project(&mut self, command: ProjectCommand) {
        match command {
            ProjectCommand::Choose => self.ask(Ask::ProjectFolder),
            ProjectCommand::Open(folder) => self.open_project(Some(folder)),
        }
    }

    /// Opens the project in `folder`, or the default one, and says what was recovered.
    ///
    /// Verdicts that could not be saved are never dropped for it: those of another project keep
    /// that one open, and those that were made without a project go into this one.
    pub(in crate::app) fn open_project(&mut self, folder: Option<PathBuf>) {
        let unsaved = self.store.unsaved_count();
        if let (Some(open), 1..) = (&self.project, unsaved) {
            let name = open.folder.display();
            let summary = match unsaved {
                1 => format!("1 verdict of {name} is not saved yet"),
                count => format!("{count} verdicts of {name} are not saved yet"),
            };
            self.state.notices.push(
                Notice::problem(PanelId::Annotate, summary)
                    .hint("Save them elsewhere, then open the other project")
                    .remedy("Save elsewhere…", AnnotateCommand::SaveElsewhere),
            );
            return;
        }
        if !self.close_study() {
            return;
        }
        let Some(folder) = folder.or_else(project::default_folder) else {
            self.state.notices.push(
                Notice::problem(PanelId::Annotate, "There is no home folder for a project")
                    .hint("Open a folder of your own")
                    .remedy("Open a project…", ProjectCommand::Choose),
            );
            return;
        };
        let project = match Project::open_or_create(&folder, &self.host.timestamp()) {
            Ok(project) => project,
            Err(err) => {
                let notice =
                    Notice::error(PanelId::Annotate, "The project could not be opened", &err);
                self.state.notices.push(notice.remedy("Open another…", ProjectCommand::Choose));
                return;
            }
        };
        if let Access::ReadOnly { reason } = &project.access {
            self.state.notices.push(
                Notice::problem(PanelId::Annotate, reason.clone())
                    .hint("Verdicts stay in memory until they are saved somewhere else")
                    .remedy("Save elsewhere…", AnnotateCommand::SaveElsewhere),
            );
        }
        let Opened { store, recovered, carried_over } =
            match PairStore::open_after(&project.pairs_path(), &self.store) {
                Ok(opened) => opened,
                Err(err) => {
                    let notice =
                        Notice::error(PanelId::Annotate, "The verdicts could not be read", &err);
                    self.state.notices.push(notice.remedy("Open another…", ProjectCommand::Choose));
                    return;
                }
            };
        if let Some((first, others)) = recovered.sentences().split_first() {
            let notice = Notice::info(PanelId::Annotate, first.clone());
            self.state.notices.push(notice.hint(others.join(". ")));
        }
        self.store = store;
        self.state.annotate.set_given(self.store.given());
        self.tasks.drop_all::<RateModels>(); // of the verdicts before
        self.state.annotate.arena = ArenaPage::default();
        match Judging::read(&project.folder.join(judging::FILE)) {
            Ok(kept) => {
                if let Some(kept) = kept {
                    self.state.annotate.judging = kept;
                }
            }
            Err(err) => {
                let summary = format!("{} could not be used", judging::FILE);
                let notice = Notice::error(PanelId::Annotate, summary, &err);
                let hint =
                    "What is asked beside a verdict is as before; mend the file or remove it";
                self.state.notices.push(notice.hint(hint));
            }
        }
        if self.store.is_elsewhere() {
            let summary = "This project is open in another window, which writes its own verdicts on \
                           pairs";
            self.state.notices.push(Notice::problem(PanelId::Annotate, summary).hint(
                "Verdicts of this window stay in memory and are written once the other window is \
                     closed. They can be saved elsewhere at any time",
            ));
        }
        self.state.project.clone_from(&project.folder);
        self.state.prefs.project = Some(project.folder.clone());
        self.project = Some(project);
        self.report_saving(carried_over);
        self.state.train.sample_rows = samples::pairs().len();
        if self.state.train.project_pairs == 0 {
            self.state.train.source = DataSource::Sample;
        }
        self.list_runs_and(true);
        self.find_away();
        self.open_evaluations();
        self.open_studies();
        self.list_lectures();
        self.open_prompts();
    }

    /// Reads `runs/` again.
    pub(in crate::app) fn list_runs(&mut self) {
        self.list_runs_and(false);
    }

    fn list_runs_and(&mut self, report_interrupted: bool) {
        let Some(open) = &self.project else { return };
        let folder = open.folder.clone();
        let still_to_report = self.tasks.of::<ListRuns>().any(|task| task.report_interrupted);
        let report_interrupted = report_interrupted || still_to_report;
        self.start_instead(ListRuns { report_interrupted }, folder);
    }

    /// After a crash or a kill: which runs were cut short, and what is left of them. `of_sweeps`: those
    /// that a sweep resumes, which says so itself.
    pub(in crate::app) fn report_interrupted_runs(&mut self, of_sweeps: &[String]) {
        let interrupted =
            self.state.train.runs.iter().filter(|run| run.status == RunState::Interrupted);
        let cut: Vec<_> = interrupted.filter(|run| !of_sweeps.contains(&run.id)).cloned().collect();
        for run in cut {
            let RunView { id, steps_done, steps_planned, resumable, .. } = run;
            let summary = format!(
                "Run {id} was interrupted; its checkpoint is at step {steps_done} of {steps_planned}"
            );
            let notice = Notice::info(PanelId::Train, summary);
            self.state.notices.push(if resumable {
                let hint = if steps_done > 0 {
                    "Its adapter can be tried as it is, or the run resumed from there"
                } else {
                    "The run can be resumed from there"
                };
                notice.hint(hint).remedy("Resume", TrainCommand::Resume(id))
            } else {
                notice.hint("It had not saved a checkpoint yet")
            });
        }
    }
}
