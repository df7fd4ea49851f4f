//! Vectors that were computed before, by model and text: a file for each model and way.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::matrix::Vectors;
use crate::explore::error::Error;
use crate::files;

/// The first bytes of a file, and its version.
const MAGIC: &[u8; 8] = b"TFVECS1\n";

/// A text's hash, its first bytes: two texts share one with no chance that matters.
type Key = [u8; 16];

/// Vectors that a file keeps: about 300 MB of 384 values.
const MOST: usize = 200_000;

/// Texts that are computed between two looks at what is to be kept.
const BATCH: usize = 4096;

/// Makes vectors of texts.
type Compute<'a> = &'a mut dyn FnMut(&[String]) -> Result<Vec<Vec<f32>>, Error>;

/// The vectors of one model, pooled in one way.
pub struct Cache {
    /// `None`: nothing is kept.
    path: Option<PathBuf>,
}

impl Cache {
    /// `way`: everything that a vector depends on but its text.
    pub fn new(folder: Option<&Path>, way: &str) -> Self {
        let name = files::sha256_of_bytes(way.as_bytes());
        Self {
            path: folder.map(|folder| folder.join("vectors").join(format!("{}.bin", &name[..24]))),
        }
    }

    /// The vectors of texts: those that are kept, and the others by `compute`, each text once. What
    /// was computed is kept also where it was stopped on the way.
    pub fn vectors(&self, texts: &[String], compute: Compute<'_>) -> Result<Vectors, Error> {
        let mut known = self.read();
        let keys: Vec<Key> = texts.iter().map(|text| key(text)).collect();
        let mut missing = BTreeSet::new();
        let pairs = keys.iter().copied().zip(texts);
        let wanted: Vec<(Key, &String)> =
            pairs.filter(|(key, _)| !known.contains_key(key) && missing.insert(*key)).collect();
        let known_before = known.len();
        let mut outcome = Ok(());
        for batch in wanted.chunks(BATCH) {
            let batch_texts: Vec<String> = batch.iter().map(|(_, text)| (*text).clone()).collect();
            match compute(&batch_texts) {
                Ok(vectors) => {
                    known.extend(batch.iter().map(|(key, _)| *key).zip(vectors));
                }
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        if known.len() > known_before {
            self.keep(&known, &keys);
        }
        outcome?;
        let rows: Vec<Vec<f32>> = keys.iter().map(|key| known[key].clone()).collect();
        Ok(Vectors::of(&rows)?)
    }

    /// Nothing, where there is no file or a damaged one: vectors can be computed again.
    fn read(&self) -> BTreeMap<Key, Vec<f32>> {
        let Some(path) = &self.path else { return BTreeMap::new() };
        match std::fs::read(path) {
            Ok(bytes) => parsed(&bytes).unwrap_or_else(|| {
                log::warn!("{} is damaged and is not used", path.display());
                BTreeMap::new()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                log::warn!("{}: {error}", path.display());
                BTreeMap::new()
            }
        }
    }

    fn keep(&self, known: &BTreeMap<Key, Vec<f32>>, wanted: &[Key]) {
        let Some(path) = &self.path else { return };
        // Too many: only what was asked for now.
        let kept: BTreeMap<&Key, &Vec<f32>> = if known.len() > MOST {
            wanted.iter().take(MOST).filter_map(|key| Some((key, known.get(key)?))).collect()
        } else {
            known.iter().collect()
        };
        let Some(width) = kept.values().next().map(|vector| vector.len()) else { return };
        let mut bytes = Vec::with_capacity(24 + kept.len() * (16 + 4 * width));
        bytes.extend(MAGIC);
        bytes.extend((width as u64).to_le_bytes());
        bytes.extend((kept.len() as u64).to_le_bytes());
        kept.keys().for_each(|key| bytes.extend(*key));
        for vector in kept.values() {
            vector.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
        }
        let written = path.parent().map_or(Ok(()), files::folders::make);
        if let Err(error) = written.and_then(|()| files::write_atomic(path, &bytes)) {
            log::warn!("vectors are not kept: {}: {error}", path.display());
        }
    }
}

fn key(text: &str) -> Key {
    let hash = Sha256::digest(text.as_bytes());
    let mut key = [0; 16];
    key.copy_from_slice(&hash[..16]);
    key
}

fn parsed(bytes: &[u8]) -> Option<BTreeMap<Key, Vec<f32>>> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (width, rest) = rest.split_first_chunk::<8>()?;
    let (count, rest) = rest.split_first_chunk::<8>()?;
    let width = usize::try_from(u64::from_le_bytes(*width)).ok()?;
    let count = usize::try_from(u64::from_le_bytes(*count)).ok()?;
    let (keys, values) = rest.split_at_checked(count.checked_mul(16)?)?;
    if width == 0 || values.len() != count.checked_mul(width)?.checked_mul(4)? {
        return None;
    }
    let keys = keys.as_chunks::<16>().0.iter().copied();
    let vector = |row: &[u8]| -> Vec<f32> {
        row.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect()
    };
    Some(keys.zip(values.chunks_exact(4 * width).map(vector)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Cancelled;

    #[test]
    fn a_text_is_computed_once_and_what_was_stopped_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(folder.path()), "model, mean");
        let texts = ["a", "bb", "a"].map(str::to_owned);
        let mut asked = 0;
        let mut by_length = |texts: &[String]| {
            asked += texts.len();
            Ok(texts.iter().map(|text| vec![text.len() as f32, 1.0]).collect())
        };
        let found = cache.vectors(&texts, &mut by_length).unwrap();
        assert_eq!(found.values(), [1.0, 1.0, 2.0, 1.0, 1.0, 1.0]);
        let again = ["bb", "ccc"].map(str::to_owned);
        assert_eq!(cache.vectors(&again, &mut by_length).unwrap().row(1), [3.0, 1.0]);
        assert_eq!(asked, 3, "a, bb, ccc");
        let many: Vec<String> = (0..BATCH + 5).map(|at| format!("text {at}")).collect();
        let mut once = true;
        let mut stopping = |texts: &[String]| {
            if !std::mem::take(&mut once) {
                return Err(Error::Cancelled(Cancelled));
            }
            Ok(texts.iter().map(|_| vec![0.5, 0.5]).collect())
        };
        assert!(cache.vectors(&many, &mut stopping).is_err());
        assert_eq!(cache.read().len(), 3 + BATCH);
        assert!(Cache::new(Some(folder.path()), "model, last").read().is_empty());
    }

    #[test]
    fn a_damaged_file_is_computed_again() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(folder.path()), "m");
        let texts = ["a".to_owned()];
        let mut one = |texts: &[String]| Ok(vec![vec![1.0_f32, 2.0]; texts.len()]);
        cache.vectors(&texts, &mut one).unwrap();
        let path = cache.path.clone().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for cut in 0..bytes.len() {
            assert!(parsed(&bytes[..cut]).is_none(), "{cut}");
        }
        files::write_atomic(&path, &bytes[..20]).unwrap();
        assert_eq!(cache.vectors(&texts, &mut one).unwrap().row(0), [1.0, 2.0]);
    }
}
