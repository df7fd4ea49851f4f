//! Searches the Hub.

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::errors::causes;
use crate::hub;
use crate::hub::browse::search::{self, Page, Query};
use crate::jobs::Progress;
use crate::state::hub::results::Phase;
use crate::state::prefs::PanelId;

/// The search under way. A new one takes its place, so that an old answer is never heard.
pub struct Search;

impl Work for Search {
    /// A question, and the address of the page that follows, if it is one.
    type Request = (Query, Option<String>);
    type Event = ();
    type Output = Page;
    type Error = hub::Error;

    const RULES: Rules = Rules::short("The search");

    fn run(
        (query, next): (Query, Option<String>),
        services: &Services,
        progress: &dyn Progress<()>,
    ) -> Result<Page, hub::Error> {
        search::search(&services.connection()?.client, &query, next.as_deref(), progress)
    }
}

impl Task<Workbench> for Search {
    fn done(self, page: Page, app: &mut Workbench) {
        app.state.hub.results.on_page(page);
        app.suggest_near_names();
    }

    fn failed(self, error: hub::Error, app: &mut Workbench) {
        let results = &mut app.state.hub.results;
        match error {
            hub::Error::Cancelled(_) => results.phase = Phase::Idle,
            error => results.on_failure(causes(&error)),
        }
        app.suggest_near_names();
    }

    fn crashed(self, message: &str, app: &mut Workbench) {
        app.state.hub.results.on_failure(vec![message.to_owned()]);
    }

    fn panel(&self) -> PanelId {
        PanelId::Models
    }
}
