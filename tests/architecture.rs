//! The import rules of `ARCHITECTURE.md`, as a test.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "architecture/graph.rs"]
mod graph;
#[path = "architecture/packaging.rs"]
mod packaging;
#[path = "architecture/portable.rs"]
mod portable;

use graph::{Graph, INNER, Module};

/// Each module of the crate, and the other modules that it may import.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    // Foundations
    ("allocator", &[]),
    ("errors", &[]),
    ("files", &[]),
    ("jobs", &[]),
    ("logging", &[]),
    ("memory", &[]),
    ("program", &[]),
    ("words", &[]),
    ("web", &[]),
    // A crate of its own
    ("kernels", &[]),
    // Engine
    ("data", &["files", "jobs"]),
    ("hub", &["errors", "files", "jobs"]),
    ("llm", &["allocator", "data", "files", "jobs", "kernels"]),
    ("encoder", &["files", "jobs", "kernels", "llm"]),
    ("seq2seq", &["encoder", "jobs", "kernels", "llm"]),
    ("stats", &[]),
    ("room", &["files", "jobs", "stats", "study", "web"]),
    (
        "explore",
        &["data", "encoder", "files", "jobs", "kernels", "llm", "memory", "seq2seq", "stats"],
    ),
    ("lecture", &["data", "explore", "files", "jobs", "llm", "room"]),
    ("train", &["data", "encoder", "errors", "files", "jobs", "kernels", "llm", "memory", "words"]),
    ("eval", &["data", "jobs", "llm", "stats", "train"]),
    ("remote", &["data", "jobs", "llm"]),
    (
        "evaluate",
        &[
            "data", "encoder", "files", "jobs", "llm", "remote", "seq2seq", "stats", "study",
            "words",
        ],
    ),
    ("prompts", &["data", "encoder", "errors", "evaluate", "files", "jobs", "llm"]),
    ("serve", &["data", "encoder", "errors", "evaluate", "jobs", "llm", "web"]),
    ("study", &["data", "files", "stats", "words"]),
    ("elsewhere", &["data", "errors", "files", "jobs", "llm", "train", "words"]),
    ("rounds", &["data", "eval", "evaluate", "files", "jobs", "llm", "stats", "train"]),
    ("sweep", &["data", "errors", "files", "hub", "jobs", "llm", "stats", "train", "words"]),
    // Workbench state: plain data, no pixels, no tensors
    (
        "state",
        &[
            "data",
            "elsewhere",
            "encoder",
            "errors",
            "eval",
            "evaluate",
            "explore",
            "hub",
            "kernels",
            "lecture",
            "llm",
            "prompts",
            "remote",
            "room",
            "rounds",
            "seq2seq",
            "stats",
            "study",
            "sweep",
            "train",
            "words",
        ],
    ),
    // Views
    ("widgets", &["words"]),
    (
        "panels",
        &[
            "data",
            "elsewhere",
            "eval",
            "evaluate",
            "explore",
            "hub",
            "lecture",
            "llm",
            "program",
            "prompts",
            "remote",
            "room",
            "rounds",
            "seq2seq",
            "state",
            "study",
            "sweep",
            "train",
            "widgets",
        ],
    ),
    // Shells: a window and a command line
    (
        "app",
        &[
            "allocator",
            "data",
            "elsewhere",
            "encoder",
            "errors",
            "eval",
            "evaluate",
            "explore",
            "files",
            "hub",
            "jobs",
            "kernels",
            "lecture",
            "llm",
            "logging",
            "memory",
            "panels",
            "program",
            "prompts",
            "remote",
            "room",
            "rounds",
            "seq2seq",
            "serve",
            "state",
            "study",
            "sweep",
            "train",
            "web",
            "widgets",
            "words",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "data",
            "elsewhere",
            "encoder",
            "errors",
            "eval",
            "evaluate",
            "explore",
            "files",
            "hub",
            "jobs",
            "kernels",
            "lecture",
            "llm",
            "logging",
            "memory",
            "program",
            "prompts",
            "remote",
            "room",
            "rounds",
            "seq2seq",
            "serve",
            "stats",
            "study",
            "sweep",
            "train",
            "web",
            "words",
        ],
    ),
];

