//! The forms that are read, by the names that a person knows.

use super::content::{Note, Understood};

/// The forms that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Text,
    Messages,
    PromptCompletion,
    Preference,
    ImplicitPreference,
    Labelled,

    /// What is asked, without any answer.
    Prompts,
    HhTranscripts,
    UltraFeedback,
    UltraFeedbackBinarized,
    ShareGpt,
    ShareGptPreference,
    Columns(Names),
    H2oChain,
    OpenAiPreference,
    Gemini,
    Arena,
    Shp,
    HelpSteer,
    Nectar,
    Argilla,
    LabelStudio,
    LabelStudioMin,
    Potato,
    Verdicts,

    /// As a `dataset_info.json` beside the file says.
    LlamaFactory,
}

impl Form {
    /// What a person knows it as.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "texts",
            Self::Messages => "OpenAI messages",
            Self::PromptCompletion => "prompt and completion",
            Self::Preference => "preference pairs with their prompts",
            Self::ImplicitPreference => "preference pairs whose prompt is what both begin with",
            Self::Labelled => "labelled answers (KTO)",
            Self::Prompts => "prompts",
            Self::HhTranscripts => "Anthropic's HH transcripts",
            Self::UltraFeedback => "UltraFeedback with scored answers",
            Self::UltraFeedbackBinarized => "UltraFeedback, binarized",
            Self::ShareGpt => "ShareGPT",
            Self::ShareGptPreference => "ShareGPT (preference)",
            Self::Columns(names) => names.name,
            Self::H2oChain => "H2O LLM Studio with parent ids",
            Self::OpenAiPreference => "OpenAI's preference files",
            Self::Gemini => "Gemini's tuning files",
            Self::Arena => "an arena's battles",
            Self::Shp => "Stanford's human preferences",
            Self::HelpSteer => "HelpSteer: below 0 the first answer is the better one",
            Self::Nectar => "Nectar: the best rank against the last",
            Self::Argilla => "an export of Argilla",
            Self::LabelStudio => "an export of Label Studio",
            Self::LabelStudioMin => "an export of Label Studio (JSON-MIN)",
            Self::Potato => "annotations of Potato",
            Self::Verdicts => "verdicts of Tuning Fork",
            Self::LlamaFactory => "as dataset_info.json says",
        }
    }

    /// Whether TRL reads these rows as they are. Others are mapped first, and that is worth a word.
    pub fn is_trls(self) -> bool {
        matches!(
            self,
            Self::Text
                | Self::Messages
                | Self::PromptCompletion
                | Self::Preference
                | Self::ImplicitPreference
                | Self::HhTranscripts
                | Self::Labelled
                | Self::Prompts
        )
    }

    /// Whether its messages were made of columns of plain text.
    pub(super) fn is_of_columns(self) -> bool {
        matches!(
            self,
            Self::Columns(_)
                | Self::H2oChain
                | Self::UltraFeedback
                | Self::Shp
                | Self::Nectar
                | Self::HelpSteer
                | Self::Argilla
                | Self::LabelStudio
                | Self::LabelStudioMin
                | Self::Potato
                | Self::LlamaFactory
        )
    }
}

/// What to say where pairs are needed and rows have one answer.
pub(super) const NO_PAIR: &str = "this objective learns from pairs, and this row has one answer. \
                                  Take objective = \"sft\", or rows with \"prompt\", \"chosen\" \
                                  and \"rejected\"";

/// What to say where a label is needed and a row has none.
pub(super) const NO_LABEL: &str = "KTO learns from answers that are labelled, and this row has no \
                                   \"label\" that is true (a good answer) or false (a bad one). \
                                   Pairs with \"chosen\" and \"rejected\" will do as well; for \
                                   answers to imitate, take objective = \"sft\"";

/// Where the parts of a row of columns are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// Who writes this form, for the person.
    pub name: &'static str,

    /// Joined by line breaks, the empty ones left out.
    pub question: &'static [&'static str],
    pub answer: Answer,
    pub system: Option<&'static str>,
    pub history: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    One(&'static str),
    Pair { chosen: &'static str, rejected: &'static str },
}

/// All rows of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    pub form: Form,
    pub rows: Vec<Understood>,
    pub notes: Vec<Note>,
}
