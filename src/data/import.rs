//! Prompts and preference pairs from the files that people have: text, JSON Lines as TRL reads
//! it, CSV, Parquet. Either every row is good or nothing is imported, and the error names the place.

use std::path::Path;

use serde_json::{Map, Value};

use crate::data::pair::{Message, PreferencePair, Text, extract_prompt};
use crate::data::rows::{ImportError, Row, Source, kind_of, listed};
use crate::data::table::{Watch, is_parquet};

/// Where a prompt is looked for, in this order.
const PROMPT_COLUMNS: [&str; 4] = ["prompt", "messages", "question", "text"];

/// Every column of a table that is looked at here.
pub(super) const COLUMNS: [&str; 6] =
    ["prompt", "messages", "question", "text", "chosen", "rejected"];

/// Reads prompts: `.txt` (one a line), `.jsonl` (`prompt`, `messages`, `question` or `text`), or
/// `.csv` and `.parquet` (the column `prompt`, or these).
pub fn prompts(path: &Path) -> Result<Vec<Text>, ImportError> {
    prompts_watched(path, &mut |_, _| true)
}

/// [`prompts`], for files that take long: `watch` hears how far it is, and may stop it.
pub fn prompts_watched(path: &Path, watch: Watch<'_>) -> Result<Vec<Text>, ImportError> {
    if is_parquet(path) {
        let (source, rows) = Source::of_table(path, watch)?;
        return prompts_of(&source, &rows);
    }
    let source = Source::read(path)?;
    let rows = match extension(path).as_str() {
        "txt" | "md" => {
            let prompts: Vec<Text> =
                source.text_lines().map(|line| Text::Plain(line.to_owned())).collect();
            return not_empty(&source, prompts);
        }
        "jsonl" | "ndjson" => source.json_rows()?,
        "csv" | "tsv" => source.csv_rows()?,
        _ => {
            let expected = ".txt (a prompt a line), .jsonl, .csv nor .parquet";
            return Err(ImportError::UnknownKind { path: path.to_owned(), expected });
        }
    };
    prompts_of(&source, &rows)
}

/// Prompts from the text of a JSON Lines file; `path` is only for error messages.
pub fn prompts_from_jsonl(path: &Path, text: &str) -> Result<Vec<Text>, ImportError> {
    let source = Source::from_text(path, text);
    let rows = source.json_rows()?;
    prompts_of(&source, &rows)
}

/// Reads preference pairs: `.jsonl` in TRL's explicit (`prompt`, `chosen`, `rejected`) or
/// implicit form (`chosen`, `rejected`), or `.csv` or `.parquet` with these columns.
///
/// As in TRL the first row decides: if it has no `prompt`, the prompt of every row is what both
/// answers begin with.
pub fn pairs(path: &Path) -> Result<Vec<PreferencePair>, ImportError> {
    if is_parquet(path) {
        let (source, rows) = Source::of_table(path, &mut |_, _| true)?;
        return pairs_of(&source, &rows);
    }
    let source = Source::read(path)?;
    let rows = match extension(path).as_str() {
        "jsonl" | "ndjson" | "json" => source.json_rows()?,
        "csv" | "tsv" => source.csv_rows()?,
        _ => {
            let expected = ".jsonl, .csv nor .parquet";
            return Err(ImportError::UnknownKind { path: path.to_owned(), expected });
        }
    };
    pairs_of(&source, &rows)
}

/// Pairs from the text of a JSON Lines file; `path` is only for error messages.
pub fn pairs_from_jsonl(path: &Path, text: &str) -> Result<Vec<PreferencePair>, ImportError> {
    let source = Source::from_text(path, text);
    let rows = source.json_rows()?;
    pairs_of(&source, &rows)
}

fn extension(path: &Path) -> String {
    path.extension().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default()
}

fn not_empty<T>(source: &Source, items: Vec<T>) -> Result<Vec<T>, ImportError> {
    if items.is_empty() { Err(source.no_rows()) } else { Ok(items) }
}

fn prompts_of(source: &Source, rows: &[Row]) -> Result<Vec<Text>, ImportError> {
    let prompts = rows.iter().map(|row| {
        let Some(key) = PROMPT_COLUMNS.into_iter().find(|key| row.fields.contains_key(*key)) else {
            let problem = format!(
                "it has no \"prompt\" (nor \"messages\", \"question\" or \"text\"); it has {}",
                listed(&row.fields)
            );
            return Err(source.field_error(row, "prompt", problem));
        };
        let mut prompt = text(source, row, key)?;
        if let Text::Messages(messages) = &mut prompt {
            // A whole dialogue: its last answer is what is to be written.
            while messages.last().is_some_and(|message| message.role == "assistant") {
                messages.pop();
            }
            if messages.is_empty() {
                let problem = format!("\"{key}\" asks nothing: it has no message of a user");
                return Err(source.field_error(row, key, problem));
            }
        }
        Ok(prompt)
    });
    not_empty(source, prompts.collect::<Result<_, _>>()?)
}

fn pairs_of(source: &Source, rows: &[Row]) -> Result<Vec<PreferencePair>, ImportError> {
    let has_prompt = |row: &Row| row.fields.contains_key("prompt");
    let explicit = rows.first().is_some_and(has_prompt);
    let pairs = rows.iter().map(|row| {
        // The prompt first: of several missing keys, it is the one to name.
        let prompt =
            if explicit || has_prompt(row) { Some(text(source, row, "prompt")?) } else { None };
        let chosen = text(source, row, "chosen")?;
        let rejected = text(source, row, "rejected")?;
        let pair = match prompt {
            Some(prompt) => with_prompt(prompt, chosen, rejected),
            None => common_beginning(chosen, rejected),
        };
        pair.map_err(|problem| source.field_error(row, "chosen", problem))
    });
    not_empty(source, pairs.collect::<Result<_, _>>()?)
}

