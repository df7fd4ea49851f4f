//! Rounds on a tiny model: which prompts are new, what is judged how, and what a run remembers.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::answers::Answer;
use super::chain::{InRow, before, row_of};
use super::drift::measure_row;
use super::error::Error;
use super::judge::By;
use super::make::{Models, Request, check, make, next_config, with_verdicts};
use super::record::{
    ANSWERS_FILE, Against, AnswerSettings, NEXT_RUN_FILE, PAIRS_FILE, RoundRecord, RowDrift,
    read_answers,
};
use crate::data::pair::{Text, Verdict};
use crate::eval::drift::{DriftSettings, Moved, measure};
use crate::examples;
use crate::files;
use crate::jobs::Quiet;
use crate::llm::card::ModelSource;
use crate::llm::model::Positions;
use crate::llm::{Adapter, LoadOptions, Model};
use crate::stats::divergence::kullback_leibler;
use crate::stats::tokens::NextToken;
use crate::train;
use crate::train::StartRequest;
use crate::train::config::metric::Metric;
use crate::train::config::rewards::{LengthUnit, Reward, Rule};
use crate::train::config::{LoraConfig, Objective, TrainConfig, run_file};
use crate::train::record::{DATA_FILE, runs};
use crate::train::rows::prepare;

fn tiny_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sample_data/tiny_model")
}

fn load() -> Model {
    Model::load(&ModelSource::at(&tiny_model()), &LoadOptions::default(), &Quiet).unwrap()
}

fn config(data: PathBuf) -> TrainConfig {
    TrainConfig {
        model: tiny_model().display().to_string(),
        data,
        per_device_train_batch_size: 2,
        max_steps: Some(2),
        learning_rate: 1e-2,
        held_out_share: 0.25,
        eval_steps: 2,
        lora: LoraConfig {
            r: 2,
            target_modules: vec!["q_proj".to_owned()],
            ..LoraConfig::default()
        },
        ..TrainConfig::suggested(Objective::Dpo)
    }
}

/// A first run on eight pairs, in `runs/first`.
fn first_run(folder: &Path) -> PathBuf {
    let data = folder.join("labelled.jsonl");
    for number in 0..8 {
        let row = json!({
            "prompt": [{ "role": "user", "content": format!("What is number {number}?") }],
            "chosen": [{ "role": "assistant", "content": format!("It is {number}.") }],
            "rejected": [{ "role": "assistant", "content": "Well, who could say, one might ask." }],
        });
        files::append_json(&data, &row).unwrap();
    }
    train(&config(data), &folder.join("runs/first"))
}

fn train(config: &TrainConfig, run_dir: &Path) -> PathBuf {
    let request = StartRequest { config: config.clone(), run_dir: run_dir.to_owned(), cache: None };
    train::start(&load(), &request, &Quiet).unwrap();
    run_dir.to_owned()
}

/// Three prompts of which the first run has seen one, and one is there twice.
fn prompts(folder: &Path) -> PathBuf {
    let path = folder.join("prompts.jsonl");
    for text in ["What is number 3?", "Name a colour.", "Why does it rain?", "Name a colour."] {
        files::append_json(&path, &json!({ "prompt": text })).unwrap();
    }
    path
}

fn settings() -> AnswerSettings {
    AnswerSettings { max_new_tokens: 12, ..AnswerSettings::default() }
}

fn shorter() -> [Reward; 1] {
    let rule = Rule::Length { unit: LengthUnit::Characters, target: Some(0.0), per: 10.0 };
    [Reward::of(rule)]
}

fn request<'a>(folder: &'a Path, run_dir: &'a Path, prompts: &'a Path, by: By<'a>) -> Request<'a> {
    Request { run_dir, rounds: None, folder, prompts, settings: settings(), by, against: true }
}

