//! The held-out numbers of a run that was trained elsewhere, computed here: beside those of its log.

use std::path::Path;

use super::error::Error;
use super::results::Learned;
use crate::jobs::Progress;
use crate::llm::adapter::lora::Adapter;
use crate::llm::model::Model;
use crate::train::config::TrainConfig;
use crate::train::config::metric::{Metric, Values};
use crate::train::config::objective::Reference;
use crate::train::record::metrics::{EvalMetrics, TrainEvent};
use crate::train::rows::prepare;
use crate::train::rows::prepare::Examples;
use crate::train::step::{adapter, evaluation, reference};

/// What is measured with, and how the other machine batched its rows.
pub struct Measure<'a> {
    pub base: &'a Model,

    /// The model whose weights were trained, or the base again.
    pub trained: &'a Model,
    pub adapter: &'a Adapter,
    pub config: &'a TrainConfig,
    pub batch: usize,
    pub processes: usize,
}

/// TRL's numbers of an evaluation of the rows in `test`, averaged as TRL averages them: its loss is
/// the mean of the batches by their rows, everything else the mean of the batches.
pub fn held_out(
    measure: &Measure<'_>,
    test: &Path,
    progress: &dyn Progress<TrainEvent>,
) -> Result<EvalMetrics, Error> {
    let Measure { base, trained, adapter: learned, config, batch, processes } = measure;
    let batch = (*batch).max(1);
    let config = &TrainConfig {
        held_out_share: 0.0,
        mix: Vec::new(), // its rows are among those of `test`
        packing: false,
        per_device_train_batch_size: batch,
        data: test.to_owned(),
        ..(*config).clone()
    };
    let Examples { examples, .. } = prepare::examples(base, config, test, progress)?;
    let rows = examples.len();
    let known = if config.objective.facts().reference == Reference::Measured {
        let indices: Vec<usize> = (0..rows).collect();
        let begun = match &config.adapter {
            Some(path) => adapter::load(base, path)?,
            None => Adapter::empty(base),
        };
        reference::known_or_computed((base, &begun), config, (&examples, &indices), None, progress)?
    } else {
        Vec::new()
    };
    // With several processes accelerate fills the last round up with the first rows.
    let round = batch * processes.max(&1);
    let total = if *processes > 1 { rows.next_multiple_of(round) } else { rows };
    let order: Vec<usize> = (0..total).map(|place| place % rows.max(1)).collect();
    let (mut loss, mut sums, mut counts) = (0.0, Values::default(), Values::default());
    for (place, members) in order.chunks(batch).enumerate() {
        progress.check().map_err(|_stopped| Error::Cancelled)?;
        let found =
            evaluation::held_out(trained, learned, config, (&examples, &known), members, progress)?;
        let counted = rows.saturating_sub(place * batch).min(members.len());
        loss += found.loss() * counted as f64;
        for (metric, value) in found.values.iter() {
            // A batch of KTO with good answers alone says nothing of bad ones.
            sums.set(metric, sums.get(metric).unwrap_or(0.0) + value);
            counts.set(metric, counts.get(metric).unwrap_or(0.0) + 1.0);
        }
    }
    let mut values = Values::default();
    for (metric, sum) in sums.iter() {
        values.set(metric, sum / counts.get(metric).unwrap_or(1.0));
    }
    values.set(Metric::Loss, loss / rows.max(1) as f64);
    Ok(EvalMetrics { pair_count: rows, values, ..EvalMetrics::default() })
}

/// The adapter that the results are measured with.
pub fn adapter_of(
    learned: Learned,
    folder: &Path,
    base: &Model,
    trained: &Model,
) -> Result<Adapter, Error> {
    match learned {
        Learned::Adapter => Adapter::load(folder, base).map_err(Error::Adapter),
        Learned::Model => Ok(Adapter::empty(trained)),
    }
}

/// A number of the log beside ours.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Beside {
    pub metric: String,
    pub logged: f64,
    pub recomputed: f64,
}

impl Beside {
    /// How far they are apart; of numbers above 1, relative to them.
    pub fn difference(&self) -> f64 {
        (self.logged - self.recomputed).abs() / self.recomputed.abs().max(1.0)
    }
}

/// What both have.
pub fn beside(logged: &EvalMetrics, recomputed: &EvalMetrics) -> Vec<Beside> {
    let pairs = logged.values.iter().filter_map(|(metric, value)| {
        let ours = recomputed.values.get(metric)?;
        Some(Beside { metric: metric.evaluated(), logged: value, recomputed: ours })
    });
    pairs.collect()
}

/// How far numbers that are the same may be apart: the sum of rounding in f32 on another machine.
pub const AGREES: f64 = 2e-3;
