//! Reads the runs of the project again.

use std::convert::Infallible;
use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::tasks::measure_run::read_comparison;
use crate::app::work::{Rules, Work};
use crate::jobs::Progress;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::train::runs::RunView;
use crate::train::record::runs;

pub struct ListRuns {
    /// The project was just opened: say which runs a crash has cut short.
    pub report_interrupted: bool,
}

/// The runs that can be read, and the folders that cannot, each with the reason.
pub struct RunList {
    pub runs: Vec<RunView>,
    pub unreadable: Vec<(PathBuf, String)>,
}

impl Work for ListRuns {
    /// The project's folder.
    type Request = PathBuf;
    type Event = ();
    type Output = RunList;
    type Error = Infallible;

    const RULES: Rules = Rules { stops_with_all: false, ..Rules::short("Listing the runs") };

    fn run(
        project: PathBuf,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<RunList, Infallible> {
        let listing = runs::list(&project);
        let runs = listing.runs.iter().map(|entry| RunView {
            comparison: read_comparison(&entry.run_dir),
            ..RunView::from(entry)
        });
        Ok(RunList { runs: runs.collect(), unreadable: listing.unreadable })
    }
}

impl Task<Workbench> for ListRuns {
    fn done(self, RunList { runs, unreadable }: RunList, app: &mut Workbench) {
        for (folder, reason) in unreadable {
            let summary = format!("{} is not a run that can be read", folder.display());
            let notice = Notice::problem(PanelId::Train, summary);
            app.state.notices.push(Notice { causes: vec![reason], ..notice });
        }
        app.state.train.set_runs(runs);
        if self.report_interrupted {
            app.report_interrupted_runs();
        }
    }

    fn failed(self, error: Infallible, _app: &mut Workbench) {
        match error {}
    }

    fn panel(&self) -> PanelId {
        PanelId::Train
    }
}
