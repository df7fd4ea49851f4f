//! Evaluate: tasks are opened and set up, rows are asked about, answers are kept.

use std::path::PathBuf;
use std::sync::Arc;

use crate::app::Workbench;
use crate::app::host::Ask;
use crate::app::tasks::ask_rows::{AskRows, Rows, RowsToAsk, STILL_ASKING};
use crate::app::tasks::compare_evaluations::CompareEvaluations;
use crate::app::tasks::export_evaluation::{ExportEvaluation, TableToExport};
use crate::app::tasks::list_configurations::{Asked, ListConfigurations};
use crate::app::tasks::list_evaluations::ListEvaluations;
use crate::app::tasks::prepare_evaluation::{PrepareEvaluation, TaskSource};
use crate::app::tasks::read_codebook::ReadCodebook;
use crate::app::tasks::read_table::{BesideItems, ReadRows, ReadTable, TableRows};
use crate::app::tasks::redraw_labels::{LabelsToRedraw, RedrawLabels};
use crate::app::tasks::report_evaluation::ReportEvaluation;
use crate::app::tasks::save_draft::SaveDraft;
use crate::app::tasks::show_prompt::ShowPrompt;
use crate::app::tasks::test_stability::TestStability;
use crate::data::sheet::form::SheetForm;
use crate::data::table::Reading;
use crate::evaluate::results::kept;
use crate::evaluate::task::survey::Beside;
use crate::hub::resolve::resolve_model;
use crate::llm::card::ModelSource;
use crate::llm::generate::AdapterMode;
use crate::state::command::{EvaluateCommand, ModelsCommand, ViewCommand};
use crate::state::evaluate::asking::Asking;
use crate::state::evaluate::form::file_name;
use crate::state::evaluate::{Front, KeptIn, Preparing, TRIED_ROWS};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

/// So long after a change the form is kept, in seconds.
const DRAFT_AFTER: f64 = 1.0;

impl Workbench {
    pub(super) fn handle_evaluate(&mut self, command: EvaluateCommand) {
        match command {
            EvaluateCommand::New => {
                self.handle(ViewCommand::ShowPanel(PanelId::Evaluate));
                if self.state.evaluate.asking.is_none() {
                    self.state.evaluate.show_form();
                }
            }
            EvaluateCommand::ChooseTask => self.ask(Ask::TaskFile),
            EvaluateCommand::UseSample => {
                self.use_sample("sample-abstracts", TaskSource::Sample);
            }
            EvaluateCommand::UseSampleSurvey => {
                self.use_sample("sample-survey", TaskSource::SampleSurvey);
            }
            EvaluateCommand::OpenTask(path) => self.open_task(path),
            EvaluateCommand::OpenKept(folder) => {
                self.state.evaluate.configurations = None;
                let name = file_name(&folder);
                self.prepare(Preparing::Open, name, TaskSource::Kept(folder.clone()), Some(folder));
            }
            EvaluateCommand::ChooseTable => self.ask(Ask::EvaluationTable),
            EvaluateCommand::ChooseDocuments => self.ask(Ask::Documents),
            EvaluateCommand::UseTable(path) => self.use_table(path),
            EvaluateCommand::ChooseCodebook => self.ask(Ask::Codebook),
            EvaluateCommand::ChooseBeside(beside) => self.ask(Ask::BesideItems(beside)),
            EvaluateCommand::UseBeside(beside, path) => self.read_beside(beside, path, false),
            EvaluateCommand::ReadBeside => self.read_all_beside(),
            EvaluateCommand::Try => self.begin_asking(Preparing::Try),
            EvaluateCommand::Start => self.begin_asking(Preparing::All),
            EvaluateCommand::Resume => self.resume_asking(),
            EvaluateCommand::Pause => self.pause_asking(true),
            EvaluateCommand::Continue => self.pause_asking(false),
            EvaluateCommand::Stop => {
                if let Some(asking) = &mut self.state.evaluate.asking {
                    asking.stopping = true;
                }
                self.tasks.stop::<AskRows>();
            }
            EvaluateCommand::Report(folder) => {
                self.list_studies(); // whose labels can be taken over
                self.start_instead(ReportEvaluation { folder: folder.clone() }, (folder, None));
            }
            EvaluateCommand::TakeLabels { folder, study } => {
                let request = (folder.clone(), Some(study));
                self.start_instead(ReportEvaluation { folder }, request);
            }
            EvaluateCommand::Redraw { folder, threshold } => {
                let at = self.host.timestamp();
                self.start_instead(RedrawLabels, LabelsToRedraw { folder, threshold, at });
            }
            EvaluateCommand::Compare { folder, other } => {
                let task = CompareEvaluations { folder: folder.clone() };
                self.start_instead(task, (folder, other));
            }
            EvaluateCommand::ChooseTableFile(form) => self.ask(Ask::EvaluationFile(form)),
            EvaluateCommand::ChooseExamples => self.ask(Ask::Examples),
            EvaluateCommand::CodeByHand => self.code_by_hand(),
            EvaluateCommand::LoadModel(name) => self.load_named_model(&name),
            // Two at a time would take turns with the model, and the later one's results stay.
            EvaluateCommand::TestStability(_) if self.tasks.has::<TestStability>() => {}
            EvaluateCommand::TestStability(folder) => {
                self.start(TestStability::new(folder.clone()), folder);
            }
            EvaluateCommand::StopTests => self.tasks.stop::<TestStability>(),
            EvaluateCommand::CompareConfigurations => self.list_configurations(None),
            EvaluateCommand::Freeze(folder) => {
                let at = self.host.timestamp();
                self.list_configurations(Some((folder, at)));
            }
            EvaluateCommand::OpenTestPart(folder) => {
                self.state.evaluate.configurations = None;
                let name = file_name(&folder);
                self.prepare(Preparing::Open, name, TaskSource::TestPart(folder), None);
            }
            EvaluateCommand::ShowPrompt(content) => {
                self.start_instead(ShowPrompt { content: content.clone() }, content);
            }
        }
    }

