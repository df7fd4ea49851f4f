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
use crate::state::train::sweep::{SweepEntry, name};
use crate::sweep::queue;
use crate::sweep::queue::State;
use crate::train::record::runs;

pub struct ListRuns {
    /// The project was just opened: say which runs a crash has cut short.
    pub report_interrupted: bool,
}

/// The runs that can be read, and the folders that cannot, each with the reason.
pub struct RunList {
    pub runs: Vec<RunView>,
    pub unreadable: Vec<(PathBuf, String)>,
    pub sweeps: Vec<SweepEntry>,

    /// Runs that a sweep resumes.
    pub of_sweeps: Vec<String>,
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
        let queues = queue::list(&project);
        let left = queues.iter().flat_map(|(_, queue)| &queue.runs).filter(|run| run.is_left());
        let of_sweeps = left.map(|run| name(&run.folder)).collect();
        let sweeps = queues.into_iter().map(|(folder, queue)| SweepEntry {
            id: name(&folder),
            folder,
            count: queue.runs.len(),
            done: queue.count(State::Done),
            failed: queue.count(State::Failed),
            left: queue.left(),
        });
        let sweeps = sweeps.collect();
        let (runs, unreadable) = (runs.collect(), listing.unreadable);
        Ok(RunList { runs, unreadable, sweeps, of_sweeps })
    }
}

impl Task<Workbench> for ListRuns {
    fn done(self, found: RunList, app: &mut Workbench) {
        let RunList { runs, unreadable, sweeps, of_sweeps } = found;
        for (folder, reason) in unreadable {
            let summary = format!("{} is not a run that can be read", folder.display());
            let notice = Notice::problem(PanelId::Train, summary);
            app.state.notices.push(Notice { causes: vec![reason], ..notice });
        }
        app.state.train.set_runs(runs);
        app.state.train.sweep.list = sweeps;
        if self.report_interrupted {
            app.report_interrupted_runs(&of_sweeps);
            app.report_open_sweeps();
        }
    }

    fn failed(self, error: Infallible, _app: &mut Workbench) {
        match error {}
    }

    fn panel(&self) -> PanelId {
        PanelId::Train
    }
}