#[test]
fn a_round_answers_new_prompts_and_the_next_run_goes_on_from_the_adapter() {
    let folder = tempfile::tempdir().unwrap();
    let run_dir = first_run(folder.path());
    let prompts = prompts(folder.path());
    let entry = check(&run_dir).unwrap();
    let models = Models::load(&ModelSource::at(&tiny_model()), &entry).unwrap();
    assert!(models.before.is_none(), "it began with nothing");
    let rewards = shorter();
    let round = folder.path().join("rounds/second");
    let asked = request(&round, &run_dir, &prompts, By::Rewards(&rewards));
    let record = make(&models, &asked, &Quiet).unwrap();
    assert_eq!((record.number, record.asked, record.used_before), (2, 2, 1));
    assert_eq!(record.pairs + record.ties, 2);
    let against = record.against.clone().unwrap();
    assert_eq!((against.name.as_str(), against.count()), ("the base model", 2));
    assert_eq!(record.judged_by.as_deref(), Some("rewards: length"));

    // The shorter of the two answers is the chosen one, and what both are is kept.
    let answers = read_answers(&round).unwrap();
    let pairs = std::fs::read_to_string(round.join(PAIRS_FILE)).unwrap();
    assert_eq!(pairs.lines().count(), record.pairs);
    for line in pairs.lines() {
        let pair: serde_json::Value = serde_json::from_str(line).unwrap();
        let length = |key: &str| {
            pair.pointer(&format!("/{key}/0/content")).unwrap().as_str().unwrap().chars().count()
        };
        assert!(length("chosen") < length("rejected"), "{line}");
    }
    // The same seed answers the same.
    let again = folder.path().join("rounds/again");
    make(&models, &request(&again, &run_dir, &prompts, By::Rewards(&rewards)), &Quiet).unwrap();
    assert_eq!(read_answers(&again).unwrap(), answers);
    let twice = make(&models, &request(&again, &run_dir, &prompts, By::Nobody), &Quiet);
    assert!(matches!(twice, Err(Error::Occupied(_))));

    // The next run: the same settings, from this run's adapter.
    let next = run_file::read(&round.join(NEXT_RUN_FILE)).unwrap();
    assert_eq!(next, next_config(&entry, &round));
    assert_eq!(next.adapter.as_deref().map(Path::file_name), Some(run_dir.file_name()));
    let next = TrainConfig { held_out_share: 0.0, ..next };
    let second = train(&next, &folder.path().join("runs/second"));
    assert_eq!(RoundRecord::read(&second).unwrap(), Some(record), "a run remembers its round");
    let row = row_of(&run_dir, Some(&folder.path().join("rounds"))).unwrap();
    let ids: Vec<&str> = row.iter().map(|one| one.run.id.as_str()).collect();
    assert_eq!(ids, ["first", "second"], "from the first run on, those after it are found");
    assert_eq!(row_of(&second, None).unwrap().len(), 2);
    assert!(row[0].against().is_some() && row[0].held_out(Metric::RewardsAccuracies).is_some());
    assert_eq!(row[1].learned_from.as_ref().map(|round| round.number), Some(2));
    assert_eq!(before(&row[1].run).as_deref().map(Path::file_name), Some(run_dir.file_name()));
    assert_eq!(row[1].json()["round"], 2);

    // Every prompt of the file has now been used.
    let third = folder.path().join("rounds/third");
    let said = make(&models, &request(&third, &second, &prompts, By::Nobody), &Quiet).unwrap_err();
    assert!(matches!(&said, Error::AllUsed { count: 4, .. }), "{said}");
    // The model before is now the first run's.
    let entry = check(&second).unwrap();
    let models = Models::load(&ModelSource::at(&tiny_model()), &entry).unwrap();
    assert!(models.before.is_some());
}

