//! Asks a server what it can do, before its model is chosen.

use std::sync::Arc;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::jobs::Progress;
use crate::remote::client::{Client, base_of};
use crate::remote::error::RemoteError;
use crate::remote::probe::{MOST_TIME, Probe, probe};
use crate::state::command::ModelsCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

pub struct ProbeServer;

/// Which server. Its `Debug` would show the key, and there is none.
pub struct ServerToProbe {
    pub address: String,

    /// `None`: the first that it lists.
    pub model: Option<String>,

    /// As it was typed. `None`: the one that is kept, if there is one.
    pub key: Option<String>,
}

/// What was found, and the keys of all servers to be kept from now on, if one is new.
pub struct Probed {
    pub probe: Probe,
    pub keys: Option<String>,
}

impl Work for ProbeServer {
    type Request = ServerToProbe;
    type Event = ();
    type Output = Probed;
    type Error = RemoteError;

    const RULES: Rules = Rules::short("Asking the server");

    fn run(
        request: ServerToProbe,
        services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<Probed, RemoteError> {
        let ServerToProbe { address, model, key } = request;
        let base = base_of(&address)?;
        let known = key.clone().or_else(|| services.server_key(&base));
        let client = Client::new(&address, known.as_deref(), MOST_TIME)?;
        let probe = probe(&client, model.as_deref())?;
        let keys = key.map(|key| services.keep_server_key(&base, key));
        Ok(Probed { probe, keys })
    }
}

impl Task<Workbench> for ProbeServer {
    fn ended(&mut self, app: &mut Workbench) {
        app.state.models.remote.is_probing = false;
    }

    fn done(self, Probed { probe, keys }: Probed, app: &mut Workbench) {
        let remote = &mut app.state.models.remote;
        remote.model.clone_from(&probe.model);
        remote.key.clear();
        app.state.prefs.server.clone_from(&probe.address);
        remote.found = Some(Arc::new(probe));
        if let Some(keys) = keys {
            app.keep_server_keys(keys);
        }
    }

    fn failed(self, error: RemoteError, app: &mut Workbench) {
        if error.is_stop() {
            return;
        }
        app.state.models.remote.found = None;
        let notice = Notice::error(PanelId::Models, "The server could not be used", &error);
        app.state.notices.push(notice.remedy("Try again", ModelsCommand::ProbeServer));
    }

    fn panel(&self) -> PanelId {
        PanelId::Models
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        let detail = app.state.models.remote.address.clone();
        let stop = Some(ModelsCommand::StopProbing.into());
        Some(Activity { stop, ..Activity::new("Asking the server", detail) })
    }
}
