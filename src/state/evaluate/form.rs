//! The form of an evaluation: a table, what is asked about its rows, and how the model is asked.

use std::path::{Path, PathBuf};

use super::options_form::{
    exam_obstacle, judge_obstacle, rate_obstacle, set_exam_columns, set_judge_columns,
    set_rate_columns,
};
use super::survey_form::SurveyForm;
use crate::data::codebook::{Class, Codebook};
use crate::data::table::{Report, Table, goes_on};
use crate::errors::one_line;
use crate::evaluate::prompt::{Form, Presentation, usual};
use crate::evaluate::results::kept::Draft;
use crate::evaluate::rows::questions::Questions;
use crate::evaluate::task::ask::Ask;
use crate::evaluate::task::code::{Code, Regress};
use crate::evaluate::task::exam::Exam;
use crate::evaluate::task::extract::Extract;
use crate::evaluate::task::free_text::Write;
use crate::evaluate::task::judge::Judge;
use crate::evaluate::task::perplexity::Perplexity;
use crate::evaluate::task::rating::Rate;
use crate::evaluate::task::schema::{Field, Schema};
use crate::evaluate::task::split::{Part, Split};
use crate::evaluate::task::{AnswerForm, Examples, Kind, Scoring, Task};

/// What the model does with each text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum What {
    #[default]
    Code,
    Extract,
    Write,
    Ask,
    Survey,
    Exam,
    Judge,
    Rate,
    Perplexity,
}

impl What {
    /// What the column is called that every row is about, and what stands in it, as a sentence has it.
    pub fn texts(self) -> &'static str {
        match self {
            Self::Code | Self::Extract | Self::Write | Self::Ask | Self::Perplexity => "texts",
            Self::Rate => "texts or answers",
            Self::Survey | Self::Exam => "questions",
            Self::Judge => "prompts",
        }
    }

    /// The names by which a table often calls that column, where that tells more than its length.
    fn usual_names(self) -> &'static [&'static str] {
        match self {
            Self::Code | Self::Extract | Self::Write | Self::Ask | Self::Perplexity => &[],
            Self::Survey | Self::Exam => &["question", "question_stem", "item", "prompt"],
            Self::Judge => &["prompt", "question", "instruction", "input"],
            Self::Rate => &["answer", "response", "output", "completion"],
        }
    }
}

/// What is set in the form. Nothing of it has to be complete.
#[derive(Clone, Debug, PartialEq)]
pub struct CodeForm {
    pub what: What,

    /// What the evaluation is called. Of one that codes, empty: as its codebook.
    pub name: String,
    pub extract: Extract,

    /// A JSON schema as it was pasted, instead of fields.
    pub pasted: Option<String>,
    pub write: Write,
    pub ask: Ask,

    /// The encoder's folder by whose vectors passages are chosen; without one, by their words.
    pub encoder: Option<String>,

    pub survey: SurveyForm,

    /// Without the column of the questions, of the prompts, or of what is rated, which the whole form has.
    pub exam: Exam,
    pub judge: Judge,
    pub rate: Rate,

    /// Without the column of the texts.
    pub perplexity: Perplexity,

    /// The questions about each document as they were typed, a line each.
    pub asked: String,

    /// How the table looks, and its first rows.
    pub table: Option<Report>,

    /// The column of the texts; empty: none is chosen.
    pub text: String,

    /// The column that names a row in the results.
    pub id: Option<String>,

    /// The columns with people's labels.
    pub human: Vec<String>,

    /// The column with the probabilities of having been drawn for people to label.
    pub inclusion: Option<String>,

    /// The column whose groups are compared.
    pub by: Option<String>,

    /// With which probability one of several labels applies, where that is not one half.
    pub threshold: Option<f64>,

    /// Of a task that was opened; it has no field here.
    pub regression: Option<Regress>,
    pub codebook: Codebook,

    /// Shown before each question; of labels and exams.
    pub examples: Option<Examples>,

    /// The share of rows that are kept for the end; 0: none.
    pub kept_share: f64,
    pub orders: usize,
    pub seed: u64,
    pub answer: AnswerForm,
    pub score: Scoring,

    /// `None`: the usual one.
    pub prompt: Option<String>,
}

