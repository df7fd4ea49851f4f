//! The Evaluate panel: a model answers about every row of a table, and the rows are looked at.

pub mod asking;
pub mod form;
pub mod grid;
mod options_form;
pub mod survey_form;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use asking::Asking;
use form::{CodeForm, Preview};
use grid::Grid;

use super::slots::ModelSlot;
use crate::data::table::Reading;
use crate::evaluate::asking::prepared::Prepared;
use crate::evaluate::measures::survey_scores::SurveyScores;
use crate::evaluate::measures::survey_shares::ItemShares;
use crate::evaluate::report::configurations::OfTable;
use crate::evaluate::results::answered::Answered;
use crate::evaluate::results::evaluation::Evaluation;
use crate::evaluate::results::kept::{Draft, Kept};
use crate::evaluate::results::server_way::ServerWay;
use crate::evaluate::rows::passages::Excerpt;
use crate::evaluate::rows::question::Question;
use crate::evaluate::task::Kind;
use crate::evaluate::task::split::Part;
use crate::llm::card::ModelIdentity;
use crate::remote::probe::Probe;

/// So many rows are tried while the prompt is worked on.
pub const TRIED_ROWS: usize = 5;

/// Everything that the Evaluate panel shows.
#[derive(Debug, Default)]
pub struct EvaluateState {
    pub front: Front,
    /// What the list lies over.
    pub behind: Front,
    pub left: LeftTab,

    /// In a narrow window: the rows are in front, not the form.
    pub rows_in_front: bool,

    /// The project's evaluations, the newest first.
    pub kept: Vec<Kept>,
    pub form: CodeForm,

    /// The encoders on this disk: name and folder.
    pub encoders: Vec<(String, PathBuf)>,

    /// The studies of the project: name and folder.
    pub studies: Vec<(String, PathBuf)>,

    /// The form as it lies on the disk, and when the form was last changed.
    pub draft: Option<Draft>,

    /// The project could not take the form.
    pub is_draft_refused: bool,
    pub open: Option<OpenEvaluation>,

    /// A table is being read: what for, and how far it is.
    pub preparing: Option<(Preparing, Reading)>,
    pub asking: Option<Asking>,

    /// Which of the first rows the prompt is shown for.
    pub preview_row: usize,
    preview: Option<(CodeForm, usize, Result<Preview, String>)>,
    pub rendered: Option<Rendered>,

    /// A report that lies over everything else.
    pub report: Option<ReportPage>,

    /// What was tried with each table, over everything else but a report.
    pub configurations: Option<ConfigurationsPage>,

    /// The page that was seen last, and the last notice then.
    pub seen: Option<(Page, u64)>,
}

/// What of the panel is in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    List,
    Form,

    /// By the folder, where there is one.
    Opened(Option<PathBuf>),
    Report(PathBuf),
    Configurations,
}

/// Every configuration that was tried, and what of them is compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigurationsPage {
    pub tables: Vec<OfTable>,

    /// The table that is looked at, and the number of it, by their places.
    pub table: usize,
    pub number: usize,
}

/// A report as it was written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReportPage {
    pub folder: PathBuf,
    pub markdown: String,

    /// For a methods section.
    pub paragraph: String,

    /// The model whose stability can be tested; of a task without a codebook there is none.
    pub testable: Option<ModelIdentity>,

    /// Where a text can have several labels, from which probability on they are to be decided again.
    pub threshold: Option<f64>,

    /// Of a survey, what is drawn.
    pub survey: Option<SurveyPage>,

    /// Against another evaluation of the same rows, once one was chosen.
    pub comparison: Option<ComparisonPage>,
}

/// What another evaluation has over the one of the report.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparisonPage {
    /// What the other one is called.
    pub with: String,
    pub markdown: String,

    /// The report is shown instead.
    pub is_behind: bool,
}

/// How the answers to a survey are distributed.
#[derive(Clone, Debug, PartialEq)]
pub struct SurveyPage {
    pub scores: SurveyScores,

    /// The text of the report is shown instead.
    pub in_words: bool,

    /// Which item and which way of reading answers is shown, by their places.
    pub item: usize,
    pub way: usize,
}

