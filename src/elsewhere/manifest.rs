//! `manifest.json`: what a bundle is made of, so that its results can be told from others.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::Error;
use crate::files;
use crate::train::config::Objective;

pub const MANIFEST_FILE: &str = "manifest.json";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// `Tuning Fork 0.1.0`
    pub made_by: String,

    /// RFC 3339, UTC.
    pub made: String,
    pub engine: String,
    pub preset: String,
    pub processes: usize,
    pub objective: String,
    pub base: BaseHash,

    /// Of `tokenizer.json` and of the chat template, where the model is on this disk.
    pub tokenizer_sha256: Option<String>,
    pub chat_template_sha256: Option<String>,

    /// Of the training file of the person.
    pub source_sha256: String,

    /// Of every file of the bundle that the run depends on.
    pub files: BTreeMap<String, String>,
    pub train_rows: usize,

    /// Places of the held-out rows in the training file, from 0.
    pub held_out: Vec<usize>,
}

/// The base model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BaseHash {
    /// As `config.yaml` names it.
    pub name: String,
    pub revision: Option<String>,

    /// What it was called here.
    pub local: String,

    /// Of its weights: of the file, or of the shards' hashes by name. `None`: they were not here.
    pub sha256: Option<String>,
}

impl Manifest {
    pub fn read(bundle: &Path) -> Result<Self, Error> {
        let path = bundle.join(MANIFEST_FILE);
        if !path.is_file() {
            return Err(Error::NoManifest(bundle.to_owned()));
        }
        let bytes =
            std::fs::read(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        serde_json::from_slice(&bytes).map_err(|err| {
            let problem = files::mistake_in_json(&bytes, &err);
            Error::Manifest { path, problem }
        })
    }

    /// `None`: another version of this program made the bundle, and this one does not know it.
    pub fn objective(&self) -> Option<Objective> {
        Objective::ALL.into_iter().find(|objective| objective.facts().key == self.objective)
    }

    /// The first file of the bundle that is not what it was when the bundle was made. Settings may be
    /// changed by the person, the data may not.
    pub fn check_data(&self, bundle: &Path) -> Result<(), Error> {
        for (name, expected) in self.files.iter().filter(|(name, _)| name.starts_with("data/")) {
            let path = bundle.join(name);
            let bytes = std::fs::read(&path)
                .map_err(|source| Error::Read { path: path.clone(), source })?;
            let found = files::sha256_of_bytes(&bytes);
            if found != *expected {
                return Err(Error::OtherFile { path, expected: expected.clone(), found });
            }
        }
        Ok(())
    }
}
