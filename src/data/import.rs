//! Prompts and preference pairs from the files that people have, whatever their format: see
//! [`super::table`]. Either every row is good or nothing is imported, and the error names the place.

use std::path::Path;

use serde_json::{Map, Value};

use crate::data::forms::candidates::Candidates;
use crate::data::forms::mapping::Mapping;
use crate::data::forms::{self, Want};
use crate::data::pair::{Message, PreferencePair, Text, extract_prompt};
use crate::data::table::{self, ImportError, Reading, Report, Row, Unmapped, kind_of};
use crate::jobs::{Progress, Quiet};

/// Where a prompt is looked for, in this order, before the row's form is asked.
const PROMPT_COLUMNS: [&str; 4] = ["prompt", "messages", "question", "text"];

/// Where it is looked for last: questions of data sets whose answers are not there.
const QUESTION_COLUMNS: [&str; 2] = ["instruction", "query"];

/// As many rows are shown of a table whose columns say nothing.
const SHOWN: u64 = 5;

/// Why there are no prompts.
#[derive(Debug, thiserror::Error)]
pub enum PromptsError {
    #[error(transparent)]
    Table(#[from] ImportError),

    /// None of the columns is known to hold a prompt, or not those that the person named.
    #[error(transparent)]
    Columns(Box<Unmapped>),
}

/// What was made of a file, and how it was read.
#[derive(Clone, Debug)]
pub struct Imported<T> {
    pub items: Vec<T>,
    pub report: Report,
}

/// Reads prompts: a line of prose each, or of a table the column `prompt`, `messages`, `question`
/// or `text`, or whatever asks in a form of training data. What the person says of the columns counts.
pub fn prompts(
    path: &Path,
    columns: &Mapping,
    progress: &dyn Progress<Reading>,
) -> Result<Imported<Text>, PromptsError> {
    let mut items = Vec::new();
    // Of a table whose columns say nothing, some rows are read to be shown.
    let (mut unmapped, mut seen) = (None, None);
    let read = table::read(path, progress, &mut |report, row| {
        if unmapped.is_none() {
            let row = Row { place: row.place, fields: columns.apply(row.fields) };
            if let Some(prompt) = prompt_of(report, &row, columns)? {
                items.push(prompt);
                return Ok(());
            }
            let error = no_prompt(report, &row);
            if report.rows > 1 {
                return Err(error);
            }
            let missing = columns.missing(&report.columns);
            unmapped = Some(missing.map_or(error, |what| report.error(row.place, None, what)));
        }
        seen = Some(report.clone());
        let path = path.to_owned();
        if report.rows < SHOWN { Ok(()) } else { Err(ImportError::Stopped { path }) }
    });
    match (unmapped, seen) {
        (Some(error), Some(report)) => {
            Err(PromptsError::Columns(Box::new(Unmapped { report, error })))
        }
        _ => Ok(Imported { items, report: read? }),
    }
}

/// Prompts from the text of a JSON Lines file; `path` is only for error messages.
pub fn prompts_from_jsonl(path: &Path, text: &str) -> Result<Vec<Text>, ImportError> {
    let mut items = Vec::new();
    table::read_text(path, text, &mut |report, row| {
        let prompt = prompt_of(report, &row, &Mapping::default())?;
        items.push(prompt.ok_or_else(|| no_prompt(report, &row))?);
        Ok(())
    })?;
    Ok(items)
}

/// Reads prompts whose answers are there already, two or more a prompt: the forms of
/// [`forms::candidates`].
pub fn candidates(
    path: &Path,
    progress: &dyn Progress<Reading>,
) -> Result<Imported<Candidates>, ImportError> {
    // A row is freed at once: those of a hundred thousand, freed at the end, left 125 MB of gaps
    // between the texts that stay, which no later allocation closed.
    candidates_with(path, progress, |candidates, _| candidates)
}

/// The same, each with its row.
pub fn candidate_rows(
    path: &Path,
    progress: &dyn Progress<Reading>,
) -> Result<Imported<(Candidates, Row)>, ImportError> {
    candidates_with(path, progress, |candidates, row| (candidates, row))
}

/// `keep`: what is kept of a row.
fn candidates_with<T>(
    path: &Path,
    progress: &dyn Progress<Reading>,
    keep: impl Fn(Candidates, Row) -> T,
) -> Result<Imported<T>, ImportError> {
    let comparator = llm_comparator(path);
    let models = comparator.as_ref().map(|(models, _)| models);
    let mut items = Vec::new();
    let mut take = |report: &Report, row: Row| {
        let candidates = forms::candidates::of_row(&row.fields, models);
        let candidates = candidates.map_err(|what| report.error(row.place, None, what))?;
        items.push(keep(candidates, row));
        Ok(())
    };
    let report = match &comparator {
        Some((_, examples)) => table::read_text(path, examples, &mut take)?,
        None => table::read(path, progress, &mut take)?,
    };
    Ok(Imported { items, report })
}

/// Of LLM Comparator's JSON the two models, and its examples as JSON Lines.
fn llm_comparator(path: &Path) -> Option<([String; 2], String)> {
    const MOST: u64 = 500_000_000;
    if std::fs::metadata(path).ok()?.len() > MOST {
        return None;
    }
    let text = table::whole_text(path).ok()?;
    if !text.trim_start().starts_with('{') || !text.contains("\"output_text_a\"") {
        return None;
    }
    let whole: Value = serde_json::from_str(&text).ok()?;
    let models = whole.get("models")?.as_array()?;
    let name = |at: usize| models.get(at)?.get("name")?.as_str().map(str::to_owned);
    let examples = whole.get("examples")?.as_array()?;
    let lines: Vec<String> = examples.iter().map(|example| format!("{example}\n")).collect();
    Some(([name(0)?, name(1)?], lines.concat()))
}

/// Reads preference pairs in TRL's explicit (`prompt`, `chosen`, `rejected`) or implicit form
/// (`chosen`, `rejected`).
///
/// As in TRL the first row decides: if it has no `prompt`, the prompt of every row is what both
/// answers begin with.
pub fn pairs(path: &Path) -> Result<Vec<PreferencePair>, ImportError> {
    let mut pairs = Pairs::default();
    table::read(path, &Quiet, &mut |report, row| pairs.push(report, &row))?;
    Ok(pairs.items)
}

/// Pairs from the text of a JSON Lines file; `path` is only for error messages.
pub fn pairs_from_jsonl(path: &Path, text: &str) -> Result<Vec<PreferencePair>, ImportError> {
    let mut pairs = Pairs::default();
    table::read_text(path, text, &mut |report, row| pairs.push(report, &row))?;
    Ok(pairs.items)
}

/// What a row asks. `None`: none of its columns says.
fn prompt_of(report: &Report, row: &Row, columns: &Mapping) -> Result<Option<Text>, ImportError> {
    let find = |keys: &[&'static str]| keys.iter().copied().find(|key| row.get(key).is_some());
    let key = match find(&PROMPT_COLUMNS) {
        Some(key) => key,
        None => match (asked(row), find(&QUESTION_COLUMNS)) {
            (Some(asked), _) => return Ok(Some(asked)),
            (None, Some(key)) => key,
            (None, None) => return Ok(None),
        },
    };
    let mut prompt = text(report, row, key, columns)?;
    if let Text::Messages(messages) = &mut prompt {
        // A whole dialogue: its last answer is what is to be written.
        while messages.last().is_some_and(|message| message.role == "assistant") {
            messages.pop();
        }
        if messages.is_empty() {
            let problem = format!("\"{key}\" asks nothing: it has no message of a user");
            return Err(error(report, row, key, problem, columns));
        }
    }
    if let (Text::Plain(words), Some(more)) = (&mut prompt, row.get("input"))
        && key == "instruction"
        && let Some(more) = more.as_str().filter(|more| !more.trim().is_empty())
    {
        words.push('\n');
        words.push_str(more);
    }
    Ok(Some(prompt))
}

/// What a row of training data asks: the same rule, whatever its form.
fn asked(row: &Row) -> Option<Text> {
    let read = forms::understand(std::slice::from_ref(&row.fields), Want::Answers, None).ok()?;
    let asked = read.rows.into_iter().next()?.asked;
    (!asked.words().trim().is_empty()).then_some(asked)
}

fn no_prompt(report: &Report, row: &Row) -> ImportError {
    let problem = format!(
        "it has no \"prompt\" (nor \"messages\", \"question\" or \"text\"); it has {}",
        listed(&row.fields)
    );
    report.error(row.place, Some("prompt"), problem)
}

/// What is wrong with what a row has under `key`.
fn error(report: &Report, row: &Row, key: &str, problem: String, columns: &Mapping) -> ImportError {
    let (key, problem) = columns.explain(Some(key), problem);
    report.error(row.place, key.as_deref(), problem)
}

/// Pairs so far, and what the first row decided.
#[derive(Default)]
struct Pairs {
    items: Vec<PreferencePair>,
    explicit: Option<bool>,
}

impl Pairs {
    fn push(&mut self, report: &Report, row: &Row) -> Result<(), ImportError> {
        let has_prompt = row.get("prompt").is_some();
        let explicit = *self.explicit.get_or_insert(has_prompt);
        // The prompt first: of several missing keys, it is the one to name.
        let text = |key| text(report, row, key, &Mapping::default());
        let prompt = if explicit || has_prompt { Some(text("prompt")?) } else { None };
        let chosen = text("chosen")?;
        let rejected = text("rejected")?;
        let pair = match prompt {
            Some(prompt) => with_prompt(prompt, chosen, rejected),
            None => common_beginning(chosen, rejected),
        };
        let pair = pair.map_err(|problem| report.error(row.place, Some("chosen"), problem))?;
        self.items.push(pair);
        Ok(())
    }
}

/// A field as a prompt or an answer: a string, or a list of messages. Neither may be empty.
fn text(report: &Report, row: &Row, key: &str, columns: &Mapping) -> Result<Text, ImportError> {
    let problem = |problem: String| Err(error(report, row, key, problem, columns));
    let Some(value) = row.get(key) else {
        return problem(format!("it has no \"{key}\"; it has {}", listed(&row.fields)));
    };
    let unfolded = value.as_str().and_then(forms::dialogue_in);
    match unfolded.as_ref().unwrap_or(value) {
        Value::String(text) if text.trim().is_empty() => problem(format!("\"{key}\" is empty")),
        Value::String(text) => Ok(Text::Plain(text.clone())),
        Value::Array(items) if items.is_empty() => problem(format!("\"{key}\" is empty")),
        Value::Array(items) => {
            let messages = match forms::value::messages(key, items) {
                Ok(messages) => messages,
                Err(fault) => return problem(fault.into_sentence()),
            };
            if messages.iter().all(|message| message.content.trim().is_empty()) {
                return problem(format!("\"{key}\" is empty: its messages have no words"));
            }
            Ok(Text::Messages(messages))
        }
        other => problem(format!(
            "\"{key}\" should be a string or a list of messages, and is {}",
            kind_of(other)
        )),
    }
}

/// An explicit row. Where plain text meets messages (as in `ultrafeedback_binarized`: a plain
/// prompt, whole dialogues as answers), messages win.
fn with_prompt(prompt: Text, chosen: Text, rejected: Text) -> Result<PreferencePair, String> {
    match (prompt, chosen, rejected) {
        (prompt @ Text::Plain(_), chosen @ Text::Plain(_), rejected @ Text::Plain(_)) => {
            Ok(PreferencePair { prompt, chosen, rejected })
        }
        (Text::Plain(_), Text::Messages(chosen), Text::Messages(rejected))
            if chosen[0].role != "assistant" && rejected[0].role != "assistant" =>
        {
            common_beginning(Text::Messages(chosen), Text::Messages(rejected))
        }
        (prompt, chosen, rejected) => {
            let prompt = as_messages(prompt, "user");
            let [chosen, rejected] = [chosen, rejected].map(|text| as_messages(text, "assistant"));
            Ok(PreferencePair { prompt, chosen, rejected })
        }
    }
}

fn as_messages(text: Text, role: &str) -> Text {
    match text {
        Text::Plain(text) => Text::Messages(vec![Message::new(role, &text)]),
        Text::Messages(_) => text,
    }
}

/// An implicit row: the prompt is what both answers begin with, as TRL's `extract_prompt` finds
/// it. Of two texts where one begins with the other, the last character (message) of the shorter
/// one counts as its answer.
fn common_beginning(chosen: Text, rejected: Text) -> Result<PreferencePair, String> {
    const NOTHING_SHARED: &str =
        "there is no \"prompt\", and \"chosen\" and \"rejected\" do not begin alike";
    if matches!(chosen, Text::Plain(_)) != matches!(rejected, Text::Plain(_)) {
        return Err("one answer is a string and the other a list of messages".to_owned());
    }
    let pair = extract_prompt(chosen, rejected);
    let pair = pair.filter(|pair| pair.prompt != Text::Plain(String::new()));
    pair.ok_or_else(|| NOTHING_SHARED.to_owned())
}

/// `"a", "b" and "c"`: what a row has something under.
fn listed(fields: &Map<String, Value>) -> String {
    let there = fields.iter().filter(|(_, value)| !value.is_null());
    let names: Vec<String> = there.map(|(name, _)| format!("\"{name}\"")).collect();
    match names.split_last() {
        None => "nothing at all".to_owned(),
        Some((only, [])) => format!("only {only}"),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;

    /// Writes `text` to a file called `name` and reads it.
    fn read<T>(
        name: &str,
        text: &str,
        reader: fn(&Path) -> Result<T, ImportError>,
    ) -> Result<T, ImportError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        files::write_atomic(&path, text.as_bytes()).unwrap();
        reader(&path)
    }

    fn prompts(path: &Path) -> Result<Vec<Text>, ImportError> {
        match super::prompts(path, &Mapping::default(), &Quiet) {
            Ok(imported) => Ok(imported.items),
            Err(PromptsError::Table(error)) => Err(error),
            Err(PromptsError::Columns(unmapped)) => Err(unmapped.error),
        }
    }

    fn words(prompts: &[Text]) -> Vec<String> {
        prompts.iter().map(Text::words).collect()
    }

    fn triple(pair: &PreferencePair) -> [String; 3] {
        [&pair.prompt, &pair.chosen, &pair.rejected].map(Text::words)
    }

    #[test]
    fn prompts_come_from_text_json_lines_and_csv() {
        for (name, text, reason) in [
            ("p.txt", "\u{feff}What is a DOI?\n\n  Why share data?  \n", "a line each"),
            (
                "p.jsonl",
                "{\"prompt\":\"What is a DOI?\"}\n{\"question\":\"Why share data?\"}",
                "keys",
            ),
            ("p.jsonl", "\"What is a DOI?\"\n{\"text\":\"Why share data?\"}", "bare strings"),
            (
                "p.jsonl",
                "{\"messages\":[{\"role\":\"user\",\"content\":\"What is a DOI?\"},\
                 {\"role\":\"assistant\",\"content\":\"A name.\"}]}\n\
                 {\"prompt\":[{\"role\":\"user\",\"content\":\"Why share data?\"}]}",
                "messages, without the answer",
            ),
            (
                "p.jsonl",
                "{\"prompt\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"What is \
                 a DOI?\"}]}]}\n\
                 {\"messages\":[{\"from\":\"human\",\"value\":\"Why share data?\"}]}",
                "content in parts, and ShareGPT's names",
            ),
            (
                "p.csv",
                "prompt\n\"[{'role': 'user', 'content': 'What is a DOI?'}]\"\n\
                 \"[{\"\"role\"\": \"\"user\"\", \"\"content\"\": \"\"Why share data?\"\"}]\"\n",
                "messages in a cell, as Python and as JSON",
            ),
            ("p.csv", "id,prompt\n1,What is a DOI?\n2,\"Why share data?\"\n", "a column"),
            ("p.csv", "id;prompt\r\n1;What is a DOI?\r\n2;Why share data?\r\n", "semicolons"),
        ] {
            let prompts = read(name, text, prompts).unwrap();
            assert_eq!(words(&prompts), ["What is a DOI?", "Why share data?"], "{reason}");
        }
    }

    #[test]
    fn every_form_of_a_pair_says_the_same() {
        let expected = ["Why?".to_owned(), " Because.".to_owned(), " No.".to_owned()];
        for (name, text, reason) in [
            ("a.jsonl", r#"{"prompt":"Why?","chosen":" Because.","rejected":" No."}"#, "explicit"),
            (
                "a.jsonl",
                r#"{"chosen":"Why? Because.","rejected":"Why? No."}"#,
                "implicit: the space",
            ),
            ("a.csv", "prompt,chosen,rejected\nWhy?, Because., No.\n", "csv"),
            (
                "a.jsonl",
                r#"{"prompt":[{"role":"user","content":"Why?"}],"chosen":[{"role":"assistant","content":" Because."}],"rejected":[{"role":"assistant","content":" No."}]}"#,
                "conversational",
            ),
            (
                "a.jsonl",
                r#"{"chosen":[{"role":"user","content":"Why?"},{"role":"assistant","content":" Because."}],"rejected":[{"role":"user","content":"Why?"},{"role":"assistant","content":" No."}]}"#,
                "implicit, conversational",
            ),
            (
                "a.jsonl",
                r#"{"prompt":"Why?","chosen":[{"role":"user","content":"Why?"},{"role":"assistant","content":" Because."}],"rejected":[{"role":"user","content":"Why?"},{"role":"assistant","content":" No."}]}"#,
                "a plain prompt before dialogues",
            ),
        ] {
            let pairs = read(name, text, pairs).unwrap_or_else(|err| panic!("{reason}: {err}"));
            assert_eq!(triple(&pairs[0]), expected, "{reason}");
        }
    }

    #[test]
    fn a_bad_row_is_named_and_nothing_is_imported() {
        let good = r#"{"prompt":"a","chosen":"b","rejected":"c"}"#;
        for (row, column, problem) in [
            (
                r#"{"prompt":"a",}"#,
                15,
                "a comma stands before } with nothing behind it; take it out",
            ),
            (
                r#"{"prompt":"a","chosen":"b"}"#,
                1,
                "it has no \"rejected\"; it has \"prompt\" and \"chosen\"",
            ),
            (r#"{"prompt":"a","chosen":" ","rejected":"c"}"#, 15, "\"chosen\" is empty"),
            (r#"{"prompt":"a","chosen":[],"rejected":"c"}"#, 15, "\"chosen\" is empty"),
            (
                r#"{"prompt":7,"chosen":"b","rejected":"c"}"#,
                2,
                "\"prompt\" should be a string or a list of messages, and is a number",
            ),
            (
                r#"{"chosen":"b","rejected":"c"}"#,
                1,
                "it has no \"prompt\"; it has \"chosen\" and \"rejected\"",
            ),
            (
                r#"{"prompt":[{"role":"user"}],"chosen":"b","rejected":"c"}"#,
                2,
                "message 1 of \"prompt\" has no text under \"content\"",
            ),
            ("[1]", 1, "a row should be an object such as {\"prompt\": \"…\"}, and is a list"),
        ] {
            let err = read("a.jsonl", &format!("{good}\n{row}\n{good}\n"), pairs).unwrap_err();
            let ImportError::Row { line, column: at, problem: found, source, .. } = &err else {
                panic!("{row}: {err}");
            };
            assert_eq!((*line, *at, found.as_str()), (2, column, problem), "{row}");
            assert_eq!(source.0.len(), 3, "the rows around it");
            assert!(source.0[1].starts_with("2: "));
        }
    }

    #[test]
    fn a_bad_line_of_csv_is_named() {
        let err = read("a.csv", "prompt,chosen,rejected\na,b,c\na,b\n", pairs).unwrap_err();
        assert!(err.to_string().starts_with("line 3, column 3 of "), "{err}");
        assert!(
            err.to_string().ends_with("it has no \"rejected\"; it has \"prompt\" and \"chosen\""),
            "{err}"
        );

        let err = read("a.csv", "prompt,chosen,rejected\na,b,c\na,b,c,d\n", pairs).unwrap_err();
        assert!(err.to_string().starts_with("line 3, column 4 of "), "{err}");
        assert!(err.to_string().contains("it has 4 fields, and the header has 3"), "{err}");

        let err = read("a.csv", "question,answer\na,b\n", pairs).unwrap_err();
        assert!(err.to_string().contains("it has no \"chosen\"; it has \"question\""), "{err}");
    }

    #[test]
    fn a_file_without_rows_or_of_another_kind_is_refused() {
        assert!(matches!(read("a.jsonl", "\n", pairs), Err(ImportError::NoRows { .. })));
        let err = read("a.xlsx", "PK\u{3}\u{4}", prompts).unwrap_err();
        assert!(matches!(err, ImportError::Unrecognised { .. }), "{err}");
        let err = prompts(Path::new("/nowhere/a.jsonl")).unwrap_err();
        assert!(matches!(err, ImportError::Read { .. }));
    }

    /// `../shared/cases` p06: what is null is not there.
    #[test]
    fn a_question_is_the_prompt_where_the_prompt_is_null() {
        let text = r#"{"prompt": null, "question": "Name a tree."}"#;
        assert_eq!(words(&read("p.jsonl", text, prompts).unwrap()), ["Name a tree."]);
        let err = read("p.jsonl", r#"{"prompt": null, "id": 1}"#, prompts).unwrap_err();
        assert!(err.to_string().ends_with("it has only \"id\""), "{err}");
    }

    #[test]
    fn what_rows_of_training_data_ask_are_prompts_whatever_their_form() {
        for (row, reason) in [
            (r#"{"instruction":"Why?","input":"","output":"Because."}"#, "Alpaca"),
            (r#"{"instruction":"Why?","generator":"m"}"#, "an instruction alone"),
            (
                r#"{"conversations":[{"from":"human","value":"Why?"},{"from":"gpt","value":"So."}]}"#,
                "ShareGPT",
            ),
            (r#"{"chosen":"Why? Because.","rejected":"Why? No."}"#, "pairs"),
            (r#"{"query":"Why?","response":"Because."}"#, "query and response"),
        ] {
            assert_eq!(words(&read("p.jsonl", row, prompts).unwrap()), ["Why?"], "{reason}");
        }
    }

    #[test]
    fn a_table_whose_columns_say_nothing_is_shown_and_can_be_mapped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.csv");
        let mut rows = "nr;frage\n".to_owned();
        for row in 1..=9 {
            rows.push_str(&format!("{row};Frage {row}?\n"));
        }
        files::write_atomic(&path, rows.as_bytes()).unwrap();
        let unmapped = |columns: &Mapping| match super::prompts(&path, columns, &Quiet) {
            Err(PromptsError::Columns(unmapped)) => unmapped,
            other => panic!("{other:?}"),
        };
        let unknown = unmapped(&Mapping::default());
        assert_eq!(unknown.report.columns, ["nr", "frage"]);
        assert_eq!(unknown.report.first.len(), 5);
        assert!(unknown.to_string().ends_with("it has \"nr\" and \"frage\""), "{unknown}");
        let missing = unmapped(&Mapping::parse("prompt=Frage").unwrap()).to_string();
        assert!(missing.contains("should be the column \"Frage\""), "{missing}");

        let mapped = super::prompts(&path, &Mapping::parse("prompt=frage").unwrap(), &Quiet);
        assert_eq!(words(&mapped.unwrap().items)[8], "Frage 9?");
    }

    #[test]
    fn answers_that_share_nothing_have_no_prompt() {
        let err = read("a.jsonl", r#"{"chosen":"Yes.","rejected":"No."}"#, pairs).unwrap_err();
        assert!(err.to_string().contains("do not begin alike"), "{err}");
    }
}
