//! Writes the project's pairs as preference data that TRL reads.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::data::export::{self, ExportError, Exported};
use crate::data::kept::Records;
use crate::data::record::Form;
use crate::jobs::Progress;
use crate::state::command::WindowCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

pub struct ExportPairs {
    pub path: PathBuf,
}

/// What is written, and where to.
pub struct PairsToExport {
    pub records: Records,
    pub form: Form,
    pub path: PathBuf,
}

impl Work for ExportPairs {
    type Request = PairsToExport;
    type Event = ();
    type Output = Exported;
    type Error = ExportError;

    const RULES: Rules = Rules { on_closing: OnClosing::Wait, ..Rules::short("The export") };

    fn run(
        PairsToExport { records, form, path }: PairsToExport,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<Exported, ExportError> {
        export::export(&records.read()?, form, &path)
    }
}

impl Task<Workbench> for ExportPairs {
    fn done(self, exported: Exported, app: &mut Workbench) {
        let notice = Notice::info(PanelId::Annotate, exported.sentence());
        app.state.notices.push(notice.remedy("Show the folder", WindowCommand::Reveal(self.path)));
    }

    fn failed(self, error: ExportError, app: &mut Workbench) {
        let summary = "The pairs could not be exported";
        app.state.notices.push(Notice::error(PanelId::Annotate, summary, &error));
    }

    fn panel(&self) -> PanelId {
        PanelId::Annotate
    }
}
