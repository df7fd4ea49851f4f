//! The look at the data before a run: what a run would drop or cut, and what is odd about it.

use std::path::Path;

use serde_json::json;
use tuning_fork_engine::files;
use tuning_fork_engine::jobs::{Quiet, Recorder};
use tuning_fork_engine::llm::Weights;
use tuning_fork_engine::train;
use tuning_fork_engine::train::StartRequest;
use tuning_fork_engine::train::config::{Objective, TrainConfig};
use tuning_fork_engine::train::record::metrics::TrainEvent;
use tuning_fork_engine::train::rows::prepare::survey;
use tuning_fork_engine::train::rows::survey::{Concern, Finding, Part, Survey};

use crate::support::{load, reference};

fn pair(path: &Path, prompt: &str, chosen: &str, rejected: &str) {
    let row = json!({ "prompt": prompt, "chosen": chosen, "rejected": rejected });
    files::append_json(path, &row).unwrap();
}

fn looked_at(path: &Path, max_length: usize) -> Survey {
    let model = load(&reference("models/llama"), Weights::F32);
    let config = TrainConfig {
        data: path.to_owned(),
        max_length,
        held_out_share: 0.25,
        ..TrainConfig::default()
    };
    survey(&model, &config, &Quiet).unwrap()
}

#[track_caller]
fn finding<'a>(survey: &'a Survey, words: &str) -> &'a Finding {
    let found = survey.findings.iter().find(|finding| finding.sentence.contains(words));
    found.unwrap_or_else(|| panic!("no finding says {words:?}: {:#?}", survey.findings))
}

#[test]
fn texts_without_words_are_counted_and_not_blamed_on_a_length() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("texts.jsonl");
    for text in ["Some words.", "", "Others."] {
        files::append_json(&path, &json!({ "text": text })).unwrap();
    }
    let model = load(&reference("models/llama"), Weights::F32);
    let objective = Objective::Sft;
    let config = TrainConfig { data: path, max_length: 48, objective, ..TrainConfig::default() };
    let survey = survey(&model, &config, &Quiet).unwrap();
    assert_eq!(finding(&survey, "has an empty text").rows, [1]);
    assert!(!survey.findings.iter().any(|finding| finding.sentence.contains("max_length")));
}

#[test]
fn everything_odd_is_said_with_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairs.jsonl");
    pair(&path, "What is a paper?", " A written report of some work and its data.", " No.");
    pair(&path, "What is data?", " Numbers and words that were written down.", " No.");
    pair(&path, "What is data?", " Numbers and words that were written down.", " No.");
    pair(&path, "What is data?", " No.", " Numbers and words that were written down.");
    pair(&path, "What is code?", " Words for a computer.", " Words for a computer.");
    pair(&path, &"A very long prompt. ".repeat(30), " Yes.", " No.");
    let survey = looked_at(&path, 48);
    assert_eq!(finding(&survey, "left out: the prompt alone").rows, [5]);
    assert_eq!(finding(&survey, "repeats an earlier one").rows, [2]);
    assert_eq!(finding(&survey, "the opposite of an earlier one").rows, [3]);
    assert_eq!(finding(&survey, "the same answer twice").rows, [4]);
    let longer = finding(&survey, "Chosen is the longer answer in");
    assert_eq!(longer.rows[..3], [0, 1, 2]);
    assert_eq!(finding(&survey, "none is in both").concern, Concern::Fact);
    assert_eq!(survey.rows[5].part, Part::Dropped);
    assert_eq!((survey.rows.len(), survey.train_rows + survey.held_out_rows), (6, 5));
    assert!(survey.findings.is_sorted_by_key(|finding| finding.concern), "the worst comes first");
}

#[test]
fn what_is_cut_is_said_with_the_length_that_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairs.jsonl");
    pair(&path, "What is a paper?", " A report.", &" It may be many things.".repeat(9));
    pair(&path, "What is data?", " Numbers.", " No.");
    let survey = looked_at(&path, 40);
    let cut = finding(&survey, "cut after 40 tokens");
    let longest = survey.rows[0].example.rejected.as_ref().unwrap().ids.len();
    assert!(longest > 40, "{longest}");
    assert!(cut.sentence.contains(&format!("a max_length of {longest} keeps everything")));
    assert_eq!(cut.rows, [0]);
}

#[test]
fn the_split_that_is_shown_is_the_split_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairs.jsonl");
    for noun in ["paper", "word", "code", "test", "plan", "rate", "step", "data"] {
        pair(&path, &format!("What is a {noun}?"), &format!(" A {noun}."), " Many things.");
    }
    let survey = looked_at(&path, 64);
    let model = load(&reference("models/llama"), Weights::F32);
    let config = TrainConfig {
        data: path,
        max_length: 64,
        held_out_share: 0.25,
        max_steps: Some(1),
        objective: Objective::Dpo,
        ..TrainConfig::default()
    };
    let events = Recorder::default();
    let request = StartRequest { config, run_dir: folder.path().join("run"), cache: None };
    train::start(&model, &request, &events).unwrap();
    let planned = events.into_events().into_iter().find_map(|event| match event {
        TrainEvent::Planned { train_rows, held_out_rows, .. } => Some((train_rows, held_out_rows)),
        _ => None,
    });
    assert_eq!(planned, Some((survey.train_rows, survey.held_out_rows)));
}