impl Default for CodeForm {
    fn default() -> Self {
        let Task { orders, seed, answer, score, .. } = Task::default();
        Self {
            what: What::Code,
            name: String::new(),
            extract: Extract { fields: vec![Field::default()], ..Extract::default() },
            pasted: None,
            write: Write::default(),
            ask: Ask { text: String::new(), ..Ask::default() },
            encoder: None,
            survey: SurveyForm::default(),
            exam: Exam::default(),
            judge: Judge::default(),
            rate: Rate::default(),
            perplexity: Perplexity::default(),
            asked: String::new(),
            table: None,
            text: String::new(),
            id: None,
            human: Vec::new(),
            inclusion: None,
            by: None,
            threshold: None,
            regression: None,
            codebook: Codebook {
                classes: vec![Class::default(), Class::default()],
                ..Codebook::default()
            },
            examples: None,
            kept_share: 0.0,
            orders,
            seed,
            answer,
            score,
            prompt: None,
        }
    }
}

/// What the model is asked about a row of the table's beginning.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    pub first: Presentation,
    pub order_count: usize,

    /// With its names in braces.
    pub template: String,

    /// What the template may name, in braces.
    pub names: Vec<String>,

    /// Texts of the first rows are so long that only their beginning is here.
    pub is_cut: bool,
}

impl CodeForm {
    /// A table was read. Columns that are chosen and still there stay chosen.
    pub fn set_table(&mut self, report: Report) {
        let is_there = |name: &String| report.columns.contains(name);
        self.human.retain(is_there);
        for column in [&mut self.id, &mut self.inclusion, &mut self.by] {
            *column = column.take().filter(is_there);
        }
        if !is_there(&self.text) {
            self.text = String::new();
        }
        self.extract.human.retain(|_, column| report.columns.contains(column));
        self.write.references.retain(|column| report.columns.contains(column));
        self.survey.set_columns(&report.columns);
        set_exam_columns(&mut self.exam, &report.columns);
        set_judge_columns(&mut self.judge, &report.columns);
        set_rate_columns(&mut self.rate, &report.columns);
        for column in [&mut self.perplexity.before, &mut self.perplexity.by] {
            *column = column.take().filter(|name| report.columns.contains(name));
        }
        self.table = Some(report);
        if self.text.is_empty() {
            self.suggest_text();
        }
        self.human.retain(|name| *name != self.text);
    }

    /// Another kind of task was chosen: it has another template, other answers and other usual columns.
    pub fn chose(&mut self) {
        (self.prompt, self.answer) = (None, AnswerForm::Usual);
        if !self.what.usual_names().is_empty() {
            self.suggest_text();
        }
    }

    /// The column that every row is about: the one that is called so, or that which is chosen, or the longest.
    fn suggest_text(&mut self) {
        let Some(report) = &self.table else { return };
        let is_called =
            |name: &&String| self.what.usual_names().contains(&name.to_lowercase().trim());
        if let Some(named) = report.columns.iter().find(is_called) {
            self.text.clone_from(named);
        } else if self.text.is_empty() {
            self.text = report.longest_column().unwrap_or_default();
        }
    }

    pub fn columns(&self) -> &[String] {
        self.table.as_ref().map_or(&[], |report| &report.columns)
    }

    /// The task that the form says.
    pub fn task(&self) -> Task {
        let data = self.table.as_ref().map(|report| report.path.clone()).unwrap_or_default();
        let text = self.text.clone();
        let (mut code, mut extract, mut write, mut ask) = (None, None, None, None);
        let (mut survey, mut exam, mut judge) = (None, None, None);
        let (mut rate, mut perplexity) = (None, None);
        let name = match self.what {
            What::Code => {
                code = Some(Code {
                    text,
                    codebook: PathBuf::new(), // where it is saved, is known then
                    human: self.human.clone(),
                    threshold: self.threshold.filter(|_| self.codebook.several),
                    inclusion: self.inclusion.clone(),
                    by: self.by.clone(),
                    regression: self.regression.clone().filter(|regression| {
                        regression.on.iter().all(|column| self.columns().contains(column))
                    }),
                });
                if self.name.trim().is_empty() { &self.codebook.name } else { &self.name }
            }
            What::Extract => {
                let mut asked = Extract { text, ..self.extract.clone() };
                if let Some(pasted) = &self.pasted {
                    asked.fields.clear();
                    asked.json = serde_json::from_str(pasted).ok();
                }
                extract = Some(asked);
                &self.name
            }
            What::Write => {
                write = Some(Write { text, ..self.write.clone() });
                &self.name
            }
            What::Ask => {
                let lines = self.asked.lines().map(str::trim).filter(|line| !line.is_empty());
                let questions = lines.map(str::to_owned).collect();
                ask = Some(Ask { text, questions, ..self.ask.clone() });
                &self.name
            }
            What::Survey => {
                survey = Some(self.survey.survey(&text));
                &self.name
            }
            What::Exam => {
                exam = Some(Exam { question: text, ..self.exam.clone() });
                &self.name
            }
            What::Judge => {
                judge = Some(Judge { prompt: text, ..self.judge.clone() });
                &self.name
            }
            What::Rate => {
                rate = Some(Rate { text, ..self.rate.clone() });
                &self.name
            }
            What::Perplexity => {
                perplexity = Some(Perplexity { text, ..self.perplexity.clone() });
                &self.name
            }
        };
        Task {
            name: name.trim().to_owned(),
            data,
            id: self.id.clone(),
            encoder: self.encoder.clone().filter(|_| self.what == What::Ask),
            split: self.split(),
            examples: self
                .examples
                .clone()
                .filter(|_| matches!(self.what, What::Code | What::Exam)),
            orders: self.orders,
            seed: self.seed,
            answer: self.answer,
            score: self.score,
            prompt: self.prompt.clone(),
            code,
            extract,
            write,
            ask,
            survey,
            exam,
            judge,
            rate,
            perplexity,
            ..Task::default()
        }
    }

