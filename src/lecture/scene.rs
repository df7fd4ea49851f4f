//! A lecture as plain data: its scenes, each a view with a text and settings.

use serde::{Deserialize, Serialize};

use crate::llm::Weights;
use crate::room::question::Kind;

/// What `format` says in a file that this version writes.
pub const FORMAT: i64 = 1;

/// A list of scenes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lecture {
    pub format: i64,
    pub title: String,

    /// What it is about, in a sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub about: String,

    /// How long it takes, in minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u32>,

    /// Of every scene that names no other: whatever `--model` understands.
    pub model: String,

    #[serde(rename = "scene")]
    pub scenes: Vec<Scene>,
}

/// A view, prepared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scene {
    pub title: String,
    #[serde(flatten)]
    pub view: View,

    /// What there is to find out stays hidden until the presenter presses R.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reveal: bool,

    /// Another model than the lecture's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,

    /// Laid over the model: a path beside the lecture's file, or whatever `--adapter` understands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,

    /// The lecturer's own, never on the stage.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub notes: String,
}

impl Scene {
    /// The model that it is shown with, as the file names it. `None`: it needs none.
    pub fn model_in<'a>(&'a self, lecture: &'a Lecture) -> Option<&'a str> {
        let named = self.model.as_deref().unwrap_or(&lecture.model);
        (!matches!(self.view, View::Words { .. } | View::Ask { .. })).then_some(named)
    }

    /// How often R does something.
    pub fn reveals(&self) -> usize {
        match &self.view {
            View::Guess { hide, every, .. } => {
                if hide.is_empty() && *every == 0 {
                    0
                } else {
                    usize::MAX
                }
            }
            View::Mask { .. } => usize::MAX,
            // The counts of a vote are always hidden first.
            View::Ask { .. } => 1,
            _ => usize::from(self.reveal),
        }
    }
}

/// What a scene shows, and the settings that decide it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "view", rename_all = "snake_case")]
pub enum View {
    /// Words alone: a question to the room.
    Words { text: String },

    /// The pieces that a text is split into.
    Tokens {
        text: String,

        /// Through the chat template, as a question.
        chat: bool,

        /// With the numbers of the tokens.
        ids: bool,
    },

    /// The same text by several tokenizers.
    Tokenizers {
        text: String,

        /// Whose: models, beside the lecture's own.
        with: Vec<String>,
    },

    /// What could come after a text, before and after the sampler's settings.
    Next {
        text: String,
        chat: bool,
        top: usize,
        temperature: f64,
        top_k: usize,
        top_p: f64,
        min_p: f64,
    },

    /// The same at several temperatures, beside each other.
    Temperatures { text: String, chat: bool, top: usize, temperatures: Vec<f64> },

    /// How much each token surprised the model.
    Surprise { text: String },

    /// Words are hidden; R reveals one after the other.
    Guess {
        text: String,

        /// These words, or every n-th.
        hide: Vec<String>,
        #[serde(default, skip_serializing_if = "crate::files::is_zero")]
        every: usize,
    },

    /// Words are hidden: a masked model guesses them from both sides, the lecture's own from the left. R
    /// reveals one after the other.
    Mask {
        text: String,

        /// These words, each at the first place that is not taken yet.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hide: Vec<String>,

        /// Or the words with these numbers, counted from 1.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        places: Vec<usize>,

        /// Or every n-th.
        #[serde(default, skip_serializing_if = "crate::files::is_zero")]
        every: usize,

        /// The masked model.
        with: String,
    },

    /// Two prompts that differ in a word: what comes next, side by side.
    Pair { text: String, other: String, top: usize },

    /// A list of minimal pairs: how much likelier each answer is after the first word of a pair.
    PairSet {
        /// Texts with `{word}` in them.
        templates: Vec<String>,

        /// `man / woman`
        pairs: Vec<String>,
        answers: Vec<String>,
    },

    /// Ways in which a text can go on.
    Tree { text: String, branches: usize, steps: usize },

    /// Where a head of a layer looks.
    Attention { text: String, layer: usize, head: usize, hide_first: bool },

    /// What every layer would say next.
    Lens { text: String, last: usize },

    /// Which word of the prompt the answer hangs on.
    LeaveOneOut { text: String, answer: String },

    /// Words or texts as a map.
    Meaning {
        items: Vec<String>,

        /// Read before each item: a first token gets a state of its own kind, whatever it means.
        before: String,
        layer: Option<usize>,
    },

    /// A text with an adapter and without it.
    Adapter { text: String },

    /// A text by two models: the lecture's, and another one or its own file with other weights.
    TwoModels {
        text: String,

        /// Empty: the same file.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        with: String,

        /// How the second one's weights are kept. Empty: as they are stored.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        weights: String,
    },

    /// The model's parts.
    Machine {
        /// With where the time of a pass goes, as measured on the lecturer's computer.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        times: bool,
    },

    /// A question to the room: on its phones where it is open, else for a show of hands.
    Ask {
        text: String,

        /// What the question is about.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        about: String,
        #[serde(flatten)]
        kind: Kind,
    },
}

