//! Training: runs are started, resumed, measured, exported, tried.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use crate::app::Workbench;
use crate::app::host::Ask;
use crate::app::services::cache_folder;
use crate::app::tasks::delete_run::DeleteRun;
use crate::app::tasks::export_adapter::{AdapterToExport, ExportAdapter};
use crate::app::tasks::export_run::{ExportRun, RunToExport};
use crate::app::tasks::find_rate::FindRate;
use crate::app::tasks::import_run::ImportRun;
use crate::app::tasks::label_text::{LabelText, ToLabel};
use crate::app::tasks::load_model::LoadModel;
use crate::app::tasks::measure_run::{MeasureRun, RunToMeasure};
use crate::app::tasks::read_run::{ReadFor, ReadRun};
use crate::app::tasks::read_training_file::ReadTrainingFile;
use crate::app::tasks::run_sweep::RunSweep;
use crate::app::tasks::save_run_file::{RunFile, SaveRunFile};
use crate::app::tasks::survey::SurveyData;
use crate::app::tasks::train::{NewRun, RunWork, Train, TrainWork};
use crate::data::forms::mapping::Mapping;
use crate::data::forms::{self, Fields, Want};
use crate::data::pair::Text;
use crate::data::table::Reading;
use crate::eval::preference::Measured;
use crate::llm::card::ModelSource;
use crate::state::command::{AdapterForm, TrainCommand, ViewCommand};
use crate::state::notice::Notice;
use crate::state::prefs::{PanelId, Prefs};
use crate::state::train::LeftTab;
use crate::state::train::form::DataSource;
use crate::state::train::past::RunPast;
use crate::state::train::runs::RunView;
use crate::train::config::mix::MixSource;
use crate::train::config::run_file;
use crate::train::config::{Objective, TrainConfig};
use crate::train::record::leash;
use crate::train::record::notes::RunNotes;
use crate::train::record::{DATA_FILE, MODEL_FOLDER, runs};
use crate::train::run::{ResumeRequest, StartRequest, best};

/// Which adapter of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Last,

    /// Of its best evaluation.
    Best,
}

