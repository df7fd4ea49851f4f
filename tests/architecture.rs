//! The import rules of `ARCHITECTURE.md`, as a test.

use std::fs;
use std::path::{Path, PathBuf};

/// Each module of the crate, and the other modules that it may import.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    // Foundations
    ("allocator", &[]),
    ("errors", &[]),
    ("files", &[]),
    ("jobs", &[]),
    ("words", &[]),
    // Engine
    ("data", &["files"]),
    ("hub", &["errors", "files", "jobs"]),
    ("llm", &["allocator", "data", "files", "jobs"]),
    ("encoder", &["files", "jobs", "llm"]),
    ("train", &["data", "errors", "files", "jobs", "llm"]),
    ("eval", &["data", "jobs", "llm", "train"]),
    // Workbench state: plain data, no pixels, no tensors
    ("state", &["data", "encoder", "errors", "eval", "hub", "llm", "train", "words"]),
    // Views
    ("widgets", &["words"]),
    ("panels", &["data", "eval", "hub", "llm", "state", "train", "widgets"]),
    // Shells: a window and a command line
    (
        "app",
        &[
            "allocator",
            "data",
            "encoder",
            "errors",
            "eval",
            "files",
            "hub",
            "jobs",
            "llm",
            "panels",
            "state",
            "train",
            "widgets",
        ],
    ),
    ("cli", &["app", "data", "encoder", "errors", "eval", "files", "hub", "jobs", "llm", "train"]),
];

/// Outside things that have a home.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("egui", &["app", "panels", "widgets"]),
    ("candle_", &["encoder", "eval", "llm", "train"]),
    ("tokenizers::", &["llm"]),
    ("hf_hub", &["hub"]),
    ("keyring::", &["hub/account/os_vault.rs"]),
    ("parquet::", &["data/table.rs", "data/table_tests.rs"]),
    ("thread::", &["jobs.rs"]),
    ("rfd::", &["app/host.rs"]),
    ("plotters", &["app/figure.rs"]),
];

/// Crate roots and test support see everything.
const ROOTS: &[&str] = &["lib", "main", "testing"];

#[test]
fn modules_import_only_what_the_table_allows() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut problems = Vec::new();
    for file in rust_files(&src) {
        let relative = file.strip_prefix(&src).expect("found under src");
        let module = module_name(relative);
        if ROOTS.contains(&module.as_str()) {
            continue;
        }
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else {
            problems.push(format!("{}: `{module}` is not in the table", relative.display()));
            continue;
        };
        let text = fs::read_to_string(&file).expect("source files are readable");
        for (index, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let mut report = |what: &str| {
                problems.push(format!("{}:{}: {what}", relative.display(), index + 1));
            };
            for imported in imported_modules(code) {
                if imported != module && !allowed.contains(&imported.as_str()) {
                    report(&format!("`{module}` must not import `crate::{imported}`"));
                }
            }
            for (outside, homes) in ONLY_IN {
                if code.contains(outside) && !homes.iter().any(|home| relative.starts_with(home)) {
                    report(&format!("`{outside}` belongs in {homes:?}"));
                }
            }
        }
    }
    assert!(problems.is_empty(), "against ARCHITECTURE.md:\n{}", problems.join("\n"));
}

#[test]
fn every_module_says_what_it_is_for() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let silent: Vec<_> = rust_files(&src)
        .into_iter()
        .filter(|file| !fs::read_to_string(file).expect("readable").starts_with("//! "))
        .collect();
    assert!(silent.is_empty(), "no `//!` first line: {silent:?}");
}

#[test]
fn the_map_names_every_module() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let map = fs::read_to_string(root.join("ARCHITECTURE.md")).expect("the map is there");
    let unnamed: Vec<_> = rust_files(&root.join("src"))
        .into_iter()
        .map(|file| module_name(file.strip_prefix(root.join("src")).expect("found under src")))
        .filter(|module| !map.contains(module.as_str()))
        .collect();
    assert!(unnamed.is_empty(), "ARCHITECTURE.md does not mention {unnamed:?}");
}

/// The words after `crate::`. A `crate::{…}` list gives an empty word, which no table allows.
fn imported_modules(code: &str) -> impl Iterator<Item = String> {
    let is_word = |c: &char| c.is_alphanumeric() || *c == '_';
    code.split("crate::").skip(1).map(move |rest| rest.chars().take_while(is_word).collect())
}

fn module_name(relative: &Path) -> String {
    let first = relative.components().next().expect("not empty");
    let name = first.as_os_str().to_string_lossy();
    name.trim_end_matches(".rs").to_owned()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("source folders are readable") {
        let path = entry.expect("readable entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
