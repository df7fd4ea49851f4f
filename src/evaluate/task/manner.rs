//! How answers to a survey are read from a model: in which way, and how far the question holds it to
//! the options.

use serde::{Deserialize, Serialize};

/// How far a question holds the model to its options (Röttger et al. 2024).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wording {
    /// The options are shown, and the model is told to choose one and to say nothing else.
    #[default]
    Forced,

    /// The options are shown, and the model may answer what it likes.
    Unforced,

    /// The options are not shown.
    Open,
}

impl Wording {
    pub const ALL: [Self; 3] = [Self::Forced, Self::Unforced, Self::Open];

    pub fn words(self) -> &'static str {
        match self {
            Self::Forced => "forced",
            Self::Unforced => "unforced",
            Self::Open => "open",
        }
    }

    /// Whether answers can be read so. Without options there are no letters; a model that is asked for
    /// per cents is told what to say.
    pub fn allows(self, way: Way) -> bool {
        match self {
            Self::Forced => true,
            Self::Unforced => way != Way::Verbalised,
            Self::Open => matches!(way, Way::Texts | Way::Sampled),
        }
    }
}

/// A way to read answers to a question in one of its wordings: `letters`, `sampled_open`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Manner {
    pub wording: Wording,
    pub way: Way,
}

impl Manner {
    /// `letters`, or `letters, unforced`.
    pub fn words(self) -> String {
        match self.wording {
            Wording::Forced => self.way.words().to_owned(),
            wording => format!("{}, {}", self.way.words(), wording.words()),
        }
    }
}

impl From<Manner> for String {
    fn from(Manner { wording, way }: Manner) -> Self {
        match wording {
            Wording::Forced => way.name().to_owned(),
            wording => format!("{}_{}", way.name(), wording.words()),
        }
    }
}

impl TryFrom<String> for Manner {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let (way, wording) = name.split_once('_').unwrap_or((&name, "forced"));
        let way = Way::ALL.into_iter().find(|known| known.name() == way);
        let wording = Wording::ALL.into_iter().find(|known| known.words() == wording);
        match (way, wording) {
            (Some(way), Some(wording)) => Ok(Self { wording, way }),
            _ => Err(format!("“{name}” is no way to read answers")),
        }
    }
}

/// How a distribution over options is read from a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// The probabilities of the letters that the options are listed under.
    Letters,

    /// The probabilities of the options' whole texts.
    Texts,

    /// The model says percentages.
    Verbalised,

    /// Answers are drawn and counted.
    Sampled,
}

impl Way {
    pub const ALL: [Self; 4] = [Self::Letters, Self::Texts, Self::Verbalised, Self::Sampled];

    /// As a task has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Letters => "letters",
            Self::Texts => "texts",
            Self::Verbalised => "verbalised",
            Self::Sampled => "sampled",
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Letters => "letters",
            Self::Texts => "whole texts",
            Self::Verbalised => "said in per cent",
            Self::Sampled => "drawn answers",
        }
    }
}
