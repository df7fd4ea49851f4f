//! A file that a run learns from beside `data`, as a run file names it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::data::forms::mapping::Mapping;

/// A file beside `data`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixSource {
    pub data: PathBuf,

    /// Of all rows that are trained on. `data` has what the others leave.
    pub share: f64,

    /// What it is called where numbers are reported of it. Empty: as its file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,

    /// As the run's own `columns`, of this file.
    #[serde(default, skip_serializing_if = "Mapping::is_empty")]
    pub columns: Mapping,
}

impl MixSource {
    pub fn of(data: PathBuf, share: f64) -> Self {
        Self { data, share, name: String::new(), columns: Mapping::default() }
    }
}
