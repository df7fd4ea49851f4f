//! Makes the run in the form into a folder that another engine runs.

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::training_rows::TrainingRows;
use crate::app::work::{OnClosing, Rules, Work};
use crate::elsewhere::{self, Made, Order};
use crate::jobs::{Checks, Progress};
use crate::state::command::{TrainCommand, WindowCommand};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::train::away::RunOnForm;
use crate::train::config::Objective;

#[derive(Default)]
pub struct MakeBundle {
    /// Where it is started once it is made, and what it learns: the form may be changed meanwhile.
    pub then: Option<(RunOnForm, Objective)>,
}

/// What is made; its rows are still where the person has them.
pub struct BundleToMake {
    pub order: Order,
    pub rows: TrainingRows,
}

/// Why no bundle was made.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error(transparent)]
    Bundle(#[from] elsewhere::Error),
    #[error("the data could not be put into a file")]
    Rows(#[source] std::io::Error),
}

impl Work for MakeBundle {
    type Request = BundleToMake;
    type Event = ();
    type Output = Made;
    type Error = BundleError;

    const RULES: Rules = Rules { on_closing: OnClosing::Wait, ..Rules::short("Making the bundle") };

    fn run(
        BundleToMake { mut order, rows }: BundleToMake,
        _services: &Services,
        progress: &dyn Progress<()>,
    ) -> Result<Made, BundleError> {
        let made = rows.as_file(|data| {
            order.config.data = data.to_owned();
            elsewhere::make(&order, &Checks(progress))
        });
        Ok(made.map_err(BundleError::Rows)??)
    }
}

impl Task<Workbench> for MakeBundle {
    fn done(self, made: Made, app: &mut Workbench) {
        let bundle = made.out.clone();
        let mut summary = format!("The bundle for {} was made", made.engine.name());
        for note in &made.notes {
            summary.push_str("\n• ");
            summary.push_str(note);
        }
        let notice = Notice::info(PanelId::Train, summary);
        app.state.notices.push(notice.remedy("Show the folder", WindowCommand::Reveal(made.out)));
        if let Some((form, objective)) = self.then {
            app.start_away(bundle, &form, objective);
        }
    }

    fn failed(self, error: BundleError, app: &mut Workbench) {
        let notice = Notice::error(PanelId::Train, "No bundle was made", &error);
        let again = if self.then.is_some() {
            notice.remedy("Try again", TrainCommand::RunOn)
        } else {
            notice.remedy("Make a bundle…", TrainCommand::MakeBundle)
        };
        app.state.notices.push(again);
    }

    fn panel(&self) -> PanelId {
        PanelId::Train
    }
}
