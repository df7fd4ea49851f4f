//! What `tuning-fork score` is asked about: rows of any form that can be trained on, or token ids.

use std::path::Path;

use serde_json::Value;

use super::rows::{self, TableArgs};
use crate::data::forms;
use crate::data::forms::dataset_info;
use crate::data::forms::dataset_info::Stanza;
use crate::data::forms::value::{given, kind_of};
use crate::data::forms::{Fields, Form, Problem, Understood, Want};
use crate::data::table::{Place, Report};

/// The rows of a file, and how it was read.
pub struct Input {
    pub report: Report,
    pub rows: Vec<Row>,
}

/// A row, and its place in the person's own file.
pub struct Row {
    pub place: Place,
    pub asks: Asks,
}

/// What is to be scored, told apart by a row's keys.
#[derive(Debug)]
pub enum Asks {
    Ids(Vec<u32>),

    /// In any form that can be trained on: of pairs, the better answer.
    Row(Box<Understood>),
}

pub fn read_rows(path: &Path, args: &TableArgs) -> anyhow::Result<Input> {
    let rows::Read { report, rows, columns } = rows::read(path, args)?;
    // What the person says of the columns counts before what a file beside theirs says.
    let stanza = if columns.is_empty() { dataset_info::beside(path)? } else { None };
    let (places, fields): (Vec<Place>, Vec<Fields>) = rows.into_iter().unzip();
    let asks = asks(&fields, stanza.as_ref()).map_err(|Problem { row, key, sentence }| {
        let (key, sentence) = columns.explain(key.as_deref(), sentence);
        report.error(places[row], key.as_deref(), sentence)
    })?;
    let rows = places.into_iter().zip(asks).map(|(place, asks)| Row { place, asks });
    Ok(Input { rows: rows.collect(), report })
}

/// What each row asks for. Rows are told apart one by one: other than a run, scores may be of rows
/// of several forms.
fn asks(rows: &[Fields], stanza: Option<&Stanza>) -> Result<Vec<Asks>, Problem> {
    let chained = rows.first().and_then(|first| forms::recognise::form_of(first, Want::Answers));
    if chained == Some(Form::H2oChain) && stanza.is_none() {
        let read = forms::understand(rows, Want::Answers, None)?;
        return Ok(read.rows.into_iter().map(|row| Asks::Row(Box::new(row))).collect());
    }
    let asked = |(index, row)| {
        asked(index, row, stanza)
            .map_err(|problem| as_the_first(rows, index, stanza).unwrap_or(problem))
    };
    rows.iter().enumerate().map(asked).collect()
}

/// What is wrong with a row of no form, were it of the first one's.
fn as_the_first(rows: &[Fields], index: usize, stanza: Option<&Stanza>) -> Option<Problem> {
    let row = &rows[index];
    if stanza.is_some() || forms::recognise::form_of(row, Want::Answers).is_some() {
        return None;
    }
    let both = [rows.first()?.clone(), row.clone()];
    let problem = forms::understand(&both, Want::Answers, None).err()?;
    (problem.row == 1).then_some(Problem { row: index, ..problem })
}

