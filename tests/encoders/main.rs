//! Encoders, classifiers and encoder-decoders against the numbers of transformers 5.23
//! (`tests/reference/encoders`). More shapes and families: `tests/reference/check_encoders.py`; at
//! random: `vary_encoders.py` and `vary_trained.py` beside it.

#![expect(clippy::unwrap_used, reason = "a test fails where it is")]

mod adapted;
mod asked;
mod changed;
mod classifiers;
mod decoders;
mod gguf;
mod masked;
mod masks;
mod pairs;
mod support;
mod trained;
mod translators;
mod views;
