//! A file dialog: the person's choice, or nothing.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::app::Workbench;
use crate::app::host::{Ask, show_dialog};
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::jobs::Progress;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

/// What it is for, and the panel in front when it was opened.
pub struct Dialog {
    pub ask: Ask,
    pub panel: PanelId,
}

impl Work for Dialog {
    type Request = Ask;
    type Event = ();
    type Output = Option<PathBuf>;
    type Error = NoDialog;

    /// Nothing can close it but the person.
    const RULES: Rules = Rules { stops_with_all: false, ..Rules::short("The file dialog") };

    fn run(
        ask: Ask,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<Option<PathBuf>, NoDialog> {
        // Not on the thread of the window, which goes on; macOS wants its dialogs there, and rfd takes them
        // there by itself once the window is open.
        let start = Instant::now();
        let chosen = show_dialog(&ask);
        // Where there is none to show, the answer is "nothing" at once; nobody closes one so fast.
        if chosen.is_none() && start.elapsed() < FASTEST_PERSON {
            return Err(NoDialog);
        }
        Ok(chosen)
    }
}

const FASTEST_PERSON: Duration = Duration::from_millis(250);

/// The system has nothing that shows file dialogs.
#[derive(Debug, thiserror::Error)]
#[error("this system shows no file dialogs: on Linux they come from xdg-desktop-portal or zenity")]
pub struct NoDialog;

impl Task<Workbench> for Dialog {
    fn done(self, chosen: Option<PathBuf>, app: &mut Workbench) {
        if let Some(path) = chosen {
            app.chosen(self.ask, path);
        }
    }

    fn failed(self, error: NoDialog, app: &mut Workbench) {
        // On Linux alone, so the keys are these.
        let hint = "Install one of them. Until then, drop a file or a folder onto this window, or press \
                    Ctrl+K and type its path: also one that is to be written";
        let notice = Notice::error(self.panel, "No file dialog could be opened", &error).hint(hint);
        app.state.notices.push(notice);
    }

    fn panel(&self) -> PanelId {
        self.panel
    }
}
