//! From 200 headlines to a classifier with its confusion matrix, on a tiny encoder.

use std::path::Path;

use crate::steps::{command_on, is_finished, json, of_repository, project, rows, runs, wait_for};
use crate::window::{Window, key};

/// Where the form of a run is.
const FORM: (f64, f64) = (400.0, 400.0);

/// Of 200 headlines 15 % are held out, and 15 % are the test part.
const HELD_OUT: u64 = 30;

pub fn classify_headlines(window: &mut Window, home: &Path) {
    window.sees("tiny-bert", 20);
    command_on(window, "Open", &of_repository("sample_data/media_bias.toml"));
    window.sees("200 texts", 20);
    window.choose("model to train", "tiny-bert");
    window.shot("classifier-form");
    window.scroll_to("num_train_epochs", FORM);
    window.fill("num_train_epochs", "2");
    key("Return");
    window.scroll_to("learning_rate, number", FORM);
    window.fill("learning_rate, number", "0.01");
    key("Return");
    window.click("Start training", 10);
    window.sees("Validation texts after step", 60);
    window.shot("classifier-learns");
    window.sees("Test part, opened once", 120);
    window.shot("classifier-tested");
    window.fill("A text to be labelled", "Greedy bosses ruin the last honest bakery in town");
    key("Return");
    window.sees("biased: ", 20);
    window.shot("classifier-tried");

    let run = runs(&project(home)).pop().expect("a run");
    wait_for("the end of the run", 20, || is_finished(&run));
    for file in ["adapter_config.json", "adapter_model.safetensors", "confusion.jsonl"] {
        assert!(run.join(file).is_file(), "{file} is missing in {}", run.display());
    }
    // Every text of a part is in its matrix, with the sum of each row as many as have that label.
    let confusions = rows(&run.join("confusion.jsonl"));
    assert!(!confusions.is_empty());
    for confusion in &confusions {
        let counts = confusion["counts"].as_array().expect("a matrix");
        assert_eq!(counts.len(), 2, "{confusion}");
        let all = counts.iter().flat_map(|row| row.as_array().expect("a row"));
        let sum: u64 = all.map(|count| count.as_u64().expect("a count")).sum();
        assert_eq!(sum, HELD_OUT, "{confusion}");
    }
    assert_eq!(json(&run.join("run.json"))["status"], "finished");
}
