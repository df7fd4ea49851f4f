//! Encoder-decoders (T5, BART, mBART, NLLB, Marian, Pegasus): one text is read, and another is written.
//!
//! Both halves are networks of `encoder`; `model.rs` puts them together, `write.rs` draws an answer
//! token by token, `beams.rs` searches for the likeliest one, `score.rs` says how likely given ones are.

mod beams;
mod model;
mod score;
mod write;

use std::path::Path;

pub use self::beams::{Beam, BeamCandidate, BeamSettings, BeamStep, EarlyStopping, Fate};
pub use self::model::{Memory, Pass, Seq2Seq};
pub use self::write::{WriteEvent, WriteRequest, Written};
pub use crate::encoder::families_pairs::{PAIRS, is_pair};
use crate::encoder::model::config_at;

/// Whether a folder or a GGUF file is an encoder-decoder that is computed here, by its `config.json` or its
/// header.
pub fn is_pair_model(path: &Path) -> bool {
    config_at(path).is_ok_and(|config| is_pair(&config))
}
