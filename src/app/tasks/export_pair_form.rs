//! Writes the project's pairs in another program's form.

use std::io;
use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::data::kept::Records;
use crate::data::pair_forms::{self, PairForm};
use crate::files;
use crate::jobs::Progress;
use crate::state::command::WindowCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

pub struct ExportPairForm {
    pub path: PathBuf,
}

impl Work for ExportPairForm {
    type Request = (Records, PairForm, PathBuf);
    type Event = ();

    /// How many verdicts were written, and of how many.
    type Output = [usize; 2];
    type Error = io::Error;

    const RULES: Rules = Rules { on_closing: OnClosing::Wait, ..Rules::short("The export") };

    fn run(
        (records, form, path): (Records, PairForm, PathBuf),
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<[usize; 2], io::Error> {
        let records = records.read().map_err(io::Error::other)?;
        Ok([pair_forms::write(&records, form, &path)?, records.len()])
    }
}

impl Task<Workbench> for ExportPairForm {
    fn done(self, [written, all]: [usize; 2], app: &mut Workbench) {
        let summary =
            format!("{written} of {all} verdicts were written to {}", self.path.display());
        let notice = Notice::info(PanelId::Annotate, summary);
        app.state.notices.push(notice.remedy("Show the folder", WindowCommand::Reveal(self.path)));
    }

    fn failed(self, error: io::Error, app: &mut Workbench) {
        let summary = "The verdicts could not be exported";
        let error = files::not_written(&self.path, &error);
        let notice = Notice::error(PanelId::Annotate, summary, &error);
        app.state.notices.push(notice.hint("Is the disk full, or the project's folder read-only?"));
    }

    fn panel(&self) -> PanelId {
        PanelId::Annotate
    }
}