impl SurveyPage {
    pub fn new(scores: SurveyScores) -> Self {
        Self { scores, in_words: false, item: 0, way: 0 }
    }

    /// The names of the items.
    pub fn items(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.scores.distributions.iter().map(|shares| shares.item.clone()).collect();
        names.dedup();
        names
    }

    /// An item in every group.
    pub fn of_item(&self, item: &str) -> Vec<&ItemShares> {
        self.scores.distributions.iter().filter(|shares| shares.item == item).collect()
    }
}

/// What the panel shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Front {
    /// The evaluations of the project.
    #[default]
    List,

    /// The form, and the rows that were asked about with it.
    Form,

    /// A task file or an evaluation of the project.
    Opened,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeftTab {
    #[default]
    Setup,
    Prompt,
}

/// What a table is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preparing {
    /// To choose columns of it.
    Table,

    /// To try a few rows.
    Try,

    /// To ask about all of them.
    All,

    /// To look at what is there.
    Open,
}

/// A task with its rows and their answers.
#[derive(Clone, Debug)]
pub struct OpenEvaluation {
    pub prepared: Arc<Prepared>,

    /// Who has labelled rows: columns of the table, and coders of studies whose labels were taken over.
    pub coders: Vec<String>,

    /// What the answers are kept with; `None`: they are only shown.
    pub kept: Option<KeptIn>,
    pub answers: BTreeMap<u64, Answered>,

    /// Counts the changes of the answers.
    pub version: u64,
    pub grid: Grid,
}

/// Where answers are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptIn {
    pub folder: PathBuf,

    /// As it was begun; `None`: it is about to be.
    pub begun: Option<Box<Evaluation>>,
}

/// A prompt as a model reads it, with what its chat template puts around.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    pub content: String,

    /// Of the model.
    pub sha256: String,

    /// `None`: it is not there yet.
    pub text: Option<Result<String, String>>,
}

impl OpenEvaluation {
    pub fn new(prepared: Arc<Prepared>) -> Self {
        let coders = prepared.questions.coders.clone();
        let (answers, grid) = (BTreeMap::new(), Grid::default());
        Self { prepared, coders, kept: None, answers, version: 0, grid }
    }

    pub fn rows(&self) -> usize {
        self.prepared.questions.list.len()
    }

    /// Whether these are rows that were kept for the end.
    pub fn is_test_part(&self) -> bool {
        self.prepared.task.split.is_some_and(|split| split.part == Part::Test)
    }

    pub fn is_finished(&self) -> bool {
        self.kept.is_some() && self.answers.len() >= self.rows()
    }

    /// A question as it is asked: once it was, with what was read of its document.
    pub fn as_asked(&self, question: &Question) -> Question {
        match self.excerpt(question) {
            Some(excerpt) => question.with_part("passages", &excerpt.words()),
            None => question.clone(),
        }
    }

    fn excerpt(&self, question: &Question) -> Option<&Excerpt> {
        self.answers.get(&question.row.place.row)?.written.as_ref()?.excerpt.as_ref()
    }

    /// Whether an encoder is still to choose the passages of a question.
    pub fn awaits_passages(&self, question: &Question) -> bool {
        self.prepared.task.encoder.is_some()
            && question.problem.is_none()
            && self.excerpt(question).is_none()
    }

    /// The row that is looked at.
    pub fn selected(&self) -> Option<&Question> {
        let row = self.grid.selected?;
        let list = &self.prepared.questions.list;
        let at = list.binary_search_by_key(&row, |question| question.row.place.row).ok()?;
        list.get(at)
    }
}

impl EvaluateState {
    /// Shows the form, as it was left.
    pub fn show_form(&mut self) {
        if self.front == Front::Opened {
            self.open = None;
        }
        self.front = Front::Form;
        self.rows_in_front = false;
    }

    /// Back to the list. What is being asked about goes on.
    pub fn show_list(&mut self) {
        if self.asking.is_none() && self.front == Front::Opened {
            self.open = None;
        }
        self.behind = std::mem::take(&mut self.front);
    }

