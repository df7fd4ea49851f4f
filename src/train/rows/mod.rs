//! Rows of a training file: JSON Lines in TRL's formats, standard (strings) and conversational
//! (messages). Token ids: see [`self::batch`].
//!
//! The first row that is not what it should be is an error with its line, its column and its
//! neighbours, and nothing is loaded halfway.

pub mod batch;
pub mod plan;
pub mod survey;

use std::path::Path;

use serde_json::{Map, Value};

use super::config::Objective;
use crate::data::pair::{Message, PreferencePair, Text, extract_prompt};
use crate::files;
use crate::files::JsonlError;

/// What a row says.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    Preference(PreferencePair),
    Completion {
        prompt: Text,
        completion: Text,
    },

    /// Every token is learned from.
    Whole(Text),
}

/// A row of a training file, with the number of its line, from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub line: usize,
    pub content: Content,
}

/// What was read, and what the person should know about it.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    pub rows: Vec<Row>,
    pub warnings: Vec<String>,
}

/// Columns that TRL would use and this version does not.
const IGNORED_COLUMNS: [&str; 3] = ["tools", "chat_template_kwargs", "images"];

/// Reads a training file. As in TRL, the first row decides whether prompts are given or have to be
/// found (the common beginning of `chosen` and `rejected`).
pub fn read(path: &Path, objective: Objective) -> Result<Rows, JsonlError> {
    let found = files::read_jsonl::<Value>(path)?;
    let Some(first) = found.first() else { return Ok(Rows::default()) };
    let implicit = first.value.get("prompt").is_none() && first.value.get("chosen").is_some();
    let mut rows = Vec::with_capacity(found.len());
    let mut ignored = vec![0_usize; IGNORED_COLUMNS.len()];
    for files::Row { line, value } in &found {
        let content = content_of(value, objective, implicit)
            .map_err(|problem| row_error(path, *line, &problem))?;
        for (count, column) in ignored.iter_mut().zip(IGNORED_COLUMNS) {
            *count += usize::from(value.get(column).is_some_and(|value| !value.is_null()));
        }
        rows.push(Row { line: *line, content });
    }
    let warnings = ignored.iter().zip(IGNORED_COLUMNS).filter(|(count, _)| **count > 0);
    let warnings = warnings.map(|(count, column)| {
        format!("{count} rows have `{column}`, which this version leaves out of the prompt")
    });
    Ok(Rows { rows, warnings: warnings.collect() })
}

/// What is wrong with a row, and the key that it is about.
struct Problem {
    key: Option<&'static str>,
    sentence: String,
}

impl Problem {
    fn new(key: &'static str, sentence: String) -> Self {
        Self { key: Some(key), sentence }
    }
}

/// The error with what a person needs to find the row: read again, since only errors need it.
fn row_error(path: &Path, line: usize, problem: &Problem) -> JsonlError {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let raw = lines.get(line - 1).map_or("", String::as_str);
    let place = problem.key.and_then(|key| raw.find(&format!("\"{key}\"")));
    JsonlError::Row {
        path: path.to_owned(),
        line,
        column: place.map_or(1, |byte| byte + 1),
        problem: problem.sentence.clone(),
        nearby: files::nearby_lines(&lines, line - 1),
    }
}

fn content_of(value: &Value, objective: Objective, implicit: bool) -> Result<Content, Problem> {
    let Value::Object(row) = value else {
        let sentence = format!("a row must be an object, and this is {}", kind_of(value));
        return Err(Problem { key: None, sentence });
    };
    match objective {
        Objective::Dpo => Ok(Content::Preference(preference(row, implicit)?)),
        Objective::Sft if row.contains_key("chosen") && !row.contains_key("completion") => {
            let PreferencePair { prompt, chosen, rejected: _ } = preference(row, implicit)?;
            Ok(Content::Completion { prompt, completion: chosen })
        }
        Objective::Sft if row.contains_key("messages") => {
            Ok(Content::Whole(text(row, "messages")?))
        }
        Objective::Sft if row.contains_key("text") && !row.contains_key("prompt") => {
            Ok(Content::Whole(text(row, "text")?))
        }
        Objective::Sft => {
            let (prompt, completion) = (text(row, "prompt")?, text(row, "completion")?);
            same_format("completion", &prompt, &completion)?;
            Ok(Content::Completion { prompt, completion })
        }
    }
}

