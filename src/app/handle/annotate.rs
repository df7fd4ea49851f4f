//! Annotate: prompts, the two answers, verdicts.

use std::path::{Path, PathBuf};

use crate::app::Workbench;
use crate::app::host::Ask;
use crate::app::tasks::answer::Answering;
use crate::app::tasks::export_pair_form::ExportPairForm;
use crate::app::tasks::export_pairs::{ExportPairs, PairsToExport};
use crate::app::tasks::read_answers::ReadAnswers;
use crate::app::tasks::read_prompts::ReadPrompts;
use crate::data::forms::mapping::Mapping;
use crate::data::pair::Verdict;
use crate::data::pair_forms::PairForm;
use crate::data::record::Form;
use crate::data::samples;
use crate::data::store::StoreError;
use crate::data::table::Reading;
use crate::state::command::{AnnotateCommand, ProjectCommand, ViewCommand};
use crate::state::notice::Notice;
use crate::state::prefs::{PanelId, Prefs};
use crate::state::slots::Asker;

impl Workbench {
    pub(super) fn handle_annotate(&mut self, command: AnnotateCommand) {
        match command {
            AnnotateCommand::ChoosePrompts => self.ask(Ask::PromptsFile),
            AnnotateCommand::ChooseAnswers => self.ask(Ask::AnswersFile),
            AnnotateCommand::ExportFor(form) => self.export_for(form),
            AnnotateCommand::UseFile(path) => {
                self.handle(ViewCommand::ShowPanel(PanelId::Annotate));
                self.use_prompts_file(path);
            }
            AnnotateCommand::UseSamplePrompts => {
                self.state.annotate.set_prompts("the sample prompts", samples::prompts());
                self.answer_prompt();
            }
            AnnotateCommand::AnswerPrompt => self.answer_prompt(),
            AnnotateCommand::Judge(verdict) => self.judge(verdict),
            AnnotateCommand::UndoVerdict => self.undo_verdict(),
            AnnotateCommand::ExportPairs { conversational } => {
                self.ask(Ask::ExportPairs { conversational });
            }
            AnnotateCommand::SaveElsewhere => self.ask(Ask::SaveElsewhere),
        }
    }

    /// Answers that are there already: nothing is asked of a model.
    pub(super) fn use_answers_file(&mut self, path: PathBuf) {
        self.state.notices.clear(PanelId::Annotate);
        if self.tasks.has::<Answering>() {
            self.drop_answers();
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.start_instead(ReadAnswers { name, at: Reading::default() }, path);
    }

    /// Into a folder of the project.
    fn export_for(&mut self, form: PairForm) {
        let Some(open) = &self.project else { return };
        let path = open.folder.join("exports").join("pairs").join(form.file_name());
        let request = (self.store.records().to_vec(), form, path.clone());
        self.start(ExportPairForm { path }, request);
    }

    pub(super) fn use_prompts_file(&mut self, path: PathBuf) {
        let columns = self.known_columns(&path);
        self.read_prompts(path, columns);
    }

    /// `columns`: what they are said to be.
    pub(super) fn read_prompts(&mut self, path: PathBuf, columns: Mapping) {
        self.state.notices.clear(PanelId::Annotate);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let reading = ReadPrompts { name, columns: columns.clone(), at: Reading::default() };
        self.start_instead(reading, (path, columns));
    }

    pub(super) fn answer_prompt(&mut self) {
        let Some(card) = self.state.model.ready() else { return };
        if self.tasks.has::<Answering>() {
            if !self.state.annotate.is_answering() {
                self.tasks.stop::<Answering>();
                self.waiting_for_answer = Some(Asker::Annotate);
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
        if let Some(problem) = &card.facts.chat_problem {
            let summary = format!("The prompt is continued as it stands, because {problem}");
            self.state.notices.push(Notice::problem(PanelId::Annotate, summary));
        }
        self.start(Answering { asker: Asker::Annotate }, request);
    }

    fn judge(&mut self, verdict: Verdict) {
        let (now, created_at) = (self.host.seconds(), self.host.timestamp());
        let Some(record) = self.state.annotate.judge(verdict, now, &created_at) else { return };
        let saved = self.store.append(record);
        self.report_saving(saved);
    }

    fn undo_verdict(&mut self) {
        let Some(id) = self.state.annotate.undo(self.host.seconds()) else { return };
        if self.tasks.of::<Answering>().any(|answering| answering.asker == Asker::Annotate) {
            self.drop_answers();
        }
        let created_at = self.host.timestamp();
        let saved = self.store.undo(&id, &created_at).map(drop);
        self.report_saving(saved);
    }

    /// Counts anew, and says so where a verdict is only in memory.
    pub(super) fn report_saving(&mut self, saved: Result<(), StoreError>) {
        self.count_verdicts();
        let Err(err) = saved else { return };
        let notice = Notice::error(PanelId::Annotate, "The verdict could not be saved", &err);
        self.state.notices.push(if self.project.is_some() {
            notice
                .hint("It is kept in memory and written with the next one that can be")
                .remedy("Save elsewhere…", AnnotateCommand::SaveElsewhere)
        } else {
            notice
                .hint("It is kept in memory, and goes into the project that you open next")
                .remedy("Open a project…", ProjectCommand::Choose)
        });
    }

    /// What the panels say of the verdicts.
    pub(super) fn count_verdicts(&mut self) {
        self.state.annotate.unsaved_count = self.store.unsaved_count();
        self.state.train.project_pairs = self.store.counts().pairs();
    }

    pub(super) fn export_pairs(&mut self, path: PathBuf, conversational: bool) {
        let form = if conversational { Form::Conversational } else { Form::Standard };
        let records = self.store.records().to_vec();
        self.start(ExportPairs { path: path.clone() }, PairsToExport { records, form, path });
    }

    pub(super) fn save_elsewhere(&mut self, path: &Path) {
        self.state.notices.clear(PanelId::Annotate);
        self.state.notices.push(match self.store.save_to(path) {
            Ok(()) => {
                let summary = format!("Saved to {}; verdicts go there from now on", path.display());
                Notice::info(PanelId::Annotate, summary)
            }
            Err(err) => Notice::error(PanelId::Annotate, "That did not work either", &err)
                .remedy("Save elsewhere…", AnnotateCommand::SaveElsewhere),
        });
        self.count_verdicts();
    }
}