/// Rooms inside the large modules, from the bottom up: each may import those above it that it names.
/// A room is a folder with what is in it, or a file.
#[expect(clippy::type_complexity, reason = "a table")]
const ROOMS: &[(&str, &[(&str, &[&str])])] = &[
    (
        "hub",
        &[
            ("error", &[]),
            ("paths", &["error"]),
            ("account", &["error", "paths"]),
            ("protocol", &["account", "error", "paths"]),
            ("connect", &["account", "paths", "protocol"]),
            ("cache", &["error", "paths", "protocol"]),
            ("browse", &["cache", "error", "paths", "protocol"]),
            ("fetch", &["cache", "error", "paths", "protocol"]),
            ("starter", &["cache", "connect", "error", "fetch", "paths", "protocol"]),
            ("resolve", &["cache", "error", "paths", "protocol", "starter"]),
        ],
    ),
    (
        "train",
        &[
            ("config", &[]),
            ("error", &["config"]),
            ("record", &["config", "error"]),
            ("rows", &["config", "error", "record"]),
            ("objective", &["config", "error", "rows"]),
            ("step", &["config", "error", "objective", "record", "rows"]),
            ("estimate", &["config", "error", "objective", "record", "rows", "step"]),
            ("run", &["config", "error", "estimate", "objective", "record", "rows", "step"]),
            ("newborn", &["config", "error", "record", "rows"]),
            ("classify", &["config", "error", "objective", "record", "rows", "run", "step"]),
        ],
    ),
    (
        "llm",
        &[
            ("error", &[]),
            ("files", &[]),
            ("config", &["files"]),
            ("text", &["files"]),
            ("card", &["text"]),
            ("adapter", &["card", "config"]),
            ("net", &["adapter", "config", "files"]),
            ("backward", &["adapter", "config", "net"]),
            ("headers", &["card", "config", "files", "net", "text"]),
            ("model", &["adapter", "card", "config", "files", "headers", "net", "text"]),
            ("model_passes", &["adapter", "config", "model", "net"]),
            ("model_training", &["adapter", "backward", "card", "files", "model", "net"]),
            ("newborn", &["config", "files", "net", "text"]),
            ("adapter_files", &["adapter", "card", "config", "files", "model", "net"]),
            ("cost", &["adapter", "backward", "config", "files", "model", "net"]),
            ("generate", &["adapter", "model", "net", "text"]),
        ],
    ),
    (
        "data",
        &[
            ("pair", &[]),
            ("check", &["pair"]),
            ("cell", &[]),
            ("literal", &[]),
            ("project", &[]),
            ("judging", &[]),
            ("remarks", &[]),
            ("record", &["pair", "remarks"]),
            ("forms", &["literal", "pair", "record"]),
            ("split", &[]),
            ("counts", &["pair", "record"]),
            ("line", &["record"]),
            ("glance", &["pair", "record", "remarks"]),
            ("kept", &["glance", "line", "record"]),
            ("replay", &["counts", "glance", "kept"]),
            ("scan", &["glance", "kept", "line", "replay"]),
            ("store", &["counts", "glance", "kept", "line", "record", "replay", "scan"]),
            ("export", &["counts", "kept", "record"]),
            ("table", &[]),
            ("codebook_studio", &[]),
            ("codebook", &["codebook_studio", "literal", "table"]),
            ("import", &["forms", "pair", "table"]),
            ("joined", &["forms", "import", "table"]),
            ("samples", &["codebook", "import", "pair", "table"]),
            ("sheet", &["cell"]),
            ("battles", &["kept", "pair", "record", "store", "table"]),
            ("pair_rows", &["pair", "record", "remarks"]),
            ("pair_forms", &["pair", "pair_rows", "record", "remarks"]),
        ],
    ),
    (
        "evaluate",
        &[
            ("cells", &[]),
            ("task", &["cells"]),
            ("rows", &["cells", "task"]),
            ("prompt", &["rows", "task"]),
            ("results", &["cells", "prompt", "rows", "task"]),
            ("asking", &["cells", "prompt", "results", "rows", "task"]),
            ("measures", &["results", "rows", "task"]),
            ("stability", &["asking", "prompt", "rows"]),
            ("report", &["asking", "measures", "results", "stability", "task"]),
        ],
    ),
    (
        "state",
        &[
            ("about", &[]),
            ("remote", &[]),
            ("serving", &[]),
            ("models", &["remote", "serving"]),
            ("hub", &["models"]),
            ("prefs", &["hub"]),
            ("mapping", &[]),
            ("lectures", &[]),
            ("room", &[]),
            ("command", &["about", "hub", "mapping", "prefs", "room"]),
            ("notice", &["command", "prefs"]),
            ("scores", &[]),
            ("series", &[]),
            ("slots", &["command", "notice", "room"]),
            ("annotate", &["room", "slots"]),
            ("codes", &["annotate", "prefs", "room"]),
            ("evaluate", &["command", "slots"]),
            ("playground", &["models", "prefs", "scores", "slots"]),
            ("look_inside", &["models", "playground", "prefs", "slots"]),
            ("train", &["command", "models", "series", "slots"]),
        ],
    ),
];

