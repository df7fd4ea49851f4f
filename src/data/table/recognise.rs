//! Which form of table a text is: from its words, and from its name where they leave it open.

use super::dialect::{self, Dialect};
use super::feed::Feed;
use super::json::Json;

/// The form of a text.
pub(super) enum Form {
    Json,
    Delimited(Dialect),

    /// A row a line.
    Lines,

    /// What it is instead, and what to do.
    Neither(String),
}

/// Names of columns that no prose begins with.
pub(super) const COLUMNS: [&str; 12] = [
    "prompt",
    "chosen",
    "rejected",
    "messages",
    "completion",
    "response",
    "question",
    "answer",
    "instruction",
    "conversations",
    "text",
    "label",
];

/// Stands before each row in JSON text sequences (RFC 7464).
const RECORD: char = '\u{1e}';

/// `ending`: of the file's name, in lower case. `head`: how the text begins.
pub(super) fn form(ending: &str, head: &str) -> Form {
    let start = head.trim_start_matches(|letter: char| letter.is_whitespace() || letter == RECORD);
    let first = start.chars().next();
    let is_prose = matches!(ending, "txt" | "md" | "text" | "prompts");
    if let Some(what) = markup(start, is_prose) {
        return Form::Neither(what.to_owned());
    }
    let dialect = dialect::dialect(head);
    let is_lines =
        matches!(ending, "jsonl" | "ndjson" | "json" | "jsonlines" | "geojson") || is_prose;
    if !is_lines
        && !dialect.is_table()
        && !matches!(first, Some('{' | '['))
        && let Some(long) = dialect::long_delimiter(head)
    {
        return Form::Neither(format!(
            "its fields are separated by “{long}”, and a separator is one character here (a comma, a semicolon, a \
             tab, |): in an editor, replace all “{long}” by tabs"
        ));
    }
    match ending {
        "jsonl" | "ndjson" | "json" | "jsonlines" | "geojson" => match first {
            Some('{' | '[' | '"') => Form::Json,
            _ if dialect.is_table() && !looks_like_json(start) => Form::Delimited(dialect),
            _ => Form::Json, // and what is wrong with it is told
        },
        "csv" | "tsv" | "tab" | "psv" => match first {
            Some('{' | '[') if begins_with_json(start) => Form::Json,
            _ => Form::Delimited(dialect),
        },
        "txt" | "md" | "text" | "prompts" => match first {
            Some('{') if begins_with_json(start) => Form::Json,
            Some('[') if begins_with_rows(start) => Form::Json,
            _ if dialect.is_said || (dialect.is_table() && names_columns(start, dialect)) => {
                Form::Delimited(dialect)
            }
            _ => Form::Lines,
        },
        _ => match first {
            Some('{' | '[') => Form::Json,
            _ if dialect.is_table() => Form::Delimited(dialect),
            _ => Form::Neither(
                "its form is not known: it is neither JSON nor a table with commas, semicolons or \
                 tabs. Give it a name that says what it is: .txt (a prompt a line), .jsonl or .csv"
                    .to_owned(),
            ),
        },
    }
}

/// What a text with tags is. Prose may begin with any but those of a page.
fn markup(start: &str, is_prose: bool) -> Option<&'static str> {
    let begin = start.chars().take(600).collect::<String>().to_lowercase();
    let is = |tags: &[&str]| tags.iter().any(|tag| begin.starts_with(tag));
    let is_table = !is_prose && is(&["<table", "<style", "<meta"]);
    if is_table || (is(&["<html"]) && begin.contains("office:excel")) {
        return Some(
            "it is a table of a web page (HTML), whatever its name says: many programs export such \
             files as .xls. Open it in Excel or LibreOffice, and save it as .xlsx or CSV",
        );
    }
    if is(&["<!doctype html", "<html", "<head", "<body"]) {
        return Some(
            "it is a web page, not a table: perhaps a page to log in, saved in the table's place. \
             Fetch the file itself",
        );
    }
    if !is_prose && is(&["<?xml", "<!--", "<rss", "<tei", "<corpus"]) {
        return Some(if begin.contains("office:spreadsheet") {
            "it is a workbook as XML (Excel 2003), which is not read here. Open it in Excel or \
             LibreOffice, and save it as .xlsx or CSV"
        } else {
            "it is XML, which is no table. Save the texts as CSV or JSON Lines, a row a text"
        });
    }
    None
}

/// Python's prints and a BOM in the wrong place: JSON that is not quite.
fn looks_like_json(start: &str) -> bool {
    start.starts_with(['\'', '{', '['])
}

/// Whether the first value is whole JSON, or is cut only by the end of what is looked at.
fn begins_with_json(start: &str) -> bool {
    let mut feed = Feed::new(Box::new(start.as_bytes()));
    let mut json = Json::new(&mut feed);
    json.value().is_ok() || (json.feed.peek().is_none() && start.len() >= (1 << 18))
}

/// Whether it is a list of objects: a line may begin with a bracket.
fn begins_with_rows(start: &str) -> bool {
    start[1..].trim_start().starts_with('{') && begins_with_json(start)
}

fn names_columns(start: &str, dialect: Dialect) -> bool {
    let header = start.lines().next().unwrap_or_default().to_lowercase();
    let mut names = header.split(dialect.delimiter as char);
    names.any(|name| COLUMNS.contains(&name.trim().trim_matches('"')))
}
