//! LoRA adapters: PEFT's files, gradients, and the two passes with an adapter on.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use tuning_fork_engine::files;
use tuning_fork_engine::llm::backward::dropout::Dropout;
use tuning_fork_engine::llm::backward::gradients::Gradients;
use tuning_fork_engine::llm::net::tree::TokenTree;
use tuning_fork_engine::llm::{Adapter, Error, Keep, LoraSpec, Model, Positions, Weights};
use tuning_fork_engine::train::objective::logprobs;
use tuning_fork_engine::train::objective::logprobs::Asked;
use tuning_fork_engine::train::rows::sequence::Sequence;

use crate::support;
use crate::support::{assert_close, load, reference, tensors};

const FAMILIES: [&str; 8] =
    ["gemma2", "gemma3", "gpt2", "llama", "mistral", "phi3", "qwen2", "qwen3"];

fn everywhere(r: usize) -> LoraSpec {
    LoraSpec {
        r,
        lora_alpha: 16.0,
        lora_dropout: 0.0,
        use_rslora: false,
        target_modules: vec!["all-linear".to_owned()],
        ..LoraSpec::default()
    }
}

/// An adapter that does something.
fn lively(model: &Model, r: usize) -> Adapter {
    support::lively(model, &everywhere(r))
}

const IDS: [u32; 48] = {
    let mut ids = [0; 48];
    let mut at = 0;
    while at < 48 {
        ids[at] = (at as u32 * 37 + 11) % 380;
        at += 1;
    }
    ids
};

#[test]
fn fused_and_differentiable_passes_agree() {
    for family in FAMILIES {
        let folder = reference("models").join(family);
        for weights in [Weights::AsStored, Weights::F32] {
            let model = load(&folder, weights);
            let adapter = lively(&model, 4);
            let tree = TokenTree::new(IDS.chunks(24));
            let pass = model.run_tree(&tree, Some(&adapter), None, Keep::Nothing).unwrap();
            let width = model.config().width;
            for (row, ids) in IDS.chunks(24).enumerate() {
                let rows = tree.rows(row).iter().map(|row| *row as usize * width);
                let rows = rows.flat_map(|at| &pass.hidden()[at..at + width]);
                let scores =
                    model.tree_scores(&rows.copied().collect::<Vec<_>>(), Some(&adapter)).unwrap();
                let trained = Tensor::from_slice(&scores, (24, ()), &Device::Cpu).unwrap();
                let mut cache = model.new_cache();
                let run = model.logits(ids, &mut cache, Some(&adapter), Positions::All).unwrap();
                assert_close(&run, &trained, 1e-3, &format!("{family}, {weights:?}"));
                let plain =
                    model.logits(ids, &mut model.new_cache(), None, Positions::All).unwrap();
                assert!(crate::support::distance(&run, &plain) > 0.01, "the adapter does nothing");
            }
        }
    }
}

/// A cut gradient is silent in candle; this is where it would show.
#[test]
fn every_adapter_gets_a_gradient() {
    for family in FAMILIES {
        let model = load(&reference("models").join(family), Weights::F32);
        let adapter = lively(&model, 2);
        let (_, gradients) = loss_and_gradients(&model, &adapter, None);
        for (index, (name, _)) in adapter.vars().into_iter().enumerate() {
            let gradient =
                gradients.get(index).unwrap_or_else(|| panic!("{family}: {name} has none"));
            let size = gradient.iter().fold(0.0_f32, |size, value| size.max(value.abs()));
            assert!(size.is_finite() && size > 0.0, "{family}: {name} has the gradient {size}");
        }
    }
}

/// Three sequences, of which two share some of their tokens.
fn sequences() -> Vec<Sequence> {
    let other = [&IDS[..9], &[7, 200, 41, 7, 3]].concat();
    let all = [(IDS[..24].to_vec(), 0), (other, 5), (IDS[24..].to_vec(), 3)];
    all.map(|(ids, completion_start)| Sequence::new(ids, completion_start)).to_vec()
}

const WEIGHTS: [f64; 3] = [-0.02, 0.05, -0.03];

