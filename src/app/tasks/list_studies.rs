//! Looks which studies the project has.

use std::convert::Infallible;
use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::jobs::Progress;
use crate::state::codes::Listed;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::study::folder;

pub struct ListStudies;

impl Work for ListStudies {
    /// The project's folder.
    type Request = PathBuf;
    type Event = ();
    type Output = Vec<Listed>;
    type Error = Infallible;

    const RULES: Rules = Rules { stops_with_all: false, ..Rules::short("Listing the studies") };

    fn run(
        project: PathBuf,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<Vec<Listed>, Infallible> {
        let look = |path: PathBuf| match folder::look(&path) {
            Ok(folder::Look { name, items, coders }) => {
                Listed { path, name, items, coders, problem: None }
            }
            Err(err) => Listed { path, problem: Some(err.to_string()), ..Listed::default() },
        };
        Ok(folder::list(&project).into_iter().map(look).collect())
    }
}

impl Task<Workbench> for ListStudies {
    fn done(self, studies: Vec<Listed>, app: &mut Workbench) {
        for listed in &studies {
            if let Some(reason) = &listed.problem {
                let summary = format!("{} cannot be opened", listed.path.display());
                let notice = Notice::problem(PanelId::Annotate, summary);
                app.state.notices.push(Notice { causes: vec![reason.clone()], ..notice });
            }
        }
        app.state.codes.studies =
            studies.into_iter().filter(|listed| listed.problem.is_none()).collect();
        let named = |study: &Listed| (study.name.clone(), study.path.clone());
        app.state.evaluate.studies = app.state.codes.studies.iter().map(named).collect();
    }

    fn failed(self, error: Infallible, _app: &mut Workbench) {
        match error {}
    }

    fn panel(&self) -> PanelId {
        PanelId::Annotate
    }
}
