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
    ChooseAdapter,
    LoadAdapter(PathBuf),
    UnloadAdapter,
}
