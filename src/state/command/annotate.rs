//! What the Annotate panel is asked for.

use std::path::PathBuf;

use crate::data::pair::Verdict;

#[derive(Clone, Debug, PartialEq)]
pub enum AnnotateCommand {
    ChoosePrompts,

    /// Takes the prompts of a file.
    UseFile(PathBuf),
    UseSamplePrompts,

    /// Generates the two answers for the prompt in front.
    AnswerPrompt,
    Judge(Verdict),
    UndoVerdict,

    /// `conversational`: messages. Otherwise plain text.
    ExportPairs {
        conversational: bool,
    },

    /// Writes the pairs somewhere else, because the project cannot be written to.
    SaveElsewhere,
}
