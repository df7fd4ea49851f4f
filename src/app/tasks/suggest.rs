//! Looks for names near to one that was not found.

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::errors::one_line;
use crate::hub;
use crate::hub::browse::search;
use crate::hub::protocol::repository::RepoKind;
use crate::jobs::Progress;
use crate::state::prefs::PanelId;

pub struct Suggest;

impl Work for Suggest {
    type Request = (RepoKind, String);
    type Event = ();
    type Output = Vec<String>;
    type Error = hub::Error;

    const RULES: Rules = Rules::short("The search for near names");

    fn run(
        (kind, words): (RepoKind, String),
        services: &Services,
        progress: &dyn Progress<()>,
    ) -> Result<Vec<String>, hub::Error> {
        search::suggest(&services.connection()?.client, kind, &words, progress)
    }
}

impl Task<Workbench> for Suggest {
    fn ended(&mut self, app: &mut Workbench) {
        app.state.hub.results.seeking_near = false;
    }

    fn done(self, near: Vec<String>, app: &mut Workbench) {
        app.state.hub.results.near = near;
    }

    /// That nothing was found is said already.
    fn failed(self, error: hub::Error, _app: &mut Workbench) {
        log::info!("near names: {}", one_line(&error));
    }

    fn panel(&self) -> PanelId {
        PanelId::Models
    }
}
