//! The rows of a task: what each asks, and what people said of it.

use std::sync::Arc;

use serde_json::Value;

use super::coded::{Coders, Manner, inclusion};
use super::passages;
use super::question::Question;
use crate::data::codebook::{Codebook, CodebookError};
use crate::data::table;
use crate::data::table::{ImportError, Reading, Report, Row, Table};
use crate::evaluate::cells::{
    VERDICTS, list_of_options, names_of_options, number, right_answer, verdict, words,
};
use crate::evaluate::task::ask::Ask;
use crate::evaluate::task::code::Code;
use crate::evaluate::task::exam::Exam;
use crate::evaluate::task::extract::Extract;
use crate::evaluate::task::free_text::Write;
use crate::evaluate::task::judge::Judge;
use crate::evaluate::task::perplexity::Perplexity;
use crate::evaluate::task::rating::Rate;
use crate::evaluate::task::survey::{Field, Poll, Survey, SurveyError, refusals};
use crate::evaluate::task::{Kind, Task, TaskError};
use crate::jobs::Progress;

/// The column of the results with what was asked about a document.
const ASKED: &str = "asked";

/// All rows of a task.
#[derive(Clone, Debug)]
pub struct Questions {
    pub report: Report,
    pub list: Vec<Question>,
    pub codebook: Option<Codebook>,

    /// The names of the columns with people's labels.
    pub coders: Vec<String>,

    /// What an answer may be where that is the same in every row.
    pub labels: Option<Vec<String>>,

    /// The column of documents that would be repeated for every question about them.
    pub repeated: Option<String>,
}

