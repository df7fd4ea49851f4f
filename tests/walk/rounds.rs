//! A second round of DPO: the first run's model answers new prompts, a rule compares, the next run goes on; and how
//! far both policies have moved.

use std::path::Path;

use serde_json::json;
use tuning_fork::files;

use crate::steps::{command_on, is_finished, json, project, runs, wait_for};
use crate::window::{Window, key};

/// Where the form of a run is.
const FORM: (f64, f64) = (400.0, 400.0);

/// Where the rounds are.
const RESULTS: (f64, f64) = (900.0, 550.0);

const RUN: &str = r#"model = "starter"
objective = "dpo"
data = "first.jsonl"
per_device_train_batch_size = 2
max_steps = 4
learning_rate = 1e-2
held_out_share = 0.25
eval_steps = 2
[lora]
r = 2
target_modules = ["q_proj"]
"#;

pub fn two_rounds(window: &mut Window, home: &Path) {
    let (first, prompts) = (home.join("first.jsonl"), home.join("new.jsonl"));
    for number in 0..12 {
        let row = json!({
            "prompt": [{ "role": "user", "content": format!("What is number {number}?") }],
            "chosen": [{ "role": "assistant", "content": format!("It is {number}.") }],
            "rejected": [{ "role": "assistant", "content": "Well, who could say that, one might ask." }],
        });
        files::append_json(&first, &row).expect("writable");
        let row = json!({ "prompt": format!("What is number {}?", number + 8) });
        files::append_json(&prompts, &row).expect("writable");
    }
    let run_file = home.join("FIRST.toml");
    files::write_atomic(&run_file, RUN.as_bytes()).expect("writable");
    let before = runs(&project(home)).len();
    key("ctrl+6");
    command_on(window, "Open", &run_file);
    window.sees("12 pairs", 20);
    window.click("Start training", 10);
    window.sees("Next round…", 120);
    window.click("Next round…", 10);
    window.sees("Choose a file with prompts first", 20);
    window.shot("rounds-first");
    command_on(window, "Answer the prompts of", &prompts);
    window.click("Rewards", 10);
    window.scroll_to("max_new_tokens", (900.0, 700.0));
    window.fill("max_new_tokens", "8");
    key("Return");
    window.scroll_to("Add a reward", (900.0, 700.0)); // the button is below it
    window.shot("rounds-form");
    window.click("Answer and compare", 10);
    // Four of the twelve were in the first run's data.
    window.sees("Round 2: 8 new prompts were answered twice, with", 120);
    window.sees("4 of the file were used in an earlier round", 10);
    window.scroll_to("Set up the next run", RESULTS);
    window.shot("rounds-made");
    window.click("Set up the next run", 10);
    window.sees("It goes on from the adapter", 20);
    window.scroll_to("Begin a new adapter", FORM);
    window.shot("rounds-next-form");
    window.click("Start training", 10);
    wait_for("the second round", 120, || {
        runs(&project(home)).get(before + 1).is_some_and(|run| is_finished(run))
    });
    let second = runs(&project(home)).remove(before + 1);
    assert_eq!(json(&second.join("round.json"))["number"], 2);
    window.sees("Next round…", 20);
    window.click("Next round…", 10);
    window.sees("win rate over the round before 1", 20);
    window.shot("rounds-row");
    window.click("Measure the KL", 10);
    window.sees("answers that the policy draws at temperature 1", 180);
    window.shot("rounds-kl");
    window.click("Close", 10);
}
