//! The engine against the numbers of transformers, PEFT and TRL (`tests/reference`).

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::iter_over_hash_type,
    reason = "a test fails where it is, and says why it is skipped"
)]

mod adapters;
mod caches;
mod decoders;
mod differences;
mod estimates;
mod evaluations;
mod exports;
mod extracted;
mod fake_server;
mod families;
mod files;
mod forms;
mod generated;
mod gguf_families;
mod graded;
mod grpo;
mod labels;
mod machines;
mod mixed;
mod peft_adapters;
mod perplexity;
mod playground;
mod policy;
mod preparation;
mod pretrained;
mod ranked_tokenizers;
mod rated;
mod remote;
mod replayed;
mod rewards;
mod schemas;
mod serving;
mod several;
mod soft_prompts;
mod starter;
mod starter_training;
mod support;
mod survey;
mod traces;
mod training;
mod views;
mod weights;
