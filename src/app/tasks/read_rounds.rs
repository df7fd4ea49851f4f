//! Reads the rounds that a run is in, or takes what people said of one of them.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::jobs::Progress;
use crate::rounds::chain::{InRow, row_of};
use crate::rounds::error::Error;
use crate::rounds::make::with_verdicts;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

pub struct ReadRounds {
    /// The run that was asked for.
    pub id: String,

    /// The round whose verdicts are taken in, by its folder.
    pub taken: Option<PathBuf>,
}

/// A run and the folder of the project's rounds. `verdicts`: of a round, by its folder, and the project's verdicts.
pub struct RoundsToRead {
    pub run_dir: PathBuf,
    pub rounds: PathBuf,
    pub verdicts: Option<(PathBuf, PathBuf)>,
}

impl Work for ReadRounds {
    type Request = RoundsToRead;
    type Event = ();
    type Output = Vec<InRow>;
    type Error = Error;

    const RULES: Rules = Rules::short("Reading the rounds");

    fn run(
        RoundsToRead { run_dir, rounds, verdicts }: RoundsToRead,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<Vec<InRow>, Error> {
        if let Some((folder, verdicts)) = verdicts {
            with_verdicts(&folder, &verdicts)?;
        }
        row_of(&run_dir, Some(&rounds))
    }
}

impl Task<Workbench> for ReadRounds {
    fn done(self, row: Vec<InRow>, app: &mut Workbench) {
        let mut answered = row.iter().filter_map(|one| one.answered_in.as_ref());
        let taken = answered.find(|(folder, _)| Some(folder) == self.taken.as_ref());
        if let Some((_, record)) = taken {
            // What was told when its answers were written is no longer so.
            app.state.notices.push(Notice::info(PanelId::Train, record.sentences().join(". ")));
        }
        let rounds = &mut app.state.train.rounds;
        if rounds.of.as_ref() == Some(&self.id) {
            rounds.row = Some(row);
        }
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        let rounds = &mut app.state.train.rounds;
        if rounds.row.is_none() {
            rounds.close();
        }
        let summary = "The rounds could not be read";
        app.state.notices.push(Notice::error(PanelId::Train, summary, &error));
    }

    fn panel(&self) -> PanelId {
        PanelId::Train
    }
}