impl Workbench {
    pub(super) fn handle_train(&mut self, command: TrainCommand) {
        match command {
            TrainCommand::ChooseData => self.ask(Ask::TrainingData),
            TrainCommand::ChooseMix => self.ask(Ask::MixedData),
            TrainCommand::UseFile(path) => {
                self.handle(ViewCommand::ShowPanel(PanelId::Train));
                self.state.train.left_tab = LeftTab::Setup;
                self.use_training_file(path);
            }
            TrainCommand::SurveyData => self.survey_data(),
            TrainCommand::Start => self.start_training(),
            TrainCommand::Stop if self.tasks.has::<RunSweep>() => self.stop_sweep(),
            TrainCommand::Stop => {
                self.state.train.stopping();
                self.tasks.stop::<Train>();
            }
            TrainCommand::Pause => self.pause_training(true),
            TrainCommand::Continue => self.pause_training(false),
            TrainCommand::Leash(beta) => self.move_leash(beta),
            TrainCommand::Resume(id) => self.resume_run(&id),
            TrainCommand::Delete(id) => self.delete_run(id),
            TrainCommand::Note(id, notes) => self.note_run(&id, &notes),
            TrainCommand::UseSettings(id) => self.use_run_settings(&id),
            TrainCommand::Export(id) => self.export_run(&id),
            TrainCommand::ExportAdapter(run, form) => self.ask(match form {
                AdapterForm::Merged => Ask::MergedFolder { run },
                AdapterForm::Gguf => Ask::GgufAdapter { run },
            }),
            TrainCommand::StopExport => self.tasks.stop::<ExportAdapter>(),
            TrainCommand::Measure(id) => self.measure_run(&id),
            TrainCommand::StopMeasuring => self.tasks.stop::<MeasureRun>(),
            TrainCommand::Try(id) => self.try_run(&id, Which::Last),
            TrainCommand::TryBest(id) => self.try_run(&id, Which::Best),
            TrainCommand::Label(id, text) => self.label_text(&id, text),
            TrainCommand::Show(id) => self.read_run(&id, ReadFor::Showing),
            TrainCommand::SaveRunFile => self.ask(Ask::SaveRunFile),
            TrainCommand::ChooseRunFile => self.ask(Ask::RunFile),
            TrainCommand::MakeBundle => self.ask(Ask::Bundle),
            TrainCommand::BundleTo(out) => self.make_bundle(out),
            TrainCommand::RunOn => self.run_on(),
            TrainCommand::StopAway(bundle) => self.stop_away(bundle),
            TrainCommand::ImportAway(bundle) => self.import_away(bundle),
            TrainCommand::ForgetAway(bundle) => self.forget_away(&bundle),
            TrainCommand::TakeResults => self.ask(Ask::Results),
            TrainCommand::ImportFrom(results) => self.take_results(results),
            TrainCommand::StopTakingBack => self.tasks.stop::<ImportRun>(),
            TrainCommand::ShowRounds(id) => self.show_rounds(&id),
            TrainCommand::ChooseRoundPrompts => self.ask(Ask::RoundPrompts),
            TrainCommand::RoundPrompts(path) => self.state.train.rounds.prompts = Some(path),
            TrainCommand::MakeRound => self.make_round(),
            TrainCommand::StopRound => self.stop_round(),
            TrainCommand::MeasureDrift => self.measure_drift(),
            TrainCommand::LabelRound(folder) => self.label_round(&folder),
            TrainCommand::TakeVerdicts(folder) => self.take_verdicts(folder),
            TrainCommand::UseRound(folder) => self.use_round(&folder),
            TrainCommand::StartSweep => self.start_sweep(),
            TrainCommand::StopSweep => self.stop_sweep(),
            TrainCommand::ContinueSweep(folder) => self.continue_sweep(folder),
            TrainCommand::ShowSweep(folder) => self.show_sweep(&folder),
            TrainCommand::ExportSweep => self.export_sweep(),
            TrainCommand::FindRate => self.find_rate(),
            TrainCommand::StopFindingRate => self.tasks.stop::<FindRate>(),
            TrainCommand::ExportRates => self.export_rates(),
        }
    }

    pub(super) fn use_training_file(&mut self, path: PathBuf) {
        let columns = self.known_columns(&path);
        self.read_training_file(path, columns);
    }

    /// One row in ten is the share that a person begins from.
    pub(super) fn mix_in(&mut self, path: PathBuf) {
        let columns = self.known_columns(&path);
        self.state.train.form.mix.push(MixSource { columns, ..MixSource::of(path, 0.1) });
    }

    /// The form and its file, for the next start of the program.
    pub(in crate::app) fn kept_form(&self) -> (String, Option<PathBuf>) {
        let train = &self.state.train;
        let is_usual = train.form == TrainConfig::suggested(Objective::default());
        let text = if is_usual { String::new() } else { run_file::text(&train.form) };
        let file = train.file.as_ref().filter(|_| train.source == DataSource::File);
        (text, file.map(|file| file.path.clone()))
    }

    /// The form as it was left. What cannot be read is as in a new one.
    pub(in crate::app) fn restore_form(&mut self) {
        let Prefs { run, run_data, columns, .. } = &self.state.prefs;
        if let (false, Ok(config)) = (run.is_empty(), run_file::parse(run)) {
            self.state.train.form =
                TrainConfig { model: String::new(), data: PathBuf::new(), ..config };
        }
        if let Some(path) = run_data.clone().filter(|path| path.exists()) {
            let columns = columns.get(&path).cloned().unwrap_or_default();
            self.read_training_file(path, columns);
        }
    }

