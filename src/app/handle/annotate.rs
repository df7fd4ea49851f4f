//! Annotate: prompts, the two answers, verdicts.

use std::path::{Path, PathBuf};

use crate::app::Workbench;
use crate::app::host::Ask;
use crate::app::tasks::answer::{AnswerRequest, Answering};
use crate::app::tasks::export_pair_form::ExportPairForm;
use crate::app::tasks::export_pairs::{ExportPairs, PairsToExport};
use crate::app::tasks::rate_models::{Comparisons, RateModels};
use crate::app::tasks::read_answers::ReadAnswers;
use crate::app::tasks::read_prompts::ReadPrompts;
use crate::data::forms::mapping::Mapping;
use crate::data::judging;
use crate::data::pair::Verdict;
use crate::data::pair_forms::PairForm;
use crate::data::record::{Form, VerdictRecord};
use crate::data::samples;
use crate::data::store::StoreError;
use crate::data::table::Reading;
use crate::remote::{ability, lacking};
use crate::state::codes::AnnotateView;
use crate::state::command::{AnnotateCommand, ProjectCommand, ViewCommand};
use crate::state::notice::Notice;
use crate::state::prefs::{Guessing, PanelId, Prefs};
use crate::state::slots::Asker;

/// Withdrawn when a later verdict takes the waiting ones to the disk.
const NOT_SAVED: &str = "The verdict could not be saved";

