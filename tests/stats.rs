//! The statistics against the libraries that people cite: scikit-learn, scipy, statsmodels,
//! sacreBLEU and others. Cases named `library_…` are of `tests/reference/make_metrics.py`, which
//! holds what the library computes and no more; the others hold everything, reasons included.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tuning_fork_engine::stats::cases::Kind;

fn reference() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/metrics")
}

/// How near a number must be, beside its size; iterative ones are looser.
fn tolerance(kind: &str, at: &str) -> f64 {
    match kind {
        "bradley_terry" | "logistic" => 1e-6,
        "dsl" | "human_ceiling" | "pca" => 1e-7,
        "divergence" if at.contains("js_") => 1e-7,
        _ => 1e-9,
    }
}

/// Which keys must be the same.
#[derive(Clone, Copy, PartialEq)]
enum Keys {
    All,
    Expected,
}

fn compare(kind: &str, at: &str, keys: Keys, pair: (&Value, &Value), wrong: &mut Vec<String>) {
    match pair {
        (Value::Object(expected), Value::Object(got)) => {
            let empty = Map::new();
            let more = if keys == Keys::All { got } else { &empty };
            for key in expected.keys().chain(more.keys().filter(|key| !expected.contains_key(*key)))
            {
                match (expected.get(key), got.get(key)) {
                    (Some(expected), Some(got)) => {
                        compare(kind, &format!("{at}.{key}"), keys, (expected, got), wrong);
                    }
                    (expected, got) => wrong.push(format!("{at}.{key}: {got:?}, not {expected:?}")),
                }
            }
        }
        (Value::Array(expected), Value::Array(got)) if expected.len() == got.len() => {
            for (i, pair) in expected.iter().zip(got).enumerate() {
                compare(kind, &format!("{at}[{i}]"), keys, pair, wrong);
            }
        }
        (Value::Number(expected), Value::Number(got)) => {
            let (expected, got) = (as_f64(expected), as_f64(got));
            if (got - expected).abs() > tolerance(kind, at) * expected.abs().max(1.0) {
                wrong.push(format!("{at}: {got}, not {expected}"));
            }
        }
        (expected, got) => {
            if expected != got {
                wrong.push(format!("{at}: {got}, not {expected}"));
            }
        }
    }
}

fn as_f64(number: &serde_json::Number) -> f64 {
    number.as_f64().expect("a finite number")
}

