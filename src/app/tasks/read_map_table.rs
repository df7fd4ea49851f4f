//! Reads which columns the table of a map has.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::data::table;
use crate::data::table::{ImportError, Reading};
use crate::jobs::Progress;
use crate::state::command::{LookInsideCommand, MapCommand};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

pub struct ReadMapTable {
    pub path: PathBuf,
}

impl Work for ReadMapTable {
    type Request = PathBuf;
    type Event = Reading;
    type Output = Vec<String>;
    type Error = ImportError;

    const RULES: Rules = Rules::short("Reading the table");

    fn run(
        path: PathBuf,
        _services: &Services,
        progress: &dyn Progress<Reading>,
    ) -> Result<Vec<String>, ImportError> {
        Ok(table::read(&path, progress, &mut |_, _| Ok(()))?.columns)
    }
}

impl Task<Workbench> for ReadMapTable {
    fn ended(&mut self, app: &mut Workbench) {
        app.state.look_inside.map.reading = false;
    }

    fn done(self, columns: Vec<String>, app: &mut Workbench) {
        app.state.look_inside.map.set_columns(self.path, columns);
    }

    fn failed(self, error: ImportError, app: &mut Workbench) {
        if !matches!(error, ImportError::Stopped { .. }) {
            app.state.notices.push(
                Notice::error(PanelId::LookInside, "This table cannot be used", &error)
                    .remedy("Choose another…", LookInsideCommand::Map(MapCommand::ChooseTable)),
            );
        }
    }

    fn panel(&self) -> PanelId {
        PanelId::LookInside
    }
}
