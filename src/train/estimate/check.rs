//! Refuses what would not fit into memory, with what to change.

use super::changes;
use super::changes::Change;
use super::memory::{Memory, ModelSize, memory, pass_plan, targets};
use crate::llm;
use crate::llm::Shapes;
use crate::llm::card::ModelSource;
use crate::llm::model::Model;
use crate::memory::free_memory;
use crate::train::config::{DTYPES, Dtype, TrainConfig};
use crate::train::error::Error;
use crate::train::rows::batch::Example;
use crate::train::rows::plan::Plan;

/// Refuses a run that does not fit beside its model, which is in memory already. `train` are the
/// examples that are trained on.
pub fn check_run(
    model: &Model,
    config: &TrainConfig,
    (examples, train): (&[Example], &[usize]),
    plan: &Plan,
) -> Result<(), Error> {
    let shapes = Shapes::of(model.config());
    let size = ModelSize { config: model.config(), shapes: &shapes, weight_bytes: 0 };
    let targets = targets(config, &shapes);
    let largest = pass_plan(&size, config, &targets).largest(examples, train, plan);
    let found = memory(&size, config, &largest);
    let needed = found.peak() - found.program;
    if free_memory().is_none_or(|free| needed <= free) {
        return Ok(());
    }
    let weight_bytes = llm::memory_needed(&model.card().source, config.weights())?;
    let whole = Memory { weights: weight_bytes, ..found };
    refuse(needed, &changes::changes(model, config, (examples, train), &whole)?)
}

/// Refuses to load a base model whose weights alone do not fit.
pub fn check_load(source: &ModelSource, config: &TrainConfig) -> Result<(), Error> {
    let needed = |dtype: Dtype| llm::memory_needed(source, dtype.weights());
    let own = needed(config.dtype)?;
    if config.dtype == Dtype::Auto || free_memory().is_none_or(|free| own <= free) {
        return Ok(()); // as the file has them, weights are not copied
    }
    let mut changes = Vec::new();
    for (name, dtype) in DTYPES {
        let peak = needed(dtype)?;
        if peak < own {
            changes.push(Change { setting: format!("dtype = \"{name}\""), peak });
        }
    }
    refuse(own, &changes)
}

/// Refuses what would not fit. `needed` is what is to be taken from here on.
fn refuse(needed: u64, changes: &[Change]) -> Result<(), Error> {
    match free_memory() {
        Some(free) if needed > free => {
            let changes = changes.iter().map(Change::sentence).collect();
            Err(Error::Memory { needed, free, changes })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_its_numbers() {
        let free = free_memory().expect("this system says how much memory is free");
        refuse(1, &[]).unwrap();
        let setting = "dtype = \"auto\"".to_owned();
        let changes = [Change { setting, peak: 600_000_000 }];
        let err = refuse(free.saturating_mul(8), &changes).unwrap_err().to_string();
        assert!(err.contains("dtype = \"auto\" it would need 600 MB"), "{err}");
    }
}