/// An error names the errors of all rooms, and every room may name it.
const NAMED_BY_ALL: &[(&str, &str)] = &[("llm", "error"), ("train", "error")];

/// Files that may import each other in a circle, and why. Three at most.
const MAY_BE_IN_A_CYCLE: &[(&str, &str)] = &[];

/// Outside things that have a home.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("egui", &["app", "panels", "widgets"]),
    ("candle_", &["encoder", "eval", "kernels", "llm", "seq2seq", "train"]),
    ("tokenizers::", &["llm"]),
    ("hf_hub", &["hub"]),
    ("use ::keyring", &["hub/account/keyring.rs"]),
    ("parquet::", &["data/sheet", "data/table"]),
    ("rust_xlsxwriter::", &["data/sheet"]),
    ("calamine::", &["data/table/grid.rs", "data/table/ods.rs", "data/table/sheets.rs"]),
    ("llguidance::", &["llm/generate/grammar.rs"]),
    ("encoding_rs", &["data/table"]),
    ("thread::", &["jobs.rs"]),
    ("rfd::", &["app/host.rs"]),
    ("plotters", &["app/figure"]),
    ("hyper::", &["room", "serve", "web"]),
    ("async_io", &["room", "serve", "web"]),
    ("fast_qr", &["room/qr.rs"]),
    ("unicode_bidi", &["widgets/right_to_left.rs"]),
];

/// Files of tests alone.
const TEST_FILES: &[&str] = &["tests.rs", "_properties.rs", "kills.rs"];