#[test]
fn how_far_policies_have_moved_is_measured_against_the_first_reference_and_the_round_before() {
    let folder = tempfile::tempdir().unwrap();
    let first = first_run(folder.path());
    let model = load();
    let adapter = Adapter::load(&first, &model).unwrap();
    let entry = runs::entry(&first).unwrap();
    let data = first.join(DATA_FILE);
    let one = DriftSettings { max_new_tokens: 1, ..DriftSettings::default() };
    let others = [("the base model".to_owned(), None), ("itself".to_owned(), Some(&adapter))];
    let rows = (&entry.config, data.as_path());
    let drift = measure((&model, &adapter), &others, rows, one, &Quiet).unwrap();
    // A quarter of eight prompts is held out, and of one token the draw says nothing.
    assert_eq!((drift.prompts, drift.held_out, drift.answers, drift.tokens), (2, true, 4, 4));
    let config = TrainConfig { packing: false, ..entry.config.clone() };
    let read = prepare::examples(&model, &config, &data, &Quiet).unwrap();
    let next = |row: usize, adapter| {
        let chosen = &read.examples[row].chosen;
        let ids = &chosen.ids[..chosen.completion_start];
        let scores = model.logits(ids, &mut model.new_cache(), adapter, Positions::Last).unwrap();
        let scores = scores.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let scores: Vec<f64> = scores.into_iter().map(f64::from).collect();
        NextToken::new(&scores, 1.0).unwrap().probabilities
    };
    let exact =
        |row: &usize| kullback_leibler(&next(*row, Some(&adapter)), &next(*row, None)).unwrap();
    let mean = read.split.held_out.iter().map(exact).sum::<f64>() / 2.0;
    assert!(mean > 1e-6 && (drift.from[0].per_answer.value / mean - 1.0).abs() < 1e-3, "{drift:?}");
    assert_eq!(drift.from[1].per_token.value, 0.0);

    // A second run, from the adapter of the first one.
    let more = folder.path().join("more.jsonl");
    for number in 20..28 {
        let row = json!({
            "prompt": [{ "role": "user", "content": format!("What is number {number}?") }],
            "chosen": [{ "role": "assistant", "content": format!("It is {number}.") }],
            "rejected": [{ "role": "assistant", "content": "Well, who could say, one might ask." }],
        });
        files::append_json(&more, &row).unwrap();
    }
    let config = TrainConfig { adapter: Some(first.clone()), ..config_of_second(more) };
    let second = train(&config, &folder.path().join("runs/second"));
    let row = row_of(&second, None).unwrap();
    assert!(row.iter().all(InRow::lacks_drift));
    let few = DriftSettings { max_new_tokens: 6, ..DriftSettings::default() };
    assert_eq!(measure_row(&model, &row, few, &Quiet).unwrap(), 2);
    let row = row_of(&first, None).unwrap();
    let drifts: Vec<_> = row.iter().map(|one| one.drift.clone().unwrap()).collect();
    let names = |of: &RowDrift| of.drift.from.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&drifts[0]), ["the base model"], "it began with the first reference");
    assert_eq!(names(&drifts[1]), ["the base model", "first"]);
    let kl = |moved: Option<&Moved>| moved.unwrap().per_token.value;
    assert!(kl(drifts[1].to_first()) > 0.0 && kl(drifts[1].to_before()) > 0.0);
    assert!(kl(drifts[1].to_first()) > kl(drifts[0].to_first()), "{drifts:?}");
    let json = row[1].json();
    assert_eq!(json["kl"]["to_round_before"]["name"], "first");
    assert!(json["kl"]["estimator"].as_str().unwrap().contains("exact over the vocabulary"));
    assert_eq!(measure_row(&model, &row, few, &Quiet).unwrap(), 0, "nothing is measured twice");
    // Of a row with another beginning they would be other numbers.
    assert_eq!(RowDrift::read(&second, Some(&first)), None);
}

fn config_of_second(data: PathBuf) -> TrainConfig {
    TrainConfig { max_steps: Some(4), ..config(data) }
}

#[test]
fn a_model_judges_in_both_orders() {
    let model = load();
    let prompts: Vec<Text> =
        ["Name a colour.", "Why?"].map(|text| Text::Plain(text.to_owned())).into();
    let answer = |text: &str| Answer { text: text.to_owned(), tokens: 1 };
    let answers = [
        [answer("Red."), answer("It could be many, I suppose.")],
        [answer("Same."), answer("Same.")],
    ];
    let by = By::Model { criterion: "It is short." };
    let found = by.compare(&model, (&prompts, &[]), &answers, &Quiet).unwrap();
    assert_eq!(found.better.len(), 2);
    assert_eq!(found.better[1], None, "the same words in either order are a tie");
    let swapped = answers.map(|[one, other]| [other, one]);
    let other = by.compare(&model, (&prompts, &[]), &swapped, &Quiet).unwrap();
    assert_eq!(
        found.better[0],
        other.better[0].map(|better| 1 - better),
        "the order does not count"
    );
}

