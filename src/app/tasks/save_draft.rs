//! Keeps the form that codes texts as it stands, so that nothing of it is lost.

use std::io;
use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::evaluate::results::kept::{self, Draft};
use crate::jobs::Progress;
use crate::state::command::ProjectCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

pub struct SaveDraft;

const FAILED: &str = "The codebook and the settings could not be saved in the project";

impl Work for SaveDraft {
    /// The project's folder.
    type Request = (PathBuf, Draft);
    type Event = ();
    type Output = ();
    type Error = io::Error;

    const RULES: Rules = Rules {
        on_closing: OnClosing::Wait,
        stops_with_all: false,
        ..Rules::short("Saving the form")
    };

    fn run(
        (project, draft): (PathBuf, Draft),
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<(), io::Error> {
        kept::save_draft(&project, &draft)
    }
}

impl Task<Workbench> for SaveDraft {
    fn done(self, (): (), app: &mut Workbench) {
        app.state.evaluate.is_draft_refused = false;
        app.state.notices.withdraw(PanelId::Evaluate, FAILED);
    }

    fn failed(self, error: io::Error, app: &mut Workbench) {
        app.state.evaluate.is_draft_refused = true;
        let notice = Notice::error(PanelId::Evaluate, FAILED, &error);
        let hint = "They are kept until the window is closed, and go with you into a project that can be \
                    written to";
        app.state.notices.push(notice.hint(hint).remedy("Open a project…", ProjectCommand::Choose));
    }

    fn panel(&self) -> PanelId {
        PanelId::Evaluate
    }
}