    /// Counts the rows of a file before it is trained on. `columns`: what they are said to be.
    pub(super) fn read_training_file(&mut self, path: PathBuf, columns: Mapping) {
        self.state.notices.clear(PanelId::Train);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let objective = self.state.train.form.objective;
        let reading =
            ReadTrainingFile { name, objective, columns: columns.clone(), at: Reading::default() };
        self.start_instead(reading, (path, objective, columns));
    }

    /// Reads the chosen data as a run would.
    fn survey_data(&mut self) {
        if self.tasks.has::<SurveyData>() {
            return;
        }
        self.state.notices.clear(PanelId::Train);
        let Some(rows) = self.training_rows_or_notice() else { return };
        let config = self.state.train.run_config();
        self.state.train.survey.begin(&config);
        self.start(SurveyData, (config, rows));
    }

    fn start_training(&mut self) {
        if self.tasks.has::<Train>() || self.tasks.has::<RunSweep>() {
            return;
        }
        self.state.notices.clear(PanelId::Train);
        self.state.notices.leave(PanelId::Train); // what is in the form now, is a run from here on
        let sentence = "A run needs a project to be kept in";
        let Some(folder) = self.project_for(PanelId::Train, sentence) else { return };
        let loaded = self.state.model.ready().map(|card| card.source.clone());
        let is_born = self.state.train.form.newborn.is_some();
        // A model that is born takes the place of the one that is loaded.
        let nothing = is_born.then(|| ModelSource::at(&folder));
        let source = if self.state.train.form.objective.reads_texts() {
            self.state.train.texts.chosen.as_deref().map(ModelSource::at)
        } else {
            loaded.or(nothing)
        };
        let Some(source) = source else { return };
        let objective = self.state.train.form.objective;
        let id = runs::new_run_id(&folder, objective, self.host.now());
        let run_dir = runs::runs_dir(&folder).join(&id);
        let Some(rows) = self.training_rows_or_notice() else { return };
        let config = TrainConfig {
            model: source.path().display().to_string(),
            ..self.state.train.run_config()
        };
        self.state.train.begin(id);
        let request = StartRequest { config, run_dir, cache: cache_folder() };
        let run = RunWork::Start(NewRun { rows, request });
        self.start(Train, TrainWork { source, run });
    }

    /// Asks the classifier of a run about a text.
    fn label_text(&mut self, id: &str, text: String) {
        let Some(run) = self.run_view(id) else { return };
        let Some(source) = self.base_model(&run.config.model, PanelId::Train) else { return };
        self.state.train.texts.trial.asked = Some(id.to_owned());
        let base = source.path().to_owned();
        let to_label = ToLabel { run_dir: run.folder, base, text: text.clone() };
        self.start_instead(LabelText { id: id.to_owned(), text }, to_label);
    }

    fn pause_training(&mut self, paused: bool) {
        let trains = self.tasks.has::<Train>() || self.tasks.has::<RunSweep>();
        if let (true, Some(live)) = (trains, &mut self.state.train.live) {
            self.tasks.set_paused::<Train>(paused);
            self.tasks.set_paused::<RunSweep>(paused);
            live.paused = paused;
        }
    }

    /// Resumes a run once what it left behind is read.
    fn resume_run(&mut self, id: &str) {
        let is_resuming =
            self.tasks.of::<ReadRun>().any(|reading| reading.what_for == ReadFor::Resuming);
        if self.tasks.has::<Train>() || self.tasks.has::<RunSweep>() || is_resuming {
            return;
        }
        self.state.notices.clear(PanelId::Train);
        self.read_run(id, ReadFor::Resuming);
    }

    fn read_run(&mut self, id: &str, what_for: ReadFor) {
        let Some(open) = &self.project else { return };
        let folder = open.runs_dir().join(id);
        self.start(ReadRun { id: id.to_owned(), what_for }, folder);
    }

