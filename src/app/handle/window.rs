//! What the window itself is asked for, and what a file dialog has answered.

use std::path::{Path, PathBuf};

use crate::app::host::Ask;
use crate::app::opened;
use crate::app::tasks::answer::Answering;
use crate::app::tasks::check_files::CheckFiles;
use crate::app::tasks::dialog::Dialog;
use crate::app::tasks::grow_tree::GrowTree;
use crate::app::tasks::repeat_prompt::RepeatPrompt;
use crate::app::tasks::run_prompt::RunPrompt;
use crate::app::tasks::starter::FetchStarter;
use crate::app::{Outward, Workbench};
use crate::hub::fetch::queue::QueueCommand;
use crate::hub::paths::HubPaths;
use crate::hub::resolve;
use crate::lecture::place::Place;
use crate::llm::card::ModelSource;
use crate::logging;
use crate::state::about::{AboutPage, AboutState};
use crate::state::codes::AnnotateView;
use crate::state::command::{
    AdapterForm, EvaluateCommand, LookInsideCommand, ModelsCommand, PlaygroundCommand,
    ProjectCommand, ViewCommand, WindowCommand,
};
use crate::state::hub::ModelsTab;
use crate::state::look_inside::view::View;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

impl Workbench {
    pub(super) fn handle_view(&mut self, command: ViewCommand) {
        let is_annotate = command == ViewCommand::ShowPanel(PanelId::Annotate);
        self.state.apply(command);
        if is_annotate && self.state.codes.view == AnnotateView::Pairs {
            self.answer_prompt();
        }
    }

    pub(super) fn handle_window(&mut self, command: WindowCommand) {
        match command {
            WindowCommand::CopyText(text) => self.outward.push(Outward::Copy(text)),
            WindowCommand::OpenPage(page) => self.outward.push(Outward::OpenPage(page)),
            WindowCommand::CloseAnyway => self.outward.push(Outward::Close),
            WindowCommand::OpenPath(path) if path.exists() => self.dropped(path),
            WindowCommand::OpenPath(path) => self.tell_not_opened(&path),
            WindowCommand::Reveal(path) => self.reveal(&path),
            WindowCommand::ShowAbout(page) => self.show_about(page),
            WindowCommand::StopForeground => self.stop_foreground(),
            WindowCommand::StopAll => {
                self.state.train.stopping();
                self.tasks.stop_all();
                self.engine.send_to_queue(QueueCommand::PauseAll);
            }
            WindowCommand::StopReading => self.tasks.stop_reading(),
        }
    }

    fn show_about(&mut self, page: AboutPage) {
        let mut places = vec![("The project", self.state.project.clone())];
        if let Ok(paths) = HubPaths::from_env() {
            places.push(("Models of Hugging Face, Python's too", paths.cache));
            places.push(("Models of this program", paths.models));
        }
        if let Some(folder) = eframe::storage_dir("tuning-fork") {
            places.push(("Settings of the window", folder));
        }
        if let Some(file) = logging::window_file() {
            places.push(("The log", file));
        }
        let report = self.report();
        self.state.window.about = Some(AboutState { page, places, report });
    }

    fn reveal(&mut self, path: &Path) {
        if let Err(err) = self.host.reveal(path) {
            let summary = format!("{} could not be shown", path.display());
            let notice = Notice::error(self.state.prefs.panel, summary, &err)
                .hint("No program of this system shows folders; the path can be copied");
            let copy = WindowCommand::CopyText(path.display().to_string());
            self.state.notices.push(notice.remedy("Copy the path", copy));
        }
    }

    /// Esc: stops what the panel in front is doing and what can be asked for again without loss;
    /// never a training run, an export or a measurement.
    fn stop_foreground(&mut self) {
        if self.state.prefs.panel == PanelId::Models {
            self.tasks.stop::<FetchStarter>(); // what was downloaded is kept
            self.tasks.stop::<CheckFiles>();
            if self.state.hub.tab == ModelsTab::Downloads {
                self.engine.send_to_queue(QueueCommand::PauseAll);
            }
        }
        self.handle(WindowCommand::StopReading);
        self.tasks.stop::<Answering>();
        self.tasks.stop::<GrowTree>();
        self.tasks.stop::<RepeatPrompt>();
        self.tasks.stop::<RunPrompt>();
        self.stop_writing();
        self.stop_looking();
    }