/// How a second model's weights can be kept, as a file says it.
pub const KEPT_AS: [(&str, Weights); 4] = [
    ("f32", Weights::F32),
    ("bf16", Weights::Bf16),
    ("q8_0", Weights::Q8_0),
    ("q4_0", Weights::Q4_0),
];

/// [`View::TwoModels`]' weights.
pub fn kept_as(words: &str) -> Weights {
    let known = KEPT_AS.iter().find(|(known, _)| *known == words);
    known.map_or(Weights::AsStored, |(_, weights)| *weights)
}

impl View {
    /// As the file names it, in the order in which they are listed.
    pub const NAMES: [&'static str; 19] = [
        "words",
        "tokens",
        "tokenizers",
        "next",
        "temperatures",
        "surprise",
        "guess",
        "mask",
        "pair",
        "pair_set",
        "tree",
        "attention",
        "lens",
        "leave_one_out",
        "meaning",
        "adapter",
        "two_models",
        "machine",
        "ask",
    ];

    pub fn name(&self) -> &'static str {
        let at = match self {
            Self::Words { .. } => 0,
            Self::Tokens { .. } => 1,
            Self::Tokenizers { .. } => 2,
            Self::Next { .. } => 3,
            Self::Temperatures { .. } => 4,
            Self::Surprise { .. } => 5,
            Self::Guess { .. } => 6,
            Self::Mask { .. } => 7,
            Self::Pair { .. } => 8,
            Self::PairSet { .. } => 9,
            Self::Tree { .. } => 10,
            Self::Attention { .. } => 11,
            Self::Lens { .. } => 12,
            Self::LeaveOneOut { .. } => 13,
            Self::Meaning { .. } => 14,
            Self::Adapter { .. } => 15,
            Self::TwoModels { .. } => 16,
            Self::Machine { .. } => 17,
            Self::Ask { .. } => 18,
        };
        Self::NAMES[at]
    }

    /// As the window calls it.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Words { .. } => "Words",
            Self::Tokens { .. } => "Tokens",
            Self::Tokenizers { .. } => "Several tokenizers",
            Self::Next { .. } => "Next token",
            Self::Temperatures { .. } => "Temperatures",
            Self::Surprise { .. } => "Surprise",
            Self::Guess { .. } => "Hide and guess",
            Self::Mask { .. } => "Fill the mask",
            Self::Pair { .. } => "Minimal pair",
            Self::PairSet { .. } => "Pair list",
            Self::Tree { .. } => "Branches",
            Self::Attention { .. } => "Attention",
            Self::Lens { .. } => "Logit lens",
            Self::LeaveOneOut { .. } => "Leave one out",
            Self::Meaning { .. } => "Meaning",
            Self::Adapter { .. } => "Base and adapter",
            Self::TwoModels { .. } => "Two models",
            Self::Machine { .. } => "The machine",
            Self::Ask { .. } => "Ask the room",
        }
    }

    /// What it names beside its model: models, or folders of tokenizers.
    pub fn others(&self) -> Vec<&str> {
        match self {
            Self::Tokenizers { with, .. } => with.iter().map(String::as_str).collect(),
            Self::Mask { with, .. } => vec![with],
            Self::TwoModels { with, .. } if !with.is_empty() => vec![with],
            _ => Vec::new(),
        }
    }

    /// How it is read, in a sentence for the room.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Words { .. } | Self::Ask { .. } => "",
            Self::Tokens { .. } => "The model reads pieces of its vocabulary, each with a number.",
            Self::Next { .. } => "The probability of each next token, over the whole vocabulary.",
            Self::Temperatures { .. } => {
                "The same prediction: a low temperature sharpens it, a high one flattens it."
            }
            Self::Surprise { .. } => "Bits of surprise: one bit more is half as likely.",
            Self::Guess { .. } => "The model guesses each hidden word from the text before it.",
            Self::Mask { .. } => {
                "One model sees both sides of each gap, the other one what stands before it."
            }
            Self::Pair { .. } => "What comes next after two prompts that differ in one place.",
            Self::PairSet { .. } => {
                "Bits by which each answer is likelier after the first word of a pair (right), with 95 % intervals."
            }
            Self::Tree { .. } => {
                "Each number is the probability of that token after the one before."
            }
            Self::Attention { .. } => {
                "Each row is a token, and shows from which tokens it gathers."
            }
            Self::Lens { .. } => "Each row is a layer: what it would say next, were it the last.",
            Self::LeaveOneOut { .. } => {
                "How many bits less likely the answer is when a word is left out."
            }
            Self::Meaning { .. } => "Near each other: the model has similar vectors for them.",
            Self::Adapter { .. } => {
                "Bits by which the adapter makes each token likelier (+) or less likely (\u{2212})."
            }
            Self::Tokenizers { .. } => "The same text in the pieces of several models.",
            Self::TwoModels { .. } => {
                "Bits by which the first model finds each token likelier (+) or less likely (\u{2212})."
            }
            Self::Machine { times: false } => {
                "The text goes through these parts from the top to the bottom."
            }
            Self::Machine { times: true } => {
                "The share of each part in the time of a pass, as measured on this computer."
            }
        }
    }
}
