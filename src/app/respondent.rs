//! The model in memory as Evaluate asks it, with what is written down of it.

use std::sync::Arc;

use crate::evaluate::asking::prepared::Prepared;
use crate::evaluate::asking::respondent::Respondent;
use crate::evaluate::results::evaluation::Evaluation;
use crate::llm::adapter::lora::Adapter;
use crate::llm::card::{AdapterCard, ModelCard, ModelIdentity};
use crate::llm::generate::guess::KeptGuesser;
use crate::llm::model::Model;
use crate::seq2seq::Seq2Seq;

/// Held by whoever asks: another model may take its place meanwhile.
pub enum InMemory {
    Decoder {
        model: Arc<Model>,
        adapter: Option<Arc<Adapter>>,
        guesser: KeptGuesser,
    },

    /// With its adapter in its weights.
    Pair {
        model: Arc<Seq2Seq>,
        card: Box<ModelCard>,
        adapter: Option<AdapterCard>,
    },
}

impl InMemory {
    pub fn identity(&self) -> &ModelIdentity {
        match self {
            Self::Decoder { model, .. } => &model.card().identity,
            Self::Pair { card, .. } => &card.identity,
        }
    }

    pub fn adapter_sha256(&self) -> Option<String> {
        match self {
            Self::Decoder { adapter, .. } => adapter.as_ref().map(|adapter| adapter.card().sha256),
            Self::Pair { adapter, .. } => adapter.as_ref().map(|adapter| adapter.sha256.clone()),
        }
    }

    /// What is written down before the first row: the window loads models as they are stored.
    pub fn evaluation(&self, prepared: &Prepared, started: &str) -> Evaluation {
        match self {
            Self::Decoder { model, adapter, .. } => {
                prepared.evaluation(model, adapter.as_deref(), "as stored", started)
            }
            Self::Pair { card, adapter, .. } => {
                prepared.evaluation_of_pair(card, adapter.as_ref(), started)
            }
        }
    }
}

impl<'a> From<&'a InMemory> for Respondent<'a> {
    fn from(model: &'a InMemory) -> Self {
        match model {
            InMemory::Decoder { model, adapter, guesser } => Self::Decoder {
                model,
                adapter: adapter.as_deref(),
                guesser: guesser.exact_for(model),
            },
            InMemory::Pair { model, .. } => Self::Pair(model),
        }
    }
}
