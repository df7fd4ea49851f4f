//! Reference log-probabilities on the disk: what one run has computed, no other need compute.
//!
//! A file belongs to everything that they depend on but the rows, and is named by the hash of that.
//! It has a record for each row that was ever computed, found by the hash of the row's ids, so that
//! one that is found is right to the bit: for a run on other rows beside these, on more of them, or
//! after one that was killed. A record that is damaged is as if it were not there, and so is a file
//! that cannot be read or written.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tuning_fork_kernels::Level;

use crate::files;
use crate::llm::adapter::lora::Adapter;
use crate::llm::model::Model;
use crate::train::config::TrainConfig;
use crate::train::error::Error;
use crate::train::objective::dpo::Reference;
use crate::train::rows::batch::Example;

/// Counts up where a change makes the same model and rows give other bits.
const VERSION: u32 = 2;

/// The row, what was found (two f64, little-endian), and the hash of both.
const RECORD_BYTES: usize = ROW_BYTES + 16 + CHECK_BYTES;
const ROW_BYTES: usize = 16;
const CHECK_BYTES: usize = 8;

/// A row's ids, and where its completions start.
type RowHash = [u8; ROW_BYTES];

/// What is kept for a model with the adapter that its runs begin with.
#[derive(Debug)]
pub struct ReferenceCache {
    path: PathBuf,
    known: HashMap<RowHash, Reference>,
}

impl ReferenceCache {
    /// The cache in `folder` of a model that takes `weight_bytes` as the run keeps it. `begun`: the
    /// adapter before the first step, if that one continues another; a new one changes nothing. Of the
    /// settings, those that decide what a log-probability is.
    pub fn open(
        folder: &Path,
        (model, weight_bytes): (&Model, u64),
        begun: Option<&Adapter>,
        config: &TrainConfig,
    ) -> Result<Self, Error> {
        let mut hash = Sha256::new();
        let card = model.card();
        let version = env!("CARGO_PKG_VERSION");
        hash.update(format!("{VERSION} {version} {:?} {}\n", Level::best(), card.identity.sha256));
        // Also how the weights are kept: that decides how much memory they take.
        hash.update(format!("{weight_bytes} {:?}\n", model.config()));
        if let Some(adapter) = begun {
            for (name, var) in adapter.vars() {
                hash.update(format!("{name} {:?}\n", var.dims()));
                for value in var.flatten_all()?.to_vec1::<f32>()? {
                    hash.update(value.to_le_bytes());
                }
            }
            hash.update(adapter.strength());
        }
        // Where tokens count otherwise, their sums are others.
        if let Some(weight) = config.tail_weight() {
            hash.update(format!("ld_alpha {weight:?}\n"));
        }
        Ok(Self::at(folder.join(format!("reference-{}.bin", files::hex(&hash.finalize())))))
    }

    fn at(path: PathBuf) -> Self {
        let bytes = std::fs::read(&path).unwrap_or_default();
        let (records, rest) = bytes.as_chunks::<RECORD_BYTES>();
        let whole: Vec<(RowHash, Reference)> = records.iter().filter_map(read).collect();
        let is_damaged = whole.len() < records.len() || !rest.is_empty();
        let cache = Self { path, known: whole.into_iter().collect() };
        if is_damaged {
            // A record is found only where all before it are whole.
            log::warn!("{} is damaged in part; that is computed anew", cache.path.display());
            let whole: Vec<u8> =
                cache.known.iter().flat_map(|(row, of)| record(row, *of)).collect();
            cache.report(files::write_atomic(&cache.path, &whole));
        }
        cache
    }

    pub fn get(&self, example: &Example) -> Option<Reference> {
        self.known.get(&row_hash(example)).copied()
    }

    /// Keeps what was computed. A cache that cannot be written is no reason to end a run.
    pub fn keep<'a>(&self, found: impl Iterator<Item = (&'a Example, &'a Reference)>) {
        let append = || -> io::Result<()> {
            if let Some(folder) = self.path.parent() {
                files::folders::make(folder)?;
            }
            let mut file = OpenOptions::new().append(true).create(true).open(&self.path)?;
            let records = found.flat_map(|(example, of)| record(&row_hash(example), *of));
            file.write_all(&records.collect::<Vec<u8>>())
        };
        self.report(append());
    }

    fn report(&self, written: io::Result<()>) {
        if let Err(err) = written {
            log::warn!("the reference was not kept in {}: {err}", self.path.display());
        }
    }
}