    /// By the name in a task file, as the command line reads it.
    fn load_named_model(&mut self, name: &str) {
        self.state.notices.clear(PanelId::Evaluate);
        match resolve_model(name) {
            Ok(path) => self.handle(ModelsCommand::Load(ModelSource::at(&path))),
            Err(err) => {
                let summary = "The model that the task names is not on this computer";
                self.state.notices.push(Notice::error(PanelId::Evaluate, summary, &err));
            }
        }
    }

    fn list_configurations(&mut self, freeze: Option<(PathBuf, String)>) {
        let Some(open) = &self.project else { return };
        let project = open.folder.clone();
        self.start_instead(ListConfigurations, Asked { project, freeze });
    }

    pub(super) fn open_task(&mut self, path: PathBuf) {
        self.handle(ViewCommand::ShowPanel(PanelId::Evaluate));
        self.prepare(Preparing::Open, file_name(&path), TaskSource::File(path), None);
    }

    fn use_sample(&mut self, name: &str, source: fn(PathBuf) -> TaskSource) {
        self.handle(ViewCommand::ShowPanel(PanelId::Evaluate));
        let sentence = "The sample needs a project to lie in";
        if self.project_for(PanelId::Evaluate, sentence).is_none() {
            return;
        }
        let Some(project) = &self.project else { return };
        let folder = project.datasets_dir().join(name);
        self.prepare(Preparing::Open, "the sample".to_owned(), source(folder), None);
    }

    pub(super) fn use_table(&mut self, path: PathBuf) {
        if self.state.evaluate.asking.is_none() {
            self.state.evaluate.show_form();
        }
        self.state.notices.clear(PanelId::Evaluate);
        self.state.evaluate.preparing = Some((Preparing::Table, Reading::default()));
        self.start_instead(ReadTable::new(TableRows, &path), path);
    }

    /// A table with the columns of this one; what is wrong with it is said once the rows are read.
    pub(super) fn use_examples(&mut self, path: PathBuf) {
        if let Some(examples) = &mut self.state.evaluate.form.examples {
            examples.data = Some(path);
        }
    }

    /// Saves the open evaluation's table with the answers beside it.
    pub(super) fn export_evaluation(&mut self, form: SheetForm, path: PathBuf) {
        let Some(open) = &self.state.evaluate.open else { return };
        let Some(kept) = &open.kept else { return };
        let (prepared, folder) = (Arc::clone(&open.prepared), kept.folder.clone());
        // The dialogs of some systems do not put the ending behind a name.
        let path =
            if path.extension().is_some() { path } else { path.with_extension(form.ending()) };
        self.start(ExportEvaluation, TableToExport { prepared, folder, path, form });
    }

