//! Works out which models are preferred, from comparisons in pairs.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::data::battles::{self, BattlesError};
use crate::data::kept::Records;
use crate::data::table::Reading;
use crate::eval::arena::{ArenaReport, quick_report};
use crate::jobs::Progress;
use crate::state::annotate::arena::ArenaPage;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

/// What was asked: a file's name, and how many verdicts the project had.
pub struct RateModels {
    pub file: Option<String>,
    pub verdicts: usize,
}

/// Where the comparisons come from.
pub enum Comparisons {
    Verdicts(Records),
    File(PathBuf),
}

impl Work for RateModels {
    type Request = Comparisons;
    type Event = Reading;

    /// `None`: no verdict says which two models it compares.
    type Output = Option<ArenaReport>;
    type Error = BattlesError;

    const RULES: Rules = Rules { gives_way: true, ..Rules::short("Rating the models") };

    fn run(
        comparisons: Comparisons,
        _services: &Services,
        progress: &dyn Progress<Reading>,
    ) -> Result<Option<ArenaReport>, BattlesError> {
        let battles = match comparisons {
            Comparisons::Verdicts(records) => battles::of_records(&records)?,
            Comparisons::File(path) => battles::read(&path, progress)?,
        };
        if battles.battles.is_empty() {
            return Ok(None);
        }
        Ok(Some(quick_report(&battles.battles)))
    }
}

impl Task<Workbench> for RateModels {
    fn ended(&mut self, app: &mut Workbench) {
        app.state.annotate.arena.busy = false;
    }

    fn done(self, report: Option<ArenaReport>, app: &mut Workbench) {
        let annotate = &mut app.state.annotate;
        let problem = report.is_none().then(|| {
            "No verdict of this project compares two models. Compare the base model with an \
             adapter, or answers of a file that names its models"
                .to_owned()
        });
        let (file, verdicts) = (self.file, self.verdicts);
        let busy = annotate.arena.busy;
        annotate.arena = ArenaPage { report, file, problem, busy, verdicts };
        if annotate.prefers() {
            annotate.prefer_next(annotate.arena.next());
        }
    }

    fn failed(self, error: BattlesError, app: &mut Workbench) {
        let summary = "These comparisons cannot be rated";
        app.state.notices.push(Notice::error(PanelId::Annotate, summary, &error));
    }

    fn panel(&self) -> PanelId {
        PanelId::Annotate
    }
}
