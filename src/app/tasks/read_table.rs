//! Reads how a table looks: what it was recognised as, its columns, its first rows.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::import::activity;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::data::table;
use crate::data::table::{ImportError, Reading, Report};
use crate::jobs::Progress;
use crate::state::command::EvaluateCommand;
use crate::state::evaluate::Preparing;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

/// The file's name, and how far it is.
pub struct ReadTable {
    pub name: String,
    pub at: Reading,

    /// The form is as an earlier start left it: a table that is gone meanwhile is no mistake.
    pub is_draft: bool,
}

impl Work for ReadTable {
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

impl Task<Workbench> for ReadTable {
    fn on_event(&mut self, event: Reading, app: &mut Workbench) {
        self.at = event;
        app.state.evaluate.preparing = Some((Preparing::Table, event));
    }

    fn ended(&mut self, app: &mut Workbench) {
        app.state.evaluate.preparing = None;
    }

    fn done(self, report: Report, app: &mut Workbench) {
        app.state.evaluate.form.set_table(report);
        app.state.evaluate.preview_row = 0;
    }

    fn failed(self, error: ImportError, app: &mut Workbench) {
        if !self.is_draft && !matches!(error, ImportError::Stopped { .. }) {
            app.state.notices.push(
                Notice::error(PanelId::Evaluate, "This table cannot be used", &error)
                    .remedy("Choose another…", EvaluateCommand::ChooseTable),
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