/// Crate roots and test support see everything.
const ROOTS: &[&str] = &["build", "engine", "examples", "lib", "main", "testing"];

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
        let mut is_test = TEST_FILES.iter().any(|end| relative.to_string_lossy().ends_with(end));
        for (index, line) in text.lines().enumerate() {
            is_test |= line == "#[cfg(test)]";
            let code = line.split("//").next().unwrap_or_default();
            let mut report = |what: &str| {
                problems.push(format!("{}:{}: {what}", relative.display(), index + 1));
            };
            for imported in imported_modules(code, &module) {
                let may = allowed.contains(&imported.as_str())
                    || (imported == "examples" && is_test)
                    || imported == module;
                if !may {
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
fn rooms_import_only_what_the_table_allows() {
    let graph = read_graph();
    let mut problems = Vec::new();
    for (of, rooms) in ROOMS {
        for (index, (room, allowed)) in rooms.iter().enumerate() {
            for name in *allowed {
                if !rooms[..index].iter().any(|(lower, _)| lower == name) {
                    problems.push(format!("the table has `{name}` not below `{room}` of `{of}`"));
                }
            }
        }
        let inside =
            |module: &Module| (module.len() > 1 && module[0] == *of).then(|| module[1].clone());
        for (module, imports) in &graph.imports {
            let Some(room) = inside(module) else { continue };
            let file = &graph.files[module];
            let Some((_, allowed)) = rooms.iter().find(|(name, _)| *name == room) else {
                problems.push(format!("{file}: `{room}` is not in the table of `{of}`"));
                continue;
            };
            let may = |imported: &String| {
                let is_named_by_all = |name: &str| NAMED_BY_ALL.contains(&(*of, name));
                is_named_by_all(&room)
                    || is_named_by_all(imported)
                    || *imported == room
                    || allowed.contains(&imported.as_str())
            };
            for imported in imports {
                if inside(imported).is_some_and(|imported| !may(&imported)) {
                    let imported = &graph.files[imported];
                    problems.push(format!("{file}: `{of}/{room}` must not import {imported}"));
                }
            }
        }
    }
    assert!(problems.is_empty(), "against ARCHITECTURE.md:\n{}", problems.join("\n"));
}

#[test]
fn the_page_has_the_same_table_of_rooms() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("ARCHITECTURE.md")).expect("the page is there");
    for (of, rooms) in ROOMS {
        let mut table = format!("| `{of}/` | may import |\n| --- | --- |\n");
        for (room, allowed) in *rooms {
            let names: Vec<String> = allowed.iter().map(|name| format!("`{name}`")).collect();
            let names =
                if names.is_empty() { "none of the others".to_owned() } else { names.join(", ") };
            writeln!(table, "| `{room}` | {names} |").expect("a text can be written");
        }
        assert!(page.contains(&table), "ARCHITECTURE.md should have this table:\n\n{table}");
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    assert!(MAY_BE_IN_A_CYCLE.len() <= 3, "no more files than that");
    let graph = read_graph();
    let in_a_cycle: BTreeSet<&str> =
        graph.cycles().iter().flatten().map(|module| graph.files[module].as_str()).collect();
    let allowed: BTreeSet<&str> = MAY_BE_IN_A_CYCLE.iter().map(|(file, _)| *file).collect();
    let mut problems = Vec::new();
    for cycle in graph.cycles() {
        for module in &cycle {
            let file = graph.files[module].as_str();
            if !allowed.contains(file) {
                let back = graph.imports[module].iter().filter(|other| cycle.contains(other));
                let back: Vec<&str> = back.map(|other| graph.files[other].as_str()).collect();
                problems.push(format!("{file} is in a circle: it imports {}", back.join(", ")));
            }
        }
    }
    for file in allowed.difference(&in_a_cycle) {
        problems.push(format!("{file} is in no circle any more: take it from the list"));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_file_imports_its_neighbours_and_not_what_their_folder_passes_on() {
    let graph = read_graph();
    let detours: Vec<String> =
        graph.detours.iter().map(|(file, path)| format!("{file}: {path}")).collect();
    assert!(detours.is_empty(), "name the file that it is in:\n{}", detours.join("\n"));
}

fn read_graph() -> Graph {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let relative = |file: PathBuf| {
        let relative = file.strip_prefix(&src).expect("found under src").to_string_lossy();
        relative.replace('\\', "/")
    };
    let files: Vec<String> = rust_files(&src).into_iter().map(relative).collect();
    Graph::read(&src, &files, ROOTS)
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

/// The words after `crate::`. A `crate::{…}` list gives an empty word, which no table allows. The
/// kernels are one module, named by their crate.
fn imported_modules(code: &str, module: &str) -> impl Iterator<Item = String> {
    let (folder, name) = INNER;
    let is_word = |c: &char| c.is_alphanumeric() || *c == '_';
    let own = code.split("crate::").skip(1).filter(move |_| module != folder);
    let own = own.map(move |rest| rest.chars().take_while(is_word).collect());
    own.chain(code.matches(name).map(move |_| folder.to_owned()))
}

fn module_name(relative: &Path) -> String {
    let first = relative.components().next().expect("not empty");
    let name = first.as_os_str().to_string_lossy();
    name.trim_end_matches(".rs").to_owned()
}

pub fn rust_files(folder: &Path) -> Vec<PathBuf> {
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
