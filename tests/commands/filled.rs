//! `tuning-fork fill` as a program: hidden words from both sides and from the left, and two texts compared.
//! Right values: `tests/reference/make_masks.py` (transformers 5.23).

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn reference(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(path)
}

fn fill(arguments: &[&str]) -> Output {
    let model = reference("encoders/mlm_bert");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tuning-fork"));
    command.args(["fill", "--model", &model.to_string_lossy()]).args(arguments).output().unwrap()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn near(found: &Value, expected: &Value) {
    let (found, expected) = (found.as_f64().unwrap(), expected.as_f64().unwrap());
    assert!((found - expected).abs() <= 2e-4, "{found} for {expected}");
}

/// The first row of a model.
fn told(part: &str, model: &str) -> Value {
    let text = std::fs::read(reference("masks.json")).unwrap();
    serde_json::from_slice::<Value>(&text).unwrap()[part][model][0].clone()
}

#[test]
fn hidden_words_come_from_both_sides_and_from_the_left() {
    let beside = reference("models/llama");
    let (masked, decoder) = (told("masked", "mlm_bert"), told("decoders", "llama"));
    let text = masked["text"].as_str().unwrap();
    let words = ["--hide", "people", "--hide", "reader", "--hide", "share"];
    let ends = ["--text", text, "--beside", &beside.to_string_lossy(), "--top", "5", "--json"];
    let found = json(&fill(&[&words[..], &ends].concat()));
    for (side, expected) in [("both_sides", &masked), ("from_left", &decoder)] {
        assert_eq!(found[side]["ids"], expected["ids"], "{side}");
        let words = expected["words"].as_array().unwrap();
        assert_eq!(found[side]["places"].as_array().unwrap().len(), words.len());
        for (place, expected) in found[side]["places"].as_array().unwrap().iter().zip(words) {
            let tokens = place["tokens"].as_array().unwrap();
            for (token, expected) in tokens.iter().zip(expected["tokens"].as_array().unwrap()) {
                assert_eq!(token["own"]["rank"], expected["rank"], "{side}");
                near(&token["own"]["logprob"], &expected["logprob"]);
                near(&token["entropy"], &expected["entropy"]);
                for (at, guess) in token["top"].as_array().unwrap().iter().enumerate() {
                    assert_eq!(guess["id"], expected["top_ids"][at], "{side}");
                    near(&guess["logprob"], &expected["top_logprobs"][at]);
                }
            }
        }
    }
}

#[test]
fn two_texts_are_compared_token_by_token() {
    let row = told("masked", "mlm_bert");
    let fits = row["fits"].as_array().unwrap();
    let text = |at: usize| fits[at]["text"].as_str().unwrap();
    let found = json(&fill(&["--likelihood", "--text", text(0), "--other", text(1), "--json"]));
    for (name, expected) in [("a", &fits[0]), ("b", &fits[1])] {
        let tokens = found[name]["tokens"].as_array().unwrap();
        for (token, expected) in tokens.iter().zip(expected["logprobs"].as_array().unwrap()) {
            assert_eq!(token["logprob"].is_null(), expected.is_null());
            if !expected.is_null() {
                near(&token["logprob"], expected);
            }
        }
    }
    let sum = |at: usize| fits[at]["sum"].as_f64().unwrap();
    let difference = found["difference"].as_f64().unwrap();
    assert!((difference - (sum(0) - sum(1))).abs() < 4e-3);
    assert!(!found["shared"].as_array().unwrap().is_empty());
}

#[test]
fn a_word_that_the_text_does_not_have_is_said() {
    let output = fill(&["--text", "open data", "--hide", "museum"]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("\"museum\" cannot be hidden"), "{said}");
}