#[test]
fn verdicts_of_people_become_the_pairs_of_a_round() {
    let folder = tempfile::tempdir().unwrap();
    let run_dir = first_run(folder.path());
    let prompts = prompts(folder.path());
    let entry = check(&run_dir).unwrap();
    let models = Models::load(&ModelSource::at(&tiny_model()), &entry).unwrap();
    let round = folder.path().join("round");
    let record = make(&models, &request(&round, &run_dir, &prompts, By::Nobody), &Quiet).unwrap();
    assert_eq!((record.judged_by, record.pairs), (None, 0));
    assert!(!round.join(NEXT_RUN_FILE).exists(), "nothing to learn from yet");
    let verdicts = folder.path().join("pairs.jsonl");
    let said = with_verdicts(&round, &verdicts).unwrap_err().to_string();
    assert!(said.contains("compare them in Annotate first"), "{said}");

    let answers = read_answers(&round).unwrap();
    let verdict = |id: &str, place: usize, verdict: Verdict| {
        let mut record = examples::record(id, &answers[place].prompt.words(), verdict);
        record.left.text.clone_from(&answers[place].answer_b); // Annotate draws the sides
        record.right.text.clone_from(&answers[place].answer_a);
        record
    };
    let other = examples::record("0", "Name a colour.", Verdict::Left); // other answers to the same prompt
    for record in [other, verdict("1", 0, Verdict::Left), verdict("2", 1, Verdict::Tie)] {
        files::append_json(&verdicts, &record).unwrap();
    }
    let record = with_verdicts(&round, &verdicts).unwrap();
    assert_eq!((record.pairs, record.ties), (1, 1));
    let pair = std::fs::read_to_string(round.join(PAIRS_FILE)).unwrap();
    let pair: serde_json::Value = serde_json::from_str(&pair).unwrap();
    assert_eq!(pair["chosen"][0]["content"], json!(answers[0].answer_b));
    assert!(round.join(NEXT_RUN_FILE).is_file() && round.join(ANSWERS_FILE).is_file());
}

#[test]
fn what_cannot_begin_a_round_is_said() {
    let folder = tempfile::tempdir().unwrap();
    assert!(check(&folder.path().join("nothing")).is_err());
    let text = folder.path().join("rows.jsonl");
    for number in 0..6 {
        let row = json!({ "prompt": format!("Say {number}."), "completion": " Yes." });
        files::append_json(&text, &row).unwrap();
    }
    let sft = TrainConfig { objective: Objective::Sft, held_out_share: 0.0, ..config(text) };
    let run = train(&sft, &folder.path().join("runs/sft"));
    let said = check(&run).unwrap_err().to_string();
    assert!(said.contains("SFT does not learn from pairs of answers"), "{said}");
    // Two answers that are paid the same leave nothing to learn.
    let run_dir = first_run(folder.path());
    let models = Models::load(&ModelSource::at(&tiny_model()), &check(&run_dir).unwrap()).unwrap();
    let never = [Reward::of(Rule::Regex { pattern: "zzzz".to_owned(), whole: false })];
    let (round, prompts) = (folder.path().join("round"), prompts(folder.path()));
    let asked = request(&round, &run_dir, &prompts, By::Rewards(&never));
    let said = make(&models, &asked, &Quiet).unwrap_err().to_string();
    assert!(said.contains("told none of the 2 pairs of answers apart"), "{said}");
}

#[test]
fn a_win_rate_counts_a_tie_half_and_has_wilsons_interval() {
    let against =
        Against { name: "the base model".to_owned(), wins: 7, losses: 2, ties: 2, mean_words: 3.0 };
    let (share, low, high) = against.win_rate().unwrap();
    // Wilson's formula in Python, with z = 1.959963984540054 and 8 of 11
    assert!((share - 8.0 / 11.0).abs() < 1e-12);
    assert!(
        (low - 0.434_354_698_8).abs() < 1e-9 && (high - 0.902_539_407_1).abs() < 1e-9,
        "{low} {high}"
    );
    let nothing = Against { wins: 0, losses: 0, ties: 0, ..against };
    assert_eq!(nothing.win_rate(), None);
}
