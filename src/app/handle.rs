//! What each command does. The only place that starts work.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Workbench;
use super::host::Ask;
use super::running::Asker;
use crate::data::export;
use crate::data::pair::Verdict;
use crate::data::record::Form;
use crate::hub::queue::QueueCommand;
use crate::llm::card::ModelSource;
use crate::state::AppState;
use crate::state::command::{AdapterForm, Command};
use crate::state::hub::ModelsTab;
use crate::state::models::{FetchView, LoadView};
use crate::state::notice::Notice;
use crate::state::prefs::{PanelId, Prefs};
use crate::state::slots::{AdapterSlot, ModelSlot};
use crate::state::train::LeftTab;
use crate::train::config::TrainConfig;
use crate::train::record::DATA_FILE;
use crate::train::run::TrainRequest;
use crate::train::{best, runs};

impl Workbench {
    /// Carries out a command.
    pub fn handle(&mut self, command: Command) {
        if self.state.apply(&command) {
            if command == Command::ShowPanel(PanelId::Annotate) {
                self.answer_prompt();
            }
            return;
        }
        match command {
            Command::Reveal(path) => self.reveal(&path),
            Command::StopForeground => self.stop_foreground(),
            Command::StopAll => self.running.stop_all(),
            // Carried out above, or where the window is at hand.
            Command::ShowPanel(_)
            | Command::ToggleRail
            | Command::SetTheme(_)
            | Command::ZoomIn
            | Command::ZoomOut
            | Command::ZoomReset
            | Command::TogglePalette
            | Command::ToggleKeys
            | Command::DismissNotice(_)
            | Command::ShowModelsTab(_)
            | Command::OpenPage(_)
            | Command::OpenHubPage(..)
            | Command::CopyText(_)
            | Command::CloseAnyway => {}

            Command::OpenProject => self.ask(Ask::ProjectFolder),
            Command::OpenProjectAt(folder) => self.open_project(Some(folder)),

            Command::RefreshModels => {
                let opened = self.state.prefs.opened_models.clone();
                self.state.models.scanning = true;
                self.running.scan = Some(self.engine.scan(opened, Arc::clone(&self.wake)));
            }
            Command::FetchStarter => self.fetch_starter(),
            Command::StopFetch => self.running.stop_fetching(),
            Command::ChooseModelFile => self.ask(Ask::ModelFile),
            Command::ChooseModelFolder => self.ask(Ask::ModelFolder),
            Command::LoadModel(source) => self.load_model(source),
            Command::UnloadModel => self.unload_model(),
            Command::RemoveModel(path) => self.remove_model(&path),
            Command::VerifyModel(path) => self.verify_model(&path),
            Command::StopVerifying => self.stop_verifying(),
            Command::CheckUpdates => self.check_updates(),

            Command::SearchHub => self.search_hub(),
            Command::MoreFound => self.more_found(),
            Command::LookAt(kind, id) => self.look_at(kind, id),
            Command::StopLooking => self.stop_looking(),
            Command::Download(order) => self.download(order),
            Command::Queue(command) => self.engine.send_to_queue(command),
            Command::SaveHubSettings => self.save_hub_settings(),
            Command::KeepToken => self.keep_token(),
            Command::ForgetToken => self.forget_token(),
            Command::AnnotateFile(path) => {
                self.handle(Command::ShowPanel(PanelId::Annotate));
                self.use_prompts_file(path);
            }
            Command::TrainOnFile(path) => {
                self.handle(Command::ShowPanel(PanelId::Train));
                self.state.train.left_tab = LeftTab::Setup;
                self.use_training_file(path);
            }
            Command::StopReading => self.running.stop_reading(),

            Command::ChooseAdapter => self.ask(Ask::AdapterFolder),
            Command::LoadAdapter(folder) => self.load_adapter(folder),
            Command::UnloadAdapter => {
                self.engine.unload_adapter();
                self.state.adapter = AdapterSlot::None;
            }

            Command::Generate => self.generate(),
            Command::StopGenerate => self.running.stop_generating(),

            Command::ChoosePrompts => self.ask(Ask::PromptsFile),
            Command::UseSamplePrompts => {
                let prompts = crate::data::samples::prompts();
                self.state.annotate.set_prompts("the sample prompts", prompts);
                self.answer_prompt();
            }
            Command::AnswerPrompt => self.answer_prompt(),
            Command::Judge(verdict) => self.judge(verdict),
            Command::UndoVerdict => self.undo_verdict(),
            Command::ExportPairs { conversational } => {
                self.ask(Ask::ExportPairs { conversational });
            }
            Command::SaveElsewhere => self.ask(Ask::SaveElsewhere),

            Command::ChooseTrainingData => self.ask(Ask::TrainingData),
            Command::SurveyData => self.survey_data(),
            Command::StartTraining => self.start_training(),
            Command::StopTraining => {
                self.state.train.stopping();
                self.running.stop_training();
            }
            Command::PauseTraining => self.pause_training(true),
            Command::ContinueTraining => self.pause_training(false),
            Command::ResumeRun(id) => self.resume_run(&id),
            Command::DeleteRun(id) => self.delete_run(&id),
            Command::NoteRun(id, notes) => self.note_run(&id, &notes),
            Command::UseRunSettings(id) => self.use_run_settings(&id),
            Command::ExportRun(id) => self.export_run(&id),
            Command::ExportAdapter(id, form) => {
                self.exporting = Some(id);
                self.ask(match form {
                    AdapterForm::Merged => Ask::MergedFolder,
                    AdapterForm::Gguf => Ask::GgufAdapter,
                });
            }
            Command::StopExport => self.running.stop_exporting(),
            Command::MeasureRun(id) => self.measure_run(&id),
            Command::StopMeasuring => self.running.stop_measuring(),
            Command::TryRun(id) => self.try_run(&id, Which::Last),
            Command::TryBest(id) => self.try_run(&id, Which::Best),
            Command::ShowRun(id) => self.show_run(&id),
            Command::SaveRunFile => self.ask(Ask::SaveRunFile),
            Command::ChooseRunFile => self.ask(Ask::RunFile),
        }
    }