    fn split(&self) -> Option<Split> {
        let split = Split { test: self.kept_share, seed: self.seed, part: Part::Development };
        (self.kept_share > 0.0).then_some(split)
    }

    /// The form as it is kept. The table is read again.
    pub fn draft(&self) -> Draft {
        Draft { task: self.task(), codebook: self.codebook.clone() }
    }

    /// Takes over a task and its codebook; `report`: how its table looks, where that is known.
    pub fn take_over(&mut self, task: &Task, codebook: &Codebook, report: Option<Report>) {
        let Task {
            name,
            id,
            encoder,
            split,
            examples,
            orders,
            seed,
            answer,
            score,
            prompt,
            code,
            extract,
            write,
            ask,
            survey,
            exam,
            judge,
            rate,
            perplexity,
            ..
        } = task.clone();
        let own = task.kind().ok().map(|kind| usual(kind, codebook.several));
        let mut form = Self { codebook: codebook.clone(), ..Self::default() };
        if let Some(code) = code {
            // One that is its codebook's follows it, whatever that is called later.
            form.name = if name == codebook.name.trim() { String::new() } else { name };
            (form.text, form.human) = (code.text, code.human);
            (form.inclusion, form.by) = (code.inclusion, code.by);
            form.regression = code.regression;
            form.threshold = code.threshold;
        } else if let Some(extract) = extract {
            (form.what, form.name, form.text) = (What::Extract, name, extract.text.clone());
            form.pasted = extract.json.as_ref().map(|json| format!("{json:#}"));
            form.extract = Extract { json: None, ..extract };
        } else if let Some(write) = write {
            (form.what, form.name, form.text) = (What::Write, name, write.text.clone());
            form.write = write;
        } else if let Some(ask) = ask {
            (form.what, form.name, form.text) = (What::Ask, name, ask.text.clone());
            form.asked = ask.questions.join("\n");
            form.ask = Ask { questions: Vec::new(), text: String::new(), ..ask };
        } else if let Some(survey) = survey {
            (form.what, form.name, form.text) = (What::Survey, name, survey.question.clone());
            form.survey = SurveyForm::of(survey);
        } else if let Some(exam) = exam {
            (form.what, form.name, form.text) = (What::Exam, name, exam.question.clone());
            form.exam = Exam { question: String::new(), ..exam };
        } else if let Some(judge) = judge {
            (form.what, form.name, form.text) = (What::Judge, name, judge.prompt.clone());
            form.judge = Judge { prompt: String::new(), ..judge };
        } else if let Some(rate) = rate {
            (form.what, form.name, form.text) = (What::Rate, name, rate.text.clone());
            form.rate = Rate { text: String::new(), ..rate };
        } else if let Some(perplexity) = perplexity {
            (form.what, form.name) = (What::Perplexity, name);
            form.text.clone_from(&perplexity.text);
            form.perplexity = Perplexity { text: String::new(), ..perplexity };
        }
        // The text column is the form's own.
        form.extract.text.clear();
        form.write.text.clear();
        *self = Self {
            id,
            encoder,
            examples,
            kept_share: split.map_or(0.0, |split| split.test),
            orders,
            seed,
            answer,
            score,
            prompt: prompt.filter(|prompt| own != Some(prompt)),
            ..form
        };
        if let Some(report) = report {
            self.set_table(report);
        }
    }

