//! Reads the table of a sweep of the project.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::jobs::Progress;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::train::sweep::Front;
use crate::sweep::error::Error;
use crate::sweep::queue::Queue;
use crate::sweep::table::Table;

pub struct ReadSweep {
    /// The name of its folder.
    pub id: String,
}

impl Work for ReadSweep {
    /// Its folder.
    type Request = PathBuf;
    type Event = ();
    type Output = Table;
    type Error = Error;

    const RULES: Rules = Rules::short("Reading the sweep");

    fn run(
        folder: PathBuf,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<Table, Error> {
        Table::of(&folder, &Queue::read(&folder)?)
    }
}

impl Task<Workbench> for ReadSweep {
    fn done(self, table: Table, app: &mut Workbench) {
        app.state.train.sweep.standing(&self.id, table);
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        app.state.train.sweep.front = Front::Nothing;
        let summary = format!("The sweep {} could not be read", self.id);
        app.state.notices.push(Notice::error(PanelId::Train, summary, &error));
    }

    fn panel(&self) -> PanelId {
        PanelId::Train
    }
}