    pub(super) fn use_codebook(&mut self, path: PathBuf) {
        self.state.notices.clear(PanelId::Evaluate);
        self.start_instead(ReadCodebook, path);
    }

    /// Reads a table beside the items of a survey.
    fn read_beside(&mut self, beside: Beside, path: PathBuf, is_draft: bool) {
        if !is_draft {
            self.state.notices.clear(PanelId::Evaluate);
        }
        let (reader, read) =
            (BesideItems(beside), if is_draft { ReadTable::of_draft } else { ReadTable::new });
        // Not instead: two different ones may be read at the same time.
        self.start(read(reader, &path), path);
    }

    /// The same of those that the form names.
    pub(in crate::app) fn read_all_beside(&mut self) {
        for (beside, path) in self.state.evaluate.form.survey.unread() {
            self.read_beside(beside, path, true);
        }
    }

    /// Reads a table, and then does what it is read for. Not while rows are asked about: their
    /// answers are shown.
    fn prepare(
        &mut self,
        then: Preparing,
        name: String,
        source: TaskSource,
        folder: Option<PathBuf>,
    ) {
        if self.tasks.has::<AskRows>() {
            self.state.notices.push(Notice::problem(PanelId::Evaluate, STILL_ASKING));
            return;
        }
        self.state.notices.clear(PanelId::Evaluate);
        self.state.evaluate.preparing = Some((then, Reading::default()));
        self.start_instead(
            PrepareEvaluation { then, folder, name, at: Reading::default() },
            source,
        );
    }

    fn begin_asking(&mut self, then: Preparing) {
        if self.state.evaluate.obstacle(&self.state.model).is_some() {
            return;
        }
        match self.state.evaluate.front {
            Front::List => {}
            Front::Form => {
                let form = &self.state.evaluate.form;
                let source = TaskSource::Form(Box::new(form.task()), form.codebook.clone());
                let name = form.table_name().unwrap_or_default();
                self.prepare(then, name, source, None);
            }
            Front::Opened => self.ask_rows(then == Preparing::Try),
        }
    }

    /// The rows are ready: asks the loaded model about them.
    pub(in crate::app) fn ask_rows(&mut self, is_try: bool) {
        if is_try {
            self.start_asking(|_| Some(Rows::Few(TRIED_ROWS)));
            return;
        }
        let minute = self.host.timestamp();
        let minute = minute.get(..16).unwrap_or_default().replace('T', "-").replace(':', "");
        self.start_asking(|app| {
            let sentence = "The answers need a project to be kept in";
            let project = app.project_for(PanelId::Evaluate, sentence)?;
            let open = app.state.evaluate.open.as_ref()?;
            let task = &open.prepared.task;
            let table = task.data.file_stem().unwrap_or_default().to_string_lossy();
            let name: &str = if task.name.is_empty() { &table } else { &task.name };
            let folder = kept::new_folder(&project, name, &minute);
            Some(Rows::All { folder, project })
        });
    }

    fn resume_asking(&mut self) {
        self.start_asking(|app| {
            let kept = app.state.evaluate.open.as_ref()?.kept.as_ref()?;
            Some(Rows::Rest { folder: kept.folder.clone() })
        });
    }

    fn start_asking(&mut self, rows: impl FnOnce(&mut Self) -> Option<Rows>) {
        let model = match (self.state.model.in_memory(), self.state.model.remote()) {
            (Some(card), _) => card.source.path().display().to_string(),
            (None, Some(probe)) => probe.address.clone(),
            (None, None) => return,
        };
        if self.tasks.has::<AskRows>() {
            return;
        }
        self.state.notices.clear(PanelId::Evaluate);
        let Some(rows) = rows(self) else { return };
        let (started, now) = (self.host.timestamp(), self.host.seconds());
        let adapter = &self.state.adapter;
        let adapter = adapter
            .ready()
            .filter(|_| adapter.mode() == AdapterMode::On)
            .map(|card| card.path.clone());
        let guessing = self.state.prefs.guessing.clone();
        let evaluate = &mut self.state.evaluate;
        let Some(open) = &mut evaluate.open else { return };
        let (is_try, folder) = match &rows {
            Rows::Few(_) => (true, None),
            Rows::All { folder, .. } | Rows::Rest { folder } => (false, Some(folder.clone())),
        };
        let prepared = Arc::clone(&open.prepared);
        let all = open.rows();
        if !matches!(rows, Rows::Rest { .. }) {
            open.answers.clear();
            open.version += 1;
            open.kept = folder.clone().map(|folder| KeptIn { folder, begun: None });
        }
        let total = if is_try { all.min(TRIED_ROWS) } else { all };
        evaluate.asking = Some(Asking::new(total, is_try, now));
        evaluate.rows_in_front = true;
        self.start(
            AskRows { is_try, folder },
            RowsToAsk { prepared, rows, model, adapter, started, guessing },
        );
    }

