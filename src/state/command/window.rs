//! What is asked of the window itself, whatever panel is in front.

use std::path::PathBuf;

use crate::state::about::AboutPage;

#[derive(Clone, Debug, PartialEq)]
pub enum WindowCommand {
    CopyText(String),

    /// Opens a file or folder as what it is, as if it were dropped onto the window.
    OpenPath(PathBuf),

    /// Shows a file in the system's file manager.
    Reveal(PathBuf),

    /// Opens an address in the browser.
    OpenPage(String),

    /// Version, licences, a report of a fault.
    ShowAbout(AboutPage),

    /// Esc: stops what the panel in front is doing, else whatever runs.
    StopForeground,
    StopAll,

    /// Stops reading files of prompts and of training data.
    StopReading,

    /// Closes the window although something runs.
    CloseAnyway,
}
