//! What a run will take, before it is started: memory is counted, time is counted and measured.

use std::path::Path;

use super::answered::answered;
use super::changes;
use super::changes::Change;
use super::memory::{Memory, ModelSize, memory, pass_plan, targets};
use super::speed;
use super::speed::Speed;
use super::time::{Time, Workload};
use crate::data::split::Split;
use crate::data::table::folder;
use crate::jobs::Progress;
use crate::llm;
use crate::llm::Shapes;
use crate::llm::config::Config;
use crate::llm::model::Model;
use crate::train::config::objective::Reference;
use crate::train::config::{
    Dtype, LoraConfig, Method, Objective, PackingStrategy, TrainConfig, TruncationMode,
};
use crate::train::error::Error;
use crate::train::objective::logprobs;
use crate::train::objective::logprobs::PassSize;
use crate::train::record::metrics::TrainEvent;
use crate::train::rows::batch::Example;
use crate::train::rows::plan;
use crate::train::rows::plan::Plan;
use crate::train::rows::prepare;
use crate::train::rows::prepare::Examples;
use crate::train::step::adapter;
use crate::train::step::passes;
use crate::train::step::reference_cache::ReferenceCache;

/// What a run will take.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    pub memory: Memory,
    pub time: Time,
    pub steps: usize,
    pub train_rows: usize,
    pub held_out_rows: usize,

    /// Values that learn, and values of the model.
    pub trained_parameters: u64,
    pub parameters: u64,

    /// Settings that would take less memory, the least first.
    pub changes: Vec<Change>,
}

/// Estimates runs on one model after another, and remembers what was slow to find out.
#[derive(Debug, Default)]
pub struct Estimator {
    rows: Option<(RowsKey, Examples)>,
    speed: Option<(SpeedKey, Speed)>,
}

/// What the rows as token ids depend on.
#[derive(Clone, Debug, PartialEq)]
struct RowsKey {
    model: String,

    /// The hash of each file, with its share.
    data: Vec<(String, u64)>,
    objective: Objective,
    completion_only_loss: bool,
    assistant_only_loss: bool,
    truncation_mode: TruncationMode,
    max_length: usize,

    /// Answers to a prompt and their length, where they are sampled.
    sampled: Option<(usize, usize)>,

    /// What rows are packed, compared and drawn by: strategy, batch, held-out share, seed.
    grouped: Option<(Option<PackingStrategy>, usize, u64, u64)>,
}

/// What the measured speed depends on.
#[derive(Clone, Debug, PartialEq)]
struct SpeedKey {
    rows: RowsKey,
    dtype: Dtype,
    lora: LoraConfig,
    method: Method,

    /// Tokens of the measured pass, roughly: another shuffle is the same work.
    tokens: usize,
}

