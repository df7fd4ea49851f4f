//! Writes the tables and the plot of a sweep, or what the learning-rate finder found, as files.

use std::io;
use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::figure::{scaling, sweep};
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::files;
use crate::jobs::Progress;
use crate::state::command::WindowCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::sweep::plot::PlotData;
use crate::sweep::report;
use crate::sweep::scaling::Scaling;
use crate::sweep::table::Table;
use crate::train::run::rates::RateTrace;

pub struct ExportSweep;

/// What is written, and where.
pub enum SweepToExport {
    Sweep { table: Table, plot: PlotData, scaling: Option<Box<Scaling>>, to: PathBuf },
    Rates { trace: RateTrace, to: PathBuf },
}

impl Work for ExportSweep {
    type Request = SweepToExport;
    type Event = ();
    type Output = PathBuf;
    type Error = io::Error;

    const RULES: Rules = Rules { on_closing: OnClosing::Wait, ..Rules::short("The export") };

    fn run(
        request: SweepToExport,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> io::Result<PathBuf> {
        match request {
            SweepToExport::Sweep { table, plot, scaling: series, to } => {
                report::write(&table, &to).map_err(io::Error::other)?;
                sweep::export(&plot, &to).map_err(|err| files::not_written(&to, &err))?;
                if let Some(series) = series {
                    scaling::export(&series, &to).map_err(|err| files::not_written(&to, &err))?;
                }
                Ok(to)
            }
            SweepToExport::Rates { trace, to } => {
                sweep::export_rates(&trace, &to).map_err(|err| files::not_written(&to, &err))?;
                Ok(to)
            }
        }
    }
}

impl Task<Workbench> for ExportSweep {
    fn done(self, folder: PathBuf, app: &mut Workbench) {
        let summary = "The numbers (CSV) and the plot (SVG, PNG) are written";
        let notice = Notice::info(PanelId::Train, summary);
        app.state.notices.push(notice.remedy("Show the folder", WindowCommand::Reveal(folder)));
    }

    fn failed(self, error: io::Error, app: &mut Workbench) {
        app.state.notices.push(
            Notice::error(PanelId::Train, "The numbers could not be exported", &error)
                .hint("Is the disk full, or the project's folder read-only?"),
        );
    }

    fn panel(&self) -> PanelId {
        PanelId::Train
    }
}