#[test]
fn every_kind_of_statistics_gives_the_numbers_of_the_reference() {
    let mut wrong = Vec::new();
    for name in Kind::names() {
        let kind = Kind::named(name).unwrap();
        let text = fs::read_to_string(reference().join(format!("{name}.json"))).unwrap();
        let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
        assert!(cases.len() >= 3, "{name} has cases");
        for (index, case) in cases.iter().enumerate() {
            let case_name = case["name"].as_str().unwrap();
            let keys = if case_name.starts_with("library_") { Keys::Expected } else { Keys::All };
            match kind.compute(case, index + 1) {
                Ok(got) => {
                    let at = format!("{name} {case_name}");
                    compare(name, &at, keys, (&case["expected"], &got["got"]), &mut wrong);
                }
                Err(error) => wrong.push(format!("{name}: {error}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

fn got(kind: &str, input: &Value) -> Value {
    let case = json!({ "name": "here", "input": input });
    let kind = Kind::named(kind).expect("a kind of statistics");
    kind.compute(&case, 1).expect("a case that can be computed")["got"].clone()
}

#[test]
fn nothing_at_all_is_null_with_a_reason_and_never_a_panic() {
    let empty = [
        ("agreement_many", json!({"categories": [], "ratings": []})),
        ("agreement_two", json!({"labels": [], "a": [], "b": []})),
        (
            "alt_test",
            json!({"epsilon": 0.1, "q": 0.05, "score": "accuracy", "min_items": 0, "humans": {}, "llm": []}),
        ),
        ("bradley_terry", json!({"models": [], "battles": []})),
        ("classification", json!({"labels": [], "y_true": [], "y_pred": []})),
        ("cluster_scores", json!({"gold": [], "predicted": [], "x": []})),
        ("correlation", json!({"x": [], "y": []})),
        ("cosine", json!({"vectors": []})),
        ("difference_estimator", json!({"columns": ["stratum", "f", "y", "pi"], "items": []})),
        ("divergence", json!({"p": [], "q": []})),
        ("dsl", json!({"model": "lm", "y": [], "g": [], "pi": [], "x": []})),
        ("human_ceiling", json!({"labels": [], "items": []})),
        ("icc", json!({"ratings": []})),
        ("kmeans", json!({"x": [], "initial_centres": [[1.0]]})),
        ("logistic", json!({"x": [], "y": [], "C": 1.0})),
        ("mcnemar", json!({"a_correct": [], "b_correct": []})),
        ("mcq", json!({"answers": [], "ranked": []})),
        ("multilabel", json!({"labels": [], "y_true": [], "y_pred": []})),
        ("next_token", json!({"logits": [], "temperature": 1.0, "chosen": []})),
        ("option_orders", json!({"k": 0, "orders": [], "masses": []})),
        ("paired_bootstrap", json!({"a": [], "b": [], "level": 0.95, "resamples": []})),
        ("pca", json!({"x": []})),
        ("ppi_mean", json!({"y": [], "f_labelled": [], "f_unlabelled": []})),
        ("probabilities_binary", json!({"y": [], "p": []})),
        ("probabilities_multiclass", json!({"y": [], "p": []})),
        ("rouge", json!({"target": "", "prediction": ""})),
        (
            "selective_risk",
            json!({"epsilon": 0.05, "delta": 0.05, "confidence": [], "wrong": [], "thresholds": []}),
        ),
        ("sequence", json!({"log_probabilities": []})),
        ("squad", json!({"prediction": "", "answers": []})),
        ("stems", json!({"words": [""]})),
        ("survey", json!({"questions": []})),
        ("translation", json!({"hypotheses": [], "references": []})),
        ("variance_ratio", json!({"model": [], "human": []})),
        ("wilson", json!({"k": 0, "n": 0, "level": 0.95})),
    ];
    assert!(empty.iter().map(|(kind, _)| *kind).eq(Kind::names()), "every kind is here");
    for (kind, input) in empty {
        every_null_has_a_reason(kind, &got(kind, &input));
    }
}

/// Every null lies below a key that `null_because` of its object names.
fn every_null_has_a_reason(kind: &str, value: &Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let explained = map.get("null_because").is_some_and(|of| of.get(key).is_some());
                if !explained {
                    assert!(!value.is_null(), "{kind}: {key} is null without a reason");
                    every_null_has_a_reason(kind, value);
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| {
            assert!(!value.is_null(), "{kind}: null in a list without a reason");
            every_null_has_a_reason(kind, value);
        }),
        _ => {}
    }
}

#[test]
fn an_error_names_the_case_the_key_what_was_found_and_what_is_expected() {
    let said = |kind: &str, case: Value| {
        Kind::named(kind).unwrap().compute(&case, 3).unwrap_err().to_string()
    };
    let cases = [
        (
            said("rouge", json!({"name": "r", "input": {"target": "a"}})),
            "case 3 (\"r\"): \"input.prediction\" is not there, and a value is expected",
        ),
        (
            said("correlation", json!({"name": "c", "input": {"x": [1, "2"], "y": [1, 2]}})),
            "case 3 (\"c\"): \"input.x[1]\" is the text \"2\", and a number or null is expected",
        ),
        (
            said("mcnemar", json!({"input": {"a_correct": [1, 0], "b_correct": [1]}})),
            "case 3: \"input.b_correct\" is a list of 1, and a list of 2, as long as the other is expected",
        ),
        (
            said(
                "agreement_two",
                json!({"name": "k", "input": {"labels": ["a"], "a": ["A"], "b": ["a"]}}),
            ),
            "case 3 (\"k\"): \"input.a[0]\" is the text \"A\", and one of the declared labels (\"a\") or null is expected",
        ),
        (
            said("wilson", json!(["no object"])),
            "case 3: \"input\" is not there: the case is a list of 1, and an object is expected",
        ),
    ];
    for (said, expected) in cases {
        assert_eq!(said, expected);
    }
}

#[test]
fn huge_counts_and_tiny_tails_keep_their_digits() {
    // scipy.stats.binomtest(1, 900).pvalue: 2 (1 + 900) / 2^900
    let a: Vec<u8> = (0..900).map(|item| u8::from(item == 0)).collect();
    let b: Vec<u8> = (0..900).map(|item| u8::from(item != 0)).collect();
    let p = got("mcnemar", &json!({"a_correct": a, "b_correct": b}))["p_exact"].as_f64().unwrap();
    assert!((p / (1802.0 * 2.0_f64.powi(-900)) - 1.0).abs() < 1e-9, "{p}");
    // Values whose squares leave the range of f64.
    let input = json!({"x": [1e200, 2e200, 4e200], "y": [1e-200, 2e-200, 4e-200]});
    assert!((got("correlation", &input)["pearson"].as_f64().unwrap() - 1.0).abs() < 1e-12);
    let vectors = json!({"vectors": [[1e-300, 0.0], [1e-300, 1e-300]]});
    let cosine = got("cosine", &vectors)["similarity"][0][1].as_f64().unwrap();
    assert!((cosine - 0.5_f64.sqrt()).abs() < 1e-12);
}
