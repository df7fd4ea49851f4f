//! Tables as other programs write them: equal to what pandas and pyarrow read (files from
//! `tests/reference/make_tables.py`), and damaged (`fuzz.rs`).
//!
//!     python tests/reference/make_tables.py /tmp/tables
//!     TUNING_FORK_TABLES=/tmp/tables cargo test --release --test tables -- --ignored

#![expect(clippy::unwrap_used, reason = "a test fails where it is")]

#[path = "../fuzz/counting.rs"]
mod counting;
mod fuzz;
#[path = "../fuzz/mutate.rs"]
#[expect(dead_code, reason = "JSON is damaged byte by byte here")]
mod mutate;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tuning_fork_engine::data::table;
use tuning_fork_engine::data::table::ImportError;
use tuning_fork_engine::files;
use tuning_fork_engine::jobs::Quiet;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

fn reference(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference").join(path)
}

/// Rows without what is null.
fn rows(path: &Path) -> Result<(Vec<Value>, table::Report), ImportError> {
    let mut rows = Vec::new();
    let report = table::read(path, &Quiet, &mut |_, row| {
        let there = row.fields.into_iter().filter(|(_, value)| !value.is_null());
        rows.push(Value::Object(there.collect::<Map<_, _>>()));
        Ok(())
    })?;
    Ok((rows, report))
}

/// The same, or the same number but for its last digit: `serde_json` reads expected numbers less
/// exactly than the reader does.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let near = |(a, b): (f64, f64)| (a - b).abs() <= 1e-15 * a.abs().max(b.abs());
            a == b || a.as_f64().zip(b.as_f64()).is_some_and(near)
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let there = |(key, a)| b.get(key).is_some_and(|b| same(a, b));
            a.len() == b.len() && a.iter().all(there)
        }
        (a, b) => a == b,
    }
}

#[test]
#[ignore = "reads files from a folder: see above"]
fn random_tables_are_what_pandas_and_pyarrow_read() {
    let folder = PathBuf::from(std::env::var("TUNING_FORK_TABLES").unwrap());
    let mut names: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".rows.json"))
        .collect();
    names.sort();
    assert!(!names.is_empty());
    let mut problems = Vec::new();
    let (mut equal, mut refused) = (0, 0);
    for name in &names {
        let expected: Value = serde_json::from_slice(&std::fs::read(name).unwrap()).unwrap();
        let file = expected["file"].as_str().unwrap();
        match (rows(&folder.join(file)), expected["rows"].as_array()) {
            (Err(_), None) => equal += 1,
            (Ok((rows, _)), Some(expected)) if same(&json!(rows), &json!(expected)) => equal += 1,
            // The bar: equal, or an error that names the place.
            (Err(error), Some(_)) => {
                refused += 1;
                println!("refused: {error}");
                if matches!(error, ImportError::Read { .. } | ImportError::NoRows { .. }) {
                    problems.push(format!("{file}: an error without a place: {error}"));
                }
            }
            (Ok((rows, report)), None) => {
                problems.push(format!("{file} ({}): read, {} rows", report.words(), rows.len()));
            }
            (Ok((rows, report)), Some(expected)) => {
                let differs = rows.iter().zip(expected).find(|(a, b)| !same(a, b));
                let words = report.words();
                problems.push(format!(
                    "{file} ({words}): {} rows, not {}; {differs:?}",
                    rows.len(),
                    expected.len()
                ));
            }
        }
    }
    println!("{equal} equal, {refused} refused, {} different", problems.len());
    assert!(problems.is_empty(), "{problems:#?}");
}

