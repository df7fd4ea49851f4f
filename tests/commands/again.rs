//! What is done again, and what is written: a run and a study's numbers with `reproduce`, the table of an
//! evaluation in every format.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tuning_fork::data::table;
use tuning_fork::files;
use tuning_fork::jobs::Quiet;

fn sample_data(name: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data").join(name);
    path.display().to_string()
}

/// In a folder of its own, which is its home too.
pub fn call(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tuning-fork"));
    for name in ["HOME", "XDG_DATA_HOME", "USERPROFILE", "APPDATA"] {
        command.env(name, folder);
    }
    command.args(arguments).current_dir(folder).output().unwrap()
}

pub fn said(folder: &Path, arguments: &[&str]) -> String {
    let output = call(folder, arguments);
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {problem}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_run_that_is_trained_again_has_the_same_bytes_and_other_settings_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let file = |rate: &str| {
        let (model, data) = (sample_data("tiny_model"), sample_data("pairs.jsonl"));
        let text = format!(
            "model = {model:?}\ndata = {data:?}\nmax_steps = 4\nper_device_train_batch_size = 2\n\
             max_length = 48\nlearning_rate = {rate}\nheld_out_share = 0.2\neval_steps = 2\n\
             [lora]\nr = 2\ntarget_modules = [\"all-linear\"]\n"
        );
        files::write_atomic(&folder.join("run.toml"), text.as_bytes()).unwrap();
    };
    file("1e-3");
    said(folder, &["train", "run.toml", "--out", "runs/first"]);
    let words = said(folder, &["reproduce", "runs/first"]);
    assert!(words.contains("All 4 steps have the same loss, to the last digit."), "{words}");
    assert!(words.contains("The adapters have the same bytes."), "{words}");
    file("2e-3");
    let other = folder.join("runs/first/run.toml");
    let text = std::fs::read_to_string(&other).unwrap().replace("0.001", "0.002");
    files::write_atomic(&other, text.as_bytes()).unwrap();
    let told = said(folder, &["reproduce", "runs/first/run.toml", "--out", "again", "--json"]);
    let told: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!((&told["first_other"], &told["same_adapter"]), (&2.into(), &false.into()), "{told}");
    let refused = call(folder, &["reproduce", "runs/first", "--model", "other"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("leave --model and --encoder out"));
}

const BOOK: &str = "name = \"Tone\"\ninstruction = \"Say the tone.\"\n[[classes]]\nlabel = \"praise\"\n\
    definition = \"good\"\n[[classes]]\nlabel = \"blame\"\ndefinition = \"bad\"\n";

#[test]
fn a_studys_numbers_are_computed_again_from_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, text) in [
        ("texts.csv", "id,text\na,good\nb,bad\nc,so so\nd,fine\n"),
        ("book.toml", BOOK),
        ("ada.csv", "id,tone\na,praise\nb,blame\nc,blame\nd,praise\n"),
        ("ben.csv", "id,tone\na,praise\nb,blame\nc,praise\nd,praise\n"),
        ("eve.csv", "id,tone\na,blame\nb,blame\nc,praise\nd,praise\n"),
    ] {
        files::write_atomic(&folder.join(name), text.as_bytes()).unwrap();
    }
    let new = ["annotate", "new", "tone", "--table", "texts.csv", "--text", "text", "--id", "id"];
    said(folder, &[&new[..], &["--codebook", "book.toml"]].concat());
    let without = call(folder, &["reproduce", "tone"]);
    assert!(String::from_utf8_lossy(&without.stderr).contains("annotate agreement tone --json"));
    for coder in ["ada", "ben"] {
        said(folder, &["annotate", "import", "tone", &format!("{coder}.csv"), "--coder", coder]);
    }
    let numbers = said(folder, &["annotate", "agreement", "tone", "--json"]);
    files::write_atomic(&folder.join("tone/agreement.json"), numbers.as_bytes()).unwrap();
    let words = said(folder, &["reproduce", "tone"]);
    assert!(words.contains("numbers and names are the same, to the last digit"), "{words}");
    // Somebody has coded since.
    said(folder, &["annotate", "import", "tone", "eve.csv", "--coder", "eve"]);
    let words = said(folder, &["reproduce", "tone/agreement.json"]);
    assert!(words.contains("variables.tone.alpha.value: "), "{words}");
}

#[test]
fn the_table_of_an_evaluation_is_written_in_every_format_with_its_types() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = "id,asked,text,year\na,Who?,Twelve people came.,2024\nb,,,2025\nc,When?,In 2024.,\n";
    files::write_atomic(&folder.join("texts.csv"), text.as_bytes()).unwrap();
    let model = sample_data("tiny_model");
    let task = format!(
        "model = {model:?}\ndata = \"texts.csv\"\nid = \"id\"\n[perplexity]\ntext = \"text\"\n"
    );
    files::write_atomic(&folder.join("task.toml"), task.as_bytes()).unwrap();
    let refused = call(folder, &["evaluate", "task.toml", "--table", "answers.ods"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains(".parquet or .xlsx"));
    assert!(!folder.join("evaluations").exists(), "it is said before a row is asked about");
    said(folder, &["evaluate", "task.toml", "--out", "out", "--table", "answers.parquet"]);
    for name in ["answers.parquet", "again.csv", "again.jsonl", "again.parquet", "again.xlsx"] {
        if name.starts_with("again") {
            let words = said(folder, &["report", "out", "--table", name]);
            assert!(words.contains("3 rows with their answers in again"), "{words}");
        }
        let rows = table::rows(&folder.join(name), &Quiet).unwrap().rows;
        let is_text = name == "again.csv";
        let number = |row: usize, column: &str| rows[row].get(column).and_then(Value::as_f64);
        assert_eq!(number(0, "year"), (!is_text).then_some(2024.0), "{name}");
        assert!(
            is_text || number(0, "model_perplexity").is_some_and(|value| value > 1.0),
            "{name}"
        );
        let is_there = |row: usize, column: &str| {
            rows[row].get(column).is_some_and(|value| value.as_str() != Some(""))
        };
        assert!(!is_there(2, "year") && !is_there(1, "model_logprob"), "{name}");
        assert!(is_there(1, "model_problem") && is_there(2, "model_logprob"), "{name}");
    }
    // Of a table that was changed since no rows are written.
    files::write_atomic(&folder.join("texts.csv"), text.replace("came", "went").as_bytes())
        .unwrap();
    let changed = call(folder, &["report", "out", "--table", "changed.csv"]);
    assert!(
        String::from_utf8_lossy(&changed.stderr).contains("was changed since it was asked about")
    );
}