/// Why the rows cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum QuestionError {
    #[error(transparent)]
    Table(#[from] ImportError),

    #[error(transparent)]
    Codebook(#[from] CodebookError),

    #[error(transparent)]
    Task(#[from] TaskError),

    #[error(transparent)]
    Survey(#[from] SurveyError),

    #[error("{} has no column \"{column}\", which {what}; it has {columns}", path.display())]
    NoColumn { path: std::path::PathBuf, column: String, what: &'static str, columns: String },
}

impl Questions {
    /// Reads the table of a task and what belongs to it.
    pub fn read(task: &Task, progress: &dyn Progress<Reading>) -> Result<Self, QuestionError> {
        let codebook = match task.kind()? {
            Kind::Code(code) => Some(Codebook::read(&code.codebook)?),
            Kind::Rate(rate) => Some(rate.codebook()),
            _ => None,
        };
        let mut questions = Self::of(task, codebook, table::rows(&task.data, progress)?)?;
        if let Kind::Survey(survey) = task.kind()? {
            questions.put_to(&survey.field(progress)?)?;
        }
        Ok(questions)
    }

    /// The same of a table and a codebook that are in memory.
    pub fn of(
        task: &Task,
        codebook: Option<Codebook>,
        table: Table,
    ) -> Result<Self, QuestionError> {
        let mut rows = table.rows;
        if let Some(split) = task.split {
            let mut chosen = split.chosen(rows.len()).into_iter();
            rows.retain(|_| chosen.next().unwrap_or_default());
        }
        if task.rows > 0 {
            rows.truncate(task.rows);
        }
        let columns: Arc<[String]> = table.report.columns.as_slice().into();
        let mut questions = Self {
            report: table.report,
            list: rows.into_iter().map(|row| Question::of(row, &columns)).collect(),
            codebook,
            coders: Vec::new(),
            labels: None,
            repeated: None,
        };
        if let Some(id) = &task.id {
            questions.has(id, "is to name the rows")?;
        }
        match task.kind()? {
            Kind::Code(code) => questions.of_codes(code)?,
            Kind::Exam(exam) => questions.of_exam(exam)?,
            Kind::Judge(judge) => questions.of_judge(judge)?,
            Kind::Rate(rate) => questions.of_ratings(rate)?,
            Kind::Extract(extract) => questions.of_fields(extract)?,
            Kind::Write(write) => questions.of_texts(write)?,
            Kind::Survey(survey) => questions.of_items(survey)?,
            Kind::Ask(ask) => questions.of_documents(ask)?,
            Kind::Perplexity(perplexity) => questions.of_scored_texts(perplexity)?,
        }
        if let Some(id) = &task.id {
            for question in &mut questions.list {
                question.id = question.row.get(id).cloned();
            }
        }
        Ok(questions)
    }

    fn has(&self, column: &str, what: &'static str) -> Result<(), QuestionError> {
        let columns = &self.report.columns;
        if columns.iter().any(|name| name == column) {
            return Ok(());
        }
        let named: Vec<String> = columns.iter().map(|name| format!("\"{name}\"")).collect();
        Err(QuestionError::NoColumn {
            path: self.report.path.clone(),
            column: column.to_owned(),
            what,
            columns: named.join(", "),
        })
    }

    fn of_codes(&mut self, code: &Code) -> Result<(), QuestionError> {
        let on = code.regression.as_ref().map(|regression| regression.on.as_slice());
        let on = on.unwrap_or_default();
        for column in on {
            self.has(column, "the labels are to be regressed on")?;
        }
        if let (Some(regression), Some(codebook)) = (&code.regression, &self.codebook)
            && let Some(problem) = regression.problem(codebook.scale)
        {
            return Err(TaskError::Unusable(problem).into());
        }
        if code.threshold.is_some() && !self.codebook.as_ref().is_some_and(|it| it.several) {
            let problem = "the task has a `threshold`, which belongs to a codebook of which a text can have several \
                           labels (several = true)";
            return Err(TaskError::Unusable(problem.to_owned()).into());
        }
        let codebook = self.codebook.clone().unwrap_or_default();
        let manner = if codebook.several { Manner::Several } else { Manner::One };
        self.of_labelled(
            &codebook,
            manner,
            &Labelled {
                text: &code.text,
                human: &code.human,
                inclusion: code.inclusion.as_ref(),
                by: code.by.as_ref(),
                needed_for: [
                    "the task takes the texts from",
                    "the task takes a person's labels from",
                ],
            },
        )?;
        for question in &mut self.list {
            let said_in = |column: &String| words(question.row.get(column)).trim().to_owned();
            question.covariates = on.iter().map(said_in).collect();
        }
        Ok(())
    }

    fn of_ratings(&mut self, rate: &Rate) -> Result<(), QuestionError> {
        if let Some(prompt) = &rate.prompt {
            self.has(prompt, "the task takes what was asked from")?;
            for question in &mut self.list {
                question.parts.push(("prompt", words(question.row.get(prompt)).into_owned()));
            }
        }
        let codebook = rate.codebook();
        self.of_labelled(
            &codebook,
            Manner::Rating,
            &Labelled {
                text: &rate.text,
                human: &rate.human,
                inclusion: rate.inclusion.as_ref(),
                by: rate.by.as_ref(),
                needed_for: [
                    "the task takes what is rated from",
                    "the task takes a person's ratings from",
                ],
            },
        )?;
        self.codebook = Some(codebook);
        Ok(())
    }

    /// Texts with what people said of them, in labels or in numbers.
    fn of_labelled(
        &mut self,
        codebook: &Codebook,
        manner: Manner,
        asked: &Labelled<'_>,
    ) -> Result<(), QuestionError> {
        let [of_texts, of_people] = asked.needed_for;
        self.has(asked.text, of_texts)?;
        for coder in asked.human {
            self.has(coder, of_people)?;
        }
        if let Some(column) = asked.inclusion {
            self.has(column, "the task takes probabilities of having been drawn from")?;
        }
        if let Some(column) = asked.by {
            self.has(column, "the results are to be compared by")?;
        }
        let labels = codebook.labels();
        let rows: Vec<&Row> = self.list.iter().map(|question| &question.row).collect();
        let mut coders = Coders::new(asked.human, &labels, manner);
        coders.look_for_columns(&rows, &self.report.columns);
        for question in &mut self.list {
            let row = &question.row;
            let text = words(row.get(asked.text)).into_owned();
            if text.trim().is_empty() {
                question.problem = Some(format!("its \"{}\" is empty", asked.text));
            }
            question.options.clone_from(&labels);
            let group = asked.by.map(|column| words(row.get(column)).trim().to_owned());
            question.group = group.filter(|group| !group.is_empty());
            if let Some(column) = asked.inclusion {
                question.inclusion = inclusion(row, column, &self.report)?;
            }
            (question.human, question.human_sets) = coders.said(row, &self.report)?;
            question.parts.push(("text", text));
        }
        self.coders = coders.names();
        coders.note(&mut self.report);
        self.labels = Some(labels);
        Ok(())
    }

    fn of_exam(&mut self, exam: &Exam) -> Result<(), QuestionError> {
        self.has(&exam.question, "the task takes the questions from")?;
        for option in &exam.options {
            self.has(option, "the task takes an option from")?;
        }
        if let Some(answer) = &exam.answer {
            self.has(answer, "the task takes the right answers from")?;
            self.coders.push(answer.clone());
        }
        if let Some(subject) = &exam.subject {
            self.has(subject, "the results are to be reported by")?;
        }
        for question in &mut self.list {
            let row = &question.row;
            let asked = words(row.get(&exam.question)).into_owned();
            question.options = match exam.options.as_slice() {
                [one] => list_of_options(row.get(one)),
                columns => {
                    let options = columns.iter().map(|column| words(row.get(column)).into_owned());
                    options.filter(|option| !option.trim().is_empty()).collect()
                }
            };
            question.problem = match question.options.len() {
                _ if asked.trim().is_empty() => Some(format!("its \"{}\" is empty", exam.question)),
                0 | 1 => Some(match exam.options.as_slice() {
                    [one] if question.options.is_empty() => format!(
                        "its \"{one}\" is no list of options: {}",
                        words(row.get(one)).chars().take(40).collect::<String>()
                    ),
                    _ => "it has fewer than two options".to_owned(),
                }),
                27.. => {
                    Some("it has more than 26 options, and there are no more letters".to_owned())
                }
                _ => None,
            };
            let subject = exam.subject.as_ref();
            question.group = subject.map(|column| words(row.get(column)).into_owned());
            question.parts.push(("question", asked));
        }
        if let Some(answer) = &exam.answer {
            let first = exam.first.or_else(|| self.first_number(answer));
            for question in &mut self.list {
                let row = &question.row;
                let names = match exam.options.as_slice() {
                    [one] => names_of_options(row.get(one)),
                    columns => names_of_columns(row, columns),
                };
                let said = right_answer(row.get(answer), &question.options, &names, first);
                let said =
                    said.map_err(|problem| self.report.error(row.place, Some(answer), problem))?;
                question.human = vec![said];
            }
        }
        Ok(())
    }

    /// Whether right answers that are numbers count from 0 or from 1, where the column shows it.
    fn first_number(&self, column: &str) -> Option<u64> {
        let numbers = self.list.iter().filter_map(|question| {
            Some((number(question.row.get(column)?)?, question.options.len() as u64))
        });
        let mut first = None;
        for (number, count) in numbers {
            match number {
                0 => return Some(0),
                _ if number == count => first = Some(1),
                _ => {}
            }
        }
        first
    }

    fn of_judge(&mut self, judge: &Judge) -> Result<(), QuestionError> {
        self.has(&judge.prompt, "the task takes what was asked from")?;
        for answer in &judge.answers {
            self.has(answer, "the task takes an answer from")?;
        }
        if judge.verdict.is_some() {
            self.coders.push("people".to_owned());
        } else if let Some(human) = &judge.human {
            self.has(human, "the task takes a person's verdicts from")?;
            self.coders.push(human.clone());
        }
        for question in &mut self.list {
            let row = &question.row;
            let answers =
                judge.answers.each_ref().map(|column| words(row.get(column)).into_owned());
            for (column, answer) in judge.answers.iter().zip(&answers) {
                if answer.trim().is_empty() {
                    question.problem = Some(format!("its \"{column}\" is empty"));
                }
            }
            question.lengths = answers.iter().map(|answer| answer.chars().count()).collect();
            let [first, second] = answers;
            let prompt = words(row.get(&judge.prompt)).into_owned();
            question.options = VERDICTS[..2].iter().map(|&verdict| verdict.to_owned()).collect();
            if let Some(always) = &judge.verdict {
                let said = verdict(always, &judge.answers);
                question.human = vec![said.map_err(TaskError::Unusable)?];
            } else if let Some(human) = &judge.human {
                let said = verdict(&words(row.get(human)), &judge.answers);
                let said =
                    said.map_err(|problem| self.report.error(row.place, Some(human), problem))?;
                question.human = vec![said];
            }
            question.parts.extend([("prompt", prompt), ("first", first), ("second", second)]);
        }
        self.labels = Some(VERDICTS.map(str::to_owned).to_vec());
        Ok(())
    }

    fn of_fields(&mut self, extract: &Extract) -> Result<(), QuestionError> {
        let form = extract.form().map_err(TaskError::Unusable)?;
        for (field, column) in &extract.human {
            if !form.columns.contains(field) {
                let known = form.columns.join(", ");
                let problem = format!(
                    "the task says which column has the field “{field}” by hand, and there is no \
                     such field; there are {known}"
                );
                return Err(TaskError::Unusable(problem).into());
            }
            self.has(column, "the task takes a field from that was read by hand")?;
        }
        self.of_text(&extract.text)?;
        let columns = extract.human.iter().map(|(field, column)| (field.clone(), column.clone()));
        self.take_said(&columns.collect::<Vec<_>>());
        Ok(())
    }

    fn of_texts(&mut self, write: &Write) -> Result<(), QuestionError> {
        if write.instruction.trim().is_empty() {
            let problem = "the task does not say what is to be written: give [write] an \
                           `instruction`, as “Summarise the text in one sentence.”";
            return Err(TaskError::Unusable(problem.to_owned()).into());
        }
        for column in &write.references {
            self.has(column, "the task takes a reference from")?;
        }
        self.of_text(&write.text)?;
        let columns = write.references.iter().map(|column| (column.clone(), column.clone()));
        self.take_said(&columns.collect::<Vec<_>>());
        Ok(())
    }

    fn of_scored_texts(&mut self, perplexity: &Perplexity) -> Result<(), QuestionError> {
        if let Some(column) = &perplexity.before {
            self.has(column, "the task takes what stands before a text from")?;
        }
        if let Some(column) = &perplexity.by {
            self.has(column, "the results are to be reported by")?;
        }
        self.of_text(&perplexity.text)?;
        for question in &mut self.list {
            let said_in = |column: &String| words(question.row.get(column)).into_owned();
            let before = perplexity.before.as_ref().map(said_in).unwrap_or_default();
            let group = perplexity.by.as_ref().map(|column| said_in(column).trim().to_owned());
            question.group = group.filter(|group| !group.is_empty());
            question.parts.push(("before", before));
        }
        Ok(())
    }

    fn of_items(&mut self, survey: &Survey) -> Result<(), QuestionError> {
        self.has(&survey.question, "the task takes the questions from")?;
        for option in &survey.options {
            self.has(option, "the task takes an option from")?;
        }
        for question in &mut self.list {
            let row = &question.row;
            let asked = words(row.get(&survey.question)).into_owned();
            question.options = match survey.options.as_slice() {
                [one] => list_of_options(row.get(one)),
                columns => {
                    let options = columns.iter().map(|column| words(row.get(column)).into_owned());
                    options.filter(|option| !option.trim().is_empty()).collect()
                }
            };
            question.problem = match question.options.len() {
                _ if asked.trim().is_empty() => {
                    Some(format!("its \"{}\" is empty", survey.question))
                }
                0 | 1 => Some("it has fewer than two options".to_owned()),
                27.. => Some("it has more than 26 options".to_owned()),
                _ => None,
            };
            let refusals = refusals(&question.options, &survey.refusal);
            let options = question.options.iter().map(|option| option.trim().to_owned()).collect();
            let poll = Poll { refusals, question: asked.clone(), options, ..Poll::default() };
            question.poll = Some(poll);
            question.parts.extend([("question", asked), ("persona", String::new())]);
        }
        Ok(())
    }

    /// Asks every person every question: first all questions of the first person.
    fn put_to(&mut self, field: &Field) -> Result<(), SurveyError> {
        let items = std::mem::take(&mut self.list);
        let name = |item: &Question| match &item.id {
            Some(id) => words(Some(id)).into_owned(),
            None => item.part("question").unwrap_or_default().into_owned(),
        };
        let named: Vec<(String, &[String])> =
            items.iter().map(|item| (name(item), item.options.as_slice())).collect();
        if let Some(problem) = field.stray(&named) {
            return Err(SurveyError::Unusable(problem));
        }
        let count = items.len() as u64;
        for (person, number) in field.people.iter().zip(0..) {
            for (item, place) in items.iter().zip(1..) {
                let mut question = item.with_part("persona", &person.words);
                let name = name(item);
                // Rows are numbered on, person after person.
                question.row.place.row = number * count + place;
                question.group.clone_from(&person.group);
                if let Some(poll) = &mut question.poll {
                    poll.people = field.shares(&name, person.group.as_deref(), &item.options);
                    poll.item = name;
                }
                self.list.push(question);
            }
        }
        Ok(())
    }

    /// Every question about every document: first all questions about the first one.
    fn of_documents(&mut self, ask: &Ask) -> Result<(), QuestionError> {
        self.has(&ask.text, "the task takes the documents from")?;
        if let Some(column) = &ask.question {
            self.has(column, "the task takes the questions from")?;
        }
        for column in &ask.references {
            self.has(column, "the task takes a right answer from")?;
        }
        let per_document = ask.questions.len().max(1) as u64;
        let documents = std::mem::take(&mut self.list);
        if ask.question.is_none() {
            // The results say what was asked.
            self.report.columns.push(ASKED.to_owned());
            self.repeated = Some(ask.text.clone());
        }
        let columns: Arc<[String]> = self.report.columns.as_slice().into();
        for (document, number) in documents.into_iter().zip(0..) {
            let text = words(document.row.get(&ask.text)).into_owned();
            let read = passages::Document::new(&text, ask.passage_words);
            let asked = match &ask.question {
                Some(column) => vec![words(document.row.get(column)).into_owned()],
                None => ask.questions.clone(),
            };
            for (asked, place) in asked.into_iter().zip(1..) {
                let mut question = document.clone();
                if ask.question.is_none() {
                    question.row.place.row = number * per_document + place;
                    question.row.fields.insert(ASKED.to_owned(), Value::from(asked.as_str()));
                    question.columns = Arc::clone(&columns);
                    question.group = Some(asked.clone());
                }
                let empty = match (text.trim().is_empty(), asked.trim().is_empty()) {
                    (true, _) => Some(&ask.text),
                    (_, true) => ask.question.as_ref(),
                    _ => None,
                };
                question.problem = empty.map(|column| format!("its \"{column}\" is empty"));
                let excerpt = read.excerpt(&asked, ask.passages);
                question.parts.extend([("question", asked), ("passages", excerpt.words())]);
                question.excerpt = Some(excerpt);
                self.list.push(question);
            }
        }
        let columns = ask.references.iter().map(|column| (column.clone(), column.clone()));
        self.take_said(&columns.collect::<Vec<_>>());
        Ok(())
    }

    fn of_text(&mut self, column: &str) -> Result<(), QuestionError> {
        self.has(column, "the task takes the texts from")?;
        for question in &mut self.list {
            let text = words(question.row.get(column)).into_owned();
            if text.trim().is_empty() {
                question.problem = Some(format!("its \"{column}\" is empty"));
            }
            question.parts.push(("text", text));
        }
        Ok(())
    }

    /// What people wrote in these columns, under these names. An empty cell says nothing.
    fn take_said(&mut self, columns: &[(String, String)]) {
        for question in &mut self.list {
            for (name, column) in columns {
                let said = words(question.row.get(column)).trim().to_owned();
                if !said.is_empty() {
                    question.said.insert(name.clone(), said);
                }
            }
        }
    }
}

/// The columns of texts that get labels or numbers.
struct Labelled<'a> {
    text: &'a str,

    /// With what people said, a column each.
    human: &'a [String],
    inclusion: Option<&'a String>,
    by: Option<&'a String>,

    /// What the column of the texts and those of people are for, as a message has it.
    needed_for: [&'static str; 2],
}

/// What the options in these columns are called: those that are empty are none, and the letters of
/// the others stay.
fn names_of_columns(row: &Row, columns: &[String]) -> Vec<String> {
    let is_there = |column: &String| !words(row.get(column)).trim().is_empty();
    let all_there = columns.iter().all(is_there);
    let name = |(column, letter): (&String, char)| {
        if all_there { column.clone() } else { letter.to_string() }
    };
    columns.iter().zip('A'..='Z').filter(|(column, _)| is_there(column)).map(name).collect()
}

#[cfg(test)]
#[path = "questions_tests.rs"]
mod tests;
