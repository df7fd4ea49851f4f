//! Writes the votes of the room that is open: what was revealed is not lost with the window.

use std::io;
use std::path::PathBuf;

use super::keep_room::write_votes;
use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::jobs::Progress;
use crate::room::ballots::Asked;
use crate::state::prefs::PanelId;

pub struct SaveVotes;

impl Work for SaveVotes {
    /// The votes, and the folder of the room.
    type Request = (Vec<Asked>, PathBuf);
    type Event = ();
    type Output = ();
    type Error = io::Error;

    const RULES: Rules = Rules { on_closing: OnClosing::Wait, ..Rules::short("Keeping the votes") };

    fn run(
        (asked, folder): (Vec<Asked>, PathBuf),
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<(), io::Error> {
        write_votes(&asked, &folder).transpose().map(drop)
    }
}

impl Task<Workbench> for SaveVotes {
    fn done(self, (): (), _app: &mut Workbench) {}

    fn failed(self, error: io::Error, app: &mut Workbench) {
        app.tell_votes_not_kept(&error);
    }

    fn panel(&self) -> PanelId {
        PanelId::Lectures
    }
}
