//! A model as a server: the paths, requests and answers of OpenAI's interface, computed by our engine.
//!
//! [`server`] listens, on a thread of its own for all connections; `worker` computes one request after
//! the other on another one. What is asked is read in `asked` and its neighbours before anything is
//! computed; what is answered is what `generate`, `score`, `embed` and Evaluate compute.

mod asked;
mod chat;
mod completions;
mod decisions;
mod error;
mod fields;
pub mod key;
mod labels;
mod likelihoods;
mod questions;
mod reply;
mod routes;
mod sampled;
pub mod served;
pub mod server;
mod vectors;
mod watch;
mod worker;
