//! Reads every row of a file before it is trained on; nothing is taken over from a bad one.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::import;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::data::forms::mapping::Mapping;
use crate::data::table::{ImportError, Reading};
use crate::jobs::Progress;
use crate::state::command::TrainCommand;
use crate::state::mapping::{MappingState, Wanted};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;
use crate::state::train::form::DataFile;
use crate::train::config::Objective;
use crate::train::rows::RowsError;

/// The file's name, and how far it is.
pub struct ReadTrainingFile {
    pub name: String,
    pub objective: Objective,
    pub columns: Mapping,
    pub at: Reading,
}

impl Work for ReadTrainingFile {
    /// What the columns are said to be.
    type Request = (PathBuf, Objective, Mapping);
    type Event = Reading;
    type Output = DataFile;
    type Error = RowsError;

    const RULES: Rules = Rules::reading("Reading the training data");

    fn run(
        (path, objective, columns): Self::Request,
        _services: &Services,
        progress: &dyn Progress<Reading>,
    ) -> Result<DataFile, RowsError> {
        import::read_training_file(&path, columns, objective, progress)
    }
}

impl Task<Workbench> for ReadTrainingFile {
    fn on_event(&mut self, event: Reading, _app: &mut Workbench) {
        self.at = event;
    }

    fn done(self, file: DataFile, app: &mut Workbench) {
        app.state.train.use_file(file);
    }

    fn failed(self, error: RowsError, app: &mut Workbench) {
        match error {
            RowsError::Table(ImportError::Stopped { .. }) => {}
            RowsError::Columns(unmapped) => {
                let wanted = Wanted::Training(self.objective);
                let asked = MappingState::needed(wanted, unmapped.report, self.columns);
                app.state.mapping = Some(asked);
            }
            error => app.state.notices.push(
                Notice::error(PanelId::Train, "This file cannot be trained on", &error)
                    .remedy("Choose another…", TrainCommand::ChooseData),
            ),
        }
    }

    fn panel(&self) -> PanelId {
        PanelId::Train
    }

    fn activity(&self, _app: &Workbench) -> Option<Activity> {
        import::activity(self.at, &self.name)
    }
}
