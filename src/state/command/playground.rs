//! What the Playground is asked for.

use std::path::PathBuf;

use crate::explore::growth::Growth;

#[derive(Clone, Debug, PartialEq)]
pub enum PlaygroundCommand {
    Generate,
    Stop,

    /// Lets one more token of the answer come.
    NextToken,

    /// Asks the model what the room's guesses are worth.
    ScoreGuesses,

    /// Grows the branches, if nothing does so yet.
    Grow(Growth),
    StopGrowing,

    /// Fills the grid of repeats.
    Repeat,
    StopRepeats,

    /// Reads the prompts of the project again.
    ListPrompts,

    /// Runs the open prompt or chain.
    RunPrompt,
    StopPrompt,

    /// Keeps the prompt in the field under the name that was typed.
    SavePrompt,

    /// Keeps the settings under the name that was typed.
    KeepPreset,
    RemovePreset(String),

    /// Does what the view in front of an encoder-decoder is for: answers, searches, fills in.
    ReadAndWrite,
    StopWriting,

    /// Computes the attention that is looked at.
    WatchCrossAttention,

    /// Writes the conversation in front as Markdown and as JSON messages.
    ExportChat,
    ChooseAdapter,
    LoadAdapter(PathBuf),
    UnloadAdapter,
}
