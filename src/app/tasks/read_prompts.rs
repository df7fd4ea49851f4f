//! Reads prompts to label from a file; nothing is taken over from a bad one.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::import::activity;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::data::import::{self, Imported};
use crate::data::pair::Text;
use crate::data::table::{ImportError, Reading};
use crate::jobs::Progress;
use crate::state::command::AnnotateCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

/// The file's name, and how far it is.
pub struct ReadPrompts {
    pub name: String,
    pub at: Reading,
}

impl Work for ReadPrompts {
    type Request = PathBuf;
    type Event = Reading;
    type Output = Imported<Text>;
    type Error = ImportError;

    const RULES: Rules = Rules::short("Reading the prompts");

    fn run(
        path: PathBuf,
        _services: &Services,
        progress: &dyn Progress<Reading>,
    ) -> Result<Imported<Text>, ImportError> {
        import::prompts(&path, progress)
    }
}

impl Task<Workbench> for ReadPrompts {
    fn on_event(&mut self, event: Reading, _app: &mut Workbench) {
        self.at = event;
    }

    fn done(self, prompts: Imported<Text>, app: &mut Workbench) {
        app.state.annotate.set_imported(&self.name, prompts);
    }

    fn failed(self, error: ImportError, app: &mut Workbench) {
        if !matches!(error, ImportError::Stopped { .. }) {
            app.state.notices.push(
                Notice::error(PanelId::Annotate, "These prompts cannot be used", &error)
                    .remedy("Choose another…", AnnotateCommand::ChoosePrompts),
            );
        }
    }

    fn panel(&self) -> PanelId {
        PanelId::Annotate
    }

    fn activity(&self, _app: &Workbench) -> Option<Activity> {
        activity(self.at, &self.name)
    }
}
