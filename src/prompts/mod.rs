//! What a model is asked with, as material: prompts with variables and examples, chains of them, named
//! settings, and conversations, each a plain file of the project.
//!
//! A prompt is a chain of one step, so that one runner ([`run`]) answers both and keeps what it did.
//! Nothing that a model writes is ever executed: the two [`tools`] work out arithmetic and look up
//! passages of the project's own texts.

pub mod calculator;
pub mod chats;
pub mod check;
pub mod error;
pub mod examples;
pub mod filled;
pub mod fit;
pub mod library;
pub mod material;
pub mod presets;
pub mod record;
pub mod run;
pub mod template;
pub mod tools;
pub mod writer;
