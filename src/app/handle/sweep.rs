//! Several runs in a queue, and the learning-rate finder.

use std::path::{Path, PathBuf};

use crate::app::Workbench;
use crate::app::tasks::export_sweep::{ExportSweep, SweepToExport};
use crate::app::tasks::find_rate::{FindRate, RateWork};
use crate::app::tasks::read_sweep::ReadSweep;
use crate::app::tasks::run_sweep::{NewSweep, RunSweep, SweepWork};
use crate::app::tasks::train::Train;
use crate::llm::card::ModelSource;
use crate::state::command::TrainCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::train::sweep::{name, verb};
use crate::sweep::plot::PlotData;
use crate::sweep::queue::new_dir;
use crate::sweep::scaling::Scaling;
use crate::train::config::TrainConfig;
use crate::words::counted;

impl Workbench {
    /// The form's settings, with the model that they would train. `None`: there is none yet.
    fn settings_with_model(&self) -> Option<TrainConfig> {
        let train = &self.state.train;
        let form = train.run_config();
        if form.newborn.is_some() {
            return Some(TrainConfig { model: String::new(), ..form });
        }
        let source = if form.objective.reads_texts() {
            train.texts.chosen.as_deref().map(ModelSource::at)
        } else {
            self.state.model.ready().map(|card| card.source.clone())
        };
        Some(TrainConfig { model: source?.path().display().to_string(), ..form })
    }

    pub(super) fn start_sweep(&mut self) {
        if self.tasks.has::<Train>() || self.tasks.has::<RunSweep>() {
            return;
        }
        self.state.notices.clear(PanelId::Train);
        let sentence = "A sweep needs a project to be kept in";
        let Some(project) = self.project_for(PanelId::Train, sentence) else { return };
        let Some(config) = self.settings_with_model() else { return };
        let folder = new_dir(&project, self.host.now());
        let Some(rows) = self.training_rows_or_notice() else { return };
        let planned = match self.state.train.sweep.form.planned(&config) {
            Ok(planned) => planned.to_vec(),
            Err(problem) => {
                self.state.notices.push(Notice::problem(PanelId::Train, problem));
                return;
            }
        };
        self.work_on_sweep(folder, Some(NewSweep { planned, rows }));
    }

    pub(super) fn continue_sweep(&mut self, folder: PathBuf) {
        if self.tasks.has::<Train>() || self.tasks.has::<RunSweep>() {
            return;
        }
        self.state.notices.clear(PanelId::Train);
        self.state.prefs.panel = PanelId::Train;
        self.work_on_sweep(folder, None);
    }

    fn work_on_sweep(&mut self, folder: PathBuf, new: Option<NewSweep>) {
        self.state.train.sweep.begin(&folder);
        self.state.train.results_in_front = true;
        let task = RunSweep { id: name(&folder), run: None };
        self.start(task, SweepWork { folder, new });
    }

    pub(super) fn stop_sweep(&mut self) {
        if let Some(under_way) = &mut self.state.train.sweep.under_way {
            under_way.is_stopping = true;
        }
        self.state.train.stopping();
        self.tasks.stop::<RunSweep>();
    }

    pub(super) fn show_sweep(&mut self, folder: &Path) {
        self.state.train.sweep.show(folder);
        self.state.train.results_in_front = true;
        let is_under_way = self.tasks.of::<RunSweep>().any(|sweep| sweep.id == name(folder));
        if !is_under_way {
            self.start_instead(ReadSweep { id: name(folder) }, folder.to_owned());
        }
    }

    pub(super) fn export_sweep(&mut self) {
        let Some(shown) = &self.state.train.sweep.shown else { return };
        let Some(table) = shown.table.clone() else { return };
        if self.tasks.has::<ExportSweep>() {
            return;
        }
        let plot = PlotData::of(&table, &shown.against, shown.which);
        let scaling = Scaling::of(&table, shown.which).map(Box::new);
        let to = shown.folder.join("export");
        self.start(ExportSweep, SweepToExport::Sweep { table, plot, scaling, to });
    }

    pub(super) fn find_rate(&mut self) {
        if self.tasks.has::<FindRate>() || self.tasks.has::<Train>() || self.tasks.has::<RunSweep>()
        {
            return;
        }
        self.state.notices.clear(PanelId::Train);
        let Some(config) = self.settings_with_model() else { return };
        let Some(rows) = self.training_rows_or_notice() else { return };
        let search = self.state.train.rates.search;
        self.state.train.rates.begin();
        let settings = Box::new(self.state.train.form.clone());
        self.start(FindRate { settings }, RateWork { config, rows, search });
    }

    pub(super) fn export_rates(&mut self) {
        if self.tasks.has::<ExportSweep>() {
            return;
        }
        let sentence = "What is exported needs a project to lie in";
        let Some(project) = self.project_for(PanelId::Train, sentence) else { return };
        let Some(trace) = self.state.train.rates.trace() else { return };
        let exports = project.join("exports");
        let mut numbered = (1..).map(|number| exports.join(format!("learning-rate-{number}")));
        let Some(to) = numbered.find(|folder| !folder.exists()) else { return };
        let trace = trace.clone();
        self.start(ExportSweep, SweepToExport::Rates { trace, to });
    }

    /// Says which sweeps have runs left: the project was just opened.
    pub(in crate::app) fn report_open_sweeps(&mut self) {
        let open: Vec<_> =
            self.state.train.sweep.list.iter().filter(|sweep| sweep.left > 0).cloned().collect();
        for sweep in open {
            let (left, runs) = (sweep.left, counted(sweep.count, "run", "runs"));
            let verb = verb(left);
            let summary = format!("{left} of {runs} of the sweep {} {verb} left", sweep.id);
            let notice = Notice::info(PanelId::Train, summary);
            let command = TrainCommand::ContinueSweep(sweep.folder);
            self.state.notices.push(notice.remedy("Continue", command));
        }
    }
}