/// Σ weight · ln p of some sequences, run as one tree.
fn loss_and_gradients(model: &Model, adapter: &Adapter, dropout: Option<f64>) -> (f64, Gradients) {
    let sequences = sequences();
    let sequences: Vec<&Sequence> = sequences.iter().collect();
    let tree = logprobs::tree(&sequences);
    let dropout = dropout.map(|share| Dropout::new(share, 5, &tree));
    let scored =
        logprobs::score(model, adapter, &tree, &sequences, &Asked::default(), dropout.as_ref())
            .unwrap();
    let loss = scored.stats.iter().zip(WEIGHTS).map(|(stats, weight)| stats.logp * weight).sum();
    let mut gradients = Gradients::none(adapter);
    scored.backward(&WEIGHTS, &mut gradients).unwrap();
    (loss, gradients)
}

/// The gradient of every kind of tensor against the slope of the loss itself.
#[test]
fn gradients_are_the_slopes_of_the_loss() {
    let cases = FAMILIES.map(|family| (family, None)).into_iter();
    for (family, dropout) in cases.chain([("llama", Some(0.3))]) {
        let model = load(&reference("models").join(family), Weights::F32);
        assert_gradients_are_slopes(&model, &lively(&model, 2), dropout, family);
    }
}

/// Of the tensors of the first layer.
#[track_caller]
pub fn assert_gradients_are_slopes(
    model: &Model,
    adapter: &Adapter,
    dropout: Option<f64>,
    family: &str,
) {
    let (_, gradients) = loss_and_gradients(model, adapter, dropout);
    for (index, (name, var)) in adapter
        .vars()
        .into_iter()
        .enumerate()
        .filter(|(_, (name, _))| name.contains("s.0.") || name.contains("h.0."))
    {
        let gradient = gradients.get(index).unwrap().to_vec();
        // Along the gradient the loss rises by |gradient|² a unit.
        let square: f64 = gradient.iter().map(|value| f64::from(value * value)).sum();
        let gradient = Tensor::from_vec(gradient, var.shape(), &Device::Cpu).unwrap();
        let step = 2e-3 / square.sqrt();
        let before = var.as_tensor().copy().unwrap();
        let at = |scale: f64| {
            var.set(&(&before + (&gradient * scale).unwrap()).unwrap()).unwrap();
            loss_and_gradients(model, adapter, dropout).0
        };
        let slope = (at(10.0 * step) - at(-10.0 * step)) / (20.0 * step);
        var.set(&before).unwrap();
        let relative = (slope / square - 1.0).abs();
        assert!(relative < 0.05, "{family}: {name}: slope {slope}, gradient² {square}");
    }
}

#[test]
fn a_text_of_which_nothing_is_predicted_moves_nothing() {
    let model = load(&reference("models/llama"), Weights::F32);
    let adapter = lively(&model, 2);
    let alone = Sequence::whole(vec![2]);
    let tree = logprobs::tree(&[&alone]);
    let scored =
        logprobs::score(&model, &adapter, &tree, &[&alone], &Asked::default(), None).unwrap();
    assert_eq!((scored.stats[0].tokens, scored.stats[0].logp), (0, 0.0));
    let mut gradients = Gradients::none(&adapter);
    scored.backward(&[-1.0], &mut gradients).unwrap();
    for (index, (name, _)) in adapter.vars().iter().enumerate() {
        let gradient = gradients.get(index).expect("it is there, for the optimizer to meet");
        assert!(gradient.iter().all(|value| *value == 0.0), "{name}");
    }
}

/// The sums of rounded products differ in their order; nothing else does.
#[test]
fn one_tree_gives_the_gradients_of_its_sequences_alone() {
    for family in FAMILIES {
        let model = load(&reference("models").join(family), Weights::F32);
        let adapter = lively(&model, 2);
        let (_, together) = loss_and_gradients(&model, &adapter, None);
        let mut alone = Gradients::none(&adapter);
        for (sequence, weight) in sequences().iter().zip(WEIGHTS) {
            let tree = logprobs::tree(&[sequence]);
            let scored =
                logprobs::score(&model, &adapter, &tree, &[sequence], &Asked::default(), None)
                    .unwrap();
            scored.backward(&[weight], &mut alone).unwrap();
        }
        for (index, (name, _)) in adapter.vars().iter().enumerate() {
            let (one, other) = (together.get(index).unwrap(), alone.get(index).unwrap());
            let largest = one.iter().fold(0.0_f32, |size, value| size.max(value.abs()));
            for (one, other) in one.iter().zip(other) {
                assert!((one - other).abs() <= 1e-5 * largest, "{family}: {name}");
            }
        }
    }
}

