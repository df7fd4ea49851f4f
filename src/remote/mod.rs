//! A model behind a server with OpenAI's interface: somebody else's vLLM, llama.cpp, Ollama, LM Studio,
//! or our own `tuning-fork serve`.
//!
//! `client` asks it, within limits of time and size; `patience` asks again where that may help; `probe`
//! finds out what it can, and whether what it says of log-probabilities holds together; `answer` streams
//! answers of it as the loaded model gives them.

pub mod ability;
pub mod answer;
pub mod client;
pub mod error;
pub mod lacking;
pub mod patience;
pub mod probe;
pub mod server;
