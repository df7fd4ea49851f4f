//! `tuning-fork explore` as a program: what it writes is what transformers computes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use candle_core::{Device, Tensor};
use serde_json::{Value, json};

fn reference(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(path)
}

fn tensors(path: &Path) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn explore(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tuning-fork"));
    command.arg("explore").args(arguments).output().unwrap()
}

fn rows_of(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn said(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The first rows of a model's reference, as `rows.jsonl` in a folder.
fn rows_file(folder: &Path, model: &str, count: usize) -> String {
    let expected = tensors(&reference("models").join(model).join("expected.safetensors"));
    let ids = expected["input_ids"].to_dtype(candle_core::DType::U32).unwrap();
    let rows: Vec<Vec<u32>> = ids.to_vec2().unwrap();
    let mut lines = String::new();
    for ids in &rows[..count] {
        lines.push_str(&format!("{}\n", json!({ "ids": ids })));
    }
    let path = folder.join("rows.jsonl");
    tuning_fork::files::write_atomic(&path, lines.as_bytes()).unwrap();
    path.to_string_lossy().into_owned()
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(list) => list.iter().flat_map(numbers).collect(),
        other => vec![other.as_f64().unwrap()],
    }
}

#[track_caller]
fn assert_near(found: &[f64], expected: &[f32], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - f64::from(*expected)).abs() <= tolerance, "{found} for {expected}");
    }
}

#[test]
fn views_are_written_as_transformers_computes_them() {
    let folder = tempfile::tempdir().unwrap();
    for model in ["llama", "gemma2", "gpt2"] {
        let path = reference("models").join(model);
        let (path, input) = (path.to_string_lossy(), rows_file(folder.path(), model, 1));
        let expected = tensors(&reference("views").join(format!("{model}.safetensors")));
        let run = |view: &str, more: &[&str]| {
            let begins = [view, "--model", &path, "--input", &input, "--json"];
            rows_of(&explore(&[&begins[..], more].concat())).remove(0)
        };
        let found = run("surprise", &["--top", "2"]);
        let surprisal = numbers(&Value::from(found["surprisal"].as_array().unwrap()[1..].to_vec()));
        assert_near(&surprisal, &values(&expected["surprisal"]), 2e-4);
        assert_near(&numbers(&found["entropy"]), &values(&expected["entropy"]), 2e-4);
        assert_eq!(found["top"][7].as_array().unwrap().len(), 2);
        assert_eq!(found["logprobs"][0], Value::Null);

        let found = run("lens", &["--top", "3"]);
        let places = found["top"].as_array().unwrap().iter().flat_map(|it| it.as_array().unwrap());
        let logprobs: Vec<f64> = places
            .flat_map(|place| place.as_array().unwrap().iter().map(|it| numbers(&it["logprob"])[0]))
            .collect();
        assert_near(&logprobs, &values(&expected["lens.logprobs"]), 2e-4);

        let file = folder.path().join(format!("{model}.safetensors"));
        let found = run("attention", &["--out", &file.to_string_lossy()]);
        let (written, ids) = (tensors(&file), found["ids"].as_array().unwrap().len());
        let layers = expected.keys().filter(|name| name.starts_with("attention.")).count();
        assert_eq!(written.len(), layers);
        for (name, weights) in &written {
            let rows = [1, ids / 2, ids - 1].map(|row| row as u32);
            let rows = candle_core::Tensor::new(&rows, &candle_core::Device::Cpu).unwrap();
            let some: Vec<f64> = values(&weights.index_select(&rows, 1).unwrap())
                .into_iter()
                .map(f64::from)
                .collect();
            assert_near(&some, &values(&expected[name]), 1e-5);
        }
        let one = run("attention", &["--layer", "1", "--out", &file.to_string_lossy()]);
        assert_eq!(one["layers"].as_array().unwrap().len(), 1);
        assert_eq!(tensors(&file).keys().collect::<Vec<_>>(), ["attention.1"]);
    }
}

#[test]
fn two_prompts_branches_and_tokens_come_one_object_a_row() {
    let folder = tempfile::tempdir().unwrap();
    let model = reference("models/llama");
    let (model, input) = (model.to_string_lossy(), rows_file(folder.path(), "llama", 2));
    let rows = rows_of(&explore(&[
        "tree",
        "--model",
        &model,
        "--input",
        &input,
        "--json",
        "--depth",
        "2",
        "--branches",
        "2",
    ]));
    assert_eq!(rows.len(), 2);
    for row in &rows {
        let nodes = row["nodes"].as_array().unwrap();
        assert_eq!(nodes.len(), 6);
        assert_eq!(nodes[0]["parent"], Value::Null);
        assert_eq!(nodes[2]["parent"], nodes[0]["node"]);
        let sum = numbers(&nodes[0]["logprob"])[0] + numbers(&nodes[2]["logprob"])[0];
        assert!((numbers(&nodes[2]["path_logprob"])[0] - sum).abs() < 1e-12);
    }
    let texts = ["--text", "One answer", "--other-text", "Two answers", "--json"];
    let found = rows_of(&explore(&[&["compare", "--model", &model], &texts[..]].concat()));
    assert_eq!(found[0]["by"], "next_token");
    assert!(numbers(&found[0]["divergence"]["kl_ab"])[0] > 0.0);
    let found = rows_of(&explore(&[
        "compare",
        "--model",
        &model,
        "--with-weights",
        "q8_0",
        "--text",
        "One answer",
        "--json",
    ]));
    assert_eq!(found[0]["by"], "tokens");
    let layer = ["--input", &input, "--layer", "2", "--json"];
    let found = rows_of(&explore(&[&["meaning", "--model", &model], &layer[..]].concat()));
    assert_eq!(found[0]["vectors"].as_array().unwrap().len(), 2);
    assert!((numbers(&found[0]["variance_share"])[0] - 1.0).abs() < 1e-9);
    let found =
        rows_of(&explore(&["tokens", "--model", &model, "--text", "Une idée, 一个词", "--json"]));
    let ids = found[0]["ids"].as_array().unwrap().len();
    assert_eq!(found[0]["count"], ids);
    let bytes: Vec<u8> = found[0]["pieces"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|piece| numbers(&piece["bytes"]))
        .map(|byte| byte as u8)
        .collect();
    assert!(String::from_utf8(bytes).unwrap().ends_with("Une idée, 一个词"));
}

