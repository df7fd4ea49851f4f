//! Asks the Hub whether there are newer versions of the models here.

use std::collections::BTreeMap;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::hub;
use crate::hub::protocol::repository::RepoKind;
use crate::jobs::Progress;
use crate::state::command::ModelsCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

pub struct CheckUpdates;

impl Work for CheckUpdates {
    /// Repositories.
    type Request = Vec<String>;
    type Event = ();

    /// What `main` of each is now. One that is gone from the Hub is left out.
    type Output = BTreeMap<String, String>;
    type Error = hub::Error;

    const RULES: Rules = Rules::short("Looking for newer versions");

    fn run(
        repos: Vec<String>,
        services: &Services,
        progress: &dyn Progress<()>,
    ) -> Result<BTreeMap<String, String>, hub::Error> {
        let client = &services.connection()?.client;
        let mut heads = BTreeMap::new();
        for repo in repos {
            progress.check()?;
            match client.commit_of(RepoKind::Model, &repo, "main") {
                Ok(commit) => _ = heads.insert(repo, commit),
                Err(hub::Error::NotFound { .. } | hub::Error::NoAccess { .. }) => {}
                Err(err) => return Err(err),
            }
        }
        Ok(heads)
    }
}

impl Task<Workbench> for CheckUpdates {
    fn ended(&mut self, app: &mut Workbench) {
        app.state.models.checking_updates = false;
    }

    fn done(self, heads: BTreeMap<String, String>, app: &mut Workbench) {
        app.state.models.set_heads(heads);
        if app.state.models.updates() == 0 {
            let notice = Notice::info(PanelId::Models, "Every model is the newest there is");
            app.state.notices.push(notice);
        }
    }

    fn failed(self, error: hub::Error, app: &mut Workbench) {
        let summary = "The Hub could not be asked for newer versions";
        let notice = Notice::error(PanelId::Models, summary, &error);
        app.state.notices.push(notice.remedy("Try again", ModelsCommand::CheckUpdates));
    }

    fn panel(&self) -> PanelId {
        PanelId::Models
    }
}