fn row_hash(example: &Example) -> RowHash {
    let mut hash = Sha256::new();
    for sequence in example.sequences() {
        hash.update((sequence.ids.len() as u64).to_le_bytes());
        hash.update((sequence.completion_start as u64).to_le_bytes());
        for id in &sequence.ids {
            hash.update(id.to_le_bytes());
        }
    }
    start(hash)
}

fn record(row: &RowHash, Reference { chosen, rejected }: Reference) -> Vec<u8> {
    let mut bytes = row.to_vec();
    bytes.extend(chosen.to_le_bytes());
    bytes.extend(rejected.to_le_bytes());
    let check: [u8; CHECK_BYTES] = start(Sha256::new_with_prefix(&bytes));
    bytes.extend(check);
    bytes
}

/// `None`: something in it was changed.
fn read(bytes: &[u8; RECORD_BYTES]) -> Option<(RowHash, Reference)> {
    let (row, rest) = bytes.split_first_chunk::<ROW_BYTES>()?;
    let (chosen, rest) = rest.split_first_chunk::<8>()?;
    let (rejected, _) = rest.split_first_chunk::<8>()?;
    let (chosen, rejected) = (f64::from_le_bytes(*chosen), f64::from_le_bytes(*rejected));
    let found = Reference { chosen, rejected };
    (record(row, found) == bytes).then_some((*row, found))
}

fn start<const N: usize>(hash: Sha256) -> [u8; N] {
    let whole = hash.finalize();
    *whole.first_chunk().expect("a part of 32 bytes")
}

#[cfg(test)]
mod tests {
    use std::iter::once;

    use crate::data::pair::Text;
    use crate::train::rows::sequence::Sequence;
    use crate::train::step::reference_cache::*;

    fn example(last: u32) -> Example {
        let sequence = |ids: &[u32]| Sequence::new(ids.to_vec(), 1);
        let prompt = Text::Plain("p".to_owned());
        let chosen = sequence(&[1, 2, last]);
        let rejected = Some(sequence(&[1, 3]));
        Example { rejected, ..Example::of_one(1, prompt, "p".to_owned(), chosen) }
    }

    #[test]
    fn a_reference_comes_back_bit_for_bit_and_a_damaged_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache").join("reference-1.bin");
        let (first, second) = (example(4), example(5));
        let of_first = Reference { chosen: -12.5, rejected: -1.0 / 3.0 };
        let of_second = Reference { chosen: -110.25, rejected: f64::MIN_POSITIVE };
        let found = || {
            let cache = ReferenceCache::at(path.clone());
            [cache.get(&first), cache.get(&second)]
        };
        assert_eq!(found(), [None, None]);
        ReferenceCache::at(path.clone()).keep(once((&first, &of_first)));
        ReferenceCache::at(path.clone()).keep(once((&second, &of_second)));
        assert_eq!(found(), [Some(of_first), Some(of_second)]);
        assert_eq!(ReferenceCache::at(path.clone()).get(&example(6)), None, "another row");

        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            files::write_atomic(&path, &whole[..cut]).unwrap();
            let left = (cut >= RECORD_BYTES).then_some(of_first);
            assert_eq!(found(), [left, None], "cut after {cut} bytes");
        }
        for place in 0..whole.len() {
            let mut turned = whole.clone();
            turned[place] ^= 1;
            files::write_atomic(&path, &turned).unwrap();
            let is_in_first = place < RECORD_BYTES;
            let left = [(!is_in_first).then_some(of_first), is_in_first.then_some(of_second)];
            assert_eq!(found(), left, "a bit of byte {place} turned");
        }
    }

    #[test]
    fn what_is_kept_after_damage_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reference-1.bin");
        files::write_atomic(&path, b"half a record").unwrap();
        let of = Reference { chosen: -1.0, rejected: -2.0 };
        ReferenceCache::at(path.clone()).keep(once((&example(4), &of)));
        assert_eq!(ReferenceCache::at(path).get(&example(4)), Some(of));
    }
}