    fn ask(&mut self, ask: Ask) {
        if self.running.dialog.is_none() {
            let job = self.host.ask(ask, Arc::clone(&self.wake));
            self.running.dialog = Some((ask, job));
        }
    }

    fn reveal(&mut self, path: &Path) {
        if let Err(err) = self.host.reveal(path) {
            let summary = format!("{} could not be shown", path.display());
            self.state.notices.push(Notice::error(self.state.prefs.panel, summary, &err));
        }
    }

    /// Esc: what the panel in front does, else whatever runs.
    fn stop_foreground(&mut self) {
        match self.state.prefs.panel {
            PanelId::Models if self.running.fetch.is_some() => self.running.stop_fetching(),
            PanelId::Models if self.state.hub.tab == ModelsTab::Downloads => {
                self.engine.send_to_queue(QueueCommand::PauseAll);
            }
            PanelId::Train if self.running.train.is_some() => self.handle(Command::StopTraining),
            _ => self.running.stop_generating(),
        }
    }

    fn fetch_starter(&mut self) {
        if self.running.fetch.is_none() {
            self.state.notices.clear(PanelId::Models);
            self.state.models.fetch = Some(FetchView::default());
            self.running.fetch = Some(self.engine.fetch_starter(Arc::clone(&self.wake)));
        }
    }

    fn load_model(&mut self, source: ModelSource) {
        if self.running.load.is_some() {
            return;
        }
        self.stop_generation_for_good();
        self.state.notices.clear(PanelId::Models);
        let name = source.path().file_stem().unwrap_or_default().to_string_lossy().into_owned();
        self.state.models.load = Some(LoadView { name: name.clone(), ..LoadView::default() });
        self.state.model = ModelSlot::Loading { name };
        self.state.adapter = AdapterSlot::None;
        self.running.load = Some(self.engine.load(source, Arc::clone(&self.wake)));
    }

    fn unload_model(&mut self) {
        self.stop_generation_for_good();
        self.engine.unload();
        self.state.model = ModelSlot::Empty;
        self.state.adapter = AdapterSlot::None;
        self.state.prefs.last_model = None;
        self.measure_memory();
    }

    /// The worker still ends by itself; what it says is not heard any more.
    fn stop_generation_for_good(&mut self) {
        if let Some((asker, job)) = self.running.generate.take() {
            job.cancel();
            match asker {
                Asker::Playground => self.state.playground.finished(),
                Asker::Annotate => self.state.annotate.ended(),
            }
        }
        self.after_generation = None;
    }

    fn load_adapter(&mut self, folder: PathBuf) {
        if self.running.adapter.is_some() {
            return;
        }
        self.state.notices.clear(PanelId::Playground);
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.state.adapter = AdapterSlot::Loading { name };
        self.running.adapter = Some(self.engine.load_adapter(folder, Arc::clone(&self.wake)));
    }

