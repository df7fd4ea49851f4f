//! Which form of table a text is: from its words, and from its name where they leave it open.

use super::delimited::{self, Dialect};
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
const COLUMNS: [&str; 12] = [
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

/// `ending`: of the file's name, in lower case. `head`: how the text begins.
pub(super) fn form(ending: &str, head: &str) -> Form {
    let start = head.trim_start();
    let first = start.chars().next();
    if is_page(start) {
        let what = "it is a web page, not a table: perhaps a page to log in, saved in the table's \
                    place. Fetch the file itself";
        return Form::Neither(what.to_owned());
    }
    let dialect = delimited::dialect(head);
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

fn is_page(start: &str) -> bool {
    let begin = start.chars().take(15).collect::<String>().to_lowercase();
    ["<!doctype html", "<html"].iter().any(|tag| begin.starts_with(tag))
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
