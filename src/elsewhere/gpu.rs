//! What a run takes of each GPU's memory, and the smallest one that has it.
//!
//! Counted, not measured: weights, gradients and optimizer exactly, what the backward pass keeps by
//! Korthikanti et al. 2022 (34 bytes a token and unit of width in a layer, attention without its
//! matrix), with every row at `max_length`. So it errs on the large side.

use super::batches::Batches;
use super::preset::{Layout, Parts, Preset};
use crate::llm::Shapes;
use crate::llm::config::Config;
use crate::train::config::objective::{Reference, Sequences};
use crate::train::config::{Dtype, Method, TrainConfig};

/// What is known of a model from its configuration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    pub parameters: u64,

    /// Values that learn.
    pub learned: u64,
    pub layers: usize,
    pub width: usize,
    pub vocabulary: usize,
}

impl Size {
    pub fn of(config: &Config, train: &TrainConfig) -> Self {
        let shapes = Shapes::of(config);
        let parameters = shapes.parameter_count();
        let learned = match train.method {
            Method::Full => parameters,
            Method::Bias => shapes.vector_values as u64,
            _ => {
                let spec = train.lora.spec();
                let targets = spec.targets(&shapes.linears);
                let values =
                    targets.iter().map(|one| spec.most_rank() * (one.outputs + one.inputs));
                let whole = spec.modules_to_save.len() * config.vocab_size * config.width;
                (values.sum::<usize>() + whole) as u64
            }
        };
        Self {
            parameters,
            learned,
            layers: config.layers.len(),
            width: config.width,
            vocabulary: config.vocab_size,
        }
    }
}

/// Bytes of one GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Need {
    pub weights: u64,
    pub gradients: u64,
    pub optimizer: u64,

    /// A second copy of the weights, which a run on all weights is held to.
    pub reference: u64,

    /// Kept for the backward pass.
    pub activations: u64,
    pub logits: u64,

    /// CUDA's own, and what its allocator cannot use.
    pub overhead: u64,
}

impl Need {
    pub fn total(&self) -> u64 {
        let Self { weights, gradients, optimizer, reference, activations, logits, overhead } = self;
        weights + gradients + optimizer + reference + activations + logits + overhead
    }

    pub fn of(size: &Size, config: &TrainConfig, layout: Layout) -> Self {
        let processes = layout.processes() as u64;
        // What changes the model itself is trained in f32 and held to a copy of it (`settings::model`).
        let changes_model = config.method.own().is_some();
        let bytes = if config.dtype == Dtype::Float32 || changes_model { 4 } else { 2 };
        let shared = |value: u64, is_shared: bool| {
            if is_shared { value.div_ceil(processes) } else { value }
        };
        let weights_shared = matches!(layout.parts, Parts::Zero3 | Parts::Fsdp2);
        let states_shared = weights_shared || layout.parts == Parts::Zero2;
        let all = size.parameters * bytes;
        let has_reference = config.objective.facts().reference != Reference::None
            && !(config.objective.samples() && config.beta == 0.0);
        // A LoRA's reference is the same model without it.
        let reference = if has_reference && changes_model { all } else { 0 };
        let batches = Batches::of(config, layout);
        let sequences = match config.objective.facts().sequences {
            Sequences::One => 1,
            Sequences::ChosenAndRejected | Sequences::AnswerAndMismatched => 2,
        };
        let tokens = (batches.per_device * sequences * length(config)) as u64;
        let (width, layers) = (size.width as u64, size.layers as u64);
        // Each layer's input in bf16, and one layer at work.
        let activations = tokens * width * (2 * layers + 34);
        // In f32, with its gradient, and in bf16.
        let logits = tokens * size.vocabulary as u64 * 10;
        let sum = shared(all, weights_shared)
            + shared(size.learned * 12, states_shared)
            + shared(reference, weights_shared);
        Self {
            weights: shared(all, weights_shared),
            gradients: shared(size.learned * 4, states_shared),
            optimizer: shared(size.learned * 8, states_shared),
            reference: shared(reference, weights_shared),
            activations,
            logits,
            overhead: 1_200_000_000 + sum / 20,
        }
    }
}

/// The longest row.
fn length(config: &TrainConfig) -> usize {
    if config.objective.samples() {
        config.policy.max_completion_length + config.max_length.min(1024)
    } else {
        config.max_length
    }
}

/// GPUs by their gigabytes, with those that people have.
pub const GPUS: [(u64, &str); 6] = [
    (16, "T4, V100"),
    (24, "L4, A10G, RTX 4090"),
    (40, "A100 with 40 GB"),
    (48, "L40S, RTX 6000"),
    (80, "A100 with 80 GB, H100"),
    (141, "H200"),
];

