//! LoRA adapters: PEFT's files, gradients, and the two passes with an adapter on.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use tuning_fork::files;
use tuning_fork::llm::{Adapter, Error, LoraSpec, Model, Positions, Weights};

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
    }
}

/// An adapter whose B is not zero, so that it does something.
fn lively(model: &Model, r: usize) -> Adapter {
    let adapter = Adapter::init(model, &everywhere(r), 7).unwrap();
    for (index, (name, var)) in adapter.vars().into_iter().enumerate() {
        if name.contains("lora_B") {
            let count = var.elem_count();
            let values: Vec<f32> =
                (0..count).map(|at| ((at * 31 + index * 17) % 23) as f32 / 230.0 - 0.05).collect();
            var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu).unwrap()).unwrap();
        }
    }
    adapter
}

fn batch(ids: &[u32], rows: usize) -> Tensor {
    Tensor::new(ids.to_vec(), &Device::Cpu).unwrap().reshape((rows, ())).unwrap()
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
            let hidden = model.hidden_for_training(&batch(&IDS, 2), &adapter).unwrap();
            for (row, ids) in IDS.chunks(24).enumerate() {
                let trained = model.head_for_training(&hidden.get(row).unwrap()).unwrap();
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
        let loss = some_loss(&model, &adapter);
        let gradients = loss.backward().unwrap();
        for (name, var) in adapter.vars() {
            let gradient =
                gradients.get(&var).unwrap_or_else(|| panic!("{family}: {name} has none"));
            let size = gradient.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(size.is_finite() && size > 0.0, "{family}: {name} has the gradient {size}");
        }
    }
}

fn some_loss(model: &Model, adapter: &Adapter) -> Tensor {
    let hidden = model.hidden_for_training(&batch(&IDS, 2), adapter).unwrap();
    let hidden = hidden.reshape(((), model.config().width)).unwrap();
    let scores = model.head_for_training(&hidden).unwrap();
    let logprobs = candle_nn::ops::log_softmax(&scores, 1).unwrap();
    let next: Vec<u32> = IDS.iter().map(|id| (id * 7 + 3) % 384).collect();
    let next = Tensor::from_vec(next, (IDS.len(), 1), &Device::Cpu).unwrap();
    logprobs.gather(&next, 1).unwrap().mean_all().unwrap().neg().unwrap()
}

/// The gradient of every kind of tensor against the slope of the loss itself.
#[test]
fn gradients_are_the_slopes_of_the_loss() {
    for family in FAMILIES {
        let model = load(&reference("models").join(family), Weights::F32);
        let adapter = lively(&model, 2);
        let gradients = some_loss(&model, &adapter).backward().unwrap();
        for (name, var) in adapter
            .vars()
            .into_iter()
            .filter(|(name, _)| name.contains("s.0.") || name.contains("h.0."))
        {
            let gradient = gradients.get(&var).unwrap().clone();
            // Along the gradient the loss rises by |gradient|² a unit.
            let square = gradient.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
            let step = 2e-3 / f64::from(square.sqrt());
            let before = var.as_tensor().copy().unwrap();
            let at = |scale: f64| {
                var.set(&(&before + (&gradient * scale).unwrap()).unwrap()).unwrap();
                let loss = some_loss(&model, &adapter).to_dtype(DType::F64).unwrap();
                loss.to_scalar::<f64>().unwrap()
            };
            let slope = (at(10.0 * step) - at(-10.0 * step)) / (20.0 * step);
            var.set(&before).unwrap();
            let relative = (slope / f64::from(square) - 1.0).abs();
            assert!(relative < 0.05, "{family}: {name}: slope {slope}, gradient² {square}");
        }
    }
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
        ("bias", serde_json::json!("all")),
        ("peft_type", serde_json::json!("IA3")),
    ] {
        let error = broken(|json| json[key] = value.clone());
        assert!(error.to_string().contains(key), "{error}");
    }
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
