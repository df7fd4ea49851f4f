//! Codes: studies are made and opened, verdicts are kept, coders are merged and compared.

use std::path::{Path, PathBuf};

use crate::app::Workbench;
use crate::app::host::{Ask, StudyFile};
use crate::app::tasks::export_study::{ExportStudy, StudyToExport};
use crate::app::tasks::list_studies::ListStudies;
use crate::app::tasks::make_pair_study::{MakePairStudy, PairsToStudy};
use crate::app::tasks::measure_agreement::MeasureAgreement;
use crate::app::tasks::open_study::{OpenStudy, Wanted};
use crate::app::tasks::rate_study::RateStudy;
use crate::app::tasks::read_study_codebook::ReadStudyCodebook;
use crate::app::tasks::read_study_table::ReadStudyTable;
use crate::app::tasks::take_suggestions::{SuggestionsAsked, TakeSuggestions};
use crate::data::table::Reading;
use crate::eval::closest::Scored;
use crate::evaluate::asking::prepared::Prepared;
use crate::evaluate::results::folder::TABLE;
use crate::state::codes::session::Session;
use crate::state::codes::setup::{Setup, What};
use crate::state::codes::{AgreementPage, AgreementTab, AnnotateView, CodesState, Front, Rated};
use crate::state::command::{CodesCommand, ProjectCommand, ViewCommand};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::study::design::StudyError;
use crate::study::disagreement;
use crate::study::folder::Folder;
use crate::study::log::Verdict;
use crate::study::make::Plans;
use crate::study::package;
use crate::words::counted;

const NOT_SAVED: &str = "The code could not be saved";

impl Workbench {
    pub(super) fn handle_codes(&mut self, command: CodesCommand) {
        match command {
            CodesCommand::Refresh => self.list_studies(),
            CodesCommand::ChooseTable => self.ask(Ask::StudyTable),
            CodesCommand::ChooseFolder => self.ask(Ask::StudyFolder),
            CodesCommand::UsePairs(path) => {
                if self.state.codes.session.is_none() {
                    self.state.codes.setup.judge(What::Pairs);
                }
                self.use_study_table(path);
            }
            CodesCommand::New => {
                if self.state.codes.session.is_none() {
                    self.show_codes(Front::Setup);
                }
            }
            CodesCommand::UseTable(path) => self.use_study_table(path),
            CodesCommand::UseCodebook(path) => self.use_study_codebook(path),
            CodesCommand::CodeAs(name) => {
                if self.state.codes.session.is_none() {
                    self.state.codes.coder = name;
                }
            }
            CodesCommand::ChooseCodebook => self.ask(Ask::StudyCodebook),
            CodesCommand::Make => self.make_study(),
            CodesCommand::StopMaking => self.tasks.stop::<MakePairStudy>(),
            CodesCommand::UseSample => {
                let now = self.host.timestamp();
                self.open_study(|project| Wanted::Sample { project, now });
            }
            CodesCommand::Open(path) => self.open_study(|_| Wanted::Kept(path)),
            CodesCommand::ChoosePackage => self.ask(Ask::CodingPackage),
            CodesCommand::OpenPackage(path) => self.use_package(path),
            CodesCommand::Close => _ = self.close_study(),
            CodesCommand::Give => self.give_code(),
            CodesCommand::Back => {
                let now = self.host.seconds();
                if let Some(session) = &mut self.state.codes.session {
                    session.back(now);
                }
            }
            CodesCommand::GoTo(at) => {
                let now = self.host.seconds();
                if let Some(session) = &mut self.state.codes.session {
                    session.go_to(at, now);
                }
            }
            CodesCommand::SitAgain => {
                let now = self.host.seconds();
                if let Some(session) = &mut self.state.codes.session {
                    session.sit_again(now);
                }
            }
            CodesCommand::Undo => self.step_in_history(false),
            CodesCommand::Redo => self.step_in_history(true),
            CodesCommand::Agreement => {
                let codes = &mut self.state.codes;
                if let Some(page) =
                    codes.agreement.as_mut().filter(|_| codes.front != Front::Agreement)
                {
                    page.tab = AgreementTab::Numbers; // the arena has its own button
                }
                self.measure_agreement();
            }
            CodesCommand::Arena => self.rate_study(),
            CodesCommand::Settle { item, variable, value, reason } => {
                let reason = reason.trim();
                let verdict = Verdict {
                    item,
                    pass: 1,
                    values: [(variable as u16, value)].into(),
                    at: self.host.timestamp().into(),
                    reason: (!reason.is_empty()).then(|| reason.into()),
                    ..Verdict::default()
                };
                self.settle(variable, verdict);
            }
            CodesCommand::ChooseMerge => self.ask(Ask::SentCodes),
            CodesCommand::MergeFile(path) => self.merge_codes(&path),
            CodesCommand::ExportTo(form, path) => {
                self.export_to_typed(StudyFile::Export(form), path);
            }
            CodesCommand::PackageTo(path) => self.export_to_typed(StudyFile::Package, path),
            CodesCommand::CodesTo(path) => self.export_to_typed(StudyFile::Codes, path),
            CodesCommand::Export(form) => self.ask(Ask::ExportStudy(StudyFile::Export(form))),
            CodesCommand::ExportPackage => self.ask(Ask::ExportStudy(StudyFile::Package)),
            CodesCommand::ExportCodes => self.ask(Ask::ExportStudy(StudyFile::Codes)),
            CodesCommand::UseSuggestions(evaluation) => self.use_suggestions(evaluation),
        }
    }

