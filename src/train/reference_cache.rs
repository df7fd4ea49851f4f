//! Reference log-probabilities on the disk: the next run on the same data need not compute them.
//!
//! A file is named by the hash of everything that they depend on, so that one that is found is
//! right to the bit. One that is damaged, or cannot be read or written, is as if it were not there.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::batch::Example;
use super::error::Error;
use super::step::Reference;
use crate::files;
use crate::llm::kernels::Level;
use crate::llm::lora::Adapter;
use crate::llm::model::Model;

/// Counts up where a change makes the same model and rows give other bits.
const VERSION: u32 = 1;

/// Bytes of the hash at the end of a file, of all before it.
const HASH_BYTES: usize = 32;

/// The file of a run's reference in the cache `folder`: named by model, bytes of its weights as the
/// run keeps them, adapter as it stands, token ids, program version and processor.
pub fn path(
    folder: &Path,
    (model, weight_bytes): (&Model, u64),
    adapter: &Adapter,
    examples: &[Example],
) -> Result<PathBuf, Error> {
    let mut hash = Sha256::new();
    let card = model.card();
    let version = env!("CARGO_PKG_VERSION");
    hash.update(format!("{VERSION} {version} {:?} {}\n", Level::best(), card.identity.sha256));
    // Also how the weights are kept: that decides how much memory they take.
    hash.update(format!("{weight_bytes} {:?}\n", model.config()));
    for (name, var) in adapter.vars() {
        hash.update(format!("{name} {:?}\n", var.dims()));
        let values = var.flatten_all()?.to_vec1::<f32>()?;
        for value in values {
            hash.update(value.to_le_bytes());
        }
    }
    let config = adapter.config();
    hash.update(format!("{} {} {}\n", config.r, config.lora_alpha, config.use_rslora));
    for sequence in examples.iter().flat_map(Example::sequences) {
        hash.update((sequence.ids.len() as u64).to_le_bytes());
        hash.update((sequence.completion_start as u64).to_le_bytes());
        for id in &sequence.ids {
            hash.update(id.to_le_bytes());
        }
    }
    Ok(folder.join(format!("reference-{}.bin", files::hex(&hash.finalize()))))
}

/// What is there, if it is whole and has `count` rows.
pub fn read(path: &Path, count: usize) -> Option<Vec<Reference>> {
    let bytes = std::fs::read(path).ok()?;
    let (values, hash) = bytes.split_at_checked(bytes.len().checked_sub(HASH_BYTES)?)?;
    if Sha256::digest(values).as_slice() != hash {
        log::warn!("{} is damaged; the reference is computed anew", path.display());
        return None;
    }
    let (eight, rest) = values.as_chunks::<8>();
    let values: Vec<f64> = eight.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
    let (pairs, odd) = values.as_chunks::<2>();
    let whole = rest.is_empty() && odd.is_empty() && pairs.len() == count;
    let reference =
        |[chosen, rejected]: &[f64; 2]| Reference { chosen: *chosen, rejected: *rejected };
    whole.then(|| pairs.iter().map(reference).collect())
}

/// Keeps it for the next run. A cache that cannot be written is no reason to end this one.
pub fn write(path: &Path, reference: &[Reference]) {
    let values = reference.iter().flat_map(|row| [row.chosen, row.rejected]);
    let mut bytes: Vec<u8> = values.flat_map(f64::to_le_bytes).collect();
    let hash = Sha256::digest(&bytes);
    bytes.extend_from_slice(&hash);
    if let Err(err) = files::write_atomic(path, &bytes) {
        log::warn!("the reference was not kept in {}: {err}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_comes_back_bit_for_bit_and_a_damaged_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache").join("reference-1.bin");
        assert_eq!(read(&path, 2), None);
        let reference = [
            Reference { chosen: -12.5, rejected: -1.0 / 3.0 },
            Reference { chosen: -110.25, rejected: f64::MIN_POSITIVE },
        ];
        write(&path, &reference);
        assert_eq!(read(&path, 2).unwrap(), reference);
        assert_eq!(read(&path, 3), None, "of other rows");
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            files::write_atomic(&path, &whole[..cut]).unwrap();
            assert_eq!(read(&path, 2), None, "cut after {cut} bytes");
        }
        for place in 0..whole.len() {
            let mut turned = whole.clone();
            turned[place] ^= 1;
            files::write_atomic(&path, &turned).unwrap();
            assert_eq!(read(&path, 2), None, "a bit of byte {place} turned");
        }
    }
}