/// A field as a prompt or an answer: a string, or a list of messages. Neither may be empty.
fn text(source: &Source, row: &Row, key: &str) -> Result<Text, ImportError> {
    let problem = |problem: String| Err(source.field_error(row, key, problem));
    match source.field(row, key)? {
        Value::String(text) if text.trim().is_empty() => problem(format!("\"{key}\" is empty")),
        Value::String(text) => Ok(Text::Plain(text.clone())),
        Value::Array(items) if items.is_empty() => problem(format!("\"{key}\" is empty")),
        Value::Array(items) => {
            let mut messages = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                let number = index + 1;
                let (Some(role), Some(content)) = (item["role"].as_str(), item["content"].as_str())
                else {
                    return problem(format!(
                        "message {number} of \"{key}\" is not {{\"role\": \"…\", \"content\": \
                         \"…\"}}"
                    ));
                };
                messages.push(Message::new(role, content));
            }
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

/// A row of which prompt and answers mix plain text and dialogues, all of it as dialogues: training
/// reads one form in a row, as TRL does. Any other row is as it was.
pub(super) fn in_one_form(mut fields: Map<String, Value>) -> Map<String, Value> {
    const KEYS: [&str; 3] = ["prompt", "chosen", "rejected"];
    let texts = KEYS.map(|key| {
        let text = serde_json::from_value::<Text>(fields.get(key)?.clone()).ok()?; // not a pair's
        let is_empty = matches!(&text, Text::Messages(messages) if messages.is_empty());
        (!is_empty).then_some(text)
    });
    let [Some(prompt), Some(chosen), Some(rejected)] = texts else { return fields };
    let plain = [&prompt, &chosen, &rejected].map(|text| matches!(text, Text::Plain(_)));
    if plain.iter().all(|is_plain| *is_plain == plain[0]) {
        return fields;
    }
    // Answers that have no beginning in common: whoever reads the row says so.
    let Ok(pair) = with_prompt(prompt, chosen, rejected) else { return fields };
    let PreferencePair { prompt, chosen, rejected } = pair;
    for (key, text) in KEYS.into_iter().zip([prompt, chosen, rejected]) {
        fields.insert(key.to_owned(), serde_json::to_value(text).expect("text can be written"));
    }
    fields
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
            (r#"{"prompt":"a",}"#, 15, "it is not JSON: trailing comma"),
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
                "message 1 of \"prompt\" is not {\"role\": \"…\", \"content\": \"…\"}",
            ),
            ("[1]", 1, "it should be an object such as {\"prompt\": \"…\"}, and is a list"),
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
        assert!(err.to_string().ends_with("it has 2 fields, and the header has 3"), "{err}");

        let err = read("a.csv", "question,answer\na,b\n", pairs).unwrap_err();
        assert!(err.to_string().contains("it has no \"chosen\"; it has \"question\""), "{err}");
    }

    #[test]
    fn a_file_without_rows_or_of_another_kind_is_refused() {
        assert!(matches!(read("a.jsonl", "\n", pairs), Err(ImportError::NoRows { .. })));
        assert!(matches!(read("a.xlsx", "PK", prompts), Err(ImportError::UnknownKind { .. })));
        let err = Source::read(Path::new("/nowhere/a.jsonl")).err().unwrap();
        assert!(matches!(err, ImportError::Read { .. }));
    }

    #[test]
    fn a_file_that_is_not_utf8_says_on_which_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latin1.txt");
        files::write_atomic(&path, b"one\nQualit\xe4t\n").unwrap();
        let err = prompts(&path).unwrap_err();
        let cause = std::error::Error::source(&err).unwrap().to_string();
        assert!(cause.contains("line 2 is not UTF-8"), "{cause}");
    }

    #[test]
    fn a_row_that_mixes_text_and_dialogues_becomes_dialogues() {
        let row = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap();
        let user = r#"{"role":"user","content":"Why?"}"#;
        let answer = |words: &str| format!(r#"{{"role":"assistant","content":"{words}"}}"#);
        let (yes, no) = (answer("Yes."), answer("No."));
        let whole = format!(
            r#"{{"prompt":"Why?","chosen":[{user},{yes}],"rejected":[{user},{no}],"votes":1}}"#
        );
        let answers =
            format!(r#"{{"prompt":[{user}],"chosen":"Yes.","rejected":"No.","votes":1}}"#);
        let expected =
            format!(r#"{{"prompt":[{user}],"chosen":[{yes}],"rejected":[{no}],"votes":1}}"#);
        for mixed in [&whole, &answers, &expected] {
            assert_eq!(in_one_form(row(mixed)), row(&expected), "{mixed}");
        }
        for other in [
            r#"{"prompt":"Why?","chosen":"Yes.","rejected":"No."}"#,
            r#"{"prompt":"Why?","completion":[]}"#,
            r#"{"prompt":"Why?","chosen":[],"rejected":"No."}"#,
            r#"{"prompt":7,"chosen":"Yes.","rejected":"No."}"#,
        ] {
            assert_eq!(in_one_form(row(other)), row(other), "nothing to do");
        }
    }

    #[test]
    fn every_column_that_is_looked_at_is_read_from_a_table() {
        assert!(PROMPT_COLUMNS.iter().all(|name| COLUMNS.contains(name)));
    }

    #[test]
    fn answers_that_share_nothing_have_no_prompt() {
        let err = read("a.jsonl", r#"{"chosen":"Yes.","rejected":"No."}"#, pairs).unwrap_err();
        assert!(err.to_string().contains("do not begin alike"), "{err}");
    }
}