/// The smallest GPU that has room for so many bytes.
pub fn smallest(bytes: u64) -> Option<(u64, &'static str)> {
    GPUS.into_iter().find(|(gigabytes, _)| gigabytes * 1_000_000_000 >= bytes)
}

/// What a preset takes of each GPU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    pub preset: Preset,
    pub gpus: usize,
    pub bytes: u64,
}

/// Every preset of one machine on one to eight GPUs.
pub fn choices(size: &Size, config: &TrainConfig) -> Vec<Choice> {
    let presets =
        [Preset::OneGpu, Preset::SeveralGpus, Preset::Zero2, Preset::Zero3, Preset::Fsdp2];
    let mut all = Vec::new();
    for preset in presets {
        let counts: &[usize] = if preset == Preset::OneGpu { &[1] } else { &[2, 4, 8] };
        for gpus in counts {
            let Ok(layout) = preset.layout(Some(*gpus), None) else { continue };
            let bytes = Need::of(size, config, layout).total();
            all.push(Choice { preset, gpus: *gpus, bytes });
        }
    }
    all
}

/// The fewest GPUs that a run fits on, and of those the smallest.
pub fn smallest_choice(size: &Size, config: &TrainConfig) -> Option<(Choice, u64)> {
    let fitting = choices(size, config)
        .into_iter()
        .filter_map(|choice| smallest(choice.bytes).map(|(gigabytes, _)| (choice, gigabytes)));
    fitting.min_by_key(|(choice, gigabytes)| (choice.gpus, *gigabytes, choice.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::config::Objective;

    /// Llama-2-13B by its model card.
    const LLAMA: Size = Size {
        parameters: 13_015_864_320,
        learned: 13_015_864_320,
        layers: 40,
        width: 5120,
        vocabulary: 32000,
    };

    fn gigabytes(config: &TrainConfig, preset: Preset, gpus: usize) -> f64 {
        let layout = preset.layout(Some(gpus), None).unwrap();
        Need::of(&LLAMA, config, layout).total() as f64 / 1e9
    }

    #[test]
    fn every_weight_takes_16_bytes_and_zero_shares_them_out() {
        let config = TrainConfig {
            objective: Objective::Sft,
            method: Method::Full,
            per_device_train_batch_size: 8,
            max_length: 512,
            ..TrainConfig::default()
        };
        let whole = Need::of(&LLAMA, &config, Preset::SeveralGpus.layout(Some(8), None).unwrap());
        let states = whole.weights + whole.gradients + whole.optimizer;
        assert_eq!(states, 16 * LLAMA.parameters); // Rajbhandari et al. 2020, in f32
        let zero2 = Need::of(&LLAMA, &config, Preset::Zero2.layout(Some(8), None).unwrap());
        assert_eq!(zero2.weights, 4 * LLAMA.parameters);
        assert_eq!(zero2.gradients + zero2.optimizer, 12 * LLAMA.parameters / 8);
        let zero3 = Need::of(&LLAMA, &config, Preset::Zero3.layout(Some(8), None).unwrap());
        assert_eq!(zero3.weights + zero3.gradients + zero3.optimizer, 2 * LLAMA.parameters);
        assert!(gigabytes(&config, Preset::OneGpu, 1) > 200.0);
        // Eight GPUs with 80 GB: with ZeRO-2 it fits barely, as the courses run it.
        assert!((60.0..=90.0).contains(&gigabytes(&config, Preset::Zero2, 8)));
        let (choice, room) = smallest_choice(&LLAMA, &config).unwrap();
        assert!(choice.gpus <= 4 && room <= 141, "{choice:?}");
    }

    #[test]
    fn a_lora_fits_where_all_weights_do_not_and_dpo_on_all_weights_needs_a_second_copy() {
        let size = Size { learned: 26_000_000, ..LLAMA };
        let lora = TrainConfig {
            dtype: Dtype::Bfloat16,
            per_device_train_batch_size: 1,
            max_length: 512,
            ..TrainConfig::default()
        };
        let layout = Preset::OneGpu.layout(None, None).unwrap();
        let need = Need::of(&size, &lora, layout);
        assert_eq!((need.weights, need.reference), (2 * LLAMA.parameters, 0));
        assert!(smallest(need.total()).is_some_and(|(room, _)| room <= 48), "{need:?}");
        let full = TrainConfig { method: Method::Full, ..lora };
        assert_eq!(Need::of(&LLAMA, &full, layout).reference, 4 * LLAMA.parameters);
    }
}
