//! Every family computes what transformers computes.

use candle_core::{DType, Device, Tensor};
use tuning_fork_engine::llm::net::tree::TokenTree;
use tuning_fork_engine::llm::{Adapter, Keep, LoraSpec, Model, Positions, Weights};

use crate::support::{argmax, assert_close, load, reference, tensors, values};

const TOLERANCE: f32 = 2e-4;

fn check_family(name: &str) {
    let folder = reference("models").join(name);
    let expected = tensors(&folder.join("expected.safetensors"));
    let ids = expected["input_ids"].to_dtype(DType::U32).unwrap().to_vec2::<u32>().unwrap();
    let greedy = expected["greedy"].to_dtype(DType::U32).unwrap().to_vec2::<u32>().unwrap();
    for weights in [Weights::AsStored, Weights::F32] {
        let model = load(&folder, weights);
        for (row, ids) in ids.iter().enumerate() {
            let logits = expected["logits"].get(row).unwrap();
            let mut cache = model.new_cache();
            let at_once = model.logits(ids, &mut cache, None, Positions::All).unwrap();
            assert_close(&at_once, &logits, TOLERANCE, &format!("{name} at once, {weights:?}"));

            let mut cache = model.new_cache();
            let steps: Vec<Tensor> = ids
                .iter()
                .map(|id| model.logits(&[*id], &mut cache, None, Positions::Last).unwrap())
                .collect();
            let steps = Tensor::cat(&steps, 0).unwrap();
            assert_close(&steps, &logits, TOLERANCE, &format!("{name} by steps, {weights:?}"));

            let hidden = Tensor::stack(&model.hidden_states(ids, None).unwrap(), 0).unwrap();
            let wanted = expected["hidden"].narrow(1, row, 1).unwrap().squeeze(1).unwrap();
            assert_close(&hidden, &wanted, TOLERANCE, &format!("{name} hidden, {weights:?}"));
        }
        assert_eq!(continue_greedily(&model, &greedy[0][..8], 16), greedy[0]);
    }
    let model = load(&folder, Weights::F32);
    check_training_pass(&model, &ids, &expected["logits"], name);
}

fn continue_greedily(model: &Model, prompt: &[u32], count: usize) -> Vec<u32> {
    let mut ids = prompt.to_vec();
    let mut cache = model.new_cache();
    let mut next = prompt.to_vec();
    for _ in 0..count {
        let scores = model.logits(&next, &mut cache, None, Positions::Last).unwrap();
        next = vec![argmax(&values(&scores))];
        ids.extend(&next);
    }
    ids
}

/// The pass with gradients over all rows at once, without an adapter and with one that changes
/// nothing.
fn check_training_pass(model: &Model, ids: &[Vec<u32>], logits: &Tensor, name: &str) {
    let tree = TokenTree::new(ids.iter().map(Vec::as_slice));
    let adapter = Adapter::init(model, &everywhere(), 1).unwrap();
    for adapter in [None, Some(&adapter)] {
        let pass = model.run_tree(&tree, adapter, None, Keep::Nothing).unwrap();
        let scores = model.tree_scores(pass.hidden(), None).unwrap();
        let (rows, vocabulary) = (tree.len(), model.config().vocab_size);
        let scores = Tensor::from_slice(&scores, (rows, vocabulary), &Device::Cpu).unwrap();
        for sequence in 0..ids.len() {
            let rows = Tensor::new(tree.rows(sequence), &Device::Cpu).unwrap();
            let (found, wanted) = (scores.index_select(&rows, 0), logits.get(sequence));
            let what = format!("{name}, the pass with gradients");
            assert_close(&found.unwrap(), &wanted.unwrap(), TOLERANCE, &what);
        }
    }
}

fn everywhere() -> LoraSpec {
    LoraSpec {
        r: 4,
        lora_alpha: 8.0,
        lora_dropout: 0.0,
        use_rslora: false,
        target_modules: vec!["all-linear".to_owned()],
        ..LoraSpec::default()
    }
}

#[test]
fn llama_computes_what_transformers_computes() {
    check_family("llama");
}

#[test]
fn mistral_computes_what_transformers_computes() {
    check_family("mistral");
}

#[test]
fn qwen2_computes_what_transformers_computes() {
    check_family("qwen2");
}

#[test]
fn qwen3_computes_what_transformers_computes() {
    check_family("qwen3");
}

#[test]
fn gemma2_computes_what_transformers_computes() {
    check_family("gemma2");
}

#[test]
fn gemma3_computes_what_transformers_computes() {
    check_family("gemma3");
}

#[test]
fn phi3_computes_what_transformers_computes() {
    check_family("phi3");
}

#[test]
fn gpt2_computes_what_transformers_computes() {
    check_family("gpt2");
}

/// A second opinion that was not written by us: candle's own Llama, at the last position.
#[test]
fn the_llama_agrees_with_candle_transformers() {
    use candle_transformers::models::llama as oracle;

    let folder = reference("models/llama");
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let config: oracle::LlamaConfig = serde_json::from_str(&config).unwrap();
    let config = config.into_config(false);
    let weights = tensors(&folder.join("model.safetensors"));
    let weights = candle_nn::VarBuilder::from_tensors(weights, DType::F32, &Device::Cpu);
    let theirs = oracle::Llama::load(weights, &config).unwrap();
    let mut cache = oracle::Cache::new(false, DType::F32, &config, &Device::Cpu).unwrap();
    let ids = [17u32, 200, 3, 44, 301, 9];
    let input = Tensor::new(&[ids], &Device::Cpu).unwrap();
    let theirs = theirs.forward(&input, 0, &mut cache).unwrap(); // (1, vocab)

    let model = load(&folder, Weights::AsStored);
    let ours = model.logits(&ids, &mut model.new_cache(), None, Positions::Last).unwrap();
    assert_close(&ours, &theirs, TOLERANCE, "candle-transformers");
}

#[test]
fn a_long_text_is_the_same_bits_at_once_and_in_pieces() {
    let model = load(&reference("models").join("llama"), Weights::AsStored);
    // Longer than what goes through the layers together.
    let ids: Vec<u32> = (0..450).map(|at| (at * 37 + 11) % 384).collect();
    let run = |pieces: &[usize]| {
        let (mut cache, mut from, mut rows) = (model.new_cache(), 0, Vec::new());
        for len in pieces {
            let part = &ids[from..from + len];
            rows.extend(values(&model.logits(part, &mut cache, None, Positions::All).unwrap()));
            from += len;
        }
        (cache.len(), rows)
    };
    let at_once = run(&[450]);
    assert_eq!(at_once.0, 450);
    for pieces in [&[1, 449][..], &[200, 1, 1, 248], &[64, 128, 192, 66]] {
        assert!(run(pieces) == at_once, "{pieces:?}");
    }
    let mut cache = model.new_cache();
    let last = model.logits(&ids, &mut cache, None, Positions::From(448)).unwrap();
    assert_eq!(values(&last), at_once.1[448 * 384..]);
}
