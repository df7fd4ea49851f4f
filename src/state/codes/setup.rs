//! A new study as its form has it: table, columns, codebook, sample, order.

use crate::data::codebook::Class;
use crate::data::table::Report;
use crate::study::design::{Suggest, Suggestions};
use crate::study::draw::Sampling;
use crate::study::item::Columns;
use crate::study::make::Plans;
use crate::study::plan::Order;
use crate::study::variable::{Variable, Variables};

/// Which items are coded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sample {
    #[default]
    All,
    Random,
    Stratified,
    Uncertain,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Setup {
    pub name: String,
    pub table: Option<Report>,
    pub text: String,
    pub id: String,
    pub codebook: Variables,
    pub sample: Sample,
    pub count: usize,

    /// The sample is spread over it, or it holds probabilities.
    pub column: String,
    pub order: Order,

    /// In per cent.
    pub again: usize,
    pub seed: u64,
    pub role: String,
    pub right: String,
    pub break_after: usize,
    pub suggest: Suggest,

    /// In per cent.
    pub withheld: usize,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            name: String::new(),
            table: None,
            text: String::new(),
            id: String::new(),
            codebook: Variables {
                guideline_version: "1".to_owned(),
                variables: vec![new_variable(1)],
                ..Variables::default()
            },
            sample: Sample::All,
            count: 100,
            column: String::new(),
            order: Order::Random,
            again: 10,
            seed: 1,
            role: String::new(),
            right: String::new(),
            break_after: 45,
            suggest: Suggest::Never,
            withheld: 30,
        }
    }
}

/// An empty variable with two labels to be written.
pub fn new_variable(number: usize) -> Variable {
    let name = if number == 1 { "code".to_owned() } else { format!("code_{number}") };
    Variable { name, classes: vec![Class::default(); 2], ..Variable::default() }
}

impl Setup {
    pub fn columns(&self) -> &[String] {
        self.table.as_ref().map_or(&[], |report| &report.columns)
    }

    /// Takes a table, with a guess at its columns.
    pub fn set_table(&mut self, report: Report) {
        let length = |name: &String| -> usize {
            let texts = report.first.iter().filter_map(|row| row.get(name)?.as_str());
            texts.map(|text| text.chars().count()).sum()
        };
        let has = |name: &String| report.columns.contains(name);
        if !has(&self.text) {
            self.text =
                report.columns.iter().max_by_key(|name| length(name)).cloned().unwrap_or_default();
        }
        if !has(&self.id) {
            let named = |name: &&String| name.to_lowercase() == "id";
            self.id = report.columns.iter().find(named).cloned().unwrap_or_default();
        }
        for column in [&mut self.column, &mut self.role, &mut self.right] {
            if !report.columns.contains(column) {
                column.clear();
            }
        }
        self.count = self.count.min(report.rows as usize).max(1);
        self.table = Some(report);
    }

    /// What is missing, as a sentence.
    pub fn obstacle(&self) -> Option<String> {
        if self.table.is_none() {
            return Some("Choose the table with the texts first".to_owned());
        }
        if self.text.is_empty() {
            return Some("Choose the column of the texts".to_owned());
        }
        if let Some(problem) = self.codebook.problem() {
            return Some(format!("The codebook is not complete: {problem}"));
        }
        if matches!(self.sample, Sample::Stratified | Sample::Uncertain) && self.column.is_empty() {
            return Some("Choose the column that the sample is drawn by".to_owned());
        }
        if !self.role.is_empty() && self.right.is_empty() {
            return Some(
                "Choose the column with the right codes of training and checks".to_owned(),
            );
        }
        None
    }

    /// As the study is made.
    pub fn plans(&self) -> Plans {
        let columns = vec![self.column.clone()];
        let sampling = match self.sample {
            Sample::All => Sampling::All,
            Sample::Random => Sampling::Random { count: self.count },
            Sample::Stratified => Sampling::Stratified {
                column: self.column.clone(),
                count: self.count,
                equal: false,
            },
            Sample::Uncertain => {
                Sampling::Uncertain { columns, count: self.count, random_share: 0.3 }
            }
        };
        let first = self.codebook.variables.first().map(|variable| variable.name.clone());
        let expected = first.filter(|_| !self.role.is_empty());
        let expected = expected.map(|name| (name, self.right.clone())).into_iter().collect();
        Plans {
            name: if self.name.trim().is_empty() {
                self.codebook.name.trim().to_owned()
            } else {
                self.name.trim().to_owned()
            },
            columns: Columns {
                id: self.id.clone(),
                text: self.text.clone(),
                role: self.role.clone(),
                expected,
                ..Columns::default()
            },
            codebook: self.codebook.clone(),
            sampling,
            seed: self.seed,
            order: self.order,
            again: self.again as f64 / 100.0,
            break_after: (self.break_after > 0).then_some(self.break_after as u32),
            suggestions: Suggestions {
                when: self.suggest,
                withheld: self.withheld as f64 / 100.0,
                from: String::new(),
            },
        }
    }
}
