//! Rates the models behind the answers of a study of pairs, by the verdicts of all its coders.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::errors::one_line;
use crate::eval::arena::quick_report_of_pairs;
use crate::jobs::Progress;
use crate::state::codes::{Rated, StudyRating};
use crate::state::prefs::PanelId;
use crate::study::arena::comparisons;
use crate::study::design::StudyError;
use crate::study::folder::Folder;
use crate::study::log::Use;

pub struct RateStudy {
    /// Its folder.
    pub study: PathBuf,
}

impl Work for RateStudy {
    /// The study's folder.
    type Request = PathBuf;
    type Event = ();

    /// Else why there is nothing to rate, in a sentence.
    type Output = Result<StudyRating, String>;
    type Error = StudyError;

    const RULES: Rules = Rules { gives_way: true, ..Rules::short("Rating the models") };

    fn run(
        path: PathBuf,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<Result<StudyRating, String>, StudyError> {
        // The window has it open: it is only looked at here.
        let folder = Folder::open(&path, Use::Read)?;
        Ok(comparisons(&folder).map(|found| StudyRating {
            report: quick_report_of_pairs(&found.battles.battles, &found.pairs),
            about: found.sentences().join(". "),
        }))
    }
}

impl RateStudy {
    /// Unless another study is open by now.
    fn show(&self, app: &mut Workbench, rated: Rated) {
        let codes = &mut app.state.codes;
        let is_open = codes.session.as_ref().is_some_and(|it| it.folder.path == self.study);
        if let Some(page) = codes.agreement.as_mut().filter(|_| is_open) {
            page.arena = rated;
        }
    }
}

impl Task<Workbench> for RateStudy {
    fn ended(&mut self, app: &mut Workbench) {
        app.state.codes.busy = None;
    }

    fn done(self, rated: Result<StudyRating, String>, app: &mut Workbench) {
        self.show(
            app,
            match rated {
                Ok(rated) => Rated::Ready(Box::new(rated)),
                Err(why) => Rated::Problem(why),
            },
        );
    }

    fn failed(self, error: StudyError, app: &mut Workbench) {
        self.show(app, Rated::Problem(one_line(&error)));
    }

    fn panel(&self) -> PanelId {
        PanelId::Annotate
    }
}
