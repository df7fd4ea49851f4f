//! What the Evaluate panel is asked for.

use std::path::PathBuf;

use crate::data::sheet::form::SheetForm;
use crate::evaluate::task::survey::Beside;

#[derive(Clone, Debug, PartialEq)]
pub enum EvaluateCommand {
    /// Opens the form that codes texts.
    New,
    ChooseTask,

    /// Puts the 60 sample abstracts into the project and opens their task.
    UseSample,

    /// The same with the 20 items of the sample survey.
    UseSampleSurvey,

    /// Reads a task file and its table.
    OpenTask(PathBuf),

    /// An evaluation of the project, by its folder.
    OpenKept(PathBuf),
    ChooseTable,

    /// A folder, whose documents are the rows.
    ChooseDocuments,

    /// Reads how a table looks, for the form.
    UseTable(PathBuf),
    ChooseCodebook,

    /// A table beside the items of a survey.
    ChooseBeside(Beside),
    UseBeside(Beside, PathBuf),

    /// Reads the tables beside the items that the form names and that were not read yet.
    ReadBeside,

    /// Asks about a few rows; their answers are only shown.
    Try,

    /// Asks about all rows, and keeps the answers in the project.
    Start,

    /// Asks about the rows that have no answer yet.
    Resume,

    /// The rows that are being asked about rest with everything in memory.
    Pause,
    Continue,
    Stop,

    /// Writes the report of an evaluation of the project, by its folder.
    Report(PathBuf),

    /// Takes over the labels that people gave in a study to an evaluation, and writes its report again.
    TakeLabels {
        folder: PathBuf,
        study: PathBuf,
    },

    /// Decides again which labels apply, from this probability on, and shows the report of that.
    Redraw {
        folder: PathBuf,
        threshold: f64,
    },

    /// Shows what another evaluation of the same rows has over this one, both by their folders.
    Compare {
        folder: PathBuf,
        other: PathBuf,
    },

    /// Asks where the open evaluation's table is saved, in this format, with the answers.
    ChooseTableFile(SheetForm),

    /// Asks for a table whose rows are shown as examples.
    ChooseExamples,

    /// Sets up a study in Annotate of the texts that the model was least certain of.
    CodeByHand,

    /// Loads the model that a task file names.
    LoadModel(String),

    /// Tests whether the model follows the codebook of an evaluation, by its folder.
    TestStability(PathBuf),
    StopTests,

    /// Shows every configuration that was tried, side by side.
    CompareConfigurations,

    /// Freezes the configuration of an evaluation, by its folder.
    Freeze(PathBuf),

    /// The rows that were kept for the end, with the configuration of an evaluation.
    OpenTestPart(PathBuf),

    /// The prompt through the loaded model's chat template.
    ShowPrompt(String),
}
