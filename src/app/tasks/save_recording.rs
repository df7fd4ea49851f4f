//! Keeps what a lecture shows: as a recording beside it, or the tour as a file of the project.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::jobs::Progress;
use crate::lecture::error::FileError;
use crate::lecture::recording::{Recording, path_beside};
use crate::state::command::WindowCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

pub struct SaveRecording;

impl Work for SaveRecording {
    /// The lecture's file.
    type Request = (PathBuf, Recording);
    type Event = ();
    type Output = PathBuf;
    type Error = FileError;

    const RULES: Rules =
        Rules { on_closing: OnClosing::Wait, ..Rules::short("Saving the recording") };

    fn run(
        (lecture, recording): (PathBuf, Recording),
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<PathBuf, FileError> {
        let path = path_beside(&lecture);
        recording.write(&path)?;
        Ok(path)
    }
}

impl Task<Workbench> for SaveRecording {
    fn done(self, path: PathBuf, app: &mut Workbench) {
        let summary = "The recording is beside the lecture: with both files it can be given without \
                       the model";
        let notice = Notice::info(PanelId::Lectures, summary);
        app.state.notices.push(notice.remedy("Show the folder", WindowCommand::Reveal(path)));
    }

    fn failed(self, error: FileError, app: &mut Workbench) {
        let summary = "The recording could not be saved";
        let notice = Notice::error(PanelId::Lectures, summary, &error);
        app.state.notices.push(notice.hint("Is the disk full, or the folder read-only?"));
    }

    fn panel(&self) -> PanelId {
        PanelId::Lectures
    }
}
