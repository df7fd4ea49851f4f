//! Text and tokens: tokenizers from every file they come in, and chat templates.

mod added;
pub mod base64;
pub mod born;
pub(crate) mod bpe;
mod byte_tokens;
pub mod chat;
mod class_choice;
mod classes;
pub mod decode;
mod folder;
mod folder_files;
mod frame;
mod gguf_build;
mod gguf_encoders;
pub(crate) mod gguf_ends;
mod gguf_rules;
pub mod gguf_vocab;
mod jinja;
mod model_file;
pub mod reasoning;
pub mod regex;
mod sentencepiece;
mod spelling;
pub mod tokenizer;
pub(crate) mod tokenizer_check;
mod tokens;
mod told;
