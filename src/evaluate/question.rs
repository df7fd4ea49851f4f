//! What a row of the table asks: its parts for the prompt, its options, and what people said.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use super::codebook::{Codebook, CodebookError};
use super::task::{Code, Exam, Judge, Kind, Task, TaskError};
use crate::data::pair::Message;
use crate::data::table;
use crate::data::table::{ImportError, Reading, Report, Row, Table};
use crate::jobs::Progress;

/// The three verdicts of a judge; the first two are its options.
pub const VERDICTS: [&str; 3] = ["first", "second", "tie"];

/// A row, made ready to be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// As the table has it.
    pub row: Row,

    /// All columns of the table: a row may lack some, and has no words there.
    pub columns: Arc<[String]>,

    /// What names the row in the results.
    pub id: Option<Value>,

    /// What the task itself gives a name that a prompt may use; a column of that name stands back.
    pub parts: Vec<(&'static str, String)>,
    pub options: Vec<String>,

    /// What each coder said, as an index into the options; a judge's tie is 2. `None`: nothing.
    pub human: Vec<Option<usize>>,

    /// What the row is reported by.
    pub group: Option<String>,

    /// Why it cannot be asked.
    pub problem: Option<String>,
}

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

    #[error("{} has no column \"{column}\", which {what}; it has {columns}", path.display())]
    NoColumn { path: std::path::PathBuf, column: String, what: &'static str, columns: String },
}

impl Questions {
    /// Reads the table of a task and what belongs to it.
    pub fn read(task: &Task, progress: &dyn Progress<Reading>) -> Result<Self, QuestionError> {
        let codebook = match task.kind()? {
            Kind::Code(code) => Some(Codebook::read(&code.codebook)?),
            Kind::Exam(_) | Kind::Judge(_) => None,
        };
        Self::of(task, codebook, table::rows(&task.data, progress)?)
    }

    /// The same of a table and a codebook that are in memory.
    pub fn of(
        task: &Task,
        codebook: Option<Codebook>,
        table: Table,
    ) -> Result<Self, QuestionError> {
        let mut rows = table.rows;
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
        };
        if let Some(id) = &task.id {
            questions.has(id, "is to name the rows")?;
        }
        match task.kind()? {
            Kind::Code(code) => questions.of_codes(code)?,
            Kind::Exam(exam) => questions.of_exam(exam)?,
            Kind::Judge(judge) => questions.of_judge(judge)?,
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
        self.has(&code.text, "the task takes the texts from")?;
        for coder in &code.human {
            self.has(coder, "the task takes a person's labels from")?;
        }
        let labels = self.codebook.as_ref().map(Codebook::labels).unwrap_or_default();
        for question in &mut self.list {
            let row = &question.row;
            let text = words(row.get(&code.text)).into_owned();
            if text.trim().is_empty() {
                question.problem = Some(format!("its \"{}\" is empty", code.text));
            }
            question.options.clone_from(&labels);
            question.human = code
                .human
                .iter()
                .map(|coder| {
                    let said = words(row.get(coder));
                    let said = said.trim();
                    if said.is_empty() {
                        return Ok(None);
                    }
                    let found = labels.iter().position(|label| label == said);
                    found.map(Some).ok_or_else(|| {
                        let problem = format!(
                            "“{said}” is not a label of the codebook; it has {}",
                            listed(&labels)
                        );
                        self.report.error(row.place, Some(coder), problem)
                    })
                })
                .collect::<Result<_, ImportError>>()?;
            question.parts.push(("text", text));
        }
        self.coders.clone_from(&code.human);
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
                0 | 1 => Some("it has fewer than two options".to_owned()),
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
                let said = right_answer(row.get(answer), &question.options, first);
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
}

impl Question {
    fn of(row: Row, columns: &Arc<[String]>) -> Self {
        Self {
            row,
            columns: Arc::clone(columns),
            id: None,
            parts: Vec::new(),
            options: Vec::new(),
            human: Vec::new(),
            group: None,
            problem: None,
        }
    }

    /// What a prompt has for a name: of the task, the latest that was given; else of a column.
    pub fn part(&self, name: &str) -> Option<Cow<'_, str>> {
        let own = self.parts.iter().rev().find(|(part, _)| *part == name);
        own.map(|(_, text)| Cow::Borrowed(text.as_str())).or_else(|| {
            let is_column = self.columns.iter().any(|column| column == name);
            is_column.then(|| words(self.row.get(name)))
        })
    }

