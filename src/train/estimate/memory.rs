//! How much memory a run takes, counted from sizes: no weights and no data need be there.

use super::passes::{Largest, PassPlan};
use crate::data::pair::Text;
use crate::llm::Shapes;
use crate::llm::config::Config;
use crate::llm::cost::pass_cost::PassShape;
use crate::llm::{LinearInfo, LoraSpec};
use crate::train::config::objective::Sequences;
use crate::train::config::{Method, TrainConfig};
use crate::train::objective::logprobs;
use crate::train::rows::batch::Example;
use crate::train::rows::sequence::Sequence;

/// What has to be known of a model.
#[derive(Clone, Copy, Debug)]
pub struct ModelSize<'a> {
    pub config: &'a Config,
    pub shapes: &'a Shapes,

    /// Of the weights as they are kept during the run: [`Shapes::weight_bytes`] where only
    /// the configuration is known, `llm::memory_needed` where the files are here.
    pub weight_bytes: u64,
}

/// Lengths of a typical pair, in tokens, where the data is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokens {
    pub prompt: usize,

    /// Of each answer.
    pub answer: usize,
}

impl Default for Tokens {
    /// A question with some context, and two answers of a paragraph.
    fn default() -> Self {
        Self { prompt: 160, answer: 120 }
    }
}

/// What a run takes at its peak, in bytes, by what it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    pub weights: u64,

    /// The adapter, its gradient, and the optimizer's two moments.
    pub adapter: u64,

    /// What a pass keeps for the backward pass.
    pub kept: u64,

    /// The layer that is being computed, the scores of some tokens over the vocabulary, and what
    /// the allocator does not give back.
    pub work: u64,

    /// A checkpoint while it is put together; nothing of a pass is there then.
    pub checkpoint: u64,

    /// Tokenizer, threads, code.
    pub program: u64,
}

impl Memory {
    /// The most at any time.
    pub fn peak(&self) -> u64 {
        let Self { weights, adapter, kept, work, checkpoint, program } = *self;
        weights + adapter + program + (kept + work).max(checkpoint)
    }
}

/// Bytes of an entry of the vocabulary in the tokenizer: its place in a text that all share, in a
/// table, and a merge. Measured: from `SmolLM2`'s to Gemma's, 113 for each entry more.
const BYTES_A_TOKEN: u64 = 120;

/// Code, threads' stacks and packing buffers, the run's own lists.
const PROGRAM_BYTES: u64 = 30_000_000;

/// Share of what passes use that they take beside it: the allocator's holes, buffers that wait for
/// a layer of another kind. Measured: 0.1 to 0.3 on three families.
const HOLES: f64 = 0.22;

/// The memory of a run of which the largest pass is known.
pub fn memory(model: &ModelSize<'_>, config: &TrainConfig, largest: &Largest) -> Memory {
    let spec = config.lora.spec();
    let targets = targets(config, model.shapes);
    let floats = size_of::<f32>() as u64;
    let adapter_bytes = learned_values(config, model.shapes, model.config) * floats;
    let checkpoint = if config.method.own().is_none() {
        2 * 3 * adapter_bytes
    } else {
        // Written a tensor at a time.
        let shapes = model.shapes.linears.iter().chain(&model.shapes.tables);
        let largest = shapes.map(|one| one.outputs * one.inputs).max().unwrap_or(0);
        2 * largest as u64 * floats
    };
    let scores = logprobs::score_bytes(model.config, largest.predictions);
    let used = largest.cost.kept_bytes + largest.cost.work_bytes + scores;
    Memory {
        weights: model.weight_bytes,
        adapter: 4 * adapter_bytes,
        kept: largest.cost.kept_bytes,
        work: largest.cost.work_bytes
            + scores
            + (used as f64 * HOLES) as u64
            + dora_bytes(&spec, &targets, largest),
        // Adapter and moments as bytes, and once more as the file that they become.
        checkpoint,
        program: PROGRAM_BYTES + BYTES_A_TOKEN * model.config.vocab_size as u64,
    }
}

/// The layers that get an adapter.
pub(super) fn targets<'a>(config: &TrainConfig, shapes: &'a Shapes) -> Vec<&'a LinearInfo> {
    match (config.method.own(), config.method.soft()) {
        (None, None) => config.lora.spec().targets(&shapes.linears),
        _ => Vec::new(),
    }
}

