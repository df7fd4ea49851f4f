//! What an answer is written with, in every precision of its cache: forks, texts that are cut short and
//! trees are as a fresh pass with the same cache, and the numbers are as near to f32 as they should be.
//!
//! `TUNING_FORK_CACHE_MODEL=path cargo test --test engine caches` measures a real model.

use std::path::Path;

use candle_core::Tensor;
use tuning_fork_engine::jobs::Quiet;
use tuning_fork_engine::llm::card::ModelSource;
use tuning_fork_engine::llm::config::CacheNumbers;
use tuning_fork_engine::llm::net::tree::SortedTree;
use tuning_fork_engine::llm::{KvCache, LoadOptions, Model, Positions, Weights};

use crate::support::{distance, load, reference, values};

fn run(model: &Model, ids: &[u32], cache: &mut KvCache) -> Tensor {
    model.logits(ids, cache, None, Positions::All).unwrap()
}

fn family(name: &str) -> Model {
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        let from = reference("families").join(name).join(file);
        std::fs::copy(from, folder.path().join(file)).unwrap();
    }
    let tokenizer = reference("families").join("tokenizer.json");
    std::fs::copy(tokenizer, folder.path().join("tokenizer.json")).unwrap();
    load(folder.path(), Weights::F32)
}

/// Attention alone, with windows, beside recurrent layers, with keys that several layers share, with several
/// hidden states, with compressed keys, with positions as a bias.
const FAMILIES: [&str; 9] = [
    "apertus",
    "ministral3",
    "falcon_h1",
    "lfm3",
    "gemma4_e",
    "gemma3n",
    "deepseek_v2",
    "moonlight",
    "mpt_6_heads",
];

#[test]
fn whatever_the_cache_keeps_a_fork_and_a_shorter_text_are_as_a_fresh_pass() {
    let ids: Vec<u32> = (0..24).map(|at| (at * 37 + 11) % 290).collect();
    for name in FAMILIES {
        let model = family(name);
        for kind in CacheNumbers::ALL {
            let fresh = |ids: &[u32]| run(&model, ids, &mut model.cache_of(kind));
            let whole = fresh(&ids);
            let what = format!("{name}, {kind:?}");

            let mut cache = model.cache_of(kind);
            let steps: Vec<Tensor> = ids.iter().map(|id| run(&model, &[*id], &mut cache)).collect();
            let by_token = distance(&Tensor::cat(&steps, 0).unwrap(), &whole);
            assert!(by_token < 1e-4, "{what}, token by token: {by_token}");

            for (fork_at, back) in [(20, 3), (9, 8), (17, 16)] {
                let mut cache = model.cache_of(kind);
                run(&model, &ids[..fork_at], &mut cache);
                let mut fork = cache.clone();
                run(&model, &[5, 4, 3], &mut fork);
                cache.truncate(back);
                let rest = run(&model, &ids[back..], &mut cache);
                let off = distance(&rest, &whole.narrow(0, back, ids.len() - back).unwrap());
                assert!(off < 1e-4, "{what}, back to {back}: {off}");

                let other = [&ids[..fork_at], &[5, 4, 3], &ids[..4]].concat();
                let off = distance(
                    &run(&model, &ids[..4], &mut fork),
                    &fresh(&other).narrow(0, fork_at + 3, 4).unwrap(),
                );
                assert!(off < 1e-4, "{what}, the fork at {fork_at}: {off}");
            }

            let mut cache = model.cache_of(kind);
            run(&model, &ids[..10], &mut cache);
            let tree = SortedTree::new(&[ids[10..].to_vec(), vec![5, 4, 3]]);
            let rows: Vec<usize> = tree.rows(1).iter().map(|row| *row as usize).collect();
            let found = model.tree_logits(&tree, &mut cache, None, &rows).unwrap();
            let alone = fresh(&[&ids[..10], &[5, 4, 3]].concat()).narrow(0, 10, 3).unwrap();
            let off = distance(&found, &alone);
            assert!(off < 1e-4, "{what}, a branch of a tree: {off}");
            assert_eq!(cache.len(), 10);
        }
    }
}

