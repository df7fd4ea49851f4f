//! GRPO with the ready example, whose rule pays for length: the leash is moved while it runs.

use std::path::Path;

use serde_json::Value;

use crate::steps::{command_on, json, of_repository, project, rows, runs, wait_for};
use crate::window::{Window, key};

/// Where the form of a run is.
const FORM: (f64, f64) = (400.0, 400.0);

pub fn hold_the_leash(window: &mut Window, home: &Path) {
    let before = runs(&project(home)).len();
    key("ctrl+6");
    command_on(window, "Open", &of_repository("sample_data/rewards/length.toml"));
    window.sees("16 prompts", 20);
    window.shot("rewards-form");
    window.scroll_to("max_completion_length", FORM);
    window.fill("max_completion_length", "8");
    key("Return");
    window.scroll_to("max_steps", FORM);
    window.fill("max_steps", "4000");
    key("Return");
    window.click("Start training", 10);
    window.sees("32 answers, beta 0.04", 60);
    window.shot("rewards-run");
    let run = runs(&project(home)).remove(before);
    window.slide("beta", 0.9, || wished(&run) > 0.2);
    let beta = wished(&run);
    let last = || rows(&run.join("leash.jsonl")).pop().unwrap_or_default();
    wait_for("a round with it", 60, || last()["beta"].as_f64() == Some(beta));
    let taken = last();
    assert!(taken["round"].as_u64() > Some(0), "it was moved while the run went on: {taken}");
    window.sees(&format!("32 answers, beta {beta}"), 60);
    window.shot("rewards-leash-moved");
    window.click("Stop training", 10);
    window.sees("Try it", 60);
    window.shot("rewards-stopped");
    assert_eq!(json(&run.join("run.json"))["status"], "stopped");
    let metrics = rows(&run.join("metrics.jsonl"));
    let has = |row: &Value, key: &str| row[key].as_f64().is_some_and(f64::is_finite);
    let steps: Vec<&Value> = metrics.iter().filter(|row| has(row, "loss")).collect();
    assert!(steps.len() > 1, "{} steps", steps.len());
    for key in ["reward", "kl", "entropy", "completions/mean_length", "clip_ratio/region_mean"] {
        assert!(steps.iter().all(|row| has(row, key)), "no {key}: {}", steps[0]);
    }
}

/// The value that was asked for with the slider.
fn wished(run: &Path) -> f64 {
    json(&run.join("beta.json"))["beta"].as_f64().unwrap_or_default()
}
