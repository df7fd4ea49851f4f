//! What is needed to resume after a stop, a crash or a power cut, bit for bit.
//!
//! What learns, optimizer and reference are in `resume.safetensors`, which is written whole or not at
//! all. An adapter is written beside it in PEFT's format, so that whatever happens a usable one is
//! there.

use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::llm::adapter::learned::{Learned, Slot};
use crate::llm::files::mapped::Mapped;
use crate::llm::files::write_safetensors;
use crate::llm::files::write_safetensors::{Entry, write_floats};
use crate::train::error::Error;
use crate::train::objective::dpo::Reference;
use crate::train::record::CHECKPOINT_FILE;
use crate::train::step::optim::{AdamSettings, AdamW, Moments};

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

/// Writes `resume.safetensors`, a tensor at a time: what learns may be most of the memory. `slots` hold the
/// values of the tensors that learn.
pub fn write(
    run_dir: &Path,
    learned: &[Learned],
    slots: &[Slot<'_>],
    state: &RunState,
) -> Result<(), Error> {
    let path = run_dir.join(CHECKPOINT_FILE);
    let RunState { step, num_tokens, optimizer, reference } = state;
    let counters = Counters {
        version: VERSION,
        step: *step,
        num_tokens: *num_tokens,
        optimizer_steps: optimizer.step_count,
    };
    let mut entries = Vec::with_capacity(3 * learned.len() + 1);
    for tensor in learned {
        for kind in KINDS {
            let (name, shape) = (format!("{kind}.{}", tensor.name), tensor.shape.clone());
            entries.push(Entry { name, dtype: Dtype::F32, shape });
        }
    }
    if !reference.is_empty() {
        let (name, shape) = (REFERENCE.to_owned(), vec![reference.len(), 2]);
        entries.push(Entry { name, dtype: Dtype::F64, shape });
    }
    let counters = serde_json::to_string(&counters).expect("counters are numbers");
    let metadata = Map::from_iter([(METADATA_KEY.to_owned(), Value::String(counters))]);
    write_safetensors::write(&path, metadata, &entries, &mut |place, file| {
        let tensor = place / KINDS.len();
        let Some(Moments { first, second }) = optimizer.moments.get(tensor) else {
            let values = reference.iter().flat_map(|row| [row.chosen, row.rejected]);
            return values.into_iter().try_for_each(|value| file.write_all(&value.to_le_bytes()));
        };
        match place % KINDS.len() {
            0 => slots[tensor]
                .read(|values| write_floats(values, file))
                .map_err(std::io::Error::other)?,
            1 => write_floats(first, file),
            _ => write_floats(second, file),
        }
    })
    .map_err(|source| Error::Write { path: path.clone(), source })
}

/// Of each tensor that learns: its values and its moments.
const KINDS: [&str; 3] = ["adapter", "first", "second"];
const REFERENCE: &str = "reference";

/// Reads `resume.safetensors` back into `slots`, and the state that it was written from.
pub fn read(
    run_dir: &Path,
    learned: &[Learned],
    slots: Vec<Slot<'_>>,
    settings: AdamSettings,
) -> Result<RunState, Error> {
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

    let floats = |kind: &str, tensor: &Learned| {
        let name = format!("{kind}.{}", tensor.name);
        let view = tensors.tensor(&name).map_err(|err| damaged(err.to_string()))?;
        let (four, rest) = view.data().as_chunks::<4>();
        if view.dtype() != Dtype::F32 || four.len() != tensor.len() || !rest.is_empty() {
            return Err(damaged(format!("{name} is not of the shape of what learns")));
        }
        let view_bytes = view.data();
        Ok(view_bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)))
    };
    // Only once everything is there, so that a damaged file changes nothing.
    for (tensor, kind) in learned.iter().flat_map(|tensor| KINDS.map(|kind| (tensor, kind))) {
        floats(kind, tensor).map(drop)?;
    }
    let mut optimizer = AdamW::new(learned, settings);
    optimizer.step_count = counters.optimizer_steps;
    for ((tensor, slot), Moments { first, second }) in
        learned.iter().zip(slots).zip(&mut optimizer.moments)
    {
        first.iter_mut().zip(floats("first", tensor)?).for_each(|(to, from)| *to = from);
        second.iter_mut().zip(floats("second", tensor)?).for_each(|(to, from)| *to = from);
        let values: Vec<f32> = floats("adapter", tensor)?.collect();
        slot.update(|to| to.copy_from_slice(&values))?;
    }
    let reference = match tensors.tensor(REFERENCE) {
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
    use super::*;
    use crate::files;
    use crate::llm::adapter::learned::Part;

    fn learned() -> [Learned; 1] {
        [Learned::new("layer.lora_A.weight".to_owned(), "layer", Part::A, vec![2, 3])]
    }

    fn settings() -> AdamSettings {
        AdamSettings { weight_decay: 0.01, ..AdamSettings::default() }
    }

    fn state() -> RunState {
        let mut optimizer = AdamW::new(&learned(), settings());
        optimizer.step_count = 3;
        optimizer.moments[0].first[4] = 0.1;
        let reference = vec![Reference { chosen: -12.5, rejected: -1.0 / 3.0 }];
        RunState { step: 3, num_tokens: 720, optimizer, reference }
    }

    #[test]
    fn a_checkpoint_comes_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let mut trained = [0.3_f32; 6];
        write(folder.path(), &learned(), &[Slot::Own(&mut trained)], &state()).unwrap();
        let mut fresh = [0.0; 6];
        let found = read(folder.path(), &learned(), vec![Slot::Own(&mut fresh)], settings());
        assert_eq!(found.unwrap(), state());
        assert_eq!(fresh, trained);
    }

    #[test]
    fn a_damaged_checkpoint_is_refused_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &learned(), &[Slot::Own(&mut [0.3; 6])], &state()).unwrap();
        let path = folder.path().join(CHECKPOINT_FILE);
        let bytes = std::fs::read(&path).unwrap();
        files::write_atomic(&path, &bytes[..bytes.len() - 5]).unwrap();
        let mut fresh = [0.0; 6];
        let read = |folder: &Path, fresh: &mut [f32]| {
            read(folder, &learned(), vec![Slot::Own(fresh)], settings())
        };
        assert!(matches!(read(folder.path(), &mut fresh), Err(Error::Checkpoint { .. })));
        assert_eq!(fresh, [0.0; 6]);
        let nothing = tempfile::tempdir().unwrap();
        assert!(matches!(read(nothing.path(), &mut fresh), Err(Error::NoCheckpoint(_))));
    }
}
