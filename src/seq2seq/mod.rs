//! Encoder-decoders (T5, BART): one text is read, and another is written.
//!
//! Both halves are networks of `encoder`; `model.rs` puts them together, `write.rs` draws an answer
//! token by token, `beams.rs` searches for the likeliest one.

mod beams;
mod model;
mod write;

use std::path::Path;

pub use self::beams::{Beam, BeamCandidate, BeamSettings, BeamStep, EarlyStopping, Fate};
pub use self::model::{Memory, Pass, Seq2Seq};
pub use self::write::{WriteEvent, WriteRequest, Written};
pub use crate::encoder::families_pairs::{PAIRS, is_pair};

/// Whether a folder is an encoder-decoder that is computed here, by its `config.json`.
pub fn is_pair_folder(folder: &Path) -> bool {
    let text = std::fs::read(folder.join("config.json")).unwrap_or_default();
    serde_json::from_slice(&text).is_ok_and(|config| is_pair(&config))
}
