//! Reads every configuration that was tried in the project; before that it freezes one, if asked to.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::evaluate::report::configurations::{self, OfTable};
use crate::evaluate::results::frozen::{self, FreezeError};
use crate::evaluate::results::kept;
use crate::jobs::Progress;
use crate::state::evaluate::ConfigurationsPage;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

pub struct ListConfigurations;

/// Of which project, and which evaluation is frozen, at which time.
pub struct Asked {
    pub project: PathBuf,
    pub freeze: Option<(PathBuf, String)>,
}

impl Work for ListConfigurations {
    type Request = Asked;
    type Event = ();
    type Output = Vec<OfTable>;
    type Error = FreezeError;

    const RULES: Rules =
        Rules { stops_with_all: false, ..Rules::short("Listing the configurations") };

    fn run(
        asked: Asked,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<Vec<OfTable>, FreezeError> {
        if let Some((folder, at)) = asked.freeze {
            frozen::freeze(&folder, &at)?;
        }
        configurations::all(&kept::evaluations_dir(&asked.project))
    }
}

impl Task<Workbench> for ListConfigurations {
    fn done(self, tables: Vec<OfTable>, app: &mut Workbench) {
        let before = app.state.evaluate.configurations.take().unwrap_or_default();
        app.state.evaluate.configurations = Some(ConfigurationsPage { tables, ..before });
    }

    fn failed(self, error: FreezeError, app: &mut Workbench) {
        let summary = "The configurations could not be compared or frozen";
        app.state.notices.push(Notice::error(PanelId::Evaluate, summary, &error));
    }

    fn panel(&self) -> PanelId {
        PanelId::Evaluate
    }
}