/// By how much log-probabilities of the 20 likeliest tokens differ in the mean, and the most.
fn off(exact: &Tensor, found: &Tensor) -> (f64, f64) {
    let vocabulary = exact.dims()[1];
    let logs = |row: &[f32]| -> Vec<f64> {
        let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = row.iter().map(|score| f64::from(score - most).exp()).sum();
        row.iter().map(|score| f64::from(score - most) - sum.ln()).collect()
    };
    let (mut sum, mut count, mut largest) = (0.0, 0.0, 0.0_f64);
    let (exact, found) = (values(exact), values(found));
    for (exact, found) in exact.chunks_exact(vocabulary).zip(found.chunks_exact(vocabulary)) {
        let (exact, found) = (logs(exact), logs(found));
        let mut best: Vec<usize> = (0..vocabulary).collect();
        best.sort_by(|one, other| exact[*other].total_cmp(&exact[*one]));
        for at in &best[..20] {
            let difference = (exact[*at] - found[*at]).abs();
            (sum, count, largest) = (sum + difference, count + 1.0, largest.max(difference));
        }
    }
    (sum / count, largest)
}

#[test]
fn fewer_bits_change_an_answer_a_little() {
    let model = family("apertus");
    let ids: Vec<u32> = (0..24).map(|at| (at * 37 + 11) % 290).collect();
    let exact = run(&model, &ids, &mut model.cache_of(CacheNumbers::F32));
    let (half, _) = off(&exact, &run(&model, &ids, &mut model.cache_of(CacheNumbers::F16)));
    let (eighth, _) = off(&exact, &run(&model, &ids, &mut model.cache_of(CacheNumbers::Q8_0)));
    println!("mean difference of log-probabilities: f16 {half:.2e}, q8_0 {eighth:.2e}");
    assert!(half > 0.0 && half < 1e-3, "{half}");
    assert!(eighth > half && eighth < 2e-2, "{eighth}");
}

#[test]
fn a_model_writes_with_the_cache_that_it_was_loaded_with_and_measures_with_its_own() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sample_data/tiny_model");
    let options = LoadOptions { cache: Some(CacheNumbers::Q8_0), ..LoadOptions::default() };
    let model = Model::load(&ModelSource::at(&path), &options, &Quiet).unwrap();
    let (mut answer, mut measured) = (model.new_answer_cache(), model.new_cache());
    run(&model, &[5, 6, 7], &mut answer);
    run(&model, &[5, 6, 7], &mut measured);
    let config = model.config();
    let scales = config.head_dim.div_ceil(32) * 2;
    assert_eq!(
        answer.byte_len() * config.head_dim * 4,
        measured.byte_len() * (config.head_dim + scales)
    );
    let a_token = model.card().facts.cache_bytes_per_token;
    assert_eq!(a_token, config.cache_bytes_as(CacheNumbers::Q8_0));
    assert_eq!(answer.byte_len() as u64, 64 * a_token); // room for a tile of 64 positions
}

#[test]
fn a_real_model_by_the_precision_of_its_cache() {
    let Some(path) = std::env::var_os("TUNING_FORK_CACHE_MODEL") else {
        return;
    };
    let model = load(Path::new(&path), Weights::AsStored);
    let text = include_str!("../../README.md");
    let ids = model.tokenizer().encode(text, false).unwrap();
    let ids = &ids[..512.min(ids.len())];
    let exact = run(&model, ids, &mut model.cache_of(CacheNumbers::F32));
    for kind in CacheNumbers::ALL {
        let mut cache = model.cache_of(kind);
        let (mean, most) = off(&exact, &run(&model, ids, &mut cache));
        let bytes = model.config().cache_bytes_as(kind);
        println!("{}: {bytes} bytes a token, mean {mean:.5}, most {most:.4}", kind.name());
    }
}
