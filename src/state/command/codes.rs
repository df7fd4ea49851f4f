//! What the Codes view of Annotate is asked for.

use std::path::PathBuf;

use crate::study::forms::export::Export;
use crate::study::value::Value;

#[derive(Clone, Debug, PartialEq)]
pub enum CodesCommand {
    /// Reads the project's studies again.
    Refresh,

    /// Asks for the table of a new study.
    ChooseTable,

    /// Shows the form of a new study.
    New,
    UseTable(PathBuf),

    /// Asks for a folder with a file of answers for each model.
    ChooseFolder,

    /// Sets up a study of the pairs of a file or a folder.
    UsePairs(PathBuf),
    ChooseCodebook,
    UseCodebook(PathBuf),

    /// Who codes: a name or a number.
    CodeAs(String),

    /// Makes the study that the form says.
    Make,

    /// Stops the model that reads the pairs of a study that is made.
    StopMaking,

    /// Makes a study of the sample abstracts, with the codes of three people.
    UseSample,

    /// Opens a study for the coder that is named.
    Open(PathBuf),
    ChoosePackage,
    OpenPackage(PathBuf),
    Close,

    /// Keeps what is said of the item in front and goes on.
    Give,
    Back,

    /// To a place in the coder's order.
    GoTo(usize),

    /// Goes on after a sitting has ended.
    SitAgain,
    Undo,
    Redo,

    /// Computes how far the coders agree.
    Agreement,

    /// Rates the models behind the answers of a study of pairs, and shows it.
    Arena,

    /// What an item is, where coders disagree.
    Settle {
        item: usize,
        variable: usize,
        value: Value,
        reason: String,
    },
    ChooseMerge,
    MergeFile(PathBuf),
    Export(Export),

    /// The same to a place that is known.
    ExportTo(Export, PathBuf),
    PackageTo(PathBuf),
    CodesTo(PathBuf),
    ExportPackage,
    ExportCodes,

    /// Takes what an evaluation of the project says as suggestions.
    UseSuggestions(PathBuf),
}
