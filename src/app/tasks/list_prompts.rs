//! Reads the prompts and the presets of the project.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::jobs::Progress;
use crate::prompts::error::PromptError;
use crate::prompts::library::{self, Entry};
use crate::prompts::presets::{self, Preset};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

pub struct ListPrompts;

impl Work for ListPrompts {
    /// The project's folder. Without one there are those that are ready-made.
    type Request = Option<PathBuf>;
    type Event = Vec<Entry>;
    type Output = Vec<Preset>;
    type Error = PromptError;

    const RULES: Rules = Rules { stops_with_all: false, ..Rules::short("Listing the prompts") };

    fn run(
        project: Option<PathBuf>,
        _services: &Services,
        progress: &dyn Progress<Vec<Entry>>,
    ) -> Result<Vec<Preset>, PromptError> {
        progress.emit(library::list(project.as_deref()));
        project.map_or_else(|| Ok(Vec::new()), |project| presets::read(&project))
    }
}

impl Task<Workbench> for ListPrompts {
    fn on_event(&mut self, entries: Vec<Entry>, app: &mut Workbench) {
        app.state.playground.library.entries = entries;
    }

    fn done(self, presets: Vec<Preset>, app: &mut Workbench) {
        app.state.playground.presets = presets;
    }

    fn failed(self, error: PromptError, app: &mut Workbench) {
        let summary = "The presets of the project could not be read";
        let notice = Notice::error(PanelId::Playground, summary, &error);
        app.state.notices.push(notice.hint("Correct the file presets.toml, or move it away"));
    }

    fn panel(&self) -> PanelId {
        PanelId::Playground
    }
}