/// Tables after public reports: from `tests/reference/make_wild_tables.py`.
#[test]
fn what_people_bring_is_read_as_pandas_reads_it_or_explained() {
    let folder = reference("wild");
    let expected = std::fs::read(folder.join("expected.json")).unwrap();
    let expected: Map<String, Value> = serde_json::from_slice(&expected).unwrap();
    let mut problems = Vec::new();
    for (name, expected) in &expected {
        match (rows(&folder.join(name)), expected["error"].as_str()) {
            (Err(error), Some(words)) => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                let said = format!("{error} {}", source.unwrap_or_default());
                if !said.contains(words) {
                    problems.push(format!("{name}: {said}"));
                }
            }
            (Ok((rows, report)), None) => {
                let said: Vec<String> = report.sentences().collect();
                let notes = expected["notes"].as_array().unwrap();
                let words = notes.iter().map(|words| words.as_str().unwrap());
                let unsaid = words.filter(|words| !said.iter().any(|note| note.contains(words)));
                let unsaid: Vec<&str> = unsaid.collect();
                if !same(&json!(rows), &expected["rows"])
                    || !unsaid.is_empty()
                    || said.is_empty() != notes.is_empty()
                {
                    problems.push(format!("{name}: {rows:?}, {said:?}, without {unsaid:?}"));
                }
            }
            (Ok((rows, _)), Some(_)) => problems.push(format!("{name}: read, {rows:?}")),
            (Err(error), None) => problems.push(format!("{name}: {error}")),
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

/// From `tests/reference/make_table_seeds.py`.
#[test]
fn every_format_holds_the_same_rows() {
    let expected = [
        json!({"prompt": "Größe, in m?", "chosen": " 12 “Meter”.", "rejected": " No;\nnot so."}),
        json!({"prompt": "Why?", "chosen": " Because \"so\".", "rejected": " NA"}),
        json!({"prompt": "How naïve?", "chosen": " 007", "rejected": " None"}),
    ];
    for (name, words) in [
        ("pairs.jsonl", "JSON Lines"),
        ("array.json", "a JSON array"),
        ("objects.json", "JSON objects, one after the other"),
        ("columns.json", "JSON with a list for each column"),
        ("lists.json", "JSON with a list for each column"),
        ("split.json", "JSON with a list for each column"),
        ("wrapped.json", "JSON with a list for each column"),
        ("pairs.csv", "CSV"),
        ("marked.csv", "CSV, UTF-8 with a byte order mark"),
        ("western.csv", "CSV with semicolons, Windows-1252 by its letters"),
        ("wide.tsv", "a table with tabs, UTF-16"),
        ("said.csv", "a table with |"),
        ("wide.jsonl", "JSON Lines, UTF-16"),
        ("packed.jsonl.gz", "JSON Lines, packed with gzip"),
        ("packed.csv.zst", "CSV, packed with Zstandard"),
        ("packed.csv.bz2", "CSV, packed with bzip2"),
        ("packed.jsonl.xz", "JSON Lines, packed with xz"),
        ("pairs.xlsx", "Excel, sheet “Paare”"),
        ("pairs.ods", "OpenDocument, sheet “Sheet1”"),
        ("repeated.ods", "OpenDocument, sheet “Paare”"),
        ("old.xls", "Excel 97, sheet “Paare”"),
    ] {
        let (rows, report) = rows(&reference("tables").join(name)).unwrap();
        assert_eq!(report.words(), words, "{name}");
        assert_eq!(rows.len(), 3, "{name}");
        for (row, expected) in rows.iter().zip(&expected) {
            for (column, text) in expected.as_object().unwrap() {
                // A line break is two characters in a file of Windows, and a space in a sheet.
                let plain =
                    |text: &Value| text.as_str().unwrap().replace("\r\n", "\n").replace('\n', " ");
                assert_eq!(plain(&row[column]), plain(text), "{name}");
            }
        }
    }
}

/// The files of a data set, as `datasets` and others name them.
#[test]
fn a_folder_with_the_parts_of_a_table_is_that_table() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, from: &str| {
        std::fs::copy(reference("tables").join(from), folder.path().join(name)).unwrap();
    };
    put("train-00001-of-00003.jsonl", "pairs.jsonl");
    put("train-00000-of-00003.jsonl", "pairs.jsonl");
    let error = rows(folder.path()).unwrap_err().to_string();
    assert!(error.contains("1 of the 3 parts of the table “train”"), "{error}");
    assert!(error.contains("00002-of-00003"), "{error}");
    let write = |name: &str, text: &str| {
        files::write_atomic(&folder.path().join(name), text.as_bytes()).unwrap();
    };
    write(
        "train-00002-of-00003.jsonl",
        "{\"prompt\": \"last\", \"n\": 1}\n{\"prompt\": \"very last\", \"n\": 2}\n",
    );
    write("README.md", "A data set.");
    let (found, report) = rows(folder.path()).unwrap();
    assert_eq!(report.words(), "JSON Lines, in 3 files");
    assert_eq!((found.len(), report.rows), (8, 8));
    assert_eq!(found[7], json!({"prompt": "very last", "n": 2}));
    assert!(!report.is_plain_json_lines());
    let notes: Vec<String> = report.sentences().collect();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(
        notes[0].contains("have no values there: \"n\" (in train-00002-of-00003.jsonl)"),
        "{notes:?}"
    );
    // A row that is wrong is found in its own file.
    let mut at = 0;
    let error = table::read(folder.path(), &Quiet, &mut |report, row| {
        at += 1;
        if at == 8 { Err(report.error(row.place, Some("n"), "no".to_owned())) } else { Ok(()) }
    });
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("row 2, column \"n\" of "), "{error}");
    assert!(error.contains("train-00002-of-00003.jsonl"), "{error}");
    // One of them by itself is itself, and says so.
    let (one, report) = rows(&folder.path().join("train-00000-of-00003.jsonl")).unwrap();
    let notes: Vec<String> = report.sentences().collect();
    assert!(one.len() == 3 && notes[0].contains("part 1 of 3 of a table"), "{notes:?}");
    put("test-00000-of-00001.jsonl", "pairs.jsonl");
    let error = rows(folder.path()).unwrap_err().to_string();
    assert!(error.contains("“test” (1 file), “train” (3 files)"), "{error}");
}

/// Lists, structs, decimals, days, maps, dictionaries; and a column of pictures, which is left out
/// and said. From `tests/reference/make_table_seeds.py`.
#[test]
fn parquet_is_read_with_every_codec_and_both_kinds_of_pages() {
    for codec in ["none", "snappy", "gzip", "zstd", "brotli", "lz4"] {
        for pages in [1, 2] {
            let name = format!("tables/{codec}-{pages}.parquet");
            let (rows, report) = rows(&reference(&name)).unwrap();
            assert_eq!(rows.len(), 3, "{name}");
            assert_eq!(
                rows[0],
                json!({
                    "prompt": "Größe, in m?",
                    "messages": [
                        {"role": "user", "content": "Größe, in m?"},
                        {"role": "assistant", "content": " 12 “Meter”."},
                    ],
                    "votes": 3,
                    "price": "1.50",
                    "when": "2024-02-29 12:00:00",
                    "kind": "a",
                    "scores": {"x": 0.5},
                }),
                "{name}"
            );
            assert_eq!(rows[2]["price"], "-0.05");
            assert_eq!(rows[2]["when"], "1969-12-31 00:00:00");
            let [note] = report.notes.as_slice() else { panic!("{name}: {:?}", report.notes) };
            assert_eq!((note.column.as_deref(), note.count), (Some("image"), 2));
            assert!(note.what.contains("bytes, not text"), "{}", note.what);
        }
    }
}