    fn pause_asking(&mut self, paused: bool) {
        let now = self.host.seconds();
        if let Some(asking) = &mut self.state.evaluate.asking {
            asking.set_paused(paused, now);
            self.tasks.set_paused::<AskRows>(paused);
        }
    }

    /// A project was opened: its evaluations are listed, and its form comes back.
    pub(in crate::app) fn open_evaluations(&mut self) {
        self.tasks.drop_all::<PrepareEvaluation>();
        if self.tasks.has::<AskRows>() {
            self.list_evaluations_and(true);
            return;
        }
        let mut before = std::mem::take(&mut self.state.evaluate);
        self.state.evaluate.encoders = std::mem::take(&mut before.encoders);
        // What no project has yet goes along.
        let is_carried = before.is_draft_refused || before.draft_to_save().is_some();
        if is_carried {
            self.state.evaluate.form = before.form;
            self.tell_of_earlier_draft();
        }
        self.list_evaluations_and(!is_carried);
    }

    /// The form of the project that is opened is another one than the form in front: it is not written over.
    fn tell_of_earlier_draft(&mut self) {
        let Some(open) = &self.project else { return };
        let notice = match kept::set_draft_aside(&open.folder) {
            Ok(None) => return,
            Ok(Some(path)) => {
                let summary = "The form is what you have written, which no project had yet";
                let hint = format!("What this project's form was is kept in {}", path.display());
                Notice::info(PanelId::Evaluate, summary).hint(hint)
            }
            Err(err) => {
                let summary =
                    "What this project's form was could not be kept beside what you have written";
                Notice::error(PanelId::Evaluate, summary, &err)
            }
        };
        self.state.notices.push(notice);
    }

    /// Reads `evaluations/` again.
    pub(in crate::app) fn list_evaluations(&mut self) {
        self.list_evaluations_and(false);
    }

    fn list_evaluations_and(&mut self, takes_draft: bool) {
        let Some(open) = &self.project else { return };
        let folder = open.folder.clone();
        let takes_draft =
            takes_draft || self.tasks.of::<ListEvaluations>().any(|task| task.takes_draft);
        self.start_instead(ListEvaluations { takes_draft }, folder);
    }

    /// Keeps the form once it has not changed for a moment. Called whenever something happens.
    pub(in crate::app) fn keep_draft(&mut self) {
        let Some(draft) = self.state.evaluate.draft_to_save() else {
            self.draft_changed = None;
            return;
        };
        let now = self.host.seconds();
        match &self.draft_changed {
            Some((seen, since)) if *seen == draft => {
                let is_being_read =
                    self.tasks.has::<ListEvaluations>() || self.tasks.has::<ReadRows>();
                if now - since < DRAFT_AFTER || is_being_read {
                    return;
                }
            }
            _ => {
                self.draft_changed = Some((draft, now));
                return;
            }
        }
        let Some(open) = &self.project else { return };
        let folder = open.folder.clone();
        self.state.evaluate.draft = Some(draft.clone());
        self.draft_changed = None;
        self.start(SaveDraft, (folder, draft));
    }

    /// The window closes: what was typed in the last moment is kept, too.
    pub(in crate::app) fn keep_last_draft(&self) {
        if self.tasks.has::<ListEvaluations>() {
            return; // it is not known yet what the project has
        }
        let draft = self.state.evaluate.draft_to_save();
        if let (Some(open), Some(draft)) = (&self.project, draft)
            && let Err(err) = kept::save_draft(&open.folder, &draft)
        {
            log::warn!("{}", crate::errors::one_line(&err));
        }
    }
}
