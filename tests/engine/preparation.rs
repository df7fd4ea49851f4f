//! Rows as TRL 1.16's trainers prepare them (`tests/reference/preparation`): ids, and which of them
//! are learned, of SFT, DPO, KTO, CPO, ORPO and reward models.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tuning_fork_engine::errors;
use tuning_fork_engine::jobs::Quiet;
use tuning_fork_engine::llm::Model;
use tuning_fork_engine::train;
use tuning_fork_engine::train::config::TrainConfig;
use tuning_fork_engine::train::rows::batch::Example;
use tuning_fork_engine::train::rows::prepare;
use tuning_fork_engine::train::rows::sequence::Sequence;
use tuning_fork_engine::train::rows::survey::Concern;

use crate::forms::{with_template, write_rows};
use crate::support::reference;

/// Rows, the arguments of a trainer, and what it makes of them.
#[derive(Deserialize)]
struct Case {
    name: String,
    trainer: String,

    /// Of `models`.
    #[serde(default = "llama")]
    model: String,
    template: String,
    args: Map<String, Value>,
    rows: Vec<Value>,

    /// What TRL says against them.
    error: Option<String>,
    #[serde(default)]
    result: Vec<Map<String, Value>>,
}

fn llama() -> String {
    "llama".to_owned()
}

// Where TRL keeps ShareGPT's own roles, and fails at Alpaca's columns, they are mapped here.
const MAPPED_HERE: [&str; 4] = [
    "Alpaca as it is",
    "ShareGPT as it is: role names stay",
    "ShareGPT as it is, assistant_only_loss",
    "ShareGPT preference as it is",
];

fn objective(trainer: &str) -> &'static str {
    match trainer {
        "SFTTrainer" => "sft",
        "DPOTrainer" => "dpo",
        "KTOTrainer" => "kto",
        "CPOTrainer" => "cpo",
        "ORPOTrainer" => "orpo",
        "RewardTrainer" => "reward",
        other => panic!("no objective for {other}"),
    }
}

fn config(case: &Case, data: &Path) -> TrainConfig {
    let mut settings = case.args.clone();
    settings.remove("pad_to_multiple_of"); // of padding, which there is none of here
    settings.insert("objective".to_owned(), json!(objective(&case.trainer)));
    settings.insert("data".to_owned(), json!(data));
    settings.insert("held_out_share".to_owned(), json!(0.0));
    settings.insert("shuffle".to_owned(), json!(false));
    // As many neighbours as there are rows.
    settings.insert("per_device_train_batch_size".to_owned(), json!(case.rows.len()));
    let config: TrainConfig = serde_json::from_value(Value::Object(settings)).unwrap();
    TrainConfig { loss_type: config.objective.usual_loss(), ..config }
}

fn numbers(value: &Value) -> Vec<i64> {
    serde_json::from_value(value.clone()).unwrap()
}

/// The ids, and the same with -100 where nothing is learned.
fn labels(sequence: &Sequence) -> (Vec<i64>, Vec<i64>) {
    let ids: Vec<i64> = sequence.ids.iter().map(|id| i64::from(*id)).collect();
    let learned = ids.iter().zip(sequence.mask());
    let labels = learned.map(|(id, learned)| if learned { *id } else { -100 }).collect();
    (ids, labels)
}

/// A row of TRL's as the sequences that it is here: each its ids and labels.
fn expected(case: &Case, row: &Map<String, Value>) -> Vec<(Vec<i64>, Vec<i64>)> {
    let joined = |first: &str, second: &str| {
        let (mut ids, behind) = (numbers(&row[first]), numbers(&row[second]));
        let labels = [vec![-100; ids.len()], behind.clone()].concat();
        ids.extend(behind);
        // TRL's DPO cuts when it pads.
        let most = case.args.get("max_length").map_or(512, |most| most.as_u64().unwrap() as usize);
        let over = ids.len().saturating_sub(most);
        let keeps_end = case.args.get("truncation_mode") == Some(&json!("keep_end"));
        let cut = |all: &[i64]| {
            if keeps_end { all[over..].to_vec() } else { all[..all.len() - over].to_vec() }
        };
        (cut(&ids), cut(&labels))
    };
    let whole = |key: &str| (numbers(&row[key]), numbers(&row[key]));
    match objective(&case.trainer) {
        "sft" => {
            let (ids, labels) = (numbers(&row["input_ids"]), numbers(&row["labels"]));
            let whole = || vec![i64::try_from(ids.len()).unwrap()];
            let lengths = row.get("seq_lengths").map_or_else(whole, numbers);
            let mut start = 0;
            let documents = lengths.into_iter().map(|length| {
                let place = start..start + length as usize;
                start = place.end;
                (ids[place.clone()].to_vec(), labels[place].to_vec())
            });
            documents.collect()
        }
        "dpo" => vec![joined("prompt_ids", "chosen_ids"), joined("prompt_ids", "rejected_ids")],
        "kto" => {
            vec![joined("prompt_ids", "completion_ids"), joined("prompt_ids", "KL_completion_ids")]
        }
        "cpo" | "orpo" => ["chosen", "rejected"]
            .map(|side| {
                let of = |what: &str| numbers(&row[&format!("{side}_{what}")]);
                (of("input_ids"), of("labels"))
            })
            .to_vec(),
        _ => vec![whole("chosen_ids"), whole("rejected_ids")],
    }
}

