//! Everything that a person can ask for.

use std::path::PathBuf;

use super::hub::ModelsTab;
use super::prefs::{PanelId, Theme};
use crate::data::pair::Verdict;
use crate::hub::cache::RepoKind;
use crate::hub::queue::{Order, QueueCommand};
use crate::llm::card::ModelSource;
use crate::train::notes::RunNotes;

/// Something asked for by a click, a key or the palette. Carried out at the end of the frame, by
/// one match in `app/handle.rs`.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    // The window
    ShowPanel(PanelId),
    ToggleRail,
    SetTheme(Theme),
    ZoomIn,
    ZoomOut,
    ZoomReset,
    TogglePalette,
    ToggleKeys,
    CopyText(String),
    Reveal(PathBuf),
    DismissNotice(u64),

    /// Esc: stops what the panel in front is doing, else whatever runs.
    StopForeground,
    StopAll,

    /// Closing the window although something runs.
    CloseAnyway,

    // The project
    OpenProject,
    OpenProjectAt(PathBuf),

    // Models
    RefreshModels,
    FetchStarter,
    StopFetch,
    ChooseModelFile,
    ChooseModelFolder,
    LoadModel(ModelSource),
    UnloadModel,

    /// Deletes it from the disk. The panel has asked before.
    RemoveModel(PathBuf),

    /// Hashes its files again.
    VerifyModel(PathBuf),
    StopVerifying,

    /// Asks the Hub whether there is a newer version of any model here.
    CheckUpdates,

    // The Hub
    ShowModelsTab(ModelsTab),

    /// Asks what is in the fields; the answers before are dropped.
    SearchHub,
    MoreFound,

    /// Files, configuration and card of a repository.
    LookAt(RepoKind, String),
    StopLooking,
    Download(Order),
    Queue(QueueCommand),

    /// A page in the browser: the Hub's of a repository, or any other.
    OpenHubPage(RepoKind, String),
    OpenPage(String),
    SaveHubSettings,

    /// The token in the form becomes the one that is used, and is kept.
    KeepToken,
    ForgetToken,

    /// A fetched file's prompts go to Annotate.
    AnnotateFile(PathBuf),

    /// Opens Train with the pairs of a file.
    TrainOnFile(PathBuf),
    StopReading,

    // Adapters
    ChooseAdapter,
    LoadAdapter(PathBuf),
    UnloadAdapter,

    // Playground
    Generate,
    StopGenerate,

    // Annotate
    ChoosePrompts,
    UseSamplePrompts,

    /// Generate the two answers for the prompt in front.
    AnswerPrompt,
    Judge(Verdict),
    UndoVerdict,

    /// `conversational`: messages. Otherwise plain text.
    ExportPairs {
        conversational: bool,
    },

    /// Write the pairs somewhere else, because the project cannot be written to.
    SaveElsewhere,

    // Train
    ChooseTrainingData,

    /// Look at the chosen data as a run would see it.
    SurveyData,
    StartTraining,
    StopTraining,

    /// The run under way rests with everything in memory, or goes on at once.
    PauseTraining,
    ContinueTraining,
    ResumeRun(String),
    DeleteRun(String),

    /// A run gets the name and the note that were written.
    NoteRun(String, RunNotes),

    /// A run's settings and data go into the form, to be changed and started again.
    UseRunSettings(String),

    /// A run's numbers and curves as files in its folder: CSV, SVG, PNG.
    ExportRun(String),

    /// The model with and without a run's adapter, measured on what the run held out.
    MeasureRun(String),
    StopMeasuring,

    /// A run's adapter for other programs. Asks where to.
    ExportAdapter(String, AdapterForm),
    StopExport,

    /// A run of the list was picked or ticked: read its `metrics.jsonl` and hand it over.
    ShowRun(String),

    /// Load a run's adapter and ask the same prompt of base and adapter, side by side.
    TryRun(String),

    /// The same with the adapter of the run's best look at what is held out.
    TryBest(String),
    SaveRunFile,
    ChooseRunFile,
}

/// What is made of an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdapterForm {
    /// A transformers folder that stands alone.
    Merged,

    /// A file that llama.cpp lays over the model.
    Gguf,
}

/// What was asked for in this frame, in order.
#[derive(Debug, Default)]
pub struct Commands(Vec<Command>);

impl Commands {
    pub fn push(&mut self, command: Command) {
        self.0.push(command);
    }

    pub fn extend(&mut self, commands: impl IntoIterator<Item = Command>) {
        self.0.extend(commands);
    }
}

impl IntoIterator for Commands {
    type Item = Command;
    type IntoIter = std::vec::IntoIter<Command>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
