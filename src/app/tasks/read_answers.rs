//! Reads prompts whose answers are there already, to be compared blind.

use std::path::{Path, PathBuf};

use crate::app::Workbench;
use crate::app::import::activity;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::data::forms::candidates::Candidates;
use crate::data::import::{self, Imported};
use crate::data::joined;
use crate::data::table::{ImportError, Reading};
use crate::jobs::Progress;
use crate::rounds::record::{ANSWERS_FILE, RoundRecord};
use crate::state::annotate::given::AnswersOfRound;
use crate::state::command::AnnotateCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

/// The file's name, and how far it is.
pub struct ReadAnswers {
    pub name: String,
    pub at: Reading,
}

impl Work for ReadAnswers {
    type Request = PathBuf;
    type Event = Reading;

    /// And the round that they are of.
    type Output = (Imported<Candidates>, Option<AnswersOfRound>);
    type Error = ImportError;

    const RULES: Rules = Rules::reading("Reading the answers");

    fn run(
        path: PathBuf,
        _services: &Services,
        progress: &dyn Progress<Reading>,
    ) -> Result<(Imported<Candidates>, Option<AnswersOfRound>), ImportError> {
        // A folder has a file for each model.
        if path.is_dir() {
            return Ok((joined::candidates(&path, progress)?, None));
        }
        Ok((import::candidates(&path, progress)?, round_of(&path)))
    }
}

/// `None`: they are any other answers.
fn round_of(path: &Path) -> Option<AnswersOfRound> {
    let folder = path.parent().filter(|_| path.ends_with(ANSWERS_FILE))?;
    let record = RoundRecord::read(folder).ok()??;
    let run = record.of.file_name()?.to_string_lossy().into_owned();
    Some(AnswersOfRound { folder: folder.to_owned(), run })
}

impl Task<Workbench> for ReadAnswers {
    fn on_event(&mut self, event: Reading, _app: &mut Workbench) {
        self.at = event;
    }

    fn done(
        self,
        (answers, round): (Imported<Candidates>, Option<AnswersOfRound>),
        app: &mut Workbench,
    ) {
        let now = app.host.seconds();
        app.state.annotate.set_candidates(&self.name, answers, now);
        app.state.annotate.round = round;
    }

    fn failed(self, error: ImportError, app: &mut Workbench) {
        if !matches!(error, ImportError::Stopped { .. }) {
            let summary = "These answers cannot be compared";
            let notice = Notice::error(PanelId::Annotate, summary, &error);
            let notice = notice.remedy("Choose another…", AnnotateCommand::ChooseAnswers);
            app.state.notices.push(notice);
        }
    }

    fn panel(&self) -> PanelId {
        PanelId::Annotate
    }

    fn activity(&self, _app: &Workbench) -> Option<Activity> {
        activity(self.at, &self.name)
    }
}
