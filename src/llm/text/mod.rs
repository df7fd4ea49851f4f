//! Text and tokens: tokenizers from every file they come in, and chat templates.

pub(crate) mod bpe;
pub mod chat;
pub mod gguf_vocab;
mod jinja;
mod special_tokens;
pub mod tokenizer;
pub(crate) mod tokenizer_check;
