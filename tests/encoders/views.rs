//! The Playground's views of an encoder-decoder: cross-attention of every layer, and every step of a beam
//! search. Right values: `tests/reference/make_seq2seq_views.py` (transformers 5.23).

use std::path::{Path, PathBuf};

use candle_core::Device;
use serde_json::Value;
use tuning_fork_engine::explore::beams::{BeamView, NodeFate, beams};
use tuning_fork_engine::explore::read_write::{Source, cross_attention, pieces};
use tuning_fork_engine::explore::spans::fill;
use tuning_fork_engine::jobs::Quiet;
use tuning_fork_engine::llm::generate::sampling::SamplingParams;
use tuning_fork_engine::seq2seq::{BeamSettings, EarlyStopping, Seq2Seq, WriteRequest};

use crate::support::assert_close;

fn reference() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference")
}

fn model(name: &str) -> Seq2Seq {
    let folder = match name {
        "bart" => "seq2seq/bart".to_owned(),
        other => format!("encoders/{other}"),
    };
    Seq2Seq::load(&reference().join(folder)).unwrap()
}

fn told() -> Value {
    let text = std::fs::read(reference().join("seq2seq/views.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

/// The rows of each model.
fn rows(told: &Value) -> Vec<(String, Seq2Seq, Vec<Value>)> {
    let models = told["models"].as_object().unwrap();
    let rows = models
        .iter()
        .map(|(name, rows)| (name.clone(), model(name), rows.as_array().unwrap().clone()));
    rows.collect()
}

fn source(model: &Seq2Seq, row: &Value) -> Source {
    let source = Source::of(model, row["text"].as_str().unwrap()).unwrap();
    assert_eq!(source.ids(), ids(&row["ids"]));
    source
}

fn greedy(max_new_tokens: usize) -> WriteRequest {
    let sampling =
        SamplingParams { greedy: true, repetition_penalty: 1.0, ..SamplingParams::default() };
    WriteRequest { sampling, max_new_tokens, seed: 0 }
}

#[test]
fn every_layer_looks_where_transformers_says() {
    let told = told();
    let path = reference().join("seq2seq/cross_attention.safetensors");
    let weights = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    for (name, model, rows) in rows(&told) {
        for (number, row) in rows.iter().enumerate() {
            let source = source(&model, row);
            let answer = ids(&row["answer"]);
            let written = model.write(&source.ids(), &greedy(12), &Quiet).unwrap();
            assert_eq!(written.ids, answer, "{name}, row {number}");
            let layers = model.layers()[1];
            let views = cross_attention(&model, &source, &answer, 0..layers).unwrap();
            assert_eq!(views.len(), layers);
            for view in views {
                let what = format!("{name}.{number}.{}", view.layer);
                let expected = weights[&what].flatten_all().unwrap().to_vec1::<f32>().unwrap();
                assert_close(&view.weights, &expected, &what);
                let map = view.map(None);
                let sums = map.chunks(source.pieces.len()).map(|row| row.iter().sum::<f32>());
                for sum in sums {
                    assert!((sum - 1.0).abs() < 1e-5, "{what}: a row sums to {sum}");
                }
            }
            let alone = cross_attention(&model, &source, &answer, 1..2).unwrap();
            let expected = weights[&format!("{name}.{number}.1")].flatten_all().unwrap();
            assert_close(&alone[0].weights, &expected.to_vec1::<f32>().unwrap(), "one layer alone");
        }
    }
}

#[test]
fn every_step_of_a_beam_search_is_that_of_transformers() {
    let told = told();
    for (name, model, rows) in rows(&told) {
        for (number, row) in rows.iter().enumerate() {
            let source = source(&model, row);
            for (kind, asked) in told["searches"].as_object().unwrap() {
                let what = format!("{name}, row {number}, {kind}");
                let number = |key: &str, usual: f64| asked[key].as_f64().unwrap_or(usual);
                let settings = BeamSettings {
                    beams: number("num_beams", 1.0) as usize,
                    length_penalty: number("length_penalty", 1.0),
                    early_stopping: EarlyStopping::Heuristic,
                    max_new_tokens: told["length"].as_u64().unwrap() as usize,
                    sampling: SamplingParams {
                        greedy: true,
                        repetition_penalty: number("repetition_penalty", 1.0) as f32,
                        no_repeat_ngram_size: number("no_repeat_ngram_size", 0.0) as usize,
                        ..SamplingParams::default()
                    },
                };
                let view = beams(&model, &source, &settings, &Quiet).unwrap();
                let expected = &row["searches"][kind];
                check_steps(&view, &expected["steps"], &what);
                check_answers(&view, &expected["answers"], settings.length_penalty, &what);
            }
        }
    }
}

/// Beam, id, log-probability and sum of every candidate.
fn check_steps(view: &BeamView, expected: &Value, what: &str) {
    let steps = expected.as_array().unwrap();
    assert_eq!(view.steps(), steps.len(), "{what}");
    let mut before: Vec<usize> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let of_step = |node: &usize| view.nodes[*node].step == at + 1;
        let nodes: Vec<usize> = (0..view.nodes.len()).filter(of_step).collect();
        let step = step.as_array().unwrap();
        assert_eq!(nodes.len(), step.len(), "{what}, step {}", at + 1);
        for (node, candidate) in nodes.iter().zip(step) {
            let node = &view.nodes[*node];
            let beam = candidate[0].as_u64().unwrap() as usize;
            let id = candidate[1].as_u64().unwrap() as u32;
            let what = format!("{what}, step {}, candidate {}", at + 1, node.rank + 1);
            assert_eq!((node.parent, node.id), (before.get(beam).copied(), id), "{what}");
            let numbers = [2, 3].map(|key| candidate[key].as_f64().unwrap() as f32);
            assert_close(&[node.logprob, node.sum], &numbers, &what);
        }
        let mut running: Vec<(usize, usize)> = Vec::new();
        for node in nodes {
            if let NodeFate::Ran { place } = view.nodes[node].fate {
                running.push((place, node));
            }
        }
        running.sort_unstable();
        before = running.into_iter().map(|(_, node)| node).collect();
    }
}

fn check_answers(view: &BeamView, expected: &Value, length_penalty: f64, what: &str) {
    let expected = expected.as_array().unwrap();
    assert_eq!(view.answers.len(), expected.len(), "{what}");
    for (answer, expected) in view.answers.iter().zip(expected) {
        assert_eq!(answer.ids, ids(&expected["ids"]), "{what}");
        assert_close(&[answer.score], &[expected["score"].as_f64().unwrap() as f32], what);
        let node = &view.nodes[answer.node];
        assert!(matches!(node.fate, NodeFate::Ended { score } if score == answer.score), "{what}");
        let score = answer.sum / (answer.ids.len() as f32).powf(length_penalty as f32);
        assert_close(&[answer.score], &[score], "its sum over the power of its length");
        let way: Vec<u32> = view.path(answer.node).iter().map(|at| view.nodes[*at].id).collect();
        assert_eq!(way, answer.ids, "{what}: the way through the tree");
    }
}

#[test]
fn what_was_hidden_is_filled_in_by_the_sentinels_that_come() {
    let model = model("s2s_t5");
    let text = "small course so most answer trained?";
    let hidden = [1, 4].into();
    let filled = fill(&model, text, &hidden, &greedy(12), &Quiet).unwrap();
    assert_eq!(filled.given, "small <extra_id_0> so most <extra_id_1> trained?");
    assert_eq!(filled.spans.len(), 2);
    assert_eq!(
        (filled.spans[0].hidden.as_str(), filled.spans[1].hidden.as_str()),
        ("course", "answer")
    );
    let (read, _) = model.encode(&filled.given).unwrap();
    let written = model.write(&read, &greedy(12), &Quiet).unwrap();
    let texts = pieces(&model, &written.ids);
    for (at, span) in filled.spans.iter().enumerate() {
        let has = texts.iter().any(|piece| piece.token.contains(&format!("<extra_id_{at}>")));
        assert_eq!(span.guess.is_some(), has, "{filled:?}");
    }
    let nothing = fill(&model, text, &[].into(), &greedy(12), &Quiet).unwrap_err();
    assert!(nothing.to_string().contains("hide at least one"));
    let bart = self::model("bart");
    let other = fill(&bart, "open data", &[0].into(), &greedy(12), &Quiet).unwrap_err();
    assert!(other.to_string().contains("no sentinels"), "{other}");
}

#[test]
fn a_layer_that_is_not_there_and_an_empty_text_are_said() {
    let model = model("s2s_flan");
    let source = Source::of(&model, "small").unwrap();
    let said = cross_attention(&model, &source, &[3], 7..8).unwrap_err().to_string();
    assert!(said.contains("no layer 7: the decoder has 2"), "{said}");
    assert!(cross_attention(&model, &source, &[], 0..1).is_err());
    assert!(Source::of(&model, "  ").is_err());
}