#[test]
fn a_log_probability_is_the_same_bits_whatever_is_run_beside_it() {
    for family in FAMILIES {
        let model = load(&reference("models").join(family), Weights::AsStored);
        let adapter = lively(&model, 2);
        let sequences = sequences();
        let all: Vec<&Sequence> = sequences.iter().collect();
        let together = logprobs::measure(&model, &adapter, &all, &Asked::default()).unwrap();
        let turned: Vec<&Sequence> = sequences.iter().rev().collect();
        let turned = logprobs::measure(&model, &adapter, &turned, &Asked::default()).unwrap();
        for (index, sequence) in sequences.iter().enumerate() {
            let alone =
                logprobs::measure(&model, &adapter, &[sequence], &Asked::default()).unwrap();
            assert_eq!(alone[0], together[index], "{family}");
            assert_eq!(alone[0], turned[2 - index], "{family}");
        }
    }
}

/// A layer that is computed again in the backward pass, instead of being kept.
#[test]
fn a_layer_computed_twice_gives_the_gradients_of_one_kept() {
    let model = load(&reference("models/gemma2"), Weights::F32);
    let adapter = lively(&model, 2);
    let tree = TokenTree::new(IDS.chunks(24));
    let run = |keep| {
        let pass = model.run_tree(&tree, Some(&adapter), None, keep).unwrap();
        let grad: Vec<f32> = pass.hidden().iter().map(|value| value.sin()).collect();
        let mut gradients = Gradients::none(&adapter);
        pass.backward(&grad, &mut gradients).unwrap();
        let count = adapter.vars().len();
        (0..count).map(|index| gradients.get(index).unwrap().to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(run(Keep::Everything), run(Keep::LayerInputs));
    let pass = model.run_tree(&tree, Some(&adapter), None, Keep::Nothing).unwrap();
    let grad = vec![1.0; pass.hidden().len()];
    assert!(pass.backward(&grad, &mut Gradients::none(&adapter)).is_err());
}

#[test]
fn an_adapter_comes_back_from_its_files_to_the_bit() {
    let model = load(&reference("models/llama"), Weights::AsStored);
    let adapter = lively(&model, 3);
    let folder = tempfile::tempdir().unwrap();
    let card = adapter.save(folder.path(), &model.card().identity).unwrap();
    let back = Adapter::load(folder.path(), &model).unwrap();
    assert_eq!(back.card(), card);
    assert_eq!((card.rank, card.alpha), (3, 16.0));
    let run = |adapter: &Adapter| {
        model.logits(&IDS, &mut model.new_cache(), Some(adapter), Positions::All).unwrap()
    };
    assert_eq!(crate::support::values(&run(&adapter)), crate::support::values(&run(&back)));
}

#[test]
fn the_same_seed_draws_the_same_adapter() {
    let model = load(&reference("models/llama"), Weights::AsStored);
    let draw = |seed| {
        let adapter = Adapter::init(&model, &everywhere(2), seed).unwrap();
        let values = adapter.vars().into_iter().map(|(_, var)| crate::support::values(&var));
        values.collect::<Vec<_>>()
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    let bound = 1.0 / 8.0; // 1/√64 for the first module's A, of rows of 96: mlp.down_proj
    assert!(draw(1)[0].iter().all(|value| value.abs() <= bound));
}

/// PEFT's own folder, and the key names that PEFT reads.
#[test]
fn an_adapter_of_peft_is_read_and_written_as_peft_does() {
    let model = load(&reference("models/llama"), Weights::F32);
    let folder = reference("adapters/llama");
    let adapter = Adapter::load(&folder, &model).unwrap();
    let written = tempfile::tempdir().unwrap();
    adapter.save(written.path(), &model.card().identity).unwrap();
    let (theirs, ours) = (
        tensors(&folder.join("adapter_model.safetensors")),
        tensors(&written.path().join("adapter_model.safetensors")),
    );
    assert_eq!(theirs.len(), ours.len());
    for (name, tensor) in &theirs {
        assert_close(&ours[name], tensor, 0.0, name);
    }
}

/// Others leave torch.compile's words in the names of what they save.
#[test]
fn an_adapter_of_a_compiled_model_is_read_and_said() {
    let model = load(&reference("models/llama"), Weights::F32);
    let folder = reference("adapters/llama");
    let theirs = Adapter::load(&folder, &model).unwrap();
    assert_eq!(theirs.warnings(), [""; 0]);
    for (before, after) in
        [("", "_orig_mod."), ("base_model.model.", "base_model.model._orig_mod.")]
    {
        let copy = tempfile::tempdir().unwrap();
        let config = std::fs::read(folder.join("adapter_config.json")).unwrap();
        files::write_atomic(&copy.path().join("adapter_config.json"), &config).unwrap();
        let of_compiled =
            |(name, tensor): (String, Tensor)| (name.replacen(before, after, 1), tensor);
        let renamed = tensors(&folder.join("adapter_model.safetensors"));
        let renamed: HashMap<String, Tensor> = renamed.into_iter().map(of_compiled).collect();
        candle_core::safetensors::save(&renamed, copy.path().join("adapter_model.safetensors"))
            .unwrap();
        let ours = Adapter::load(copy.path(), &model).unwrap();
        assert!(ours.warnings()[0].contains("_orig_mod."), "{:?}", ours.warnings());
        let again = tempfile::tempdir().unwrap();
        ours.save(again.path(), &model.card().identity).unwrap();
        let written = tensors(&again.path().join("adapter_model.safetensors"));
        for (name, tensor) in tensors(&folder.join("adapter_model.safetensors")) {
            assert_close(&written[&name], &tensor, 0.0, &name);
        }
    }
}

fn broken(change: impl Fn(&mut serde_json::Value)) -> Error {
    let model = load(&reference("models/llama"), Weights::AsStored);
    let folder = tempfile::tempdir().unwrap();
    let adapter = Adapter::init(&model, &everywhere(2), 1).unwrap();
    adapter.save(folder.path(), &model.card().identity).unwrap();
    edit(&folder.path().join("adapter_config.json"), change);
    Adapter::load(folder.path(), &model).err().expect("this adapter must be refused")
}

fn edit(path: &Path, change: impl Fn(&mut serde_json::Value)) {
    let mut json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    change(&mut json);
    files::write_atomic(path, json.to_string().as_bytes()).unwrap();
}

#[test]
fn what_an_adapter_asks_for_and_we_cannot_do_is_refused_by_name() {
    for (key, value) in [
        ("use_dora", serde_json::json!(true)),
        ("modules_to_save", serde_json::json!(["lm_head"])),
        ("bias", serde_json::json!("some")),
        ("peft_type", serde_json::json!("OFT")),
        ("use_something_new", serde_json::json!(true)), // of a later PEFT
        ("kasa_config", serde_json::json!({"beta": 1.0})),
    ] {
        let error = broken(|json| json[key] = value.clone());
        assert!(error.to_string().contains(key), "{error}");
    }
    let error = broken(|json| json["peft_type"] = serde_json::json!("IA3"));
    assert!(error.to_string().contains("does not have ia3_l"), "{error}");
    let error = broken(|json| json["r"] = serde_json::json!(5));
    assert!(error.to_string().contains("mlp.down_proj"), "{error}");
}

#[test]
fn an_adapter_of_another_model_is_refused_by_the_layers_name() {
    let (llama, gpt2) = (
        load(&reference("models/llama"), Weights::AsStored),
        load(&reference("models/gpt2"), Weights::AsStored),
    );
    let folder = tempfile::tempdir().unwrap();
    let adapter = Adapter::init(&gpt2, &everywhere(2), 1).unwrap();
    adapter.save(folder.path(), &gpt2.card().identity).unwrap();
    let error = Adapter::load(folder.path(), &llama).err().unwrap();
    assert!(error.to_string().contains("transformer.h.0.attn.c_attn"), "{error}");
}

#[test]
fn layers_that_a_pattern_means_are_written_by_their_paths() {
    let model = load(&reference("models/llama"), Weights::F32);
    let spec = LoraSpec {
        r: 2,
        lora_alpha: 4.0,
        lora_dropout: 0.0,
        use_rslora: false,
        target_modules: vec![r"model\.layers\.[02]\..*\.v_proj".to_owned()],
        ..LoraSpec::default()
    };
    let adapter = Adapter::init(&model, &spec, 1).unwrap();
    assert_eq!(
        adapter.config().target_modules.names(),
        ["model.layers.0.self_attn.v_proj", "model.layers.2.self_attn.v_proj"]
    );
    let none = LoraSpec { target_modules: vec!["model[(".to_owned()], ..spec };
    let err = Adapter::init(&model, &none, 1).err().unwrap().to_string();
    assert!(err.contains("model[("), "{err}");
}
