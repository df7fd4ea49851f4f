//! A score head that is trained whole beside LoRA.
//!
//! A linear layer without bias from the last hidden state of one token to labels, or to one reward. As `AutoModelForSequenceClassification` has it of decoders.

use candle_core::Var;
use serde::{Deserialize, Serialize};

use crate::llm::error::Error;

/// The module path of the head, as transformers has it.
pub(crate) const SCORE_HEAD: &str = "score";

/// The head of an adapter.
pub struct ScoreHead {
    /// (labels, width)
    pub weight: Var,
    pub facts: ScoreFacts,
}

/// What is known of a head beside its weight. PEFT's files have no place for it, so it lies beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScoreFacts {
    /// The head reads the last token that is not this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad_token_id: Option<u32>,

    /// What its outputs are called. Empty: nothing is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,

    /// transformers' `problem_type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem_type: Option<String>,
}

impl ScoreHead {
    pub fn label_count(&self) -> usize {
        self.weight.dims()[0]
    }

    /// The token that the head reads: the last that is no padding, as transformers finds it.
    pub fn position(&self, ids: &[u32]) -> usize {
        let Some(padding) = self.facts.pad_token_id else { return ids.len().saturating_sub(1) };
        ids.iter().rposition(|id| *id != padding).unwrap_or(0)
    }

    pub(super) fn snapshot(&self) -> Result<Self, Error> {
        let weight = Var::from_tensor(&self.weight.as_tensor().detach().copy()?)?;
        Ok(Self { weight, facts: self.facts.clone() })
    }
}
