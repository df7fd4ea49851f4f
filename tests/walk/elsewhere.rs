//! A run as a bundle for TRL, the results that TRL left of it, and a sweep over the same settings.

use std::path::Path;

use serde_json::Value;
use tuning_fork::files;

use crate::steps::{command_on, copy_folder, json, of_repository, project, runs, wait_for};
use crate::window::{Window, key};

/// Where the form of a run is.
const FORM: (f64, f64) = (400.0, 400.0);

/// The run whose results lie in `tests/reference/bundle`: see `make_bundle_results.py`.
const RUN: &str = r#"model = "starter"
objective = "dpo"
data = "pairs.jsonl"
per_device_train_batch_size = 4
max_steps = 4
learning_rate = 5e-3
max_length = 256
held_out_share = 0.25
eval_steps = 2
save_steps = 2
seed = 7
beta = 0.5
[lora]
r = 4
lora_alpha = 8
target_modules = ["q_proj", "v_proj"]
"#;

/// A bundle is made in the window; TRL's own results of the same run are laid into it and imported.
pub fn bundle_and_take_back(window: &mut Window, home: &Path) {
    let pairs = std::fs::read_to_string(of_repository("sample_data/pairs.jsonl"));
    let eight: Vec<String> =
        pairs.expect("it is there").lines().take(8).map(str::to_owned).collect();
    let run_file = home.join("RUN.toml");
    files::write_atomic(&home.join("pairs.jsonl"), eight.join("\n").as_bytes()).expect("writable");
    files::write_atomic(&run_file, RUN.as_bytes()).expect("writable");
    let before = runs(&project(home)).len();

    key("ctrl+6");
    command_on(window, "Open", &run_file);
    window.sees("8 pairs", 20);
    window.scroll_to("Preset", FORM);
    window.choose("Preset", "cpu");
    window.shot("bundle-form");
    let bundle = home.join("bundle");
    command_on(window, "Make a bundle in", &bundle);
    window.sees("The bundle for TRL was made", 60);
    window.shot("bundle-made");
    let reference = of_repository("tests/reference/bundle");
    let (made, theirs) =
        (json(&bundle.join("manifest.json")), json(&reference.join("manifest.json")));
    for key in ["/base/sha256", "/tokenizer_sha256", "/chat_template_sha256", "/held_out"] {
        assert!(made.pointer(key).is_some_and(|value| !value.is_null()), "{key}: {made}");
        assert_eq!(made.pointer(key), theirs.pointer(key), "{key}");
    }
    for file in ["data/train.jsonl", "data/test.jsonl"] {
        let hash = |manifest: &Value| manifest["files"][file].clone();
        assert_eq!(hash(&made), hash(&theirs), "{file}");
    }

    copy_folder(&reference.join("out"), &bundle.join("out"));
    command_on(window, "Import the results of", &bundle);
    window.sees("Imported as a run: 4 steps of TRL 1.16.0", 60);
    window.sees("computed here, agree with the log", 5);
    window.shot("results-imported");
    let imported = runs(&project(home)).split_off(before);
    assert_eq!(imported.len(), 1);
    let record = json(&imported[0].join("imported.json"));
    let beside = record["beside"].as_array().expect("held-out numbers");
    assert!(!beside.is_empty(), "{record}");
    for found in beside {
        let number = |key: &str| found[key].as_f64().expect("a number");
        assert!((number("logged") - number("recomputed")).abs() < 2e-3, "{found}");
    }
}

/// Two learning rates with three seeds each, and the table of them as files.
pub fn sweep(window: &mut Window, home: &Path) {
    window.click("New run", 10);
    window.scroll_to("Sweep…", FORM);
    window.click("Sweep…", 10);
    window.fill("Values 1", "1e-4, 1e-2");
    window.sees("6 runs", 10);
    window.shot("sweep-form");
    window.click("Start the sweep", 10);
    window.sees("6 of 6 runs are done", 120);
    window.sees("Over the seeds", 10);
    window.shot("sweep");
    window.click("Export", 10);
    let sweeps = project(home).join("sweeps");
    let folders = || std::fs::read_dir(&sweeps).expect("there is a sweep").flatten();
    let csv = |name: &str| {
        let found =
            folders().find_map(|folder| std::fs::read_to_string(folder.path().join(name)).ok());
        found.unwrap_or_default()
    };
    wait_for("the tables", 20, || !csv("table.csv").is_empty() && !csv("summary.csv").is_empty());
    assert_eq!(csv("table.csv").lines().count(), 1 + 6, "{}", csv("table.csv"));
    assert_eq!(csv("summary.csv").lines().count(), 1 + 2, "{}", csv("summary.csv"));
}