    /// Every name that a prompt may use for this row.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let own = self.parts.iter().map(|(name, _)| *name);
        self.columns.iter().map(String::as_str).chain(own)
    }

    /// The same question with another text under `name`.
    #[must_use]
    pub fn with_part(&self, name: &'static str, text: &str) -> Self {
        let mut question = self.clone();
        question.parts.push((name, text.to_owned()));
        question
    }

    /// The same question with `word` for every name.
    #[must_use]
    pub fn filled_with(&self, word: &str) -> Self {
        let mut question = self.clone();
        for (_, text) in &mut question.parts {
            word.clone_into(text);
        }
        for column in &*self.columns {
            question.row.fields.insert(column.clone(), Value::from(word));
        }
        question
    }
}

/// A value as a prompt has it; of a dialogue its words.
fn words(value: Option<&Value>) -> Cow<'_, str> {
    match value {
        None | Some(Value::Null) => Cow::Borrowed(""),
        Some(Value::String(text)) => Cow::Borrowed(text),
        Some(value @ Value::Array(turns)) if !turns.is_empty() => {
            Cow::Owned(dialogue(turns).unwrap_or_else(|| value.to_string()))
        }
        Some(other) => Cow::Owned(other.to_string()),
    }
}

/// The words of one message, or of several with who said them. `None`: it is no list of messages.
fn dialogue(turns: &[Value]) -> Option<String> {
    let messages: Vec<Message> = turns
        .iter()
        .map(|turn| turn.as_object().and_then(|turn| Message::from_fields(turn.clone()).ok()))
        .collect::<Option<_>>()?;
    if let [only] = messages.as_slice() {
        return Some(only.content.clone());
    }
    let turns = messages.iter().map(|Message { role, content, .. }| format!("{role}: {content}"));
    Some(turns.collect::<Vec<_>>().join("\n\n"))
}

fn listed(labels: &[String]) -> String {
    let quoted: Vec<String> = labels.iter().map(|label| format!("“{label}”")).collect();
    quoted.join(", ")
}

