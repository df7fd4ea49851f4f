//! Reads how a table beside the items of a survey looks: who answers, or what real people said.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::import::activity;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::data::table;
use crate::data::table::{ImportError, Reading, Report};
use crate::evaluate::survey::Beside;
use crate::jobs::Progress;
use crate::state::command::EvaluateCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

pub struct ReadBeside {
    pub beside: Beside,

    /// The file's name, and how far it is.
    pub name: String,
    pub at: Reading,

    /// The form is as an earlier start left it: a table that is gone meanwhile is said when it is used.
    pub is_draft: bool,
}

impl Work for ReadBeside {
    type Request = PathBuf;
    type Event = Reading;
    type Output = Report;
    type Error = ImportError;

    const RULES: Rules = Rules::short("Reading the table");

    fn run(
        path: PathBuf,
        _services: &Services,
        progress: &dyn Progress<Reading>,
    ) -> Result<Report, ImportError> {
        table::read(&path, progress, &mut |_, _| Ok(()))
    }
}

impl Task<Workbench> for ReadBeside {
    fn on_event(&mut self, event: Reading, _app: &mut Workbench) {
        self.at = event;
    }

    fn done(self, report: Report, app: &mut Workbench) {
        app.state.evaluate.form.survey.set_beside(self.beside, report);
    }

    fn failed(self, error: ImportError, app: &mut Workbench) {
        if !self.is_draft && !matches!(error, ImportError::Stopped { .. }) {
            app.state.notices.push(
                Notice::error(PanelId::Evaluate, "This table cannot be used", &error)
                    .remedy("Choose another…", EvaluateCommand::ChooseBeside(self.beside)),
            );
        }
    }

    fn panel(&self) -> PanelId {
        PanelId::Evaluate
    }

    fn activity(&self, _app: &Workbench) -> Option<Activity> {
        activity(self.at, &self.name)
    }
}
