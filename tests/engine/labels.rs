//! The exact probabilities of answers equal those that transformers gives from full logits, whatever
//! is computed once for several of them.

use serde::Deserialize;
use tuning_fork_engine::evaluate::asking::scoring::{Asked, Scorer};
use tuning_fork_engine::jobs::{Progress, Quiet};
use tuning_fork_engine::llm::Weights;

use crate::support::{load, reference};

#[derive(Deserialize)]
struct Case {
    model: String,
    shared: Vec<u32>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    prompts: Vec<Vec<u32>>,
    answers: Vec<Vec<u32>>,
    sums: Vec<Vec<f64>>,
}

/// Issue's bar.
const TOLERANCE: f64 = 1e-4;

#[test]
fn answers_are_as_likely_as_transformers_says() {
    let text = std::fs::read_to_string(reference("text/labels.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    for case in &cases {
        let model = load(with_tokenizer(&case.model).path(), Weights::AsStored);
        let quiet: &dyn Progress<()> = &Quiet;
        let rows: Vec<Vec<Asked>> = case
            .rows
            .iter()
            .map(|row| {
                let asked = |prompt: &Vec<u32>| Asked {
                    prompt: prompt.clone(),
                    answers: row.answers.clone(),
                };
                row.prompts.iter().map(asked).collect()
            })
            .collect();
        let mut scorer = Scorer::new(&model, None);
        let found: Vec<Vec<Vec<f64>>> =
            rows.iter().map(|row| scorer.score(&case.shared, row, quiet).unwrap()).collect();
        for (row, found) in case.rows.iter().zip(&found) {
            for (expected, found) in row.sums.iter().flatten().zip(found.iter().flatten()) {
                let off = (expected - found).abs();
                assert!(off <= TOLERANCE, "{}: {found}, not {expected}", case.model);
            }
        }
        // The same bits in another order of the rows, as after an interruption.
        let mut scorer = Scorer::new(&model, None);
        for (row, found) in rows.iter().zip(&found).rev() {
            assert_eq!(&scorer.score(&case.shared, row, quiet).unwrap(), found, "{}", case.model);
        }
    }
}

/// The files of a model as one folder; the families share a tokenizer.
fn with_tokenizer(name: &str) -> tempfile::TempDir {
    let (from, folder) = (reference(name), tempfile::tempdir().unwrap());
    let own = from.join("tokenizer.json");
    let tokenizer = if own.is_file() { own } else { reference("families/tokenizer.json") };
    for (from, name) in [
        (from.join("config.json"), "config.json"),
        (from.join("model.safetensors"), "model.safetensors"),
        (tokenizer, "tokenizer.json"),
    ] {
        std::fs::copy(from, folder.path().join(name)).unwrap();
    }
    folder
}