impl Estimator {
    /// What a run of `config` on the rows of `data` would take. `model` may keep its weights
    /// otherwise than the run would. `cache`: the folder where the reference of an earlier run may
    /// be, which this one need not compute.
    pub fn estimate(
        &mut self,
        model: &Model,
        config: &TrainConfig,
        (data, cache): (&Path, Option<&Path>),
        progress: &dyn Progress<TrainEvent>,
    ) -> Result<Estimate, Error> {
        let mut hashes = Vec::new();
        for source in config.sources(data) {
            let hash = folder::sha256(source.path);
            let path = source.path.to_owned();
            let hash = hash.map_err(|source| Error::Read { path, source })?;
            hashes.push((hash, source.share.to_bits()));
        }
        let is_arranged = config.packs().is_some()
            || config.objective == Objective::Kto
            || !config.mix.is_empty();
        let key = RowsKey {
            model: model.card().identity.sha256.clone(),
            data: hashes,
            objective: config.objective,
            completion_only_loss: config.completion_only_loss,
            assistant_only_loss: config.learns_assistant(),
            truncation_mode: config.truncates(),
            max_length: config.max_length,
            sampled: config
                .objective
                .samples()
                .then_some((config.policy.num_generations, config.policy.max_completion_length)),
            grouped: is_arranged.then(|| {
                let batch = config.per_device_train_batch_size;
                (config.packs(), batch, config.held_out_share.to_bits(), config.seed)
            }),
        };
        if self.rows.as_ref().is_none_or(|(known, _)| *known != key) {
            let mut examples = prepare::examples(model, config, data, progress)?;
            let vocabulary = model.config().vocab_size;
            examples.examples = answered(config, vocabulary, examples.examples);
            self.rows = Some((key.clone(), examples));
        }
        let (_, Examples { examples, split, .. }) = self.rows.as_ref().expect("it was read above");
        let split = match key.grouped {
            Some(_) => split.clone(),
            None => prepare::held_out_split(examples, config),
        };
        let plan = Plan::new(config, split.train.len());

        let weights = config.weights();
        let shapes = Shapes::of(model.config());
        let weight_bytes = llm::memory_needed(&model.card().source, weights)?;
        let size = ModelSize { config: model.config(), shapes: &shapes, weight_bytes };
        let mut reference = match config.objective.facts().reference {
            Reference::Measured => plan::rows_of(&plan, &split.train, &split.held_out),
            Reference::None | Reference::EachRound => Vec::new(),
        };
        let kept = || kept(cache?, (model, weight_bytes), config);
        if !reference.is_empty()
            && let Some(cache) = kept()
        {
            reference.retain(|row| cache.get(&examples[*row]).is_none());
        }
        let counted = Counted::of(&size, config, examples, (&split, &reference), &plan);

        let (members, tokens) = typical_pass(model.config(), examples, &split, &plan);
        let key = SpeedKey {
            rows: key,
            dtype: config.dtype,
            lora: LoraConfig { r: 0, lora_alpha: 0.0, ..config.lora.clone() },
            method: config.method,
            tokens: tokens / 128,
        };
        let speed = match &self.speed {
            Some((known, speed)) if *known == key => *speed,
            _ => {
                progress.check().map_err(|_stopped| Error::Cancelled)?;
                let members: Vec<&Example> = members.iter().map(|row| &examples[*row]).collect();
                let speed = speed::measure(model, config, weights, &members)?;
                self.speed = Some((key, speed));
                speed
            }
        };
        Ok(Estimate {
            memory: counted.memory,
            time: counted.workload.time(&speed),
            steps: plan.steps,
            train_rows: split.train.len(),
            held_out_rows: split.held_out.len(),
            trained_parameters: counted.workload.learned_values,
            parameters: shapes.parameter_count(),
            changes: changes::changes(model, config, (examples, &split.train), &counted.memory)?,
        })
    }
}

/// What the `cache` has for such a run. What keeps its adapter from being read is for the run to say.
fn kept(cache: &Path, model: (&Model, u64), config: &TrainConfig) -> Option<ReferenceCache> {
    let begun = config.adapter.as_deref().map(|path| adapter::load(model.0, path));
    ReferenceCache::open(cache, model, begun.transpose().ok()?.as_ref(), config).ok()
}

/// A run, counted.
struct Counted {
    memory: Memory,
    workload: Workload,
}

impl Counted {
    fn of(
        size: &ModelSize<'_>,
        config: &TrainConfig,
        examples: &[Example],
        (split, reference): (&Split, &[usize]),
        plan: &Plan,
    ) -> Self {
        let targets = targets(config, size.shapes);
        let passes = pass_plan(size, config, &targets);
        let largest = passes.largest(examples, &split.train, plan);
        let rows = (split.train.as_slice(), split.held_out.as_slice(), reference);
        let workload = Workload::of(&passes, examples, rows, plan);
        Self { memory: memory(size, config, &largest), workload }
    }
}

/// The pass of middling length among the first ones of a run, and its tokens.
fn typical_pass(
    config: &Config,
    examples: &[Example],
    split: &Split,
    plan: &Plan,
) -> (Vec<usize>, usize) {
    const STEPS: usize = 8;
    let rows = PassSize::of(config).rows();
    let mut passes: Vec<(Vec<usize>, usize)> = Vec::new();
    for step in 0..plan.steps.min(STEPS) {
        for batch in plan.batches_of(step, &split.train) {
            for members in passes::passes(examples, &batch, rows) {
                let sequences = members.iter().flat_map(|index| examples[*index].sequences());
                let tokens = logprobs::tree(&sequences.collect::<Vec<_>>()).len();
                passes.push((members.to_vec(), tokens));
            }
        }
    }
    passes.sort_by_key(|(_, tokens)| *tokens);
    let middle = passes.len() / 2;
    passes.into_iter().nth(middle).unwrap_or_default()
}