#[test]
fn what_is_wrong_with_the_input_is_said_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    let model = reference("models/llama");
    let model = model.to_string_lossy();
    for (lines, words) in [
        ("{\"text\":\"a\"}\n{\"txt\":\"b\"}\n", "line 2 of"),
        ("{\"ids\":[5, 90000]}\n", "token 90000 is outside the model's vocabulary"),
        ("{\"ids\":[]}\n", "there is no token to look at"),
    ] {
        tuning_fork::files::write_atomic(&path, lines.as_bytes()).unwrap();
        let input = path.to_string_lossy();
        for view in ["surprise", "lens", "attention", "tree"] {
            let said = said(&explore(&[view, "--model", &model, "--input", &input]));
            assert!(said.contains(words) && said.contains("rows.jsonl"), "{view}: {said}");
        }
    }
    let said = said(&explore(&["compare", "--model", &model, "--text", "a"]));
    assert!(said.contains("there is nothing to compare with"), "{said}");
}

/// Against plain arithmetic on the vectors themselves.
#[test]
fn texts_lie_along_an_axis_between_anchors() {
    let model = reference("models/llama");
    let model = model.to_string_lossy();
    let texts = [
        "a door",
        "the old tower",
        "nine lamps",
        "one morning",
        "an evening",
        "the stairs",
        "a lamp",
    ];
    let mut asked = vec!["meaning", "--model", &model, "--layer", "1", "--json"];
    for text in &texts {
        asked.extend(["--text", text]);
    }
    let rows = |list: &Value| list.as_array().unwrap().iter().map(numbers).collect::<Vec<_>>();
    let vectors = rows(&rows_of(&explore(&asked))[0]["vectors"]);
    let mean = |rows: &[Vec<f64>]| -> Vec<f64> {
        let at = |place: usize| rows.iter().map(|row| row[place]).sum::<f64>() / rows.len() as f64;
        (0..rows[0].len()).map(at).collect()
    };
    let (from, to) = (mean(&vectors[3..5]), mean(&vectors[5..7]));
    // The place along the line through both means, from -1 to 1.
    let place = |vector: &[f64]| {
        let (mut dot, mut square) = (0.0, 0.0);
        for ((value, from), to) in vector.iter().zip(&from).zip(&to) {
            dot += (value - from) * (to - from);
            square += (to - from) * (to - from);
        }
        2.0 * dot / square - 1.0
    };
    let mut asked = vec!["meaning", "--model", &model, "--layer", "1", "--json"];
    for text in &texts[..3] {
        asked.extend(["--text", text]);
    }
    let ends = ["--from", texts[3], "--from", texts[4], "--to", texts[5], "--to", texts[6]];
    asked.extend(ends);
    let found = rows_of(&explore(&asked));
    assert_eq!(found[0]["vectors"].as_array().unwrap().len(), 3, "anchors are no items");
    let along = found[0]["axis"]["along"].as_array().unwrap();
    for (along, vector) in along.iter().zip(&vectors) {
        let (found, expected) = (along["position"].as_f64().unwrap(), place(vector));
        // The vectors are f32.
        assert!((found - expected).abs() < 1e-6, "{found} instead of {expected}");
        let interval = numbers(&along["interval"]);
        assert!(interval[0] < interval[1]);
    }
    let one_end = explore(&["meaning", "--model", &model, "--text", "a", "--from", "b"]);
    assert!(said(&one_end).contains("--to"));
    let nowhere = ["meaning", "--model", &model, "--text", "a", "--from", "b", "--to", "b"];
    assert!(said(&explore(&nowhere)).contains("have the same mean"));
}

/// A decoder without a head, and vectors of words without a network: their own way from a text to a vector.
#[test]
fn models_that_only_make_vectors_have_meanings() {
    for name in ["body_qwen3", "word_table"] {
        let folder = reference("encoder").join(name);
        let rows = std::fs::read(folder.join("vectors.json")).unwrap();
        let rows: Vec<Value> = serde_json::from_slice(&rows).unwrap();
        let rows = &rows[..2];
        let folder = folder.to_string_lossy();
        let mut asked: Vec<&str> = vec!["meaning", "--model", &folder, "--json"];
        for row in rows {
            asked.extend(["--text", row["text"].as_str().unwrap()]);
        }
        let found = rows_of(&explore(&asked)).remove(0);
        for (found, row) in found["vectors"].as_array().unwrap().iter().zip(rows) {
            let expected: Vec<f32> =
                numbers(&row["vector"]).into_iter().map(|value| value as f32).collect();
            assert_near(&numbers(found), &expected, 1e-5);
        }
        let layer = explore(&[&asked[..], &["--layer", "1"]].concat());
        assert!(!layer.status.success(), "it has no layers that could be looked into");
    }
}