fn found(case: &Case, example: &Example) -> Vec<(Vec<i64>, Vec<i64>)> {
    // ORPO measures the prompt beside the answers, of which TRL has no row.
    let beside = example.beside.iter().filter(|_| case.trainer == "KTOTrainer");
    let answers = std::iter::once(&example.chosen).chain(&example.rejected);
    let mut found: Vec<_> = answers.chain(beside).chain(&example.packed).map(labels).collect();
    if case.trainer == "RewardTrainer" {
        found.iter_mut().for_each(|(ids, labels)| labels.clone_from(ids)); // read as a whole
    }
    found
}

/// Compares a file of cases; how many there were.
fn compare(folder: &Path) -> usize {
    let templates: BTreeMap<String, String> =
        serde_json::from_slice(&std::fs::read(folder.join("templates.json")).unwrap()).unwrap();
    let here = tempfile::tempdir().unwrap();
    let mut models: BTreeMap<(&str, &str), Model> = BTreeMap::new();
    let cases: Vec<Case> =
        serde_json::from_slice(&std::fs::read(folder.join("prepared.json")).unwrap()).unwrap();
    let data = here.path().join("rows.jsonl");
    for case in &cases {
        let name = &case.name;
        write_rows(&data, &case.rows);
        let config = config(case, &data);
        let model = models.entry((&case.model, &case.template)).or_insert_with(|| {
            let own = here.path().join(format!("{} {}", case.model, case.template));
            std::fs::create_dir(&own).unwrap();
            with_template(&case.model, &templates[&case.template], &own)
        });
        let prepared = prepare::prepared(model, &config, &data, &Quiet);
        if MAPPED_HERE.contains(&name.as_str()) {
            assert!(!prepared.unwrap().examples.is_empty(), "{name}");
            continue;
        }
        let prepared = match prepared {
            Err(err) if case.error.is_some() => {
                assert!(!errors::one_line(&err).is_empty());
                continue;
            }
            // Where nothing is learned TRL goes on without a row, or packs rows with no label.
            Err(train::Error::NothingLeft { .. }) => {
                let mut left = case.result.iter().flat_map(|row| numbers(&row["labels"]));
                assert!(left.all(|label| label == -100), "{name}");
                continue;
            }
            Err(err) => panic!("{name}: {}", errors::one_line(&err)),
            Ok(prepared) => prepared,
        };
        assert!(case.error.is_none(), "{name}: TRL says {:?}", case.error);
        let train = prepared.split.train.iter().map(|index| &prepared.examples[*index]);
        let found: Vec<_> = train.map(|example| found(case, example)).collect();
        let expected: Vec<_> = case.result.iter().map(|row| expected(case, row)).collect();
        assert_eq!(found, expected, "{name}");
        if case.template == "leaky" {
            let mut findings = prepared.survey.findings.iter();
            let is_said = |sentence: &str| sentence.contains("does not learn to stop");
            assert!(findings.any(|finding| {
                finding.concern == Concern::Problem && is_said(&finding.sentence)
            }));
        }
    }
    cases.len()
}

#[test]
fn rows_are_prepared_as_by_trls_trainers() {
    assert_eq!(compare(&reference("preparation")), 48);
}

#[test]
#[ignore = "TUNING_FORK_PREPARED=FOLDER (of tests/reference/vary_preparation.py) cargo test --test engine generated_rows -- --ignored"]
fn generated_rows_are_prepared_as_by_trls_trainers() {
    let folder =
        std::env::var_os("TUNING_FORK_PREPARED").expect("TUNING_FORK_PREPARED names a folder");
    println!("{} cases", compare(&PathBuf::from(folder)));
}
