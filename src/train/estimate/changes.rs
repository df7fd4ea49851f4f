//! What to change where a run does not fit, each with what it would take then.

use super::memory::{Memory, ModelSize, memory, pass_plan, targets};
use crate::llm;
use crate::llm::Shapes;
use crate::llm::model::Model;
use crate::train::config::{DTYPES, TrainConfig};
use crate::train::error::Error;
use crate::train::rows::batch::Example;
use crate::train::rows::plan::Plan;
use crate::words::gigabytes;

/// A setting that would take less memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// `dtype = "auto"`, as a run file would have it.
    pub setting: String,

    /// What the run would take then, in bytes, at its peak.
    pub peak: u64,
}

impl Change {
    /// `dtype = "auto" it would need 640 MB`, after "with".
    pub fn sentence(&self) -> String {
        format!("{} it would need {}", self.setting, gigabytes(self.peak))
    }
}

/// Less than this share of the peak is not worth a word.
const WORTH_IT: f64 = 0.05;

/// The settings that would take less than `now`, the least first. `train` are the examples that are
/// trained on.
pub(super) fn changes(
    model: &Model,
    config: &TrainConfig,
    (examples, train): (&[Example], &[usize]),
    now: &Memory,
) -> Result<Vec<Change>, Error> {
    let shapes = Shapes::of(model.config());
    let mut found = Vec::new();
    for (setting, changed) in alternatives(config) {
        let weight_bytes = if changed.dtype == config.dtype {
            now.weights
        } else {
            llm::memory_needed(&model.card().source, changed.weights())?
        };
        let size = ModelSize { config: model.config(), shapes: &shapes, weight_bytes };
        let cut: Vec<Example>;
        let examples = if changed.max_length < config.max_length {
            cut = examples
                .iter()
                .map(|example| example.cut(changed.max_length, changed.truncates()))
                .collect();
            &cut
        } else {
            examples
        };
        let targets = targets(&changed, &shapes);
        let plan = Plan::new(&changed, train.len());
        let largest = pass_plan(&size, &changed, &targets).largest(examples, train, &plan);
        let peak = memory(&size, &changed, &largest).peak();
        if (peak as f64) < now.peak() as f64 * (1.0 - WORTH_IT) {
            found.push(Change { setting, peak });
        }
    }
    found.sort_by_key(|change| change.peak);
    Ok(found)
}

/// What could be changed one at a time.
fn alternatives(config: &TrainConfig) -> Vec<(String, TrainConfig)> {
    let mut found = Vec::new();
    for (name, dtype) in DTYPES {
        if dtype != config.dtype {
            found.push((format!("dtype = \"{name}\""), TrainConfig { dtype, ..config.clone() }));
        }
    }
    let least = config.least_batch();
    if config.per_device_train_batch_size > least {
        let changed = TrainConfig { per_device_train_batch_size: least, ..config.clone() };
        found.push((format!("per_device_train_batch_size = {least}"), changed));
    }
    for max_length in [512, 256] {
        if max_length < config.max_length {
            let changed = TrainConfig { max_length, ..config.clone() };
            found.push((format!("max_length = {max_length}"), changed));
        }
    }
    if config.lora.r > 8 {
        let mut changed = config.clone();
        changed.lora.r = 8;
        found.push(("r = 8".to_owned(), changed));
    }
    found
}
