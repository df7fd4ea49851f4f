//! Where the reference numbers are, how they are compared, and what stops a run.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{Device, Tensor};
use tuning_fork_engine::allocator;
use tuning_fork_engine::jobs::{Cancelled, Progress, Quiet};
use tuning_fork_engine::llm::card::ModelSource;
use tuning_fork_engine::llm::{Adapter, LoadOptions, LoraSpec, Model, Weights};
use tuning_fork_engine::train::record::metrics::TrainEvent;

pub fn reference(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference").join(path)
}

pub fn load(path: &Path, weights: Weights) -> Model {
    // As the program does at its start. Otherwise glibc makes tens of thousands of heaps for the buffers
    // of models that come and go, until the system gives no more mappings.
    static ALLOCATOR: Once = Once::new();
    ALLOCATOR.call_once(allocator::keep_freed_memory);
    Model::load(&ModelSource::at(path), &LoadOptions { weights, ..LoadOptions::default() }, &Quiet)
        .unwrap()
}

/// The files of a model of `families` with the settings of a tokenizer and the template of `llama`, in a folder.
pub fn family_into(name: &str, folder: &Path) {
    for (from, file) in [
        (format!("families/{name}"), "config.json"),
        (format!("families/{name}"), "model.safetensors"),
        ("families".to_owned(), "tokenizer.json"),
        ("models/llama".to_owned(), "tokenizer_config.json"),
        ("models/llama".to_owned(), "chat_template.jinja"),
    ] {
        std::fs::copy(reference(&from).join(file), folder.join(file)).unwrap();
    }
}

pub fn tensors(path: &Path) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

pub fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// The largest absolute difference.
pub fn distance(one: &Tensor, other: &Tensor) -> f32 {
    assert_eq!(one.dims(), other.dims());
    let pairs = values(one).into_iter().zip(values(other));
    // Not `f32::max` alone, which would swallow a NaN.
    pairs.map(|(one, other)| (one - other).abs()).fold(0.0, |largest, difference| {
        if difference.is_nan() { f32::NAN } else { largest.max(difference) }
    })
}

#[track_caller]
pub fn assert_close(one: &Tensor, other: &Tensor, tolerance: f32, what: &str) {
    let found = distance(one, other);
    assert!(found <= tolerance, "{what}: off by {found}, {tolerance} is allowed");
}

pub fn argmax(scores: &[f32]) -> u32 {
    let best = scores.iter().enumerate().max_by(|one, other| one.1.total_cmp(other.1));
    best.unwrap().0 as u32
}

/// An adapter whose B is not zero, so that it does something.
pub fn lively(model: &Model, spec: &LoraSpec) -> Adapter {
    let adapter = Adapter::init(model, spec, 7).unwrap();
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

/// Stops a run after so many steps.
pub struct StopAfter {
    steps: usize,
    done: AtomicUsize,
}

impl StopAfter {
    pub fn steps(steps: usize) -> Self {
        Self { steps, done: AtomicUsize::new(0) }
    }
}

impl Progress<TrainEvent> for StopAfter {
    fn emit(&self, event: TrainEvent) {
        if matches!(event, TrainEvent::Step(_)) {
            self.done.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        if self.done.load(Ordering::Relaxed) < self.steps { Ok(()) } else { Err(Cancelled) }
    }
}
