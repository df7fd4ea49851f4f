//! The real model. It is too large for the repository, so these tests are asked for:
//! `TUNING_FORK_STARTER=SmolLM2-135M-Instruct.Q4_1.gguf cargo test --test engine starter -- --ignored`

use std::path::PathBuf;

use candle_core::Tensor;
use serde_json::Value;
use tuning_fork_engine::llm::net::tree::TokenTree;
use tuning_fork_engine::llm::{Keep, Model, Positions, Weights};

use crate::support::{argmax, load, reference, values};

fn starter() -> PathBuf {
    std::env::var_os("TUNING_FORK_STARTER").expect("TUNING_FORK_STARTER names the file").into()
}

struct Case {
    ids: Vec<u32>,
    token_logprobs: Vec<f32>,
    top: Vec<(usize, f32)>,
    greedy: Vec<u32>,
}

fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(reference("text/smollm2_f32.json")).unwrap();
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    let ids = |value: &Value| serde_json::from_value::<Vec<u32>>(value.clone()).unwrap();
    rows.iter()
        .map(|row| Case {
            ids: ids(&row["ids"]),
            token_logprobs: serde_json::from_value(row["token_logprobs"].clone()).unwrap(),
            top: serde_json::from_value(row["next_top20"].clone()).unwrap(),
            greedy: ids(&row["greedy"]),
        })
        .collect()
}

fn log_softmax(row: &[f32]) -> Vec<f32> {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = row.iter().map(|score| f64::from(score - max).exp()).sum();
    row.iter().map(|score| score - max - sum.ln() as f32).collect()
}

fn all_logprobs(model: &Model, ids: &[u32]) -> Vec<Vec<f32>> {
    let mut cache = model.new_cache();
    let logits = model.logits(ids, &mut cache, None, Positions::All).unwrap();
    logits.to_vec2::<f32>().unwrap().iter().map(|row| log_softmax(row)).collect()
}

fn greedy(model: &Model, prompt: &[u32], count: usize) -> Vec<u32> {
    let mut cache = model.new_cache();
    let mut next = prompt.to_vec();
    let mut out = Vec::new();
    while out.len() < count {
        let scores = model.logits(&next, &mut cache, None, Positions::Last).unwrap();
        next = vec![argmax(&values(&scores))];
        out.extend(&next);
    }
    out
}

#[test]
#[ignore = "needs the starter model: TUNING_FORK_STARTER=… cargo test --test engine starter -- --ignored"]
fn widened_weights_give_the_log_probabilities_of_transformers() {
    let path = starter();
    let model = load(&path, Weights::F32);
    for case in cases() {
        let logprobs = all_logprobs(&model, &case.ids);
        for (at, expected) in case.token_logprobs.iter().enumerate() {
            let found = logprobs[at][case.ids[at + 1] as usize];
            assert!((found - expected).abs() < 2e-3, "token {}: {found} {expected}", at + 1);
        }
        for (id, expected) in &case.top {
            let found = logprobs[case.ids.len() - 1][*id];
            assert!((found - expected).abs() < 2e-3, "{id}: {found} {expected}");
        }
        // It ends with the token that ends a turn, where that came before 32.
        assert_eq!(greedy(&model, &case.ids, case.greedy.len()), case.greedy);
    }
}

#[test]
#[ignore = "needs the starter model: TUNING_FORK_STARTER=… cargo test --test engine starter -- --ignored"]
fn weights_as_stored_stay_close_to_widened_ones() {
    let path = starter();
    let model = load(&path, Weights::AsStored);
    let mut means = Vec::new();
    for case in cases() {
        let logprobs = all_logprobs(&model, &case.ids);
        let last = &logprobs[case.ids.len() - 1];
        let off: f32 = case.top.iter().map(|(id, expected)| (last[*id] - expected).abs()).sum();
        let mean = off / case.top.len() as f32;
        println!("mean difference of the 20 likeliest: {mean}");
        means.push(mean);
        assert_eq!(argmax(last), case.top[0].0 as u32);
    }
    assert!(means.iter().all(|mean| *mean < 0.05), "{means:?}");
}

#[test]
#[ignore = "needs the starter model: TUNING_FORK_STARTER=… cargo test --test engine starter -- --ignored"]
fn the_starter_model_says_what_it_is() {
    let path = starter();
    let model = load(&path, Weights::AsStored);
    let card = model.card();
    assert_eq!(
        card.identity.sha256,
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
    );
    assert_eq!(card.identity.name, "SmolLM2-135M-Instruct.Q4_1");
    assert_eq!((card.facts.precision.as_str(), card.facts.layer_count), ("Q4_1", 30));
    assert_eq!(card.facts.parameter_count, 134_515_008);
    assert_eq!(card.facts.unsupported, None);
    assert_eq!(model.stop_ids(), [0, 2]);
}

/// The batch of the training pass against the fast pass, at the real model's size.
#[test]
#[ignore = "needs the starter model: TUNING_FORK_STARTER=… cargo test --test engine starter -- --ignored"]
fn training_and_running_agree_on_the_starter_model() {
    let path = starter();
    let model = load(&path, Weights::F32);
    let ids: Vec<u32> = cases()[0].ids.clone();
    let mut cache = model.new_cache();
    let run = model.logits(&ids, &mut cache, None, Positions::All).unwrap();
    let tree = TokenTree::new([ids.as_slice()]);
    let pass = model.run_tree(&tree, None, None, Keep::Nothing).unwrap();
    let trained = model.tree_scores(pass.hidden(), None).unwrap();
    let trained = Tensor::from_slice(&trained, run.shape(), &candle_core::Device::Cpu).unwrap();
    crate::support::assert_close(&run, &trained, 2e-3, "logits");
}
