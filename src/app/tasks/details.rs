//! Reads what there is to know about one repository of the Hub.

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::errors::causes;
use crate::hub;
use crate::hub::browse::details;
use crate::hub::browse::details::DetailEvent;
use crate::hub::fetch::queue::Help;
use crate::hub::protocol::repository::RepoKind;
use crate::jobs::Progress;
use crate::state::prefs::PanelId;

/// The repository that is looked at; another takes its place.
pub struct ReadDetails;

impl Work for ReadDetails {
    type Request = (RepoKind, String);
    type Event = DetailEvent;
    type Output = ();
    type Error = hub::Error;

    const RULES: Rules = Rules::short("Reading about the repository");

    fn run(
        (kind, id): (RepoKind, String),
        services: &Services,
        progress: &dyn Progress<DetailEvent>,
    ) -> Result<(), hub::Error> {
        let connection = services.connection()?;
        details::details(&connection.client, &connection.paths, kind, &id, progress)
    }
}

impl Task<Workbench> for ReadDetails {
    fn on_event(&mut self, event: DetailEvent, app: &mut Workbench) {
        let memory = app.state.models.memory;
        if let Some(detail) = &mut app.state.hub.detail {
            detail.on_event(event, memory);
        }
    }

    fn ended(&mut self, app: &mut Workbench) {
        if let Some(detail) = &mut app.state.hub.detail {
            detail.asking = false;
        }
    }

    fn done(self, (): (), _app: &mut Workbench) {}

    fn failed(self, error: hub::Error, app: &mut Workbench) {
        let Some(detail) = &mut app.state.hub.detail else { return };
        let help = match &error {
            hub::Error::Cancelled(_) => return,
            hub::Error::NoAccess { .. } => {
                let page = app.engine.hub_page(detail.kind, &detail.id);
                Help::Access { page, has_token: app.state.hub.settings.token_from.is_some() }
            }
            hub::Error::Offline => Help::GoOnline,
            _ => Help::TryAgain,
        };
        detail.failure = Some((causes(&error), help));
    }

    fn panel(&self) -> PanelId {
        PanelId::Models
    }
}
