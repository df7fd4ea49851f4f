//! Reads the evaluations of the project again, and the form as it was left.

use std::convert::Infallible;
use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::evaluate::results::kept::{self, Draft, KeptList};
use crate::jobs::Progress;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

use super::read_table::{ReadTable, TableRows};

pub struct ListEvaluations {
    /// The project was just opened: the form becomes what it was.
    pub takes_draft: bool,
}

impl Work for ListEvaluations {
    /// The project's folder.
    type Request = PathBuf;
    type Event = ();
    type Output = (KeptList, Option<Draft>);
    type Error = Infallible;

    const RULES: Rules = Rules { stops_with_all: false, ..Rules::short("Listing the evaluations") };

    fn run(
        project: PathBuf,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<(KeptList, Option<Draft>), Infallible> {
        Ok((kept::list(&project), kept::read_draft(&project)))
    }
}

impl Task<Workbench> for ListEvaluations {
    fn done(self, (found, draft): (KeptList, Option<Draft>), app: &mut Workbench) {
        for (folder, reason) in found.unreadable {
            let summary = format!("{} is not an evaluation that can be read", folder.display());
            let notice = Notice::problem(PanelId::Evaluate, summary);
            app.state.notices.push(Notice { causes: vec![reason], ..notice });
        }
        app.state.evaluate.kept = found.evaluations;
        let Some(draft) = draft.filter(|_| self.takes_draft) else { return };
        app.state.evaluate.form.take_over(&draft.task, &draft.codebook, None);
        let table = draft.task.data.clone();
        app.state.evaluate.draft = Some(draft);
        app.read_all_beside();
        if !table.as_os_str().is_empty() {
            app.start_instead(ReadTable::of_draft(TableRows, &table), table);
        }
    }

    fn failed(self, error: Infallible, _app: &mut Workbench) {
        match error {}
    }

    fn panel(&self) -> PanelId {
        PanelId::Evaluate
    }
}
