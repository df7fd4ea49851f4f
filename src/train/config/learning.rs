//! What learns in a run, and what the labels of its texts are, under transformers' and PEFT's names.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::llm::{Own, SoftKind};

/// Which weights of the model learn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Small matrices beside some of the layers, and the head.
    #[default]
    Lora,

    /// Every weight.
    Full,

    /// The head on top of the model alone.
    Head,

    /// The biases of a decoder alone (`BitFit`).
    Bias,

    /// The vectors of virtual tokens before every text of a decoder.
    PromptTuning,

    /// The keys and values of virtual tokens, in every layer of a decoder.
    PrefixTuning,
}

/// Every method by its name in a run file, with what it does.
pub const METHODS: [(&str, Method, &str); 6] = [
    ("LoRA", Method::Lora, "Small matrices beside some layers learn, and the head: little memory"),
    ("Full", Method::Full, "Every weight learns: four times the memory of the model"),
    ("Head", Method::Head, "Only the head on top learns: fast, and the text is read as before"),
    ("Bias", Method::Bias, "Only the biases learn (BitFit): very little, in models that have them"),
    (
        "Prompt",
        Method::PromptTuning,
        "Virtual tokens before every text learn (prompt tuning): very little, and no weight changes",
    ),
    (
        "Prefix",
        Method::PrefixTuning,
        "What every layer sees of virtual tokens learns (prefix tuning): little, and no weight changes",
    ),
];

impl Method {
    /// Which of a decoder's own weights learn. `None`: an adapter beside them does, or a head.
    pub fn own(self) -> Option<Own> {
        match self {
            Self::Lora | Self::Head | Self::PromptTuning | Self::PrefixTuning => None,
            Self::Full => Some(Own::All),
            Self::Bias => Some(Own::Biases),
        }
    }

    /// What learns of the virtual tokens. `None`: there are none.
    pub fn soft(self) -> Option<SoftKind> {
        match self {
            Self::PromptTuning => Some(SoftKind::Prompt),
            Self::PrefixTuning => Some(SoftKind::Prefix),
            Self::Lora | Self::Full | Self::Head | Self::Bias => None,
        }
    }

    /// Whether it is one for encoders, or for decoders.
    pub fn is_for(self, encoders: bool) -> bool {
        match self {
            Self::Lora | Self::Full => true,
            Self::Head => encoders,
            Self::Bias | Self::PromptTuning | Self::PrefixTuning => !encoders,
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    pub(super) fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// transformers' `problem_type` of a classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProblemType {
    /// Each text has one label of several.
    #[serde(rename = "single_label_classification")]
    OneLabel,

    /// Each text has any number of them.
    #[serde(rename = "multi_label_classification")]
    ManyLabels,
}

/// Every kind by its name in a run file.
pub const PROBLEM_TYPES: [(&str, Option<ProblemType>); 3] = [
    ("as the rows say", None),
    ("single_label_classification", Some(ProblemType::OneLabel)),
    ("multi_label_classification", Some(ProblemType::ManyLabels)),
];

/// By how much each label counts in the loss: `"balanced"`, or `{ biased = 2.0 }`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClassWeights {
    Named(Named),

    /// Labels that are not named count 1.
    Table(BTreeMap<String, f64>),
    #[default]
    #[serde(skip)]
    None,
}

/// Weights that follow from the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Named {
    /// scikit-learn's: rows / (labels · rows of the label), so that every label counts the same.
    Balanced,
}

impl ClassWeights {
    pub const BALANCED: Self = Self::Named(Named::Balanced);

    pub(super) fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// The weights that a person gave.
    pub fn values(&self) -> Vec<f64> {
        match self {
            Self::Table(table) => table.values().copied().collect(),
            _ => Vec::new(),
        }
    }
}
