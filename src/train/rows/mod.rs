//! Rows of a training file, as they were understood: see [`crate::data::forms`]. Token ids: see
//! [`self::batch`].
//!
//! The first row that is not what it should be is an error with its line, its column and its
//! neighbours, and nothing is loaded halfway.

mod assistant;
pub mod batch;
mod findings;
pub mod limit;
pub mod mix;
mod mix_findings;
mod packing;
pub mod plan;
pub mod prepare;
pub mod prepared;
pub mod sequence;
pub mod survey;
mod template;
pub mod text;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::data::forms;
use crate::data::forms::Form;
use crate::data::forms::dataset_info;
use crate::data::forms::dataset_info::InfoError;
use crate::data::forms::mapping::Mapping;
use crate::data::forms::{Note, Problem, Understood};
use crate::data::table::{self, ImportError, Reading, Report, Unmapped};
use crate::jobs::Progress;
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

    /// The line of every row of the file (the row, where it has no lines), also of those that were
    /// left out.
    pub lines: Vec<usize>,

    /// How the file was read.
    pub report: Report,
}

/// Why a file cannot be trained on.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    #[error(transparent)]
    Table(#[from] ImportError),

    #[error(transparent)]
    Info(#[from] InfoError),

    #[error("{} is no text to learn from: {problem}", path.display())]
    Text { path: PathBuf, problem: String },

    /// The columns are of no form that is known, or not those that the person named.
    #[error(transparent)]
    Columns(Box<Unmapped>),
}

/// Reads a training file of any format. What the person says of its columns counts, and else what a
/// `dataset_info.json` beside it says.
pub fn read(
    path: &Path,
    columns: &Mapping,
    objective: Objective,
    progress: &dyn Progress<Reading>,
) -> Result<Rows, RowsError> {
    let table::Table { report, rows } = table::rows(path, progress)?;
    if let Some(problem) = columns.missing(&report.columns) {
        let path = path.to_owned();
        let error = ImportError::Table { path, row: None, column: None, problem };
        return Err(RowsError::Columns(Box::new(Unmapped { report, error })));
    }
    let stanza = if columns.is_empty() { dataset_info::beside(path)? } else { None };
    let (places, fields): (Vec<table::Place>, Vec<Map<String, Value>>) =
        rows.into_iter().map(|row| (row.place, columns.apply(row.fields))).unzip();
    let lines: Vec<usize> = places.iter().map(|place| place.number() as usize).collect();
    let want = objective.facts().columns;
    let read = match forms::understand(&fields, want, stanza.as_ref()) {
        Ok(read) => read,
        Err(problem) => {
            let is_unmapped = stanza.is_none() && forms::is_of_columns(&problem, &fields, want);
            let Problem { row, key, sentence } = problem;
            let (key, sentence) = columns.explain(key.as_deref(), sentence);
            let error = report.error(places[row], key.as_deref(), sentence);
            return Err(if is_unmapped {
                RowsError::Columns(Box::new(Unmapped { report, error }))
            } else {
                error.into()
            });
        }
    };
    let rows = read.rows.into_iter();
    let rows = rows.map(|understood| Row { line: lines[understood.row], understood }).collect();
    Ok(Rows { form: read.form, rows, notes: read.notes, lines, report })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::data::pair::{Message, PreferencePair, Text, extract_prompt};
    use crate::files;
    use crate::jobs::Quiet;

    fn read_lines(text: &str, objective: Objective) -> Result<Vec<Row>, RowsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        files::write_atomic(&path, text.as_bytes()).unwrap();
        Ok(read(&path, &Mapping::default(), objective, &Quiet)?.rows)
    }

    fn plain(text: &str) -> Text {
        Text::Plain(text.to_owned())
    }

    fn problem_of(text: &str, objective: Objective) -> (usize, usize, String) {
        let error = match read_lines(text, objective).unwrap_err() {
            RowsError::Table(error) => error,
            RowsError::Columns(unmapped) => unmapped.error,
            err => panic!("{err}"),
        };
        match error {
            ImportError::Row { line, column, problem, .. } => (line, column, problem),
            err => panic!("{err}"),
        }
    }

    #[test]
    fn columns_that_say_nothing_can_be_mapped_and_are_then_what_they_are_called() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        files::write_atomic(&path, b"nr,frage,gut,schlecht\n1,Why?, Because., No.\n2,So?, Yes.,\n")
            .unwrap();
        let unmapped = |columns: &str| {
            let columns = Mapping::parse_all(&[columns.to_owned()]).unwrap_or_default();
            match read(&path, &columns, Objective::Dpo, &Quiet).unwrap_err() {
                RowsError::Columns(unmapped) => unmapped,
                err => panic!("{err}"),
            }
        };
        let unknown = unmapped("");
        assert_eq!(unknown.report.columns, ["nr", "frage", "gut", "schlecht"]);
        assert!(unknown.to_string().contains("its keys are: \"nr\", \"frage\""), "{unknown}");
        let missing = unmapped("prompt=frage,chosen=gut,rejected=schlimm").to_string();
        assert!(missing.contains("should be the column \"schlimm\""), "{missing}");
        let one_answer = unmapped("prompt=frage,completion=gut").to_string();
        assert!(one_answer.contains("learns from pairs"), "{one_answer}");

        let columns = Mapping::parse("prompt=frage,completion=gut").unwrap();
        let rows = read(&path, &columns, Objective::Sft, &Quiet).unwrap().rows;
        let expected =
            Content::Completion { prompt: plain("Why?"), completion: plain(" Because.") };
        assert_eq!(rows[0].understood.content, expected);
        let columns = Mapping::parse("prompt=frage,chosen=gut,rejected=schlecht").unwrap();
        let error = read(&path, &columns, Objective::Dpo, &Quiet).unwrap_err().to_string();
        assert!(error.starts_with("line 3, column 4 of "), "{error}");
        assert!(error.ends_with("(\"rejected\" is the column \"schlecht\")"), "{error}");
    }

    /// `../shared/cases` d01, d05, d07, q06, and their kinds: what Annotate reads, Train reads.
    #[test]
    fn every_format_of_a_table_can_be_trained_on() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/tables");
        let contents = |name: &str| -> Vec<Content> {
            let rows = read(&folder.join(name), &Mapping::default(), Objective::Dpo, &Quiet);
            let rows = rows.unwrap_or_else(|err| panic!("{name}: {err}")).rows;
            rows.into_iter().map(|row| row.understood.content).collect()
        };
        let expected = contents("pairs.jsonl");
        assert_eq!(expected.len(), 3);
        for name in [
            "array.json",
            "lists.json",
            "pairs.csv",
            "western.csv",
            "wide.tsv",
            "wide.jsonl",
            "packed.jsonl.gz",
            "packed.csv.zst",
            "pairs.xlsx",
            "old.xls",
        ] {
            assert_eq!(contents(name), expected, "{name}");
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
        assert!(problem.contains("Leave the column \"prompt\" out"), "{problem}");
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
            (r#"["p","c","r"]"#, 1, "this row has one answer"),
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
