//! What the Annotate panel is asked for.

use std::path::PathBuf;

use crate::data::pair::Verdict;
use crate::data::pair_forms::PairForm;

#[derive(Clone, Debug, PartialEq)]
pub enum AnnotateCommand {
    ChoosePrompts,

    /// Asks for a file with prompts whose answers are there already.
    ChooseAnswers,

    /// Writes the verdicts into the project in another program's form.
    ExportFor(PairForm),

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
