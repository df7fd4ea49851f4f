//! The open project: its folder, its verdicts, its runs.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::host::Ask;
use crate::app::tasks::list_runs::ListRuns;
use crate::app::tasks::rate_models::RateModels;
use crate::app::tasks::read_verdicts::ReadVerdicts;
use crate::data::judging::{self, Judging};
use crate::data::project::{self, Access, Project};
use crate::data::scan::Scanning;
use crate::data::store::{PairStore, Recovered, StoreError};
use crate::jobs::Quiet;
use crate::state::annotate::arena::ArenaPage;
use crate::state::command::{AnnotateCommand, ProjectCommand, TrainCommand};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::train::form::DataSource;
use crate::state::train::runs::RunView;
use crate::train::record::runs::RunState;

/// A file of at most so many bytes is read on the window's thread, in a few milliseconds: its project is
/// there in the first frame.
const AT_ONCE: u64 = 4 << 20;

impl Workbench {
    pub(super) fn handle_project(&mut self, command: ProjectCommand) {
        match command {
            ProjectCommand::Choose => self.ask(Ask::ProjectFolder),
            ProjectCommand::Open(folder) => self.open_project(Some(folder)),
            ProjectCommand::StopOpening => self.tasks.stop::<ReadVerdicts>(),
        }
    }

    /// The folder of the open project. Without one it is said what needs it, in a sentence.
    pub(super) fn project_for(&mut self, panel: PanelId, sentence: &str) -> Option<PathBuf> {
        let folder = self.project.as_ref().map(|open| open.folder.clone());
        if folder.is_none() {
            let notice = Notice::problem(panel, sentence);
            self.state.notices.push(notice.remedy("Open a project…", ProjectCommand::Choose));
        }
        folder
    }

    /// Opens the project in `folder`, or the default one, and says what was recovered. Where its
    /// verdicts are many they are read behind the window, and until then all is as it was.
    pub(in crate::app) fn open_project(&mut self, folder: Option<PathBuf>) {
        if !self.can_leave_project() {
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
        if self.tasks.of::<ReadVerdicts>().any(|task| task.project.folder == project.folder) {
            return; // it is being opened
        }
        self.tasks.drop_all::<ReadVerdicts>(); // of a project that is not wanted any more
        let (path, before) = (project.pairs_path(), self.store.holding());
        self.state.annotate.is_reading =
            std::fs::metadata(&path).is_ok_and(|file| file.len() > AT_ONCE);
        if self.state.annotate.is_reading {
            self.start(ReadVerdicts { project, at: Scanning::default() }, (path, before));
            return;
        }
        match PairStore::open_to_write(&path, &before, &Quiet) {
            Ok((store, recovered)) => self.use_project(project, store, &recovered),
            Err(err) => self.tell_unread(&err),
        }
    }

    /// Verdicts that could not be saved are never dropped for another project: those of a project keep
    /// that one open, and those that were made without one go into the one that is opened next.
    fn can_leave_project(&mut self) -> bool {
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
            return false;
        }
        self.close_study()
    }

    /// The verdicts of a project could not be read, or were not to be: the one before stays open.
    pub(in crate::app) fn tell_unread(&mut self, error: &StoreError) {
        let summary = match error {
            StoreError::Stopped { .. } => "The project was not opened",
            _ => "The verdicts could not be read",
        };
        let notice = Notice::error(PanelId::Annotate, summary, error);
        self.state.notices.push(notice.remedy("Open another…", ProjectCommand::Choose));
    }

    /// What was given to the program is opened, now that its project is.
    pub(in crate::app) fn open_waiting(&mut self) {
        if let Some(given) = self.waiting_to_open.take() {
            self.open_given(given);
        }
    }

    /// A project whose verdicts are read takes the place of the one before.
    pub(in crate::app) fn use_project(
        &mut self,
        project: Project,
        store: PairStore,
        recovered: &Recovered,
    ) {
        // Asked once more: while they were read, a study may have been opened.
        if !self.can_leave_project() {
            return;
        }
        if self.project.as_ref().is_some_and(|before| before.folder != project.folder) {
            self.leave_what_was_of_the_project();
        }
        if let Access::ReadOnly { reason } = &project.access {
            self.state.notices.push(
                Notice::problem(PanelId::Annotate, reason.clone())
                    .hint("Verdicts stay in memory until they are saved somewhere else")
                    .remedy("Save elsewhere…", AnnotateCommand::SaveElsewhere),
            );
        }
        if let Some((first, others)) = recovered.sentences().split_first() {
            let notice = Notice::info(PanelId::Annotate, first.clone());
            self.state.notices.push(notice.hint(others.join(". ")));
        }
        let before = std::mem::replace(&mut self.store, store);
        self.store.flush_beside(&self.unflushed);
        let carried_over = self.store.carry_over(&before);
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
        let train = &self.state.train;
        if train.project_pairs == 0 && train.source == DataSource::ProjectPairs {
            self.state.train.source = DataSource::Sample;
        }
        self.list_runs_and(true);
        self.find_away();
        self.open_evaluations();
        self.open_studies();
        self.list_lectures();
        self.open_prompts();
    }

    /// Another project is opened: what was told of this one's work, and the run that ended last, are
    /// not of the next.
    fn leave_what_was_of_the_project(&mut self) {
        for place in [PanelId::Annotate, PanelId::Evaluate, PanelId::Train] {
            self.state.notices.forget(place);
        }
        let train = &mut self.state.train;
        if !train.is_running() {
            train.live = None;
        }
        train.selected = None;
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