fn preference(row: &Map<String, Value>, implicit: bool) -> Result<PreferencePair, Problem> {
    let (chosen, rejected) = (text(row, "chosen")?, text(row, "rejected")?);
    same_format("rejected", &chosen, &rejected)?;
    if implicit {
        if row.contains_key("prompt") {
            let sentence = "this row has a \"prompt\", and the first row has none".to_owned();
            return Err(Problem::new("prompt", sentence));
        }
        let sentence = "\"chosen\" and \"rejected\" have no message in common to begin with, so \
                        there is no prompt";
        let pair = extract_prompt(chosen, rejected);
        return pair.ok_or_else(|| Problem::new("chosen", sentence.to_owned()));
    }
    let prompt = text(row, "prompt")?;
    if let (Text::Plain(words), Text::Messages(_)) = (&prompt, &chosen)
        && let Some(pair) = extract_prompt(chosen.clone(), rejected.clone())
        && says(&pair.prompt, words)
    {
        return Ok(pair);
    }
    same_format("chosen", &prompt, &chosen)?;
    Ok(PreferencePair { prompt, chosen, rejected })
}

/// Whether one of the messages is these words: `UltraFeedback` and its like have the prompt twice,
/// as text and as what both dialogues begin with.
fn says(messages: &Text, words: &str) -> bool {
    let Text::Messages(messages) = messages else { return false };
    messages.iter().any(|message| message.content.trim() == words.trim())
}

/// The text or the messages under `key`.
fn text(row: &Map<String, Value>, key: &'static str) -> Result<Text, Problem> {
    let Some(value) = row.get(key) else {
        let keys: Vec<String> = row.keys().map(|key| format!("\"{key}\"")).collect();
        let found = if keys.is_empty() { "none".to_owned() } else { keys.join(", ") };
        let sentence = format!("it has no \"{key}\"; its keys are: {found}");
        return Err(Problem { key: None, sentence });
    };
    match value {
        // An empty text is legal in TRL; what looks at the data says how many there are.
        Value::String(text) => Ok(Text::Plain(text.clone())),
        Value::Array(messages) if messages.is_empty() => {
            Err(Problem::new(key, format!("\"{key}\" has no messages")))
        }
        Value::Array(messages) => {
            let messages = messages.iter().enumerate();
            let messages = messages.map(|(index, value)| message(key, index, value));
            Ok(Text::Messages(messages.collect::<Result<_, _>>()?))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            let kind = kind_of(value);
            let sentence =
                format!("\"{key}\" must be text or a list of messages, and it is {kind}");
            Err(Problem::new(key, sentence))
        }
    }
}

fn message(key: &'static str, index: usize, value: &Value) -> Result<Message, Problem> {
    let part = |name: &str| {
        let text = value.get(name).and_then(Value::as_str).map(str::to_owned);
        let sentence = format!("message {} of \"{key}\" has no text under \"{name}\"", index + 1);
        text.ok_or_else(|| Problem::new(key, sentence))
    };
    Ok(Message { role: part("role")?, content: part("content")? })
}

/// Text goes with text and messages with messages.
fn same_format(key: &'static str, one: &Text, other: &Text) -> Result<(), Problem> {
    if matches!(one, Text::Plain(_)) == matches!(other, Text::Plain(_)) {
        return Ok(());
    }
    let sentence = format!("\"{key}\" is not in the same format (text, messages) as its row");
    Err(Problem::new(key, sentence))
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_lines(text: &str, objective: Objective) -> Result<Vec<Row>, JsonlError> {
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
            JsonlError::Row { line, column, problem, .. } => (line, column, problem),
            err @ JsonlError::Read { .. } => panic!("{err}"),
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
        let Content::Preference(first) = &rows[0].content else { panic!() };
        assert_eq!(first.prompt, plain("The sky is"));
        let Content::Preference(second) = &rows[1].content else { panic!() };
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
        let Content::Preference(pair) = &rows[0].content else { panic!() };
        assert_eq!(pair.prompt, Text::Messages(vec![Message::new("user", "a")]));
        assert_eq!(pair.rejected, Text::Messages(vec![Message::new("assistant", "c")]));
    }

    #[test]
    fn supervised_training_takes_the_chosen_answer_of_a_pair() {
        let rows =
            read_lines(r#"{"prompt":"p","chosen":" c","rejected":" r"}"#, Objective::Sft).unwrap();
        let expected = Content::Completion { prompt: plain("p"), completion: plain(" c") };
        assert_eq!(rows[0].content, expected);
    }

    #[test]
    fn a_prompt_that_dialogues_begin_with_may_stand_beside_them() {
        let message = |role: &str, content: &str| json!({ "role": role, "content": content });
        let dialogue = |answer: &str| json!([message("user", "p"), message("assistant", answer)]);
        let row = |prompt: &str| json!({ "prompt": prompt, "chosen": dialogue("c"), "rejected": dialogue("r") });
        let rows = read_lines(&row("p").to_string(), Objective::Dpo).unwrap();
        let Content::Preference(pair) = &rows[0].content else { panic!("{:?}", rows[0]) };
        let one = |role: &str, content: &str| {
            Text::Messages(vec![Message { role: role.to_owned(), content: content.to_owned() }])
        };
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
