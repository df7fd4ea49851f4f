//! What is needed to resume a run of an encoder or an encoder-decoder, bit for bit: the values of what learns,
//! and the optimizer's.

use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use super::optim::Optimizer;
use crate::encoder::learn::{Weights, write_safetensors};
use crate::llm::files::mapped::Mapped;
use crate::train::error::Error;
use crate::train::record::CHECKPOINT_FILE;
use crate::train::step::optim::Moments;

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub step: usize,
    pub num_tokens: u64,
}

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
pub fn write(
    run_dir: &Path,
    weights: &Weights,
    (optimizer, counted): (&Optimizer, Counted),
) -> Result<(), Error> {
    let path = run_dir.join(CHECKPOINT_FILE);
    let Counted { step, num_tokens } = counted;
    let counters =
        Counters { version: VERSION, step, num_tokens, optimizer_steps: optimizer.step_count };
    let mut named = Vec::new();
    for (id, Moments { first, second }) in weights.trained().into_iter().zip(&optimizer.moments) {
        let (name, shape) = (weights.name(id), weights.shape(id));
        let parts = [("weight", weights.values(id)), ("first", first), ("second", second)];
        named
            .extend(parts.map(|(part, values)| (format!("{part}.{name}"), shape.to_vec(), values)));
    }
    let counters = serde_json::to_string(&counters).unwrap_or_default();
    write_safetensors(&path, (METADATA_KEY, &counters), &named)
        .map_err(|source| Error::Write { path, source })
}

/// Reads it back.
pub fn read(run_dir: &Path, weights: &mut Weights) -> Result<(Counted, Optimizer), Error> {
    let path = run_dir.join(CHECKPOINT_FILE);
    if !path.is_file() {
        return Err(Error::NoCheckpoint(run_dir.to_owned()));
    }
    let bytes = Mapped::open(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
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
    let values = |part: &str, name: &str, count: usize| {
        let view =
            tensors.tensor(&format!("{part}.{name}")).map_err(|err| damaged(err.to_string()))?;
        let (four, rest) = view.data().as_chunks::<4>();
        if view.dtype() != Dtype::F32 || four.len() != count || !rest.is_empty() {
            return Err(damaged(format!("{part}.{name} is not of the model's shape")));
        }
        Ok(four.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect::<Vec<f32>>())
    };
    let mut optimizer = Optimizer { step_count: counters.optimizer_steps, moments: Vec::new() };
    let ids = weights.trained();
    let mut found = Vec::with_capacity(ids.len());
    for id in &ids {
        let (name, count) = (weights.name(*id).to_owned(), weights.values(*id).len());
        let (first, second) = (values("first", &name, count)?, values("second", &name, count)?);
        optimizer.moments.push(Moments { first, second });
        found.push(values("weight", &name, count)?);
    }
    // Only once everything is there, so that a damaged file changes nothing.
    for (id, values) in ids.into_iter().zip(found) {
        weights.own_mut(id).copy_from_slice(&values);
    }
    let Counters { step, num_tokens, .. } = counters;
    Ok((Counted { step, num_tokens }, optimizer))
}