    /// A project was opened: its studies, and none of another.
    pub(in crate::app) fn open_studies(&mut self) {
        let codes = &mut self.state.codes;
        // What was written for a study belongs to no project yet.
        let setup = std::mem::take(&mut codes.setup);
        let (view, goes_on, coder) = (codes.view, codes.goes_on, std::mem::take(&mut codes.coder));
        *codes = CodesState { view, setup, coder, goes_on, ..CodesState::default() };
        self.list_studies();
    }

    pub(in crate::app) fn list_studies(&mut self) {
        let Some(open) = &self.project else { return };
        let folder = open.folder.clone();
        self.start_instead(ListStudies, folder);
    }

    /// The list of studies, where the coder's name is written. An open study stays open.
    pub(super) fn show_codes_list(&mut self) {
        if self.state.codes.session.is_none() {
            self.show_codes(Front::List);
        }
    }

    fn show_codes(&mut self, front: Front) {
        self.handle(ViewCommand::ShowPanel(PanelId::Annotate));
        self.state.codes.view = AnnotateView::Codes;
        self.state.codes.front = front;
    }

    pub(super) fn use_study_table(&mut self, path: PathBuf) {
        self.state.notices.clear(PanelId::Annotate);
        if self.state.codes.session.is_some() {
            let summary = "A study is open: close it before you set up another";
            self.state.notices.push(Notice::problem(PanelId::Annotate, summary));
            return;
        }
        self.show_codes(Front::Setup);
        self.state.codes.busy = Some("Reading the table…");
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let what = self.state.codes.setup.what();
        let reading = ReadStudyTable { what, name, at: Reading::default() };
        self.start_instead(reading, (what, path));
    }

    /// Sets up a study of the texts whose labels the model of the evaluation in front is least certain of, by
    /// the same codebook. What its coders say can correct what the model says of all texts.
    pub(super) fn code_by_hand(&mut self) {
        let Some(open) = &self.state.evaluate.open else { return };
        let Prepared { task, questions, .. } = &*open.prepared;
        let (Some(kept), Some(code), Some(codebook)) =
            (&open.kept, &task.code, &questions.codebook)
        else {
            return;
        };
        let setup = Setup::of_results(task, code, codebook);
        let results = kept.folder.join(TABLE);
        if self.state.codes.session.is_none() {
            self.state.codes.setup = setup;
        }
        self.handle(ViewCommand::ShowPanel(PanelId::Annotate));
        self.use_study_table(results);
    }

    pub(super) fn use_study_codebook(&mut self, path: PathBuf) {
        self.state.notices.clear(PanelId::Annotate);
        self.start_instead(ReadStudyCodebook, path);
    }

    pub(super) fn use_package(&mut self, file: PathBuf) {
        self.open_study(|project| Wanted::Package { project, file });
    }

    fn make_study(&mut self) {
        let setup = &self.state.codes.setup;
        if setup.obstacle().is_some() {
            return;
        }
        let Some(report) = &setup.table else { return };
        let (table, plans) = (report.path.clone(), Box::new(setup.plans()));
        let now = self.host.timestamp();
        if setup.what() == What::Pairs {
            let by_model = setup.asks_model();
            self.make_pair_study(table, plans, by_model, now);
            return;
        }
        self.open_study(|project| Wanted::New { project, table, plans, now });
    }

    fn make_pair_study(&mut self, file: PathBuf, plans: Box<Plans>, by_model: bool, now: String) {
        let Some((project, coder)) = self.place_and_coder() else { return };
        if by_model && self.state.model.ready().is_none() {
            let summary = "The model that says how likely the answers are is not there";
            let notice = Notice::problem(PanelId::Annotate, summary);
            self.state.notices.push(notice.hint(
                "Load a model, or choose two columns of the file with its log-probabilities",
            ));
            return;
        }
        self.state.codes.busy = Some("Making the study…");
        let adapter = self.state.adapter.mode();
        let request = PairsToStudy { project, file, plans, by_model, adapter, now };
        self.start_instead(MakePairStudy { coder, at: Scored::default() }, request);
    }

