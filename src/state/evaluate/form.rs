//! The form that codes texts: a table, a codebook, and how the model is asked.

use std::path::{Path, PathBuf};

use crate::data::table::{Report, Table};
use crate::errors::one_line;
use crate::evaluate::codebook::{Class, Codebook};
use crate::evaluate::kept::Draft;
use crate::evaluate::prompt::{Form, Presentation, usual_for_code};
use crate::evaluate::question::Questions;
use crate::evaluate::task::{AnswerForm, Code, Kind, Scoring, Task};

/// What is set in the form. Nothing of it has to be complete.
#[derive(Clone, Debug, PartialEq)]
pub struct CodeForm {
    /// How the table looks, and its first rows.
    pub table: Option<Report>,

    /// The column of the texts; empty: none is chosen.
    pub text: String,

    /// The column that names a row in the results.
    pub id: Option<String>,

    /// The columns with people's labels.
    pub human: Vec<String>,
    pub codebook: Codebook,
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
            table: None,
            text: String::new(),
            id: None,
            human: Vec::new(),
            codebook: Codebook {
                classes: vec![Class::default(), Class::default()],
                ..Codebook::default()
            },
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
}

impl CodeForm {
    /// A table was read. Columns that are chosen and still there stay chosen.
    pub fn set_table(&mut self, report: Report) {
        let is_there = |name: &String| report.columns.contains(name);
        self.human.retain(is_there);
        self.id = self.id.take().filter(is_there);
        if !is_there(&self.text) {
            self.text = longest_column(&report).unwrap_or_default();
        }
        self.human.retain(|name| *name != self.text);
        self.table = Some(report);
    }

    pub fn columns(&self) -> &[String] {
        self.table.as_ref().map_or(&[], |report| &report.columns)
    }

    /// The task that the form says.
    pub fn task(&self) -> Task {
        let data = self.table.as_ref().map(|report| report.path.clone()).unwrap_or_default();
        Task {
            name: self.codebook.name.trim().to_owned(),
            data,
            id: self.id.clone(),
            orders: self.orders,
            seed: self.seed,
            answer: self.answer,
            score: self.score,
            prompt: self.prompt.clone(),
            code: Some(Code {
                text: self.text.clone(),
                codebook: PathBuf::new(), // where it is saved, is known then
                human: self.human.clone(),
            }),
            ..Task::default()
        }
    }

    /// The form as it is kept. The table is read again.
    pub fn draft(&self) -> Draft {
        Draft { task: self.task(), codebook: self.codebook.clone() }
    }

    /// Takes over a task and its codebook; `report`: how its table looks, where that is known.
    pub fn take_over(&mut self, task: &Task, codebook: &Codebook, report: Option<Report>) {
        let Task { id, orders, seed, answer, score, prompt, code, .. } = task.clone();
        let code = code.unwrap_or(Code {
            text: String::new(),
            codebook: PathBuf::new(),
            human: Vec::new(),
        });
        let codebook = codebook.clone();
        *self = Self {
            table: None,
            text: code.text,
            id,
            human: code.human,
            codebook,
            orders,
            seed,
            answer,
            score,
            prompt: prompt.filter(|prompt| prompt != usual_for_code()),
        };
        if let Some(report) = report {
            self.set_table(report);
        }
    }

    /// What is missing, as a sentence.
    pub fn obstacle(&self) -> Option<String> {
        if self.table.is_none() {
            return Some("Choose the table with the texts first".to_owned());
        }
        if self.text.is_empty() {
            return Some("Choose the column of the texts".to_owned());
        }
        let problem = self.codebook.problem()?;
        Some(format!("The codebook is not complete: {problem}"))
    }

    /// What the model is asked about a row of the table's beginning, or what is wrong.
    pub fn preview(&self, row: usize) -> Result<Preview, String> {
        if let Some(obstacle) = self.obstacle() {
            return Err(obstacle);
        }
        let Some(report) = &self.table else { return Err(String::new()) };
        let mut task = self.task();
        if let Some(code) = &mut task.code {
            // What people said is not shown to the model, and is checked when the rows are read.
            code.human.clear();
        }
        let table = Table { report: report.clone(), rows: report.first.clone() };
        let codebook = self.codebook.clone();
        let questions =
            Questions::of(&task, Some(codebook), table).map_err(|err| one_line(&err))?;
        let code = task.code.as_ref().expect("the form makes tasks that code");
        let form = Form::of(&task, Kind::Code(code), questions.codebook.as_ref())
            .map_err(|err| one_line(&err))?;
        let question = questions.list.get(row).ok_or("The table has no such row")?;
        Ok(Preview {
            first: form.first(question).map_err(|err| one_line(&err))?,
            order_count: form.order_count(question),
            template: form.template().to_owned(),
            names: form.names(question),
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

/// The column with the most words in the first rows.
fn longest_column(report: &Report) -> Option<String> {
    let length = |name: &String| -> usize {
        let texts = report.first.iter().filter_map(|row| row.get(name)?.as_str());
        texts.map(|text| text.chars().count()).sum()
    };
    report.columns.iter().max_by_key(|name| length(name)).cloned()
}
