//! A folder of models that `tests/reference/make_models.py` or `make_gguf.py` made, each against its own
//! `expected.safetensors`: `TUNING_FORK_MODELS=folder cargo test --test engine generated`. The few
//! that are committed are checked always.

use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};
use tuning_fork_engine::jobs::Quiet;
use tuning_fork_engine::llm::generate::score;
use tuning_fork_engine::llm::{Model, Positions, Weights};

use crate::support::{argmax, distance, load, reference, tensors, values};

const TOLERANCE: f32 = 2e-4;

/// The largest differences that were found in a model.
#[derive(Debug, Default)]
struct Found {
    logits: f32,
    by_steps: f32,
    scored: f32,
    hidden: f32,
    attention: f32,
    greedy: bool,
}

impl Found {
    fn is_right(&self) -> bool {
        let Self { logits, by_steps, scored, hidden, attention, greedy } = *self;
        let close = |value: f32| value <= TOLERANCE;
        [logits, by_steps, scored, hidden, attention].into_iter().all(close) && greedy
    }
}

fn check(folder: &Path, weights: Weights) -> Found {
    let expected = tensors(&folder.join("expected.safetensors"));
    let whole = |name: &str| expected[name].to_dtype(DType::U32).unwrap().to_vec2::<u32>().unwrap();
    let gguf = folder.join("model.gguf");
    let model = load(if gguf.is_file() { &gguf } else { folder }, weights);
    let mut found = Found::default();
    for (row, ids) in whole("input_ids").iter().enumerate() {
        let logits = expected["logits"].get(row).unwrap();
        let mut cache = model.new_cache();
        let at_once = model.logits(ids, &mut cache, None, Positions::All).unwrap();
        found.logits = found.logits.max(distance(&at_once, &logits));

        // In pieces of 7, as a text that is known in full.
        let mut cache = model.new_cache();
        cache.plan(ids.len());
        let pieces =
            ids.chunks(7).map(|ids| model.logits(ids, &mut cache, None, Positions::All).unwrap());
        let pieces = Tensor::cat(&pieces.collect::<Vec<_>>(), 0).unwrap();
        found.by_steps = found.by_steps.max(distance(&pieces, &logits));

        let mut parts = Vec::new();
        score::score_with(&model, None, ids, &Quiet, &mut |part| {
            parts.push(part.clone());
            Ok(())
        })
        .unwrap();
        found.scored = found.scored.max(distance(&Tensor::cat(&parts, 0).unwrap(), &logits));

        let hidden = Tensor::stack(&model.hidden_states(ids, None).unwrap(), 0).unwrap();
        let wanted = expected["hidden"].narrow(1, row, 1).unwrap().squeeze(1).unwrap();
        found.hidden = found.hidden.max(distance(&hidden, &wanted));
    }
    let ids = &whole("input_ids")[0];
    for layer in 0..model.config().layer_count() {
        let weights = model.attention_weights(ids, layer, None).unwrap();
        let wanted = expected["attention"].get(layer).unwrap();
        found.attention = found.attention.max(distance(&weights, &wanted));
    }
    let greedy = &whole("greedy")[0];
    let prompt = ids.iter().zip(greedy).take_while(|(id, continued)| id == continued).count();
    found.greedy = (1..=prompt.min(12)).any(|prompt| goes_on(&model, greedy, prompt));
    found
}

/// Whether the model continues the first ids with the others. The file does not say how many of
/// them were given; a model that continues a shorter part the same way is as right.
fn goes_on(model: &Model, ids: &[u32], prompt: usize) -> bool {
    let mut cache = model.new_cache();
    let mut next = ids[..prompt].to_vec();
    for expected in &ids[prompt..] {
        let scores = model.logits(&next, &mut cache, None, Positions::Last).unwrap();
        next = vec![argmax(&values(&scores))];
        if next[0] != *expected {
            return false;
        }
    }
    true
}

fn folders(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries
        .filter(|path| path.join("expected.safetensors").is_file())
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(prefix))
        .collect();
    folders.sort();
    folders
}

#[test]
fn generated_models_compute_what_transformers_computes() {
    let mut all = folders(&reference("models"), "tiny_");
    all.extend(folders(&reference("gguf"), "tiny_"));
    assert!(all.len() > 7, "the committed models are gone");
    check_all(all);
}

/// Folders that `tests/reference/make_models.py` made.
#[test]
#[ignore = "needs models: TUNING_FORK_MODELS=FOLDER cargo test --test engine more_models -- --ignored"]
fn more_models_compute_what_transformers_computes() {
    let folder = std::env::var("TUNING_FORK_MODELS").expect("TUNING_FORK_MODELS names a folder");
    let all = folders(Path::new(&folder), "");
    assert!(!all.is_empty(), "there are no models in {folder}");
    check_all(all);
}

fn check_all(all: Vec<PathBuf>) {
    let mut wrong = Vec::new();
    for folder in all {
        for weights in [Weights::AsStored, Weights::F32] {
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            let found = std::panic::catch_unwind(|| check(&folder, weights));
            println!("{name}, {weights:?}: {found:?}");
            if !found.is_ok_and(|found| found.is_right()) {
                wrong.push(format!("{name}, {weights:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "not what transformers computes: {wrong:#?}");
}
