//! What the Annotate panel is asked for.

use std::path::PathBuf;

use crate::data::pair::Verdict;
use crate::data::pair_forms::PairForm;

#[derive(Clone, Debug, PartialEq)]
pub enum AnnotateCommand {
    ChoosePrompts,

    /// Asks for a file with prompts whose answers are there already.
    ChooseAnswers,

    /// Asks for a folder with a file of answers for each model.
    ChooseAnswersFolder,

    /// Writes the verdicts into the project in another program's form.
    ExportFor(PairForm),

    /// Takes the answers of a file, to be compared.
    UseAnswers(PathBuf),

    /// Takes the prompts of a file.
    UseFile(PathBuf),
    UseSamplePrompts,

    /// Generates the two answers for the prompt in front.
    AnswerPrompt,
    Judge(Verdict),
    UndoVerdict,
    RedoVerdict,

    /// Shows the prompt at this place of the queue.
    GoTo(usize),

    /// Gives the verdicts that follow from the order of several answers.
    KeepRanking,

    /// Keeps the guideline and what is asked beside the verdict.
    KeepJudging,

    /// Works out which models the verdicts of the project prefer.
    RateModels,

    /// Asks for a file of comparisons, to be rated.
    ChooseBattles,

    /// Has the comparisons come first that tell the most, or no longer.
    PreferTelling(bool),

    /// `conversational`: messages. Otherwise plain text.
    ExportPairs {
        conversational: bool,
    },

    /// Writes the pairs somewhere else, because the project cannot be written to.
    SaveElsewhere,
}
