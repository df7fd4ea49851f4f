//! The open project behind the window: its folder, its verdicts, its runs.

use std::path::{Path, PathBuf};

use super::Workbench;
use crate::data::project::{self, Access, Project};
use crate::data::store::PairStore;
use crate::state::command::Command;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::train::form::DataSource;
use crate::state::train::runs::RunView;
use crate::train::config::TrainConfig;
use crate::train::runs::{self, RunState};

/// A project whose files are read and written.
pub struct OpenProject {
    pub project: Project,
    pub store: PairStore,
}

impl Workbench {
    /// Opens the project in `folder`, or the default one, and says what was recovered.
    pub(super) fn open_project(&mut self, folder: Option<PathBuf>) {
        let Some(folder) = folder.or_else(project::default_folder) else {
            self.state.notices.push(
                Notice::problem(PanelId::Annotate, "There is no home folder for a project")
                    .hint("Open a folder of your own")
                    .remedy("Open a project…", Command::OpenProject),
            );
            return;
        };
        let project = match Project::open_or_create(&folder, &self.host.timestamp()) {
            Ok(project) => project,
            Err(err) => {
                let notice =
                    Notice::error(PanelId::Annotate, "The project could not be opened", &err);
                self.state.notices.push(notice.remedy("Open another…", Command::OpenProject));
                return;
            }
        };
        if let Access::ReadOnly { reason } = &project.access {
            self.state.notices.push(
                Notice::problem(PanelId::Annotate, reason.clone())
                    .hint("Verdicts stay in memory until they are saved somewhere else")
                    .remedy("Save elsewhere…", Command::SaveElsewhere),
            );
        }
        let (store, recovered) = match PairStore::open(&project.pairs_path()) {
            Ok(opened) => opened,
            Err(err) => {
                let notice =
                    Notice::error(PanelId::Annotate, "The verdicts could not be read", &err);
                self.state.notices.push(notice.remedy("Open another…", Command::OpenProject));
                return;
            }
        };
        for sentence in recovered.sentences() {
            self.state.notices.push(Notice::info(PanelId::Annotate, sentence));
        }
        self.state.annotate.set_records(store.records());
        self.state.annotate.unsaved_count = 0;
        self.state.project.clone_from(&project.folder);
        self.state.prefs.project = Some(project.folder.clone());
        self.state.train.project_pairs = store.counts().pairs();
        self.state.train.sample_rows = crate::data::samples::pairs().len();
        if self.state.train.project_pairs == 0 {
            self.state.train.source = DataSource::Sample;
        }
        self.project = Some(OpenProject { project, store });
        self.refresh_runs();
        self.report_interrupted_runs();
    }

    /// Reads `runs/` again.
    pub(super) fn refresh_runs(&mut self) {
        let Some(open) = &self.project else { return };
        let listing = runs::list(&open.project.folder);
        for (folder, reason) in listing.unreadable {
            let summary = format!("{} is not a run that can be read", folder.display());
            let notice = Notice::problem(PanelId::Train, summary);
            self.state.notices.push(Notice { causes: vec![reason], ..notice });
        }
        let runs = listing.runs.iter().map(|entry| RunView {
            comparison: super::data::read_comparison(&entry.run_dir),
            ..RunView::from(entry)
        });
        self.state.train.set_runs(runs.collect());
    }

    /// After a crash or a kill: which runs were cut short, and what is left of them.
    fn report_interrupted_runs(&mut self) {
        let runs = &self.state.train.runs;
        let cut: Vec<_> =
            runs.iter().filter(|run| run.status == RunState::Interrupted).cloned().collect();
        for run in cut {
            let RunView { id, steps_done, steps_planned, resumable, .. } = run;
            let summary = format!(
                "Run {id} was interrupted; its checkpoint is at step {steps_done} of {steps_planned}"
            );
            let notice = Notice::info(PanelId::Train, summary);
            self.state.notices.push(if resumable {
                notice
                    .hint("Its adapter can be tried as it is, or the run can go on from there")
                    .remedy("Go on", Command::ResumeRun(id))
            } else {
                notice.hint("It had not saved a checkpoint yet")
            });
        }
    }

    /// A run file fills the form.
    pub(super) fn use_run_file(&mut self, path: &Path) {
        match crate::train::run_file::read(path) {
            Ok(config) => {
                let data = config.data.clone();
                self.state.train.form = TrainConfig { data: PathBuf::new(), ..config };
                if !data.as_os_str().is_empty() {
                    let folder = path.parent().unwrap_or_else(|| Path::new("."));
                    self.use_training_file(folder.join(data));
                }
            }
            Err(err) => self.state.notices.push(Notice::error(
                PanelId::Train,
                "The run file could not be read",
                &err,
            )),
        }
    }
}
