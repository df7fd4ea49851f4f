//! What the Train panel is asked for.

use std::path::PathBuf;

use crate::train::record::notes::RunNotes;

#[derive(Clone, Debug, PartialEq)]
pub enum TrainCommand {
    ChooseData,

    /// A file whose rows are mixed with those of the data.
    ChooseMix,

    /// Opens Train with the pairs of a file.
    UseFile(PathBuf),

    /// Surveys the chosen data as a run would see it.
    SurveyData,
    Start,
    Stop,

    /// The run under way rests with everything in memory.
    Pause,
    Continue,

    /// Another value of beta for the run under way, from its next round on.
    Leash(f64),
    Resume(String),
    Delete(String),

    /// A run gets the name and the note that were written.
    Note(String, RunNotes),

    /// A run's settings and data go into the form, to be changed and started again.
    UseSettings(String),

    /// A run's numbers and curves as files in its folder: CSV, SVG, PNG.
    Export(String),

    /// The model with and without a run's adapter, measured on what the run held out.
    Measure(String),
    StopMeasuring,

    /// A run's adapter for other programs. Asks where to.
    ExportAdapter(String, AdapterForm),
    StopExport,

    /// A run of the list was picked or ticked: read its `metrics.jsonl` and hand it over.
    Show(String),

    /// Load a run's adapter and ask the same prompt of base and adapter, side by side.
    Try(String),

    /// The same with the adapter of the run's best evaluation.
    TryBest(String),
    /// The classifier of a run labels a text.
    Label(String, String),
    SaveRunFile,
    ChooseRunFile,

    /// Makes the run in the form into a folder for another engine. Asks where to.
    MakeBundle,

    /// The same, into this folder.
    BundleTo(PathBuf),

    /// Makes such a folder in the project and starts it where the form says.
    RunOn,

    /// Of a run elsewhere, by its bundle.
    StopAway(PathBuf),
    ImportAway(PathBuf),

    /// Takes it off the list. Whatever runs there goes on.
    ForgetAway(PathBuf),

    /// Takes the results of another engine back. Asks where they are.
    TakeResults,

    /// The same, from this folder.
    ImportFrom(PathBuf),
    StopTakingBack,

    /// The rounds that a run is in, and the form of the next one.
    ShowRounds(String),
    ChooseRoundPrompts,

    /// The same, those of this file.
    RoundPrompts(PathBuf),

    /// The last run of the row in front answers new prompts.
    MakeRound,
    StopRound,

    /// How far the policies of the row in front have moved.
    MeasureDrift,

    /// The answers of a round, by its folder, are compared in Annotate; what was said of them is taken; the run
    /// that learns from it goes into the form.
    LabelRound(PathBuf),
    TakeVerdicts(PathBuf),
    UseRound(PathBuf),

    /// The settings in the form with several values, one run after the other.
    StartSweep,
    StopSweep,

    /// The runs of a sweep that are left.
    ContinueSweep(PathBuf),

    /// Read a sweep of the list and hand its table over.
    ShowSweep(PathBuf),

    /// The tables and the plot of the sweep that is shown, into its folder.
    ExportSweep,

    /// A few steps at growing rates on weights that are thrown away.
    FindRate,
    StopFindingRate,

    /// What was found, as files in the project.
    ExportRates,
}

/// What is made of an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdapterForm {
    /// A transformers folder that stands alone.
    Merged,

    /// A file that llama.cpp lays over the model.
    Gguf,
}