/// A row, or what is wrong with it: it may have `ids`, or what can be trained on.
fn asked(index: usize, row: &Fields, stanza: Option<&Stanza>) -> Result<Asks, Problem> {
    let wrong = |sentence: String| Problem { row: index, key: Some("ids".to_owned()), sentence };
    if let Some(ids) = given(row, "ids") {
        let list = ids.as_array().ok_or_else(|| {
            wrong(format!("\"ids\" must be a list of token ids, and it is {}", kind_of(ids)))
        })?;
        let id = |id: &Value| {
            id.as_u64().and_then(|id| u32::try_from(id).ok()).ok_or_else(|| {
                wrong(format!("\"ids\" must be whole numbers from 0, and one of them is {id}"))
            })
        };
        return Ok(Asks::Ids(list.iter().map(id).collect::<Result<_, _>>()?));
    }
    let read = forms::understand(std::slice::from_ref(row), Want::Answers, stanza);
    let mut read = read.map_err(|problem| Problem { row: index, ..problem })?;
    let undecided = || {
        let sentence = "it does not say which answer is better".to_owned();
        Problem { row: index, key: None, sentence }
    };
    read.rows.pop().map(|row| Asks::Row(Box::new(row))).ok_or_else(undecided)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::forms::Content;
    use crate::data::pair::Text;
    use crate::files;

    fn row(json: &str) -> Result<Asks, String> {
        let row: Fields = serde_json::from_str(json).unwrap();
        asked(0, &row, None).map_err(|problem| problem.sentence)
    }

    #[test]
    fn rows_are_told_apart_by_their_keys() {
        let content = |json: &str| match row(json) {
            Ok(Asks::Row(row)) => row.content,
            other => panic!("{json}: {other:?}"),
        };
        let plain = |words: &str| Text::Plain(words.to_owned());
        assert_eq!(content(r#"{"text":"a","note":1}"#), Content::Whole(plain("a")));
        let expected = Content::Completion { prompt: plain("a"), completion: plain(" b") };
        assert_eq!(content(r#"{"prompt":"a","completion":" b"}"#), expected);
        let chat = content(r#"{"prompt":[{"role":"user","content":"a"}],"completion":"b"}"#);
        assert!(matches!(chat, Content::Completion { prompt: Text::Messages(_), .. }));
        let dialogue = content(r#"{"messages":[{"role":"user","content":"a"}]}"#);
        assert!(matches!(dialogue, Content::Whole(Text::Messages(_))));
        assert!(matches!(row(r#"{"ids":[1,2]}"#), Ok(Asks::Ids(ids)) if ids == [1, 2]));
    }

    #[test]
    fn what_is_wrong_with_a_row_is_said_with_what_was_found() {
        for (json, words) in [
            (r#"{"text":5}"#, "\"text\" must be text or a list of messages, and it is a number"),
            (r#"{"ids":[-1]}"#, "one of them is -1"),
            (r#"{"ids":7}"#, "and it is a number"),
            (
                r#"{"prompt":"a","completion":null,"text":"b"}"#,
                "its \"completion\" is empty (null)",
            ),
            (r#"{"prompt":"a"}"#, "its only key is \"prompt\""),
        ] {
            let problem = row(json).unwrap_err();
            assert!(problem.contains(words), "{json}: {problem}");
        }
    }

    #[test]
    fn rows_of_every_format_of_a_table_are_read_and_a_bad_one_is_named_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str, text: &str, columns: &[&str]| {
            let path = folder.path().join(name);
            files::write_atomic(&path, text.as_bytes()).unwrap();
            let columns = columns.iter().map(|columns| (*columns).to_owned()).collect();
            read_rows(&path, &TableArgs { columns })
        };
        let texts = |input: Input| -> Vec<Content> {
            let rows = input.rows.into_iter();
            rows.map(|row| match row.asks {
                Asks::Row(row) => row.content,
                Asks::Ids(ids) => panic!("{ids:?}"),
            })
            .collect()
        };
        let expected = [Content::Completion {
            prompt: Text::Plain("a, b".to_owned()),
            completion: Text::Plain(" c".to_owned()),
        }];
        for (name, text, columns) in [
            ("a.jsonl", "{\"prompt\":\"a, b\",\"completion\":\" c\"}\n", &[] as &[&str]),
            ("a.json", "[\n {\"prompt\": \"a, b\",\n  \"completion\": \" c\"}\n]\n", &[]),
            ("a.csv", "prompt,completion\n\"a, b\", c\n", &[]),
            ("b.csv", "frage,text,antwort\n\"a, b\",x, c\n", &["prompt=frage,completion=antwort"]),
        ] {
            let found = read(name, text, columns).unwrap_or_else(|err| panic!("{name}: {err:#}"));
            assert_eq!(texts(found), expected, "{name}");
        }
        let said = |name: &str, text: &str, columns: &[&str]| {
            read(name, text, columns).err().unwrap().to_string()
        };
        let csv = said("c.csv", "prompt,completion\na,b\nc,\n", &[]);
        assert!(csv.starts_with("line 3, column 2 of "), "{csv}");
        assert!(
            csv.ends_with(
                "its \"completion\" is empty (null); its keys are: \"prompt\", \"completion\""
            ),
            "{csv}"
        );
        let list = said("d.jsonl", "{\"text\":\"a\"}\n[\"b\"]\n", &[]);
        assert!(list.starts_with("line 2, "), "{list}");
        let missing = said("e.csv", "frage,antwort\na,b\n", &["text=frag"]);
        assert!(
            missing.ends_with("there is none of that name; there are \"frage\", \"antwort\""),
            "{missing}"
        );
    }
}