    /// What is missing, as a sentence.
    pub fn obstacle(&self) -> Option<String> {
        if self.table.is_none() {
            let what = if self.what == What::Survey { "items" } else { self.what.texts() };
            return Some(format!("Choose the table with the {what} first"));
        }
        if self.text.is_empty() {
            return Some(format!("Choose the column of the {}", self.what.texts()));
        }
        match self.what {
            What::Code => {
                let problem = self.codebook.problem()?;
                Some(format!("The codebook is not complete: {problem}"))
            }
            What::Extract => {
                let schema = self.schema();
                let problem = schema.err();
                let problem = problem.map(|it| format!("The fields are not complete: {it}"));
                problem.or_else(|| self.extract.problem())
            }
            What::Ask if self.ask.question.is_none() && self.asked.trim().is_empty() => {
                Some("Write the questions, a line each".to_owned())
            }
            What::Write if self.write.instruction.trim().is_empty() => {
                Some("Say what is to be written".to_owned())
            }
            What::Survey => self.survey.obstacle(),
            What::Exam => exam_obstacle(&self.exam, &self.text),
            What::Judge => judge_obstacle(&self.judge, &self.text),
            What::Rate => rate_obstacle(&self.rate, &self.text),
            What::Perplexity => self.perplexity.problem(),
            What::Write | What::Ask => None,
        }
    }

    /// What an answer in fields has to look like, or what is wrong with it.
    pub fn schema(&self) -> Result<Schema, String> {
        match &self.pasted {
            Some(pasted) => Schema::of_text(pasted, &self.extract.quotes),
            None => Schema::of_fields(&self.extract.fields),
        }
    }

    /// The template where nobody has written another.
    pub fn usual_template(&self) -> &'static str {
        let (extract, write) = (&self.extract, &self.write);
        let (code, survey) = (Code::default(), &self.survey.survey);
        let kind = match self.what {
            What::Code => Kind::Code(&code),
            What::Extract => Kind::Extract(extract),
            What::Write => Kind::Write(write),
            What::Ask => Kind::Ask(&self.ask),
            What::Survey => Kind::Survey(survey),
            What::Exam => Kind::Exam(&self.exam),
            What::Judge => Kind::Judge(&self.judge),
            What::Perplexity => Kind::Perplexity(&self.perplexity),
            What::Rate => Kind::Rate(&self.rate),
        };
        usual(kind, self.codebook.several)
    }

    /// What the model is asked about a row of the table's beginning, or what is wrong.
    pub fn preview(&self, row: usize) -> Result<Preview, String> {
        if let Some(obstacle) = self.obstacle() {
            return Err(obstacle);
        }
        let Some(report) = &self.table else { return Err(String::new()) };
        let mut task = self.task();
        // What people said is not shown to the model, and is checked when the rows are read.
        if let Some(code) = &mut task.code {
            code.human.clear();
        }
        if let Some(exam) = &mut task.exam {
            exam.answer = None;
        }
        if let Some(rate) = &mut task.rate {
            rate.human.clear();
        }
        if let Some(judge) = &mut task.judge {
            (judge.human, judge.verdict) = (None, None);
        }
        let table = Table { report: report.clone(), rows: report.first.clone() };
        let codebook = task.code.is_some().then(|| self.codebook.clone());
        let questions = Questions::of(&task, codebook, table).map_err(|err| one_line(&err))?;
        let kind = task.kind().map_err(|err| one_line(&err))?;
        let form = Form::of(&task, kind, questions.codebook.as_ref());
        let form = form.map_err(|err| one_line(&err))?;
        let question = questions.list.get(row).ok_or("The table has no such row")?;
        let question = &match self.what {
            What::Survey => question.with_part("persona", &self.survey.first_person()?),
            _ => question.clone(),
        };
        Ok(Preview {
            first: form.first(question).map_err(|err| one_line(&err))?,
            order_count: form.order_count(question),
            template: form.template().to_owned(),
            names: form.names(question),
            is_cut: report.first.iter().any(goes_on),
        })
    }

    /// How many rows can be looked at before the table is read whole.
    pub fn preview_rows(&self) -> usize {
        self.table.as_ref().map_or(0, |report| report.first.len())
    }

    /// The table's file name.
    pub fn table_name(&self) -> Option<String> {
        self.table.as_ref().map(|report| file_name(&report.path))
    }
}

/// The name that a person knows a file by.
pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