/// Values that learn in a run.
pub fn learned_values(config: &TrainConfig, shapes: &Shapes, of: &Config) -> u64 {
    if let Some(kind) = config.method.soft() {
        return (config.virtual_tokens() * kind.numbers_a_token(of)) as u64;
    }
    match config.method {
        Method::Full => return shapes.parameter_count(),
        Method::Bias => return shapes.vector_values as u64,
        Method::Lora | Method::Head | Method::PromptTuning | Method::PrefixTuning => {}
    }
    let spec = config.lora.spec();
    let magnitudes = usize::from(spec.use_dora);
    let values = targets(config, shapes)
        .into_iter()
        .map(|one| spec.most_rank() * (one.outputs + one.inputs) + magnitudes * one.outputs);
    let whole = shapes.tables.first().map_or(0, |table| table.outputs * table.inputs);
    (values.sum::<usize>() + spec.modules_to_save.len() * whole) as u64
}

/// What `DoRA` takes beside it: each thread a copy of the layer whose lengths it measures; in the backward
/// pass the outputs of a layer, twice.
fn dora_bytes(spec: &LoraSpec, targets: &[&LinearInfo], largest: &Largest) -> u64 {
    if !spec.use_dora {
        return 0;
    }
    let weight = targets.iter().map(|one| one.outputs * one.inputs).max().unwrap_or(0);
    let outputs = targets.iter().map(|one| one.outputs).max().unwrap_or(0);
    let at_once = rayon::current_num_threads().min(targets.len());
    let values = (at_once * weight).max(2 * largest.cost.rows * outputs);
    (values * size_of::<f32>()) as u64
}

/// How a run on a model of this size cuts its batches.
pub(super) fn pass_plan<'a>(
    size: &ModelSize<'a>,
    config: &'a TrainConfig,
    targets: &'a [&'a LinearInfo],
) -> PassPlan<'a> {
    let shape = PassShape {
        config: size.config,
        shapes: size.shapes,
        targets,
        rank: config.lora.spec().most_rank(),
        own: config.method == Method::Full,
    };
    PassPlan { shape, config }
}

/// The memory of a run on pairs of these lengths: for a model that is not here yet.
pub fn memory_for(model: &ModelSize<'_>, config: &TrainConfig, tokens: Tokens) -> Memory {
    let targets = targets(config, model.shapes);
    let shape = PassShape {
        config: model.config,
        shapes: model.shapes,
        targets: &targets,
        rank: config.lora.spec().most_rank(),
        own: config.method == Method::Full,
    };
    let examples = made_up(config, tokens);
    let batch: Vec<usize> = (0..examples.len()).collect();
    let passes = PassPlan { shape, config }.of_batch(&examples, &batch);
    let largest = passes.iter().fold(Largest::default(), |largest, pass| largest.joined(pass));
    memory(model, config, &largest)
}

/// A batch of examples that begin with nothing in common.
fn made_up(config: &TrainConfig, tokens: Tokens) -> Vec<Example> {
    let length = config.max_length.min(tokens.prompt + tokens.answer);
    let completion_start = tokens.prompt.min(length.saturating_sub(1));
    let mut next = 0..;
    let mut fresh = |count: usize| -> Vec<u32> { next.by_ref().take(count).collect() };
    let examples = (0..config.per_device_train_batch_size).map(|index| {
        let prompt = fresh(completion_start);
        let mut sequence = || {
            let ids = [prompt.as_slice(), &fresh(length - completion_start)].concat();
            Sequence::new(ids, completion_start)
        };
        let chosen = sequence();
        let rejected = match config.objective.facts().sequences {
            Sequences::One | Sequences::AnswerAndMismatched => None,
            Sequences::ChosenAndRejected => Some(sequence()),
        };
        let beside = match config.objective.facts().sequences {
            Sequences::AnswerAndMismatched => Some(sequence()),
            Sequences::One | Sequences::ChosenAndRejected => None,
        };
        let prompt = Text::Plain(String::new());
        let example = Example::of_one(index + 1, prompt, String::new(), chosen);
        Example { rejected, beside, ..example }
    });
    examples.collect()
}