    /// Takes a task of the form or of a file with its rows read. Answers to another one are not
    /// shown any more.
    pub fn set_prepared(&mut self, prepared: Arc<Prepared>) {
        let grid = self.open.take().map(|open| (open.grid.order, open.grid.filter));
        let mut open = OpenEvaluation::new(prepared);
        if let Some((order, filter)) = grid {
            (open.grid.order, open.grid.filter) = (order, filter);
        }
        self.open = Some(open);
    }

    /// An answer has come.
    pub fn on_answer(&mut self, row: Answered, done: usize, total: usize, now_secs: f64) {
        if let Some(asking) = &mut self.asking {
            asking.on_answer(done, total, now_secs);
        }
        if let Some(open) = &mut self.open {
            open.answers.insert(row.row, row);
            open.version += 1;
        }
    }

    /// Brings what is shown up to date. Called once a frame.
    pub fn refresh(&mut self) {
        let running = self.asking.is_some();
        if let Some(open) = &mut self.open {
            let OpenEvaluation { prepared, coders, answers, version, grid, .. } = open;
            grid.refresh((&prepared.questions, coders), answers, *version, running);
        }
        let is_fresh = self
            .preview
            .as_ref()
            .is_some_and(|(form, row, _)| *row == self.preview_row && *form == self.form);
        if !is_fresh {
            let preview = self.form.preview(self.preview_row);
            self.preview = Some((self.form.clone(), self.preview_row, preview));
        }
    }

    /// What the model is asked about the row that the prompt is shown for, or what is wrong. As of
    /// the last [`Self::refresh`].
    pub fn preview(&self) -> Option<&Result<Preview, String>> {
        self.preview.as_ref().map(|(_, _, preview)| preview)
    }

    /// The template where nobody has written another.
    pub fn usual_template(&self) -> String {
        self.form.usual_template().to_owned()
    }

    /// Whether the answers that are shown were given to another form than the one that is set.
    pub fn is_outdated(&self) -> bool {
        let Some(open) = self.open.as_ref().filter(|_| self.front == Front::Form) else {
            return false;
        };
        let mut asked = open.prepared.task.clone();
        if let Some(code) = &mut asked.code {
            code.codebook.clear();
        }
        // That of a rating is its scale, which the task has.
        let is_coding = asked.code.is_some();
        let asked_with = open.prepared.questions.codebook.as_ref().filter(|_| is_coding);
        let codebook = is_coding.then_some(&self.form.codebook);
        let same = self.form.task() == asked && asked_with == codebook;
        !same && !open.answers.is_empty()
    }

    /// Why no rows can be asked about. `None`: they can.
    pub fn obstacle(&self, model: &ModelSlot) -> Option<String> {
        if self.asking.is_some() {
            return Some("Rows are being asked about: stop that first".to_owned());
        }
        if self.preparing.is_some() {
            return Some("The table is being read".to_owned());
        }
        if self.front == Front::Form
            && let Some(Err(problem)) = self.preview()
        {
            return Some(problem.clone());
        }
        match model {
            ModelSlot::Ready(_) => self.only_for_pairs(),
            ModelSlot::EncoderDecoder(_) => self.only_for_decoders(),
            ModelSlot::Remote(probe) => self.way(probe).and_then(Result::err),
            ModelSlot::Loading { .. } => Some("The model is being loaded".to_owned()),
            ModelSlot::Empty => Some("Load a model first".to_owned()),
        }
    }

    /// The model that the open task file names; not that of a server, which is asked for its key in Models.
    pub fn named_model(&self) -> Option<&str> {
        let open = self.open.as_ref().filter(|_| self.front == Front::Opened)?;
        let name = open.prepared.task.model.as_str();
        (!name.is_empty() && !name.contains("://")).then_some(name)
    }

    /// What of the task in front a decoder does not do.
    fn only_for_pairs(&self) -> Option<String> {
        let beams = match (self.front, &self.open) {
            (Front::Opened, Some(open)) => open.prepared.task.write.as_ref()?.num_beams,
            (Front::Form, _) => self.form.task().write?.num_beams,
            _ => return None,
        };
        (beams > 1).then(|| {
            "A beam search is for encoder-decoders, and a decoder is loaded: set Beams to 1"
                .to_owned()
        })
    }