    fn generate(&mut self) {
        if self.running.generate.is_some() {
            // Asked again: the answer under way is stopped, and the new one comes after it.
            self.running.stop_generating();
            self.after_generation = Some(Command::Generate);
            return;
        }
        self.state.notices.clear(PanelId::Playground);
        let AppState { prefs, model, adapter, playground, .. } = &self.state;
        let request = match playground.request(prefs, model.ready(), adapter) {
            Ok(request) => request,
            Err(reason) => {
                self.state.notices.push(Notice::problem(PanelId::Playground, reason));
                return;
            }
        };
        self.state.playground.started(&request);
        let job = self.engine.generate(request, Arc::clone(&self.wake));
        self.running.generate = Some((Asker::Playground, job));
    }

    fn answer_prompt(&mut self) {
        let Some(card) = self.state.model.ready() else { return };
        if self.running.generate.is_some() {
            if !self.state.annotate.is_answering() {
                self.running.stop_generating();
                self.after_generation = Some(Command::AnswerPrompt);
            }
            return;
        }
        let Prefs { sampling, max_new_tokens, .. } = &self.state.prefs;
        let mode = self.state.adapter.mode();
        let as_chat = card.facts.has_chat_template;
        let annotate = &mut self.state.annotate;
        let Some(request) = annotate.request(sampling, *max_new_tokens, mode, as_chat) else {
            return;
        };
        annotate.started(&request, &card.identity, &self.state.adapter);
        self.state.notices.clear(PanelId::Annotate);
        let job = self.engine.generate(request, Arc::clone(&self.wake));
        self.running.generate = Some((Asker::Annotate, job));
    }

    fn judge(&mut self, verdict: Verdict) {
        let (now, created_at) = (self.host.seconds(), self.host.timestamp());
        let Some(record) = self.state.annotate.judge(verdict, now, &created_at) else { return };
        match &mut self.project {
            Some(open) => {
                let saved = open.store.append(record);
                self.report_saving(saved);
            }
            None => self.state.notices.push(
                Notice::problem(PanelId::Annotate, "No project is open: this verdict is not saved")
                    .remedy("Open a project…", Command::OpenProject),
            ),
        }
    }

    fn undo_verdict(&mut self) {
        let Some(id) = self.state.annotate.undo(self.host.seconds()) else { return };
        if matches!(self.running.generate, Some((Asker::Annotate, _))) {
            self.stop_generation_for_good();
        }
        let created_at = self.host.timestamp();
        if let Some(open) = &mut self.project {
            let saved = open.store.undo(&id, &created_at).map(drop);
            self.report_saving(saved);
        }
    }

    /// Counts anew, and says so where a verdict is only in memory.
    fn report_saving(&mut self, saved: Result<(), crate::data::store::StoreError>) {
        let Some(open) = &self.project else { return };
        self.state.annotate.unsaved_count = open.store.unsaved_count();
        self.state.train.project_pairs = open.store.counts().pairs();
        if let Err(err) = saved {
            self.state.notices.push(
                Notice::error(PanelId::Annotate, "The verdict could not be saved", &err)
                    .hint("It is kept in memory and written with the next one that can be")
                    .remedy("Save elsewhere…", Command::SaveElsewhere),
            );
        }
    }

    pub(super) fn export_pairs(&mut self, path: &Path, conversational: bool) {
        let Some(open) = &self.project else { return };
        let form = if conversational { Form::Conversational } else { Form::Standard };
        self.state.notices.push(match export::export(open.store.records(), form, path) {
            Ok(exported) => Notice::info(PanelId::Annotate, exported.sentence())
                .remedy("Show the folder", Command::Reveal(path.to_owned())),
            Err(err) => Notice::error(PanelId::Annotate, "The pairs could not be exported", &err),
        });
    }

    pub(super) fn save_elsewhere(&mut self, path: &Path) {
        let Some(open) = &mut self.project else { return };
        self.state.notices.clear(PanelId::Annotate);
        self.state.notices.push(match open.store.save_to(path) {
            Ok(()) => {
                self.state.annotate.unsaved_count = 0;
                let summary = format!("Saved to {}; verdicts go there from now on", path.display());
                Notice::info(PanelId::Annotate, summary)
            }
            Err(err) => Notice::error(PanelId::Annotate, "That did not work either", &err)
                .remedy("Save elsewhere…", Command::SaveElsewhere),
        });
    }