    fn open_study(&mut self, wanted: impl FnOnce(PathBuf) -> Wanted) {
        let Some((project, coder)) = self.place_and_coder() else { return };
        self.state.codes.busy = Some("Opening the study…");
        self.start_instead(OpenStudy { coder }, wanted(project));
    }

    /// The project, and who codes; without both, what is missing is said.
    fn place_and_coder(&mut self) -> Option<(PathBuf, String)> {
        self.state.notices.clear(PanelId::Annotate);
        let project =
            self.project_for(PanelId::Annotate, "A study needs a project to be kept in")?;
        let coder = self.state.codes.coder.trim().to_owned();
        if coder.is_empty() {
            let summary = "Write your name or number as a coder first";
            self.state.notices.push(Notice::problem(PanelId::Annotate, summary));
            return None;
        }
        Some((project, coder))
    }

    /// A study was read.
    pub(in crate::app) fn study_opened(&mut self, mut folder: Folder, coder: &str) {
        for sentence in &folder.found {
            self.state.notices.push(Notice::info(PanelId::Annotate, sentence.clone()));
        }
        folder.flush_beside(&self.unflushed);
        let coder = folder.spelled(coder);
        match folder.join(&coder) {
            Ok(log) => {
                self.state.codes.coder = coder;
                self.state.codes.session = Some(Session::new(folder, log, self.host.seconds()));
                self.show_codes(Front::Coding);
                self.list_studies();
            }
            Err(err) => self.tell_study("The study could not be opened", &err),
        }
    }

    pub(in crate::app) fn tell_study(&mut self, summary: &str, err: &StudyError) {
        let notice = Notice::error(PanelId::Annotate, summary, err);
        self.state.notices.push(if matches!(err, StudyError::Write { .. }) {
            let hint = "A study is written to as it is coded. Free some space, or copy the project to a folder that \
                        can be written to and open it there";
            notice.hint(hint).remedy("Open a project…", ProjectCommand::Choose)
        } else {
            notice
        });
    }

    /// Leaves the study. False: what is only in memory keeps it open.
    pub(super) fn close_study(&mut self) -> bool {
        let Some(session) = &mut self.state.codes.session else { return true };
        let folder = &mut session.folder;
        let of_coders = folder.logs.iter_mut().find_map(|log| log.write_unsaved().err());
        let failed = of_coders.or_else(|| folder.settled.write_unsaved().err());
        if let Some(err) = failed {
            self.report_code(Err(err));
            return false;
        }
        let codes = &mut self.state.codes;
        codes.session = None;
        codes.agreement = None;
        codes.front = Front::List;
        self.report_code(Ok(()));
        self.list_studies();
        true
    }

    fn report_code(&mut self, saved: Result<(), StudyError>) {
        let Err(err) = saved else {
            let session = self.state.codes.session.as_ref();
            if session.is_none_or(|session| session.unsaved() == 0) {
                self.state.notices.withdraw(PanelId::Annotate, NOT_SAVED);
            }
            return;
        };
        let notice = Notice::error(PanelId::Annotate, NOT_SAVED, &err);
        self.state.notices.push(notice.hint(
            "It is kept in memory and written with the next one that can be: make room on the \
             disk, make the folder writable again, or put it back where it was",
        ));
    }

    fn give_code(&mut self) {
        let (now, at) = (self.host.seconds(), self.host.timestamp());
        let Some(session) = &mut self.state.codes.session else { return };
        let saved = if session.is_changed() {
            let Some(verdict) = session.verdict(now, &at) else { return };
            let log = session.log_place();
            session.folder.append(log, verdict)
        } else {
            Ok(())
        };
        session.given(now);
        self.report_code(saved);
    }

    fn step_in_history(&mut self, forward: bool) {
        let (now, at) = (self.host.seconds(), self.host.timestamp());
        let Some(session) = &mut self.state.codes.session else { return };
        let log = session.log_place();
        let coder = &mut session.folder.logs[log];
        let (moved, saved) = match if forward { coder.redo(&at) } else { coder.undo(&at) } {
            Ok(moved) => (moved, Ok(())),
            Err(err) => (None, Err(err)),
        };
        if let Some(place) = moved {
            session.show_item(place, now);
        }
        self.report_code(saved);
    }

    fn measure_agreement(&mut self) {
        let Some(session) = &self.state.codes.session else { return };
        let path = session.folder.path.clone();
        self.state.codes.busy = Some("Computing the agreement…");
        self.start_instead(MeasureAgreement, path);
    }