impl Workbench {
    pub(super) fn handle_annotate(&mut self, command: AnnotateCommand) {
        let judges = matches!(
            command,
            AnnotateCommand::Judge(_)
                | AnnotateCommand::UndoVerdict
                | AnnotateCommand::RedoVerdict
                | AnnotateCommand::KeepRanking
        );
        if judges && self.state.annotate.is_reading {
            return; // the panel says so; what is known of the verdicts is about to be another's
        }
        match command {
            AnnotateCommand::ChoosePrompts => self.ask(Ask::PromptsFile),
            AnnotateCommand::ChooseAnswers => self.ask(Ask::AnswersFile),
            AnnotateCommand::ChooseAnswersFolder => self.ask(Ask::AnswersFolder),
            AnnotateCommand::ExportFor(form) => self.export_for(form),
            AnnotateCommand::UseAnswers(path) => {
                self.handle(ViewCommand::ShowPanel(PanelId::Annotate));
                self.state.codes.view = AnnotateView::Pairs;
                self.use_answers_file(path);
            }
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
            AnnotateCommand::RedoVerdict => self.redo_verdict(),
            AnnotateCommand::GoTo(position) => {
                self.leave_answers();
                self.state.annotate.go_to(position, self.host.seconds());
                self.tell_unreadable();
            }
            AnnotateCommand::KeepRanking => self.keep_ranking(),
            AnnotateCommand::KeepJudging => self.keep_judging(),
            AnnotateCommand::RateModels => self.rate_models(None),
            AnnotateCommand::ChooseBattles => self.ask(Ask::Battles),
            AnnotateCommand::PreferTelling(first) => {
                let annotate = &mut self.state.annotate;
                let next = if first { annotate.arena.next() } else { Vec::new() };
                annotate.prefer(next);
            }
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
        let sentence = "What is exported needs a project to lie in";
        let Some(project) = self.project_for(PanelId::Annotate, sentence) else { return };
        let path = project.join("exports").join("pairs").join(form.file_name());
        let request = (self.store.records(), form, path.clone());
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
        // An encoder-decoder has no chat and no candidates to choose from.
        let answers = self.state.model.answers();
        let Some(identity) = self.state.model.identity().filter(|_| answers) else { return };
        if self.tasks.has::<Answering>() {
            if !self.state.annotate.is_answering() {
                self.tasks.stop::<Answering>();
                self.waiting_for_answer = Some(Asker::Annotate);
            }
            return;
        }
        let Prefs { sampling, max_new_tokens, .. } = &self.state.prefs;
        let mode = self.state.adapter.mode();
        let card = self.state.model.ready();
        let probe = self.state.model.remote();
        let as_chat = match probe {
            Some(probe) => probe.has(ability::CHAT),
            None => card.is_some_and(|card| card.facts.has_chat_template),
        };
        // What a server does not compute is not recorded as if it did.
        let used = probe.map_or_else(|| sampling.clone(), |it| lacking::used(sampling, it));
        let unused = probe.and_then(|probe| lacking::sentence(sampling, probe));
        let chat_problem = card.and_then(|card| card.facts.chat_problem.clone());
        let annotate = &mut self.state.annotate;
        let Some(request) = annotate.request(&used, *max_new_tokens, mode, as_chat) else {
            return;
        };
        annotate.started(&request, &identity, &self.state.adapter);
        self.state.notices.clear(PanelId::Annotate);
        if let Some(unused) = unused {
            self.state.notices.push(Notice::problem(PanelId::Annotate, unused));
        }
        if let Some(problem) = chat_problem {
            let summary = format!("The prompt is continued as it stands, because {problem}");
            self.state.notices.push(Notice::problem(PanelId::Annotate, summary));
        }
        // As without guesses, draw by draw: what is kept with a verdict is reproduced from its seed.
        let guessing = Guessing::Off;
        self.start(Answering { asker: Asker::Annotate }, AnswerRequest { request, guessing });
    }

    fn judge(&mut self, verdict: Verdict) {
        let (now, created_at) = (self.host.seconds(), self.host.timestamp());
        let Some(record) = self.state.annotate.judge(verdict, now, &created_at) else { return };
        self.keep_verdicts(vec![record]);
    }

    fn keep_ranking(&mut self) {
        let (now, created_at) = (self.host.seconds(), self.host.timestamp());
        let records = self.state.annotate.keep_ranking(now, &created_at);
        self.keep_verdicts(records);
    }

    fn keep_verdicts(&mut self, records: Vec<VerdictRecord>) {
        let was_elsewhere = self.store.is_elsewhere();
        let mut saved = Ok(());
        for record in records {
            saved = self.store.append(record);
        }
        if was_elsewhere && !self.store.is_elsewhere() {
            self.take_in_other_window();
        }
        self.report_saving(saved);
        if self.state.annotate.prefers() {
            self.rate_models(None);
        }
    }

    /// Answers that are being written for the prompt in front are not waited for.
    fn leave_answers(&mut self) {
        if self.tasks.of::<Answering>().any(|answering| answering.asker == Asker::Annotate) {
            self.drop_answers();
        }
    }

    /// The other window is closed: what was said there counts here from now on.
    fn take_in_other_window(&mut self) {
        self.state.annotate.set_given(self.store.given());
    }

    /// An earlier verdict could not be read again.
    fn tell_unreadable(&mut self) {
        if let Some(problem) = self.state.annotate.unreadable.take() {
            self.state.notices.push(Notice::problem(PanelId::Annotate, problem));
        }
    }

    /// Before a step in the history: it is that of both windows once the other one is closed.
    fn take_over(&mut self) {
        // An error comes again when the step is written.
        if matches!(self.store.take_over(), Ok(true)) {
            self.take_in_other_window();
        }
    }

    fn undo_verdict(&mut self) {
        self.take_over();
        let ids = self.state.annotate.undo(self.host.seconds());
        self.leave_answers();
        let created_at = self.host.timestamp();
        let mut saved = Ok(());
        for id in ids {
            saved = self.store.undo(&id, &created_at).map(drop);
        }
        self.tell_unreadable();
        self.report_saving(saved);
    }

    fn redo_verdict(&mut self) {
        self.take_over();
        self.leave_answers();
        let ids = self.state.annotate.redo(self.host.seconds());
        let created_at = self.host.timestamp();
        let mut saved = Ok(());
        for id in ids {
            saved = self.store.redo(&id, &created_at).map(drop);
        }
        self.tell_unreadable();
        self.report_saving(saved);
    }

    /// Into the project: the next start asks the same.
    fn keep_judging(&mut self) {
        let Some(open) = &self.project else { return };
        let path = open.folder.join(judging::FILE);
        if let Err(err) = self.state.annotate.judging.write(&path) {
            let summary = format!("What is asked could not be kept in {}", judging::FILE);
            self.state.notices.push(Notice::error(PanelId::Annotate, summary, &err));
        }
    }

    /// The window closes: a field that was typed in until now has not said that it was left.
    pub(in crate::app) fn keep_last_judging(&self) {
        let Some(open) = &self.project else { return };
        let (path, judging) = (open.folder.join(judging::FILE), &self.state.annotate.judging);
        // Nothing is written over a file that could not be read, nor into a project that asks nothing.
        let is_other =
            judging::Judging::read(&path).is_ok_and(|kept| kept.unwrap_or_default() != *judging);
        if is_other
            && judging.problem().is_none()
            && let Err(err) = judging.write(&path)
        {
            log::warn!("{}", crate::errors::one_line(&err));
        }
    }

    /// `file`: of comparisons. Without one, the verdicts of the project.
    pub(super) fn rate_models(&mut self, file: Option<PathBuf>) {
        let name = file.as_ref().and_then(|path| path.file_name());
        let name = name.map(|name| name.to_string_lossy().into_owned());
        let request = match file {
            Some(path) => Comparisons::File(path),
            None => Comparisons::Verdicts(self.store.records()),
        };
        self.state.annotate.arena.busy = true;
        let verdicts = self.store.counts().all();
        self.start_instead(RateModels { file: name, verdicts }, request);
    }

    /// Counts anew, and says so where a verdict is only in memory.
    pub(super) fn report_saving(&mut self, saved: Result<(), StoreError>) {
        self.count_verdicts();
        // Said for as long as it is so: the notice goes when the next answers are asked for.
        if let Err(StoreError::Write { source, .. }) = &saved {
            self.state.annotate.unsaved_because = Some(source.to_string());
        }
        if self.store.unsaved_count() == 0 {
            self.state.annotate.unsaved_because = None;
            self.state.notices.withdraw(PanelId::Annotate, NOT_SAVED);
        }
        let Err(err) = saved else { return };
        let notice = Notice::error(PanelId::Annotate, NOT_SAVED, &err);
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
        let records = self.store.records();
        self.start(ExportPairs { path: path.clone() }, PairsToExport { records, form, path });
    }

    pub(super) fn save_elsewhere(&mut self, path: &Path) {
        self.state.notices.clear(PanelId::Annotate);
        let is_same = self.store.path() == Some(path);
        let notice = match self.store.save_to(path) {
            Ok(()) => {
                if is_same {
                    // Each verdict stands at another place of the file now.
                    self.take_in_other_window();
                }
                let summary = format!("Saved to {}; verdicts go there from now on", path.display());
                Notice::info(PanelId::Annotate, summary)
            }
            Err(err) => Notice::error(PanelId::Annotate, "That did not work either", &err)
                .remedy("Save elsewhere…", AnnotateCommand::SaveElsewhere),
        };
        self.state.notices.push(notice);
        self.count_verdicts();
    }
}