    fn start_training(&mut self) {
        if self.running.train.is_some() {
            return;
        }
        self.state.notices.clear(PanelId::Train);
        let (Some(card), Some(open)) = (self.state.model.ready(), &self.project) else { return };
        let source = card.source.clone();
        let folder = &open.project.folder;
        let objective = self.state.train.form.objective;
        let id = runs::new_run_id(folder, objective, self.host.now());
        let run_dir = runs::runs_dir(folder).join(&id);
        let Some(rows) = self.training_rows_or_notice() else { return };
        let config = TrainConfig {
            model: source.path().display().to_string(),
            ..self.state.train.form.clone()
        };
        self.forget_estimate();
        self.state.train.begin(id);
        let request = TrainRequest { config, run_dir, resume: false, cache: cache_folder() };
        let job = self.engine.train(source, Some(rows), request, Arc::clone(&self.wake));
        self.running.train = Some(job);
    }

    fn pause_training(&mut self, paused: bool) {
        if let (Some(job), Some(live)) = (&self.running.train, &mut self.state.train.live) {
            job.set_paused(paused);
            live.paused = paused;
        }
    }

    fn delete_run(&mut self, id: &str) {
        let Some(open) = &self.project else { return };
        if let Err(err) = runs::delete(&open.project.folder, id) {
            let summary = format!("Run {id} could not be deleted");
            self.state.notices.push(Notice::error(PanelId::Train, summary, &err));
        }
        self.refresh_runs();
    }

    /// The run's model, its adapter over it, and the same prompt answered with and without.
    fn try_run(&mut self, id: &str, which: Which) {
        let Some(open) = &self.project else { return };
        let run_dir = open.project.runs_dir().join(id);
        let entry = match runs::entry(&run_dir) {
            Ok(entry) => entry,
            Err(err) => {
                let summary = format!("Run {id} cannot be tried");
                self.state.notices.push(Notice::error(PanelId::Train, summary, &err));
                return;
            }
        };
        let adapter = match (which, &entry.record.best) {
            (Which::Best, Some(found)) => best::folder(&run_dir, found.step),
            _ => run_dir.clone(),
        };
        self.state.playground.new_chat();
        if self.state.playground.prompt.trim().is_empty() {
            self.state.playground.prompt = first_prompt(&run_dir);
        }
        self.state.prefs.panel = PanelId::Playground;
        self.compare_after_load = true;
        let loaded = self.state.model.ready().map(|card| card.identity.sha256.as_str());
        if loaded == Some(entry.record.model.sha256.as_str()) {
            self.load_adapter(adapter);
            return;
        }
        if let Some(source) = self.base_model(&entry.config.model, PanelId::Playground) {
            self.adapter_after_load = Some(adapter);
            self.load_model(source);
        } else {
            self.compare_after_load = false;
        }
    }

    pub(super) fn save_run_file(&mut self, path: PathBuf) {
        let Some(rows) = self.training_rows_or_notice() else { return };
        let model = self
            .state
            .model
            .ready()
            .map_or_else(|| "starter".to_owned(), |card| card.source.path().display().to_string());
        let config = TrainConfig { model, ..self.state.train.form.clone() };
        let job = self.engine.save_run_file(config, rows, path, Arc::clone(&self.wake));
        self.running.saving.push(job);
    }
}

/// Which adapter of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Last,

    /// Of its best look at what is held out.
    Best,
}

/// Where a run keeps what the next one can use. `None`: there is no home folder.
pub(super) fn cache_folder() -> Option<PathBuf> {
    crate::hub::paths::HubPaths::from_env().ok().map(|paths| paths.cached)
}

/// The first prompt of the run's data, to compare base and adapter on.
fn first_prompt(run_dir: &Path) -> String {
    let first_row = || -> Option<serde_json::Value> {
        let rows = BufReader::new(File::open(run_dir.join(DATA_FILE)).ok()?);
        let line =
            rows.lines().find(|line| line.as_ref().map_or(true, |row| !row.trim().is_empty()));
        serde_json::from_str(&line?.ok()?).ok()
    };
    let prompt = first_row().and_then(|mut row| row.get_mut("prompt").map(serde_json::Value::take));
    let text: Option<crate::data::pair::Text> =
        prompt.and_then(|prompt| serde_json::from_value(prompt).ok());
    text.map(|text| text.words()).unwrap_or_default()
}