    /// Opens a file dialog, unless one is open.
    pub(super) fn ask(&mut self, ask: Ask) {
        if !self.tasks.has::<Dialog>() {
            let panel = self.state.prefs.panel;
            self.start(Dialog { ask: ask.clone(), panel }, ask);
        }
    }

    /// A file or folder was dropped onto the window: it is what it says of itself, else what the panel
    /// in front would ask for.
    pub(in crate::app) fn dropped(&mut self, path: PathBuf) {
        if self.state.lectures.is_on_stage() {
            return; // nothing changes there by accident
        }
        // What can only be one thing is opened whatever is in front; a table is what the panel makes of
        // it.
        if let Some(given) = opened::kind_of(&path) {
            self.open_given(given);
            return;
        }
        let is_toml = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml"));
        let ask = match self.state.prefs.panel {
            PanelId::Annotate if self.state.codes.view == AnnotateView::Codes => Ask::StudyTable,
            PanelId::Annotate if self.state.codes.view == AnnotateView::Arena => Ask::Battles,
            PanelId::Annotate => Ask::PromptsFile,
            PanelId::Evaluate if is_toml => Ask::TaskFile,
            PanelId::Evaluate => Ask::EvaluationTable,
            PanelId::LookInside if self.state.look_inside.view == View::Map => Ask::MapTable,
            PanelId::Lectures => Ask::Lecture,
            PanelId::Train if is_toml => Ask::RunFile,
            PanelId::Train if self.state.train.rounds.is_open() => Ask::RoundPrompts,
            PanelId::Train => Ask::TrainingData,
            _ => Ask::ModelFile,
        };
        self.chosen(ask, path);
    }

    /// A file or folder was picked in a dialog.
    pub(in crate::app) fn chosen(&mut self, ask: Ask, path: PathBuf) {
        match ask {
            Ask::ModelFile | Ask::ModelFolder if resolve::is_adapter(&path) => {
                self.open_adapter(path);
            }
            Ask::ModelFile | Ask::ModelFolder => {
                let opened = &mut self.state.prefs.opened_models;
                opened.retain(|known| *known != path);
                opened.push(path.clone());
                self.handle(ModelsCommand::Refresh);
                self.handle(ModelsCommand::Load(ModelSource::at(&path)));
            }
            Ask::AdapterFolder => self.handle(PlaygroundCommand::LoadAdapter(path)),
            Ask::ProjectFolder => self.handle(ProjectCommand::Open(path)),
            Ask::PromptsFile => self.use_prompts_file(path),
            Ask::AnswersFile | Ask::AnswersFolder => self.use_answers_file(path),
            Ask::Battles => self.rate_models(Some(path)),
            Ask::TaskFile => self.open_task(path),
            Ask::EvaluationTable | Ask::Documents => self.use_table(path),
            Ask::BesideItems(beside) => self.handle(EvaluateCommand::UseBeside(beside, path)),
            Ask::Examples => self.use_examples(path),
            Ask::EvaluationFile(form) => self.export_evaluation(form, path),
            Ask::MapTable => self.use_map_table(path),
            Ask::TokenizerFolder => self.handle(LookInsideCommand::UseTokenizer(path)),
            Ask::ItemAnswers => self.state.look_inside.map.items.form.answers = Some(path),
            Ask::Codebook => self.use_codebook(path),
            Ask::StudyTable | Ask::StudyFolder => self.use_study_table(path),
            Ask::StudyCodebook => self.use_study_codebook(path),
            Ask::CodingPackage => self.use_package(path),
            Ask::SentCodes => self.merge_codes(&path),
            Ask::ExportStudy(file) => self.export_study(file, path),
            Ask::TrainingData => self.use_training_file(path),
            Ask::MixedData => self.mix_in(path),
            Ask::RoundPrompts => self.state.train.rounds.prompts = Some(path),
            Ask::RunFile => self.use_run_file(&path),
            Ask::Bundle => self.make_bundle(path),
            Ask::Results => self.take_results(path),
            Ask::Lecture => self.open_lecture(Place::File(path)),
            Ask::ExportPairs { conversational } => self.export_pairs(path, conversational),
            Ask::SaveElsewhere => self.save_elsewhere(&path),
            Ask::SaveRunFile => self.save_run_file(path),
            Ask::MergedFolder { run } => self.export_adapter(&run, AdapterForm::Merged, path),
            Ask::GgufAdapter { run } => self.export_adapter(&run, AdapterForm::Gguf, path),
        }
    }
}