/// A list of texts, or what ARC and `OpenBookQA` have: `{"text": [...], "label": [...]}`.
fn list_of_options(value: Option<&Value>) -> Vec<String> {
    let list = match value {
        Some(Value::Object(fields)) => fields.get("text"),
        other => other,
    };
    match list {
        Some(Value::Array(options)) => {
            options.iter().map(|option| words(Some(option)).into_owned()).collect()
        }
        // A list that a table of text could only hold as text.
        Some(Value::String(text)) => match serde_json::from_str(text) {
            Ok(Value::Array(options)) => {
                options.iter().map(|option| words(Some(option)).into_owned()).collect()
            }
            Ok(Value::Object(fields)) => list_of_options(Some(&Value::Object(fields))),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The option that a column of right answers means: its words, its letter or its number.
fn right_answer(
    value: Option<&Value>,
    options: &[String],
    first: Option<u64>,
) -> Result<Option<usize>, String> {
    let said = words(value);
    let said = said.trim();
    let Some(value) = value.filter(|_| !said.is_empty()) else { return Ok(None) };
    if let Some(found) = options.iter().position(|option| option.trim() == said) {
        return Ok(Some(found));
    }
    let mut letters = said.chars();
    if let (Some(letter), None) = (letters.next(), letters.next())
        && letter.is_ascii_alphabetic()
    {
        let index = usize::from(letter.to_ascii_uppercase() as u8 - b'A');
        return if index < options.len() {
            Ok(Some(index))
        } else {
            Err(format!("the answer {said} is past its {} options", options.len()))
        };
    }
    let Some(number) = number(value) else {
        return Err(format!("the answer “{said}” is none of its options, no letter and no number"));
    };
    let first = first.ok_or_else(|| {
        "the right answers are numbers, and it cannot be seen whether they count from 0 or from 1: \
         say `first = 0` or `first = 1` under [exam]"
            .to_owned()
    })?;
    match number.checked_sub(first).and_then(|index| usize::try_from(index).ok()) {
        Some(index) if index < options.len() => Ok(Some(index)),
        _ => Err(format!(
            "the answer {number} is none of its {} options, which count from {first}",
            options.len()
        )),
    }
}

fn verdict(said: &str, answers: &[String; 2]) -> Result<Option<usize>, String> {
    let said = said.trim();
    if let Some(found) = answers.iter().position(|column| column == said) {
        return Ok(Some(found));
    }
    match said.to_lowercase().as_str() {
        "" => Ok(None),
        "first" | "1" | "a" | "left" => Ok(Some(0)),
        "second" | "2" | "b" | "right" => Ok(Some(1)),
        "tie" | "draw" | "both" | "neither" | "equal" => Ok(Some(2)),
        _ => Err(format!(
            "“{said}” is no verdict; one is \"{}\" or \"{}\", first or second, 1 or 2, A or B, or tie",
            answers[0], answers[1]
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn options(list: &[&str]) -> Vec<String> {
        list.iter().map(|&option| option.to_owned()).collect()
    }

    #[test]
    fn a_right_answer_may_be_words_a_letter_or_a_number() {
        let of = |value: Value, first| {
            right_answer(Some(&value), &options(&["4", "5", "six"]), first).unwrap()
        };
        assert_eq!(of(json!("six"), None), Some(2));
        assert_eq!(of(json!("b"), None), Some(1));
        assert_eq!(of(json!(5), None), Some(1), "its words come before its number");
        assert_eq!(of(json!(2), Some(0)), Some(2));
        assert_eq!(of(json!("2"), Some(1)), Some(1));
        assert_eq!(of(json!(""), None), None);
    }

    #[test]
    fn an_answer_that_means_no_option_is_refused() {
        let of = |value: Value, first| {
            right_answer(Some(&value), &options(&["x", "y"]), first).unwrap_err()
        };
        assert!(of(json!("F"), None).contains("past its 2 options"));
        assert!(of(json!(1), None).contains("from 0 or from 1"));
        assert!(of(json!(2), Some(0)).contains("count from 0"));
        assert!(of(json!("perhaps"), None).contains("none of its options"));
    }

    #[test]
    fn options_come_as_a_list_or_as_arc_has_them() {
        assert_eq!(list_of_options(Some(&json!(["a", 2]))), ["a", "2"]);
        assert_eq!(list_of_options(Some(&json!({"text": ["a"], "label": ["A"]}))), ["a"]);
        assert_eq!(list_of_options(Some(&json!("[\"a\", \"b\"]"))), ["a", "b"]);
    }

    #[test]
    fn a_row_that_lacks_a_column_of_the_table_has_no_words_there() {
        let rows = "{\"text\": \"a\", \"source\": \"x\"}\n{\"text\": \"b\"}\n";
        let mut list = Vec::new();
        let path = std::path::Path::new("rows.jsonl");
        let report = table::read_text(path, rows, &mut |_, row| {
            list.push(row);
            Ok(())
        });
        let code = Code { text: "text".to_owned(), codebook: "c.toml".into(), human: Vec::new() };
        let task = Task { data: path.into(), code: Some(code), ..Task::default() };
        let table = Table { report: report.unwrap(), rows: list };
        let questions = Questions::of(&task, Some(Codebook::default()), table).unwrap();
        let sources = questions.list.iter().map(|question| question.part("source").unwrap());
        assert_eq!(sources.collect::<Vec<_>>(), ["x", ""]);
        assert_eq!(questions.list[1].part("nowhere"), None);
    }

    #[test]
    fn dialogues_are_read_as_words() {
        let one = json!([{"role": "user", "content": "Why?"}]);
        assert_eq!(words(Some(&one)), "Why?");
        let two =
            json!([{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]);
        assert_eq!(words(Some(&two)), "user: Why?\n\nassistant: So.");
        assert_eq!(words(Some(&json!([1, 2]))), "[1,2]");
    }

    #[test]
    fn a_verdict_is_the_name_of_a_column_or_a_place() {
        let columns = ["base".to_owned(), "tuned".to_owned()];
        for (said, verdict_index) in
            [("tuned", Some(1)), ("A", Some(0)), ("2", Some(1)), ("Tie", Some(2)), (" ", None)]
        {
            assert_eq!(verdict(said, &columns).unwrap(), verdict_index, "{said}");
        }
        assert!(verdict("maybe", &columns).unwrap_err().contains("\"base\" or \"tuned\""));
    }
}