    fn rate_study(&mut self) {
        let codes = &mut self.state.codes;
        let Some(session) = &codes.session else { return };
        let path = session.folder.path.clone();
        let page = codes
            .agreement
            .get_or_insert_with(|| AgreementPage { is_outdated: true, ..AgreementPage::default() });
        (page.tab, page.arena) = (AgreementTab::Arena, Rated::Asked);
        codes.front = Front::Agreement;
        codes.busy = Some("Rating the models…");
        self.start_instead(RateStudy { study: path.clone() }, path);
    }

    fn settle(&mut self, variable: usize, mut verdict: Verdict) {
        let Some(session) = &mut self.state.codes.session else { return };
        let item = verdict.item;
        // What was settled of the other variables stays.
        if let Some(before) = session.folder.settled.verdict(item, 1) {
            let others = before.values.iter().filter(|(place, _)| usize::from(*place) != variable);
            verdict.values = verdict.values.iter().chain(others).cloned().collect();
        }
        let saved = session.folder.settle(verdict);
        let is_settled = disagreement::settled(&session.folder, item, variable).is_some();
        if let Some(page) = &mut self.state.codes.agreement {
            let one = page
                .disagreements
                .iter_mut()
                .find(|one| one.item == item && one.variable == variable);
            if let Some(one) = one {
                one.is_settled = is_settled;
            }
            page.reason.clear();
            page.is_outdated = true;
            if page.at + 1 < page.disagreements.len() {
                page.at += 1;
            }
        }
        self.report_code(saved);
    }

    /// Takes in what a colleague has sent back.
    pub(super) fn merge_codes(&mut self, path: &Path) {
        self.state.notices.clear(PanelId::Annotate);
        let now = self.host.seconds();
        let Some(session) = &mut self.state.codes.session else { return };
        let merged = package::read(path)
            .and_then(|package| package::merge(&mut session.folder, &package, None));
        match merged {
            Ok(merged) => {
                let said: Vec<String> = merged
                    .iter()
                    .map(|one| {
                        let items = counted(one.verdicts, "item", "items");
                        let (one_new, new) = ("new verdict or change", "new verdicts and changes");
                        let new = counted(one.added, one_new, new);
                        format!("{}: {items} coded, {new}", one.coder)
                    })
                    .collect();
                let summary = format!("Merged. {}", said.join(". "));
                self.state.notices.push(Notice::info(PanelId::Annotate, summary));
                self.rejoin(now);
                if self.state.codes.front == Front::Agreement {
                    self.measure_agreement();
                }
            }
            Err(err) => self.tell_study("The file was not merged, and nothing was changed", &err),
        }
    }

    /// The logs were read again: the coder's is at another place among them.
    fn rejoin(&mut self, now: f64) {
        let Some(session) = self.state.codes.session.take() else { return };
        let mut folder = session.folder;
        let coder = folder.spelled(&self.state.codes.coder);
        match folder.join(&coder) {
            Ok(log) => self.state.codes.session = Some(Session::new(folder, log, now)),
            Err(err) => self.tell_study("The study could not be opened again", &err),
        }
    }

    /// To a path that was typed: no dialog has asked whether what is there may be overwritten.
    fn export_to_typed(&mut self, file: StudyFile, path: PathBuf) {
        if path.exists() {
            self.state.notices.clear(PanelId::Annotate);
            let summary = format!("{} is there already, and nothing was written", path.display());
            let notice = Notice::problem(PanelId::Annotate, summary);
            let notice = notice.hint("Type another name, or delete the file first");
            // What is there may be what a colleague has sent back.
            let is_package =
                path.extension().is_some_and(|ending| ending == "json" || ending == "jsonl");
            self.state.notices.push(if is_package {
                notice.remedy("Merge the codes in it", CodesCommand::MergeFile(path))
            } else {
                notice
            });
            return;
        }
        self.export_study(file, path);
    }

    pub(super) fn export_study(&mut self, file: StudyFile, path: PathBuf) {
        self.state.notices.clear(PanelId::Annotate);
        let Some(session) = &self.state.codes.session else { return };
        let study = session.folder.path.clone();
        let coder = session.coder().coder.clone();
        let request = StudyToExport { study, file, coder, path: path.clone() };
        self.start(ExportStudy { path }, request);
    }

    /// What a model has answered about the same items becomes suggestions.
    fn use_suggestions(&mut self, evaluation: PathBuf) {
        self.state.notices.clear(PanelId::Annotate);
        let Some(session) = &self.state.codes.session else { return };
        let folder = &session.folder;
        let Some(variable) = folder.study.codebook.variables.first().cloned() else { return };
        let study = folder.path.clone();
        let items = folder.items.iter().map(|item| item.id.clone()).collect();
        let request = SuggestionsAsked { evaluation, study: study.clone(), items, variable };
        self.start(TakeSuggestions { study }, request);
    }
}