    /// What of the task in front an encoder-decoder does not do.
    fn only_for_decoders(&self) -> Option<String> {
        let own;
        let settings = match (self.front, &self.open) {
            (Front::Opened, Some(open)) => open.prepared.task.perplexity.as_ref()?,
            (Front::Form, _) => {
                own = self.form.task().perplexity?;
                &own
            }
            _ => return None,
        };
        if settings.chat {
            let words = "An encoder-decoder has no chat template: leave “as a chat” out";
            return Some(words.to_owned());
        }
        settings.before.is_none().then(|| {
            "An encoder-decoder writes a text after one that it has read: choose a column for “Before each text”, \
             or load a decoder"
                .to_owned()
        })
    }

    /// How a server would be asked what is in front, or why it cannot be. `None`: nothing is.
    pub fn way(&self, probe: &Probe) -> Option<Result<ServerWay, String>> {
        let own;
        let task = match (self.front, &self.open) {
            (Front::Opened, Some(open)) => &open.prepared.task,
            (Front::Form, _) => {
                own = self.form.task();
                &own
            }
            _ => return None,
        };
        // What is wrong with a task is said elsewhere.
        let kind = task.kind().ok()?;
        Some(ServerWay::of(probe, task, kind))
    }

    /// Why this evaluation cannot be resumed with the loaded model. `None`: it can.
    pub fn why_not_resume(&self, model: &ModelSlot) -> Option<String> {
        if let Some(obstacle) = self.obstacle(model) {
            return Some(obstacle);
        }
        let begun = self.open.as_ref()?.kept.as_ref()?.begun.as_ref()?;
        let loaded = model.identity()?;
        (!loaded.is_same(&begun.model)).then(|| {
            let words = begun.model.words();
            format!("It was begun with {words}: choose that model in Models to resume it")
        })
    }

    /// The evaluations that the one in this folder can be compared with: complete, of the same table, and of the
    /// same kind.
    pub fn comparable(&self, folder: &Path) -> Vec<&Kept> {
        let Some(own) = self.kept.iter().find(|kept| kept.folder == folder) else {
            return Vec::new();
        };
        let Ok(kind) = own.evaluation.task.kind() else { return Vec::new() };
        // What people said of a survey is no answer to a row.
        if matches!(kind, Kind::Survey(_)) {
            return Vec::new();
        }
        let is_alike = |other: &&Kept| {
            let kinds = other.evaluation.task.kind().map(|other| std::mem::discriminant(&other));
            other.folder != folder
                && other.is_finished()
                && other.evaluation.data_sha256 == own.evaluation.data_sha256
                && kinds.is_ok_and(|other| other == std::mem::discriminant(&kind))
        };
        self.kept.iter().filter(is_alike).collect()
    }

    pub fn page(&self) -> Page {
        match (&self.report, &self.configurations, self.front) {
            (Some(report), ..) => Page::Report(report.folder.clone()),
            (None, Some(_), _) => Page::Configurations,
            (None, None, Front::List) => Page::List,
            (None, None, Front::Form) => Page::Form,
            (None, None, Front::Opened) => {
                let kept = self.open.as_ref().and_then(|open| open.kept.as_ref());
                Page::Opened(kept.map(|kept| kept.folder.clone()))
            }
        }
    }

    /// Closes what lies over the rows. False: nothing does.
    pub fn close_topmost(&mut self) -> bool {
        if self.report.take().is_some() || self.configurations.take().is_some() {
            return true;
        }
        let selected = self.open.as_mut().and_then(|open| open.grid.selected.take());
        selected.is_some()
    }

    /// Whether the form differs from what lies on the disk.
    pub fn draft_to_save(&self) -> Option<Draft> {
        static UNTOUCHED: LazyLock<Draft> = LazyLock::new(|| CodeForm::default().draft());
        let draft = self.form.draft();
        (draft != *self.draft.as_ref().unwrap_or(&UNTOUCHED)).then_some(draft)
    }
}
