//! Reads how a table of texts looks, for a new study.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::import::activity;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::data::joined;
use crate::data::table::{self, ImportError, Reading, Report};
use crate::jobs::Progress;
use crate::state::codes::setup::What;
use crate::state::command::CodesCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

pub struct ReadStudyTable {
    pub what: What,
    pub name: String,
    pub at: Reading,
}

impl Work for ReadStudyTable {
    type Request = (What, PathBuf);
    type Event = Reading;
    type Output = Report;
    type Error = ImportError;

    const RULES: Rules = Rules::reading("Reading the table");

    fn run(
        (what, path): (What, PathBuf),
        _services: &Services,
        progress: &dyn Progress<Reading>,
    ) -> Result<Report, ImportError> {
        if what == What::Pairs {
            let mut report = joined::candidate_rows(&path, progress)?.report;
            if path.is_dir() {
                // Of several files: none of the columns is that of a prompt.
                report.columns.clear();
                report.first.clear();
            }
            return Ok(report);
        }
        table::read(&path, progress, &mut |_, _| Ok(()))
    }
}

impl Task<Workbench> for ReadStudyTable {
    fn on_event(&mut self, event: Reading, _app: &mut Workbench) {
        self.at = event;
    }

    fn ended(&mut self, app: &mut Workbench) {
        app.state.codes.busy = None;
    }

    fn done(self, report: Report, app: &mut Workbench) {
        if app.state.codes.setup.what() == self.what {
            app.state.codes.setup.set_table(report);
        }
    }

    fn failed(self, error: ImportError, app: &mut Workbench) {
        if !matches!(error, ImportError::Stopped { .. }) {
            app.state.notices.push(
                Notice::error(PanelId::Annotate, "This table cannot be used", &error)
                    .remedy("Choose another…", CodesCommand::ChooseTable),
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
