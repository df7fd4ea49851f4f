//! A study of pairs without the mouse: two coders, an item that comes again, agreement, an export.

use std::path::Path;

use tuning_fork::files;

use crate::steps::{command, command_below, project, rows, wait_for};
use crate::window::{Window, key};

/// Six: one of them is shown a second time.
const PAIRS: [&str; 6] = [
    r#"{"id": "one", "prompt": "What is a DOI?", "answer_a": "A name that stays.", "answer_b": "A name that goes.", "model_a": "small", "model_b": "large"}"#,
    r#"{"id": "two", "prompt": "What is a panel?", "answer_a": "The same people, asked again.", "answer_b": "A piece of wood.", "model_a": "small", "model_b": "large"}"#,
    r#"{"id": "three", "prompt": "What is a sample?", "answer_a": "A part.", "answer_b": "A part that is drawn.", "model_a": "small", "model_b": "large"}"#,
    r#"{"id": "four", "prompt": "What is a census?", "answer_a": "All of them.", "answer_b": "A part.", "model_a": "small", "model_b": "large"}"#,
    r#"{"id": "five", "prompt": "What is a mean?", "answer_a": "The sum by the count.", "answer_b": "The middle.", "model_a": "small", "model_b": "large"}"#,
    r#"{"id": "six", "prompt": "What is a mode?", "answer_a": "A fashion.", "answer_b": "The commonest value.", "model_a": "small", "model_b": "large"}"#,
];

const CODEBOOK: &str = r#"
name = "Helpful"
guideline_version = "1"
guideline = "Prefer the answer that is correct and brief."
[[variables]]
name = "better"
kind = "better"
question = "Which answer is better?"
"#;

pub fn judge_pairs_by_keyboard(window: &mut Window, home: &Path) {
    let (file, book) = (home.join("answers.jsonl"), home.join("helpful.toml"));
    files::write_atomic(&file, PAIRS.join("\n").as_bytes()).expect("writable");
    files::write_atomic(&book, CODEBOOK.as_bytes()).expect("writable");
    let path = |path: &Path| path.display().to_string();
    command(window, "code as Cleo", "Code as Cleo");
    let words = format!("Make a study of the pairs of {}", path(&file));
    command_below(window, &path(&file), &words, 1);
    window.sees("New study", 10);
    command(window, &path(&book), &format!("Use the codebook {}", path(&book)));
    window.sees("Helpful", 10);
    window.shot("pair-study-setup");
    command(window, "begin to code", "Begin to code");
    judge_all(window, home, "cleo.jsonl", &["1", "2", "3", "0", "1", "2", "1"]);
    command(window, "close the study", "Close the study");
    command(window, "code as Dan", "Code as Dan");
    command(window, "code helpful as dan", "Code Helpful as Dan");
    judge_all(window, home, "dan.jsonl", &["1", "1", "3", "s", "1", "2", "2"]);
    command(window, "how far do the coders", "How far do the coders agree?");
    window.sees("Disagreements", 20);
    window.shot("pair-study-agreement");
    command(window, "which models", "Which models do the verdicts prefer?");
    window.sees("of 2 coders on 6 pairs", 20);
    window.shot("pair-study-arena");
    let out = home.join("helpful.csv");
    command(window, &path(&out), &format!("Export the codes, a row a code, to {}", path(&out)));
    wait_for("the export", 20, || out.is_file());
    let exported = std::fs::read_to_string(&out).expect("readable");
    assert_eq!(exported.lines().count(), 1 + 2 * (PAIRS.len() + 1), "{exported}");
    command(window, "close the study", "Close the study");
}

/// One key a verdict, the last of them on the pair that comes again.
fn judge_all(window: &mut Window, home: &Path, file: &str, keys: &[&str]) {
    let log = project(home).join("studies").join("helpful").join("codes").join(file);
    let given = || rows(&log).iter().filter(|row| !row["values"].is_null()).count();
    window.sees("Left is better", 20);
    window.shot(&format!("pair-study-{}", file.trim_end_matches(".jsonl")));
    for (at, verdict) in keys.iter().enumerate() {
        key(verdict);
        wait_for("the verdict on the disk", 10, || given() == at + 1);
    }
    window.sees("Every pair is judged", 10);
}
