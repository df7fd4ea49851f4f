//! Reads what a run left behind, to be shown or to be resumed.

use std::convert::Infallible;
use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::jobs::Progress;
use crate::state::prefs::PanelId;
use crate::state::train::past::RunPast;
use crate::state::train::texts::Said;
use crate::train::record::RunRecord;
use crate::train::record::confusion::{Confusion, Tested};
use crate::train::record::history::History;
use crate::train::record::round::Round;
use crate::train::record::samples;

/// Why the files of a run are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFor {
    Showing,
    Resuming,
}

pub struct ReadRun {
    pub id: String,
    pub what_for: ReadFor,
}

impl Work for ReadRun {
    /// The run's folder.
    type Request = PathBuf;
    type Event = ();
    type Output = RunPast;
    type Error = Infallible;

    const RULES: Rules = Rules::short("Reading the run");

    fn run(
        folder: PathBuf,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<RunPast, Infallible> {
        let landmarks = RunRecord::read(&folder).ok().and_then(|record| record.landmarks);
        let round = Round::last(&folder);
        let confusion = Confusion::read(&folder).pop();
        let said = Said { confusion, tested: Tested::read(&folder) };
        let past = RunPast::of(&History::read(&folder), samples::read(&folder), round);
        Ok(past.with_landmarks(landmarks).saying(said))
    }
}

impl Task<Workbench> for ReadRun {
    fn done(self, past: RunPast, app: &mut Workbench) {
        match self.what_for {
            ReadFor::Showing => app.state.train.show_run(&self.id, past),
            ReadFor::Resuming => app.resume_from(&self.id, past),
        }
    }

    fn failed(self, error: Infallible, _app: &mut Workbench) {
        match error {}
    }

    fn panel(&self) -> PanelId {
        PanelId::Train
    }
}
