//! Decides again which labels apply, from another probability on: an evaluation of its own beside the first.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::evaluate::asking::redraw::{RedrawError, Redrawn, redraw};
use crate::jobs::{Checks, Progress};
use crate::state::command::EvaluateCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

pub struct RedrawLabels;

/// Of which evaluation, and how.
pub struct LabelsToRedraw {
    pub folder: PathBuf,
    pub threshold: f64,

    /// RFC 3339, UTC.
    pub at: String,
}

impl Work for RedrawLabels {
    type Request = LabelsToRedraw;
    type Event = ();
    type Output = Redrawn;
    type Error = RedrawError;

    const RULES: Rules = Rules { on_closing: OnClosing::Wait, ..Rules::short("Other labels") };

    fn run(
        LabelsToRedraw { folder, threshold, at }: LabelsToRedraw,
        _services: &Services,
        progress: &dyn Progress<()>,
    ) -> Result<Redrawn, RedrawError> {
        redraw(&folder, threshold, &at, &Checks(progress))
    }
}

impl Task<Workbench> for RedrawLabels {
    fn done(self, redrawn: Redrawn, app: &mut Workbench) {
        app.list_evaluations();
        app.state.notices.push(Notice::info(PanelId::Evaluate, redrawn.sentence()));
        app.handle(EvaluateCommand::OpenKept(redrawn.folder.clone()));
        app.handle(EvaluateCommand::Report(redrawn.folder));
    }

    fn failed(self, error: RedrawError, app: &mut Workbench) {
        let summary = "The labels could not be decided again";
        app.state.notices.push(Notice::error(PanelId::Evaluate, summary, &error));
    }

    fn panel(&self) -> PanelId {
        PanelId::Evaluate
    }
}
