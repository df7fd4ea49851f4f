//! A new study as its form has it: table, columns, codebook, sample, order.

use crate::data::codebook::{Class, Codebook};
use crate::data::table::Report;
use crate::evaluate::results::table::OF_MODEL;
use crate::evaluate::task::Task;
use crate::evaluate::task::code::Code;
use crate::state::prefs::KeptSetup;
use crate::study::design::{Suggest, Suggestions};
use crate::study::draw::Sampling;
use crate::study::item::Columns;
use crate::study::make::Plans;
use crate::study::pairs::LOGPROBS;
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

    /// Of pairs, those first that a model hardly tells apart.
    Closest,
}

/// What is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum What {
    #[default]
    Texts,
    Pairs,
}

/// Who says how likely the answers of a pair are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogprobsFrom {
    /// The model in memory, when the study is made.
    #[default]
    Model,

    /// Two columns of the file.
    Columns,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Setup {
    /// Set by [`Self::judge`].
    what: What,
    pub name: String,
    pub table: Option<Report>,
    pub text: String,
    pub id: String,
    pub codebook: Variables,

    /// Of what is not judged now: kept while a person looks at the other form.
    other_codebook: Variables,
    pub sample: Sample,
    pub count: usize,
    pub logprobs_from: LogprobsFrom,
    pub logprobs: [String; 2],

    /// The sample is spread over it, or it holds probabilities.
    pub column: String,
    pub order: Order,

    /// In per cent.
    pub again: usize,
    pub seed: u64,
    pub role: String,
    pub right: String,
    pub feedback: String,
    pub break_after: usize,

    /// 0: a sitting has no end.
    pub stop_after_items: usize,
    pub stop_after_minutes: usize,
    pub suggest: Suggest,

    /// In per cent.
    pub withheld: usize,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            what: What::Texts,
            name: String::new(),
            table: None,
            text: String::new(),
            id: String::new(),
            codebook: Variables {
                guideline_version: "1".to_owned(),
                variables: vec![new_variable(1)],
                ..Variables::default()
            },
            other_codebook: Variables::of_pairs(),
            sample: Sample::All,
            count: 100,
            logprobs_from: LogprobsFrom::Model,
            logprobs: [String::new(), String::new()],
            column: String::new(),
            order: Order::Random,
            again: 10,
            seed: 1,
            role: String::new(),
            right: String::new(),
            feedback: String::new(),
            break_after: 45,
            stop_after_items: 0,
            stop_after_minutes: 0,
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
    pub fn what(&self) -> What {
        self.what
    }

    /// Chooses what is judged. Its table has to be read anew.
    pub fn judge(&mut self, what: What) {
        if self.what != what {
            self.what = what;
            std::mem::swap(&mut self.codebook, &mut self.other_codebook);
            self.table = None;
            self.sample = Sample::All;
        }
    }

    /// What was written by hand.
    pub fn kept(&self) -> KeptSetup {
        let new = Self::default();
        let of_pairs = self.what == What::Pairs;
        let (texts, pairs) = if of_pairs {
            (&self.other_codebook, &self.codebook)
        } else {
            (&self.codebook, &self.other_codebook)
        };
        let written = |codebook: &Variables, new: &Variables| {
            let is_written = codebook != new;
            is_written.then(|| serde_json::to_string(codebook).ok()).flatten().unwrap_or_default()
        };
        KeptSetup {
            of_pairs,
            texts: written(texts, &new.codebook),
            pairs: written(pairs, &new.other_codebook),
        }
    }

    /// The form as it was left. What cannot be read is as in a new one.
    pub fn restore(&mut self, kept: &KeptSetup) {
        *self = Self::default();
        let read = |text: &str| serde_json::from_str::<Variables>(text).ok();
        if let Some(codebook) = read(&kept.texts) {
            self.codebook = codebook;
        }
        if let Some(codebook) = read(&kept.pairs) {
            self.other_codebook = codebook;
        }
        self.judge(if kept.of_pairs { What::Pairs } else { What::Texts });
    }

    /// A study of the texts of an evaluation's results, by the same codebook: those first that its model is least
    /// certain of.
    pub fn of_results(task: &Task, code: &Code, codebook: &Codebook) -> Self {
        let first = codebook.labels().into_iter().next().unwrap_or_default();
        Self {
            name: format!("{}, by hand", task.name).trim_start_matches(", ").to_owned(),
            text: code.text.clone(),
            id: task.id.clone().unwrap_or_default(),
            codebook: Variables::of_codebook(codebook),
            sample: Sample::Uncertain,
            column: format!("{OF_MODEL}{first}"),
            ..Self::default()
        }
    }

    /// The columns with the probabilities of the labels: that which is chosen, and of an evaluation's results
    /// those of the other labels too.
    pub fn probabilities(&self) -> Vec<String> {
        let is_of_model = |column: &&String| column.starts_with(OF_MODEL);
        if self.column.starts_with(OF_MODEL) {
            return self.columns().iter().filter(is_of_model).cloned().collect();
        }
        vec![self.column.clone()]
    }

    /// Whether the model in memory has to say how likely the answers are.
    pub fn asks_model(&self) -> bool {
        self.what == What::Pairs
            && self.sample == Sample::Closest
            && self.logprobs_from == LogprobsFrom::Model
    }

    pub fn columns(&self) -> &[String] {
        self.table.as_ref().map_or(&[], |report| &report.columns)
    }

    /// Takes a table, with a guess at its columns.
    pub fn set_table(&mut self, report: Report) {
        let has = |name: &String| report.columns.contains(name);
        if !has(&self.text) {
            self.text = report.longest_column().unwrap_or_default();
        }
        if !has(&self.id) {
            let named = |name: &&String| name.to_lowercase() == "id";
            self.id = report.columns.iter().find(named).cloned().unwrap_or_default();
        }
        let [first, second] = &mut self.logprobs;
        for column in
            [&mut self.column, &mut self.role, &mut self.right, &mut self.feedback, first, second]
        {
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
            return Some(match self.what {
                What::Texts => "Choose the table with the texts first".to_owned(),
                What::Pairs => "Choose the file with the answers first".to_owned(),
            });
        }
        if self.what == What::Pairs && self.codebook.better().is_none() {
            return Some("One question has to ask which answer is better".to_owned());
        }
        if self.sample == Sample::Closest
            && self.logprobs_from == LogprobsFrom::Columns
            && self.logprobs.iter().any(String::is_empty)
        {
            return Some("Choose the columns with the log-probabilities".to_owned());
        }
        if self.what == What::Texts && self.text.is_empty() {
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

    /// As the person calls it, else as its codebook is called, else as its file is.
    fn study_name(&self) -> String {
        let file = self.table.as_ref().and_then(|report| report.path.file_stem());
        let file = file.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let names = [self.name.trim(), self.codebook.name.trim(), file.trim()];
        names.into_iter().find(|name| !name.is_empty()).unwrap_or_default().to_owned()
    }

    /// As the study is made.
    pub fn plans(&self) -> Plans {
        let sampling = match self.sample {
            Sample::All => Sampling::All,
            Sample::Random => Sampling::Random { count: self.count },
            Sample::Stratified => Sampling::Stratified {
                column: self.column.clone(),
                count: self.count,
                equal: false,
            },
            Sample::Uncertain => Sampling::Uncertain {
                columns: self.probabilities(),
                each: self.codebook.first_has_several_labels(),
                count: self.count,
                random_share: 0.3,
            },
            Sample::Closest => Sampling::Closest {
                columns: match self.logprobs_from {
                    LogprobsFrom::Model => LOGPROBS.map(str::to_owned),
                    LogprobsFrom::Columns => self.logprobs.clone(),
                },
                count: self.count,
                random_share: 0.3,
            },
        };
        let of_pairs = self.what == What::Pairs;
        let place = self.codebook.better().unwrap_or_default();
        let first = self.codebook.variables.get(place).map(|variable| variable.name.clone());
        let expected = first.filter(|_| !self.role.is_empty());
        let expected = expected.map(|name| (name, self.right.clone())).into_iter().collect();
        Plans {
            name: self.study_name(),
            evaluation: String::new(), // its table says it, once it is read
            columns: Columns {
                id: self.id.clone(),
                text: if of_pairs { String::new() } else { self.text.clone() },
                role: self.role.clone(),
                expected,
                feedback: self.feedback.clone(),
                ..Columns::default()
            },
            codebook: self.codebook.clone(),
            sampling,
            seed: self.seed,
            order: self.order,
            again: self.again as f64 / 100.0,
            break_after: (self.break_after > 0).then_some(self.break_after as u32),
            stop_after_items: (self.stop_after_items > 0).then_some(self.stop_after_items as u32),
            stop_after_minutes: (self.stop_after_minutes > 0)
                .then_some(self.stop_after_minutes as u32),
            suggestions: Suggestions {
                when: self.suggest,
                withheld: self.withheld as f64 / 100.0,
                from: String::new(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_codebook_that_no_study_has_yet_comes_back() {
        let mut setup = Setup::default();
        assert_eq!(setup.kept(), KeptSetup::default(), "nothing was written");
        setup.codebook.variables[0].classes[0].label = "praise: \"good\"".to_owned();
        setup.judge(What::Pairs);
        setup.codebook.guideline = "Prefer what is\nright".to_owned();
        let kept = serde_json::to_string(&setup.kept()).unwrap();
        let mut again = Setup::default();
        again.restore(&serde_json::from_str(&kept).unwrap());
        assert_eq!(again, setup);
        again.restore(&KeptSetup { texts: "{".to_owned(), ..KeptSetup::default() });
        assert_eq!(again, Setup::default(), "what cannot be read is new");
    }
}