    pub(in crate::app) fn resume_from(&mut self, id: &str, past: RunPast) {
        let Some(open) = &self.project else { return };
        if self.tasks.has::<Train>() || self.tasks.has::<RunSweep>() {
            return; // another was started meanwhile
        }
        let run_dir = open.runs_dir().join(id);
        let entry = match runs::entry(&run_dir) {
            Ok(entry) => entry,
            Err(err) => {
                let summary = format!("Run {id} cannot be resumed");
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
        let request = ResumeRequest { run_dir, cache: cache_folder(), unused: None };
        let run = RunWork::Resume { config: entry.config, request };
        self.start(Train, TrainWork { source, run });
    }

    fn delete_run(&mut self, id: String) {
        let Some(open) = &self.project else { return };
        let folder = open.folder.clone();
        self.start(DeleteRun { id: id.clone() }, (folder, id));
    }

    /// Writes down what the run under way takes up with its next round.
    fn move_leash(&mut self, beta: f64) {
        let (Some(open), Some(live)) = (&self.project, &self.state.train.live) else { return };
        if let Err(err) = leash::wish(&open.runs_dir().join(&live.id), beta) {
            let summary = "The run could not be told of the new beta";
            self.state.notices.push(Notice::error(PanelId::Train, summary, &err));
        }
    }

    fn note_run(&mut self, id: &str, notes: &RunNotes) {
        let Some(open) = &self.project else { return };
        match notes.write(&open.runs_dir().join(id)) {
            Ok(()) => self.list_runs(),
            Err(err) => {
                let summary = format!("The name and note of {id} could not be saved");
                self.state.notices.push(Notice::error(PanelId::Train, summary, &err));
            }
        }
    }

    fn run_view(&self, id: &str) -> Option<RunView> {
        self.state.train.runs.iter().find(|run| run.id == id).cloned()
    }

    /// Fills the form with what a run was started with.
    fn use_run_settings(&mut self, id: &str) {
        let Some(run) = self.run_view(id) else { return };
        self.state.train.form =
            TrainConfig { model: String::new(), data: PathBuf::new(), ..run.config.clone() };
        self.read_training_file(run.folder.join(DATA_FILE), run.config.columns.clone());
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

    fn export_run(&mut self, id: &str) {
        if let (Some(run), false) = (self.run_view(id), self.tasks.has::<ExportRun>()) {
            let title = run.name().to_owned();
            let RunView { id, folder, objective, .. } = run;
            self.start(ExportRun, RunToExport { id, folder, objective, title });
        }
    }

    /// The place was picked: the run's model is opened and the adapter written.
    pub(super) fn export_adapter(&mut self, id: &str, form: AdapterForm, to: PathBuf) {
        let Some(run) = self.run_view(id) else { return };
        if self.is_of_whole_weights(&run) {
            return;
        }
        if self.tasks.has::<ExportAdapter>() {
            let reason = "Another adapter is being exported: wait for it or stop it";
            self.state.notices.push(Notice::problem(PanelId::Train, reason));
            return;
        }
        let Some(source) = self.base_model(&run.config.model, PanelId::Train) else { return };
        let work = AdapterToExport { source, folder: run.folder, form, to };
        self.start(ExportAdapter { form, done: 0, total: 0 }, work);
    }

    /// A run that changed the model itself has no adapter: says where the model is.
    fn is_of_whole_weights(&mut self, run: &RunView) -> bool {
        if run.config.method.own().is_none() {
            return false;
        }
        let folder = run.folder.join(MODEL_FOLDER);
        let notice = Notice::problem(
            PanelId::Train,
            format!("{} changed the model itself, so there is no adapter", run.name()),
        );
        let hint = format!("The model is the folder {}: Try it loads it", folder.display());
        self.state.notices.push(notice.hint(hint));
        true
    }

    fn measure_run(&mut self, id: &str) {
        let Some(run) = self.run_view(id) else { return };
        if self.is_of_whole_weights(&run) {
            return;
        }
        if self.tasks.has::<MeasureRun>() {
            let reason = "Another run is being measured: wait for it or stop it";
            self.state.notices.push(Notice::problem(PanelId::Train, reason));
            return;
        }
        let Some(source) = self.base_model(&run.config.model, PanelId::Train) else { return };
        let RunView { id, folder, config, .. } = run;
        let measured = Measured { done: 0, total: 0 };
        self.start(MeasureRun { measured }, RunToMeasure { id, source, folder, config });
    }

    /// The run's model, its adapter over it, and the same prompt answered with and without.
    fn try_run(&mut self, id: &str, which: Which) {
        let Some(open) = &self.project else { return };
        let run_dir = open.runs_dir().join(id);
        let entry = match runs::entry(&run_dir) {
            Ok(entry) => entry,
            Err(err) => {
                let summary = format!("Run {id} cannot be tried");
                self.state.notices.push(Notice::error(PanelId::Train, summary, &err));
                return;
            }
        };
        if entry.config.objective.reads_texts() {
            // It is tried on a text that is typed in beside its curves.
            self.state.prefs.panel = PanelId::Train;
            self.state.train.select(id);
            self.read_run(id, ReadFor::Showing);
            return;
        }
        let folder = match (which, &entry.record.best) {
            (Which::Best, Some(found)) => best::folder(&run_dir, found.step),
            _ => run_dir.clone(),
        };
        self.state.playground.new_chat();
        if self.state.playground.prompt.trim().is_empty() {
            self.state.playground.prompt = first_prompt(&run_dir, &entry.config.columns);
        }
        self.state.prefs.panel = PanelId::Playground;
        if entry.config.method.own().is_some() {
            // The model itself has changed: it takes the place of the loaded one.
            let source = ModelSource::at(&folder.join(MODEL_FOLDER));
            self.load_model(source, LoadModel::default());
            return;
        }
        let loaded = self.state.model.in_memory().map(|card| card.identity.sha256.as_str());
        if loaded == Some(entry.record.model.sha256.as_str()) {
            self.load_adapter(folder, true);
        } else if let Some(source) = self.base_model(&entry.config.model, PanelId::Playground) {
            self.load_model(source, LoadModel { adapter: Some(folder), compare: true, kept: None });
        }
    }

    pub(super) fn save_run_file(&mut self, path: PathBuf) {
        let Some(rows) = self.training_rows_or_notice() else { return };
        let train = &self.state.train;
        let model = if train.form.objective.reads_texts() {
            train.texts.chosen.as_ref().map(|path| path.display().to_string())
        } else {
            self.state.model.ready().map(|card| card.source.path().display().to_string())
        };
        let model = model.unwrap_or_else(|| "starter".to_owned());
        let config = TrainConfig { model, ..self.state.train.run_config() };
        self.start(SaveRunFile, RunFile { config, rows, path });
    }

    /// A run file fills the form.
    pub(super) fn use_run_file(&mut self, path: &Path) {
        match run_file::read(path) {
            Ok(config) => {
                let (data, columns) = (config.data.clone(), config.columns.clone());
                self.state.train.form = TrainConfig { data: PathBuf::new(), ..config };
                if !data.as_os_str().is_empty() {
                    let folder = path.parent().unwrap_or_else(|| Path::new("."));
                    self.read_training_file(folder.join(data), columns);
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

/// The first prompt of the run's data, to compare base and adapter on: whatever form its rows have,
/// what is asked and none of the answer.
fn first_prompt(run_dir: &Path, columns: &Mapping) -> String {
    let first_row = || -> Option<Fields> {
        let rows = BufReader::new(File::open(run_dir.join(DATA_FILE)).ok()?);
        let line =
            rows.lines().find(|line| line.as_ref().map_or(true, |row| !row.trim().is_empty()));
        serde_json::from_str(&line?.ok()?).ok()
    };
    let asked = || -> Option<Text> {
        let row = columns.apply(first_row()?);
        let read = forms::understand(&[row], Want::Answers, None).ok()?;
        Some(read.rows.into_iter().next()?.asked)
    };
    asked().map(|text| text.words()).unwrap_or_default()
}
