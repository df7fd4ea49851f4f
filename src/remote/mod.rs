//! A model behind a server with OpenAI's interface: somebody else's vLLM, llama.cpp, Ollama, LM Studio,
//! or our own `tuning-fork serve`.
//!
//! `client` asks it, within limits of time and size; `probe` finds out what it can, and whether what it
//! says of log-probabilities holds together.

pub mod client;
pub mod error;
pub mod probe;
