//! Encoders, classifiers and encoder-decoders against the numbers of transformers 5.23
//! (`tests/reference/encoders`). More shapes and families: `tests/reference/check_encoders.py`.

#![expect(clippy::unwrap_used, reason = "a test fails where it is")]

mod asked;
mod classifiers;
mod decoders;
mod gguf;
mod masked;
mod masks;
mod pairs;
mod support;
mod trained;
mod views;
