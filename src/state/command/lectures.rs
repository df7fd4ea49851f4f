//! What the Lectures panel and the stage are asked for.

use crate::lecture::place::Place;

#[derive(Clone, Debug, PartialEq)]
pub enum LecturesCommand {
    /// Reads the project's lectures again.
    Refresh,

    /// Reads a lecture and looks for what it needs.
    Open(Place),

    /// Asks for a lecture's file.
    Choose,

    /// Shows the open lecture: the stage alone on the whole screen, or with the notes beside it.
    Start { has_notes: bool },

    /// The same from this scene on. What was revealed and the clock stay as they were.
    StartAt { scene: usize, has_notes: bool },

    /// Leaves the stage; the lecture stays open.
    Leave,

    /// Closes the open lecture.
    Close,

    /// Keeps what all scenes show in a file beside the lecture.
    SaveRecording,

    /// Puts a copy of the tour into the project, to be changed.
    CopyTour,

    /// Adds the view in front of Look inside to the project's own scenes.
    KeepView,
}
