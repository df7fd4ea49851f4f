//! What is looked at, and by which model: a question, which its answer belongs to.

use std::path::PathBuf;

use crate::data::pair::Message;
use crate::llm::card::ModelCard;
use crate::llm::generate::{AdapterMode, Prompt};
use crate::state::slots::AdapterSlot;

/// How the text in the field becomes tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// As it stands, with what the tokenizer puts around a text.
    #[default]
    Text,

    /// As a question, through the chat template.
    Question,
}

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    Text {
        text: String,
        form: Form,
    },

    /// Tokens as they were read and written.
    Ids(Vec<u32>),
}

impl Subject {
    /// As the model is asked; else the tokens that it is already.
    pub fn prompt(&self) -> Result<Prompt, &[u32]> {
        match self {
            Self::Text { text, form: Form::Text } => Ok(Prompt::Raw(text.clone())),
            Self::Text { text, form: Form::Question } => {
                Ok(Prompt::Chat(vec![Message::new("user", text)]))
            }
            Self::Ids(ids) => Err(ids),
        }
    }
}

/// Tokens that are to go through the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassRequest {
    pub ids: Vec<u32>,
    pub adapter: AdapterMode,
}

/// What is looked at, by which model and adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub subject: Subject,
    pub adapter: AdapterMode,
    model: PathBuf,
    adapter_folder: Option<PathBuf>,
}

impl Question {
    pub fn new(subject: Subject, model: &ModelCard, adapter: &AdapterSlot) -> Self {
        Self {
            subject,
            adapter: adapter.mode(),
            model: model.source.path().to_owned(),
            adapter_folder: adapter.ready().map(|card| card.path.clone()),
        }
    }

    /// Whether this model is still the one that is asked.
    pub fn is_of_model(&self, model: &ModelCard) -> bool {
        self.model == model.source.path()
    }

    /// Whether the answer would still be the same.
    pub fn is_of(&self, model: &ModelCard, adapter: &AdapterSlot) -> bool {
        self.is_of_model(model)
            && self.adapter == adapter.mode()
            && self.adapter_folder.as_deref() == adapter.ready().map(|card| card.path.as_path())
    }
}
