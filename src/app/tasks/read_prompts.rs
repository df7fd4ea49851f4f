//! Reads prompts to label from a file; nothing is taken over from a bad one.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::import::activity;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::data::forms::mapping::Mapping;
use crate::data::import::{self, Imported, PromptsError};
use crate::data::pair::Text;
use crate::data::table::{ImportError, Reading};
use crate::jobs::Progress;
use crate::state::command::AnnotateCommand;
use crate::state::mapping::{MappingState, Wanted};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

/// The file's name, and how far it is.
pub struct ReadPrompts {
    pub name: String,
    pub columns: Mapping,
    pub at: Reading,
}

impl Work for ReadPrompts {
    /// What the columns are said to be.
    type Request = (PathBuf, Mapping);
    type Event = Reading;
    type Output = Imported<Text>;
    type Error = PromptsError;

    const RULES: Rules = Rules::reading("Reading the prompts");

    fn run(
        (path, columns): (PathBuf, Mapping),
        _services: &Services,
        progress: &dyn Progress<Reading>,
    ) -> Result<Imported<Text>, PromptsError> {
        import::prompts(&path, &columns, progress)
    }
}

impl Task<Workbench> for ReadPrompts {
    fn on_event(&mut self, event: Reading, _app: &mut Workbench) {
        self.at = event;
    }

    fn done(self, prompts: Imported<Text>, app: &mut Workbench) {
        app.state.annotate.set_imported(&self.name, prompts);
    }

    fn failed(self, error: PromptsError, app: &mut Workbench) {
        match error {
            PromptsError::Table(ImportError::Stopped { .. }) => {}
            PromptsError::Columns(unmapped) => {
                let asked = MappingState::needed(Wanted::Prompts, unmapped.report, self.columns);
                app.state.mapping = Some(asked);
            }
            error @ PromptsError::Table(_) => app.state.notices.push(
                Notice::error(PanelId::Annotate, "These prompts cannot be used", &error)
                    .remedy("Choose another…", AnnotateCommand::ChoosePrompts),
            ),
        }
    }

    fn panel(&self) -> PanelId {
        PanelId::Annotate
    }

    fn activity(&self, _app: &Workbench) -> Option<Activity> {
        activity(self.at, &self.name)
    }
}
