//! Rows of a training file, as they were understood: see [`crate::data::forms`]. Token ids: see
//! [`self::batch`].
//!
//! The first row that is not what it should be is an error with its line, its column and its
//! neighbours, and nothing is loaded halfway.

pub mod batch;
mod findings;
pub mod limit;
pub mod plan;
pub mod prepare;
pub mod survey;
mod template;

use std::path::Path;

use serde_json::{Map, Value};

use crate::data::forms;
use crate::data::forms::dataset_info;
use crate::data::forms::dataset_info::InfoError;
use crate::data::forms::recognise::Form;
use crate::data::forms::{Note, Problem, Understood, Want};
use crate::files;
use crate::files::JsonlError;
use crate::train::config::Objective;

pub use crate::data::forms::Content;

/// A row of a training file, with the number of its line, from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub line: usize,
    pub understood: Understood,
}

/// What was read, and what the person should know about it.
#[derive(Clone, Debug)]
pub struct Rows {
    pub form: Form,
    pub rows: Vec<Row>,

    /// Their rows are entries of [`Self::lines`].
    pub notes: Vec<Note>,

    /// The line of every row of the file, also of those that were left out.
    pub lines: Vec<usize>,
}

/// Why a file cannot be trained on.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    #[error(transparent)]
    Jsonl(#[from] JsonlError),

    #[error(transparent)]
    Info(#[from] InfoError),
}

impl Objective {
    /// What it learns from.
    pub fn want(self) -> Want {
        match self {
            Self::Dpo => Want::Pairs,
            Self::Sft => Want::Answers,
        }
    }
}

/// Reads a training file, and what a `dataset_info.json` beside it says about its columns.
pub fn read(path: &Path, objective: Objective) -> Result<Rows, RowsError> {
    let found = files::read_jsonl::<Value>(path)?;
    let stanza = dataset_info::beside(path)?;
    let mut lines = Vec::with_capacity(found.len());
    let mut fields: Vec<Map<String, Value>> = Vec::with_capacity(found.len());
    for files::Row { line, value } in found {
        let Value::Object(row) = value else {
            let kind = forms::value::kind_of(&value);
            let sentence = format!("a row must be an object, and this is {kind}");
            let problem = Problem { row: 0, key: None, sentence };
            return Err(row_error(path, line, &problem).into());
        };
        lines.push(line);
        fields.push(row);
    }
    let read = forms::understand(&fields, objective.want(), stanza.as_ref())
        .map_err(|problem| row_error(path, lines[problem.row], &problem))?;
    let rows = read.rows.into_iter();
    let rows = rows.map(|understood| Row { line: lines[understood.row], understood }).collect();
    Ok(Rows { form: read.form, rows, notes: read.notes, lines })
}

/// The error with what a person needs to find the row: read again, since only errors need it.
fn row_error(path: &Path, line: usize, problem: &Problem) -> JsonlError {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let raw = lines.get(line - 1).map_or("", String::as_str);
    let place = problem.key.as_ref().and_then(|key| raw.find(&format!("\"{key}\"")));
    JsonlError::Row {
        path: path.to_owned(),
        line,
        column: place.map_or(1, |byte| byte + 1),
        problem: problem.sentence.clone(),
        nearby: files::nearby_lines(&lines, line - 1),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::data::pair::{Message, PreferencePair, Text, extract_prompt};

    fn read_lines(text: &str, objective: Objective) -> Result<Vec<Row>, RowsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        files::write_atomic(&path, text.as_bytes()).unwrap();
        Ok(read(&path, objective)?.rows)
    }

    fn plain(text: &str) -> Text {
        Text::Plain(text.to_owned())
    }

    fn problem_of(text: &str, objective: Objective) -> (usize, usize, String) {
        match read_lines(text, objective).unwrap_err() {
            RowsError::Jsonl(JsonlError::Row { line, column, problem, .. }) => {
                (line, column, problem)
            }
            err => panic!("{err}"),
        }
    }

    #[test]
    fn an_explicit_pair_is_read_in_both_formats() {
        let rows = read_lines(
            concat!(
                r#"{"prompt":"The sky is","chosen":" blue.","rejected":" green."}"#,
                "\n",
                r#"{"prompt":[{"role":"user","content":"Sky?"}],"chosen":[{"role":"assistant","content":"Blue"}],"rejected":[{"role":"assistant","content":"Green"}]}"#,
            ),
            Objective::Dpo,
        )
        .unwrap();
        let Content::Preference(first) = &rows[0].understood.content else { panic!() };
        assert_eq!(first.prompt, plain("The sky is"));
        let Content::Preference(second) = &rows[1].understood.content else { panic!() };
        assert_eq!(second.chosen, Text::Messages(vec![Message::new("assistant", "Blue")]));
    }

    #[test]
    fn an_implicit_prompt_is_the_common_beginning() {
        let pair = |chosen: &str, rejected: &str| {
            let PreferencePair { prompt, chosen, rejected } =
                extract_prompt(plain(chosen), plain(rejected))?;
            Some((prompt.words(), chosen.words(), rejected.words()))
        };
        let owned = |parts: (&str, &str, &str)| {
            Some((parts.0.to_owned(), parts.1.to_owned(), parts.2.to_owned()))
        };
        // What TRL 1.16's extract_prompt returns for the same strings
        let sky = pair("The sky is blue", "The sky is green");
        assert_eq!(sky, owned(("The sky is", " blue", " green")));
        assert_eq!(pair("Höhe: 3", "Höhe: 4"), owned(("Höhe:", " 3", " 4")));
        assert_eq!(pair("abc", "abcdef"), owned(("ab", "c", "cdef"))); // TRL keeps one back
        assert_eq!(pair("yes", "no"), owned(("", "yes", "no"))); // no prompt at all
    }

    #[test]
    fn an_implicit_dialogue_is_split_between_messages() {
        let rows = read_lines(
            r#"{"chosen":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"rejected":[{"role":"user","content":"a"},{"role":"assistant","content":"c"}]}"#,
            Objective::Dpo,
        )
        .unwrap();
        let Content::Preference(pair) = &rows[0].understood.content else { panic!() };
        assert_eq!(pair.prompt, Text::Messages(vec![Message::new("user", "a")]));
        assert_eq!(pair.rejected, Text::Messages(vec![Message::new("assistant", "c")]));
    }

    #[test]
    fn supervised_training_takes_the_chosen_answer_of_a_pair() {
        let rows =
            read_lines(r#"{"prompt":"p","chosen":" c","rejected":" r"}"#, Objective::Sft).unwrap();
        let expected = Content::Completion { prompt: plain("p"), completion: plain(" c") };
        assert_eq!(rows[0].understood.content, expected);
    }

    #[test]
    fn a_prompt_that_dialogues_begin_with_may_stand_beside_them() {
        let message = |role: &str, content: &str| json!({ "role": role, "content": content });
        let dialogue = |answer: &str| json!([message("user", "p"), message("assistant", answer)]);
        let row = |prompt: &str| json!({ "prompt": prompt, "chosen": dialogue("c"), "rejected": dialogue("r") });
        let rows = read_lines(&row("p").to_string(), Objective::Dpo).unwrap();
        let Content::Preference(pair) = &rows[0].understood.content else {
            panic!("{:?}", rows[0])
        };
        let one = |role: &str, content: &str| Text::Messages(vec![Message::new(role, content)]);
        assert_eq!(pair.prompt, one("user", "p"));
        assert_eq!(pair.chosen, one("assistant", "c"));
        assert_eq!(pair.rejected, one("assistant", "r"));
        let (_, _, problem) = problem_of(&row("another").to_string(), Objective::Dpo);
        assert!(problem.contains("same format"), "{problem}");
    }

    #[test]
    fn a_missing_key_is_named_with_the_keys_that_are_there() {
        let good = r#"{"prompt":"p","chosen":"c","rejected":"r"}"#;
        let text = format!("{good}\n{}", r#"{"prompt":"p","completion":"c"}"#);
        let (line, column, problem) = problem_of(&text, Objective::Dpo);
        assert_eq!((line, column), (2, 1));
        assert_eq!(problem, "it has no \"chosen\"; its keys are: \"prompt\", \"completion\"");
    }

    #[test]
    fn every_bad_row_says_where_and_why() {
        for (text, column, words) in [
            (r#"{"prompt":"p","chosen":3,"rejected":"r"}"#, 15, "and it is a number"),
            (r#"{"prompt":"p","chosen":"c","rejected":[]}"#, 28, "no messages"),
            (r#"["p","c","r"]"#, 1, "this is a list"),
            (r#"{"prompt":[{"role":"user"}],"chosen":"c","rejected":"r"}"#, 2, "under \"content\""),
            (
                r#"{"prompt":"p","chosen":"c","rejected":[{"role":"assistant","content":"r"}]}"#,
                28,
                "same format",
            ),
            (
                r#"{"chosen":[{"role":"user","content":"a"}],"rejected":[{"role":"user","content":"b"}]}"#,
                2,
                "no message in common",
            ),
        ] {
            let (line, found, problem) = problem_of(text, Objective::Dpo);
            assert_eq!((line, found), (1, column), "{text}: {problem}");
            assert!(problem.contains(words), "{problem}");
        }
    }
}
