//! A file dialog: the person's choice, or nothing.

use std::convert::Infallible;
use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::host::{Ask, show_dialog};
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::jobs::Progress;
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
    type Error = Infallible;

    /// Nothing can close it but the person.
    const RULES: Rules = Rules { stops_with_all: false, ..Rules::short("The file dialog") };

    fn run(
        ask: Ask,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<Option<PathBuf>, Infallible> {
        Ok(show_dialog(&ask))
    }
}

impl Task<Workbench> for Dialog {
    fn done(self, chosen: Option<PathBuf>, app: &mut Workbench) {
        if let Some(path) = chosen {
            app.chosen(self.ask, path);
        }
    }

    fn failed(self, error: Infallible, _app: &mut Workbench) {
        match error {}
    }

    fn panel(&self) -> PanelId {
        self.panel
    }
}
