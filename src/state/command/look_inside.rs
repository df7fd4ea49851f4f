//! What the Look inside panel is asked for.

use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq)]
pub enum LookInsideCommand {
    /// Computes what the view in front shows.
    Renew,

    /// Shows the Playground's last answer, with its prompt.
    TakeAnswer,
    Stop,

    /// Measures where the time of a pass goes.
    TimePass,

    /// Asks for a folder with a tokenizer.
    ChooseTokenizer,

    /// Puts a tokenizer beside the loaded model's.
    UseTokenizer(PathBuf),

    /// Frees the memory of the model that the loaded one was compared with.
    ForgetSecond,

    /// Writes the view in front as PNG, SVG and CSV into the project.
    Export,

    /// Measures how well the text fits a masked model, and the other one beside it.
    Fit,

    /// Frees the memory of the masked model.
    ForgetMasked,

    /// Of the texts of a table.
    Map(MapCommand),

    /// Of lists of minimal pairs.
    PairSet(PairSetCommand),
}

/// What lists of minimal pairs are asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum PairSetCommand {
    /// Looks which lists the project has.
    Refresh,

    /// Asks the loaded model.
    Run,

    /// Writes the list into the project.
    Save,

    /// Takes a list into the form, with what models have made of it.
    Open(PathBuf),
}

/// What the map is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum MapCommand {
    ChooseTable,

    /// Opens this table.
    UseTable(PathBuf),

    /// Reads the texts and lays them out.
    Make,

    /// The texts nearest to this one.
    NearPoint(usize),

    /// The texts nearest to the sentence that is typed.
    NearSentence,

    /// Finds clusters.
    Group,

    /// Predicts a column.
    Probe,

    /// Compares the texts as items of a questionnaire.
    CompareItems,

    /// Asks for the table of people's answers.
    ChooseAnswers,

    /// Takes this one.
    UseAnswers(PathBuf),

    /// Writes what was drawn around as a table into the project.
    SavePicked,

    /// Gives back the memory of the encoder that searches by meaning.
    ForgetEncoder,
}
