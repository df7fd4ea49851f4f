//! What is needed to resume after a stop, a crash or a power cut, bit for bit.
//!
//! Adapter, optimizer and reference are in `resume.safetensors`, which is written whole or not at
//! all. The adapter is written beside it in PEFT's format, so that whatever happens a usable one is
//! there.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Tensor, Var};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::files;
use crate::train::error::Error;
use crate::train::objective::dpo::Reference;
use crate::train::record::CHECKPOINT_FILE;
use crate::train::step::optim::{AdamW, Moments};

/// The parts of a run that change.
#[derive(Clone, Debug, PartialEq)]
pub struct RunState {
    /// Optimizer steps taken.
    pub step: usize,

    /// Tokens seen.
    pub num_tokens: u64,
    pub optimizer: AdamW,

    /// Of every example in the order of the file. Empty until it has been computed, and for an objective
    /// without one.
    pub reference: Vec<Reference>,
}

/// The numbers beside the tensors, as one JSON string in the file's metadata.
#[derive(Serialize, Deserialize)]
struct Counters {
    version: u32,
    step: usize,
    num_tokens: u64,
    optimizer_steps: u64,
}

const METADATA_KEY: &str = "tuning_fork";
const VERSION: u32 = 1;

/// Writes `resume.safetensors`.
pub fn write(run_dir: &Path, vars: &[(String, Var)], state: &RunState) -> Result<(), Error> {
    let path = run_dir.join(CHECKPOINT_FILE);
    let RunState { step, num_tokens, optimizer, reference } = state;
    let counters = Counters {
        version: VERSION,
        step: *step,
        num_tokens: *num_tokens,
        optimizer_steps: optimizer.step_count,
    };
    let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for ((name, var), Moments { first, second }) in vars.iter().zip(&optimizer.moments) {
        let values = var.flatten_all()?.to_vec1::<f32>()?;
        for (kind, values) in [("adapter", &values), ("first", first), ("second", second)] {
            let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            tensors.push((format!("{kind}.{name}"), Dtype::F32, var.dims().to_vec(), bytes));
        }
    }
    if !reference.is_empty() {
        let values = reference.iter().flat_map(|row| [row.chosen, row.rejected]);
        let bytes = values.flat_map(f64::to_le_bytes).collect();
        tensors.push(("reference".to_owned(), Dtype::F64, vec![reference.len(), 2], bytes));
    }
    let views: Result<Vec<(&str, TensorView<'_>)>, _> = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes)?))
        })
        .collect();
    let counters = serde_json::to_string(&counters).expect("counters are numbers");
    let metadata = HashMap::from([(METADATA_KEY.to_owned(), counters)]);
    let bytes = views
        .and_then(|views| safetensors::serialize(views, Some(metadata)))
        .map_err(|err| Error::Checkpoint { path: path.clone(), problem: err.to_string() })?;
    files::write_atomic(&path, &bytes).map_err(|source| Error::Write { path, source })
}

/// Reads `resume.safetensors` back into `vars` and the state it was written from.
pub fn read(run_dir: &Path, vars: &[(String, Var)], weight_decay: f64) -> Result<RunState, Error> {
    let path = run_dir.join(CHECKPOINT_FILE);
    if !path.is_file() {
        return Err(Error::NoCheckpoint(run_dir.to_owned()));
    }
    let bytes =
        std::fs::read(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
    let damaged = |problem: String| Error::Checkpoint { path: path.clone(), problem };
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|err| damaged(err.to_string()))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|err| damaged(err.to_string()))?;
    let counters = header.metadata().as_ref().and_then(|found| found.get(METADATA_KEY));
    let counters = counters.ok_or_else(|| damaged("it does not say its step".to_owned()))?;
    let counters: Counters =
        serde_json::from_str(counters).map_err(|err| damaged(err.to_string()))?;
    if counters.version != VERSION {
        return Err(damaged(format!("it is of version {}", counters.version)));
    }

    let values = |kind: &str, name: &str, count: usize| {
        let view =
            tensors.tensor(&format!("{kind}.{name}")).map_err(|err| damaged(err.to_string()))?;
        let (four, rest) = view.data().as_chunks::<4>();
        if view.dtype() != Dtype::F32 || four.len() != count || !rest.is_empty() {
            return Err(damaged(format!("{kind}.{name} is not of the adapter's shape")));
        }
        Ok(four.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect::<Vec<f32>>())
    };
    let mut optimizer = AdamW::new(&[], weight_decay);
    optimizer.step_count = counters.optimizer_steps;
    let mut weights = Vec::with_capacity(vars.len());
    for (name, var) in vars {
        let count = var.elem_count();
        let first = values("first", name, count)?;
        let second = values("second", name, count)?;
        optimizer.moments.push(Moments { first, second });
        weights.push(values("adapter", name, count)?);
    }
    // Only once everything is there, so that a damaged file changes nothing.
    for ((_, var), values) in vars.iter().zip(weights) {
        var.set(&Tensor::from_vec(values, var.shape(), var.device())?)?;
    }
    let reference = match tensors.tensor("reference") {
        Err(_) => Vec::new(), // stopped before it was computed
        Ok(view) => {
            let (eight, _) = view.data().as_chunks::<8>();
            let values: Vec<f64> = eight.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
            let (pairs, _) = values.as_chunks::<2>();
            pairs
                .iter()
                .map(|[chosen, rejected]| Reference { chosen: *chosen, rejected: *rejected })
                .collect()
        }
    };
    let Counters { step, num_tokens, .. } = counters;
    Ok(RunState { step, num_tokens, optimizer, reference })
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn vars(value: f32) -> Vec<(String, Var)> {
        let tensor = Tensor::full(value, (2, 3), &Device::Cpu).unwrap();
        vec![("layer.lora_A.weight".to_owned(), Var::from_tensor(&tensor).unwrap())]
    }

    fn state(vars: &[(String, Var)]) -> RunState {
        let mut optimizer = AdamW::new(vars, 0.01);
        optimizer.step_count = 3;
        optimizer.moments[0].first[4] = 0.1;
        let reference = vec![Reference { chosen: -12.5, rejected: -1.0 / 3.0 }];
        RunState { step: 3, num_tokens: 720, optimizer, reference }
    }

    #[test]
    fn a_checkpoint_comes_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let trained = vars(0.3);
        write(folder.path(), &trained, &state(&trained)).unwrap();
        let fresh = vars(0.0);
        assert_eq!(read(folder.path(), &fresh, 0.01).unwrap(), state(&trained));
        assert_eq!(fresh[0].1.to_vec2::<f32>().unwrap(), trained[0].1.to_vec2::<f32>().unwrap());
    }

    #[test]
    fn a_damaged_checkpoint_is_refused_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let trained = vars(0.3);
        write(folder.path(), &trained, &state(&trained)).unwrap();
        let path = folder.path().join(CHECKPOINT_FILE);
        let bytes = std::fs::read(&path).unwrap();
        files::write_atomic(&path, &bytes[..bytes.len() - 5]).unwrap();
        let fresh = vars(0.0);
        assert!(matches!(read(folder.path(), &fresh, 0.0), Err(Error::Checkpoint { .. })));
        assert_eq!(fresh[0].1.to_vec2::<f32>().unwrap(), [[0.0; 3]; 2]);
        let nothing = tempfile::tempdir().unwrap();
        assert!(matches!(read(nothing.path(), &fresh, 0.0), Err(Error::NoCheckpoint(_))));
    }
}
